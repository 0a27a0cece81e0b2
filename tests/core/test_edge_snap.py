"""A soft guess brought to the plate's edges: nearer the truth, and never over what an artist drew."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from core.soft_edges import blob, plate_layers, view
from core.test_solver import threads
from seqmatte.confidence import of_frame
from seqmatte.device import Device
from seqmatte.layer import Layer, single
from seqmatte.methods.edge_snap import EdgeSnap

HEIGHT, WIDTH = 96, 128


def snapped(scene, guess, guide=None, **params):
    method = EdgeSnap(EdgeSnap.Params(**params))
    method.open(Device("cpu"))
    sure = np.full_like(guess, 0.7)
    layer = Layer(np.stack((guess, sure), 2), ("alpha", "confidence"))
    _, made = method.step(method.start([]), view(guess=layer, guide=guide, **plate_layers(scene)))
    return made


def blurred(alpha, sigma=3.0):
    return cv2.GaussianBlur(alpha, (0, 0), sigma)


@pytest.mark.parametrize("light", [1.0, 40.0])
def test_a_blurred_guess_comes_much_nearer_the_truth(light):
    scene = blob(HEIGHT, WIDTH, light=light)
    guess = blurred(scene.alpha, 2)
    made = snapped(scene, guess)["A"]
    assert np.abs(made - scene.alpha).mean() < 0.5 * np.abs(guess - scene.alpha).mean()


def test_far_from_every_edge_the_guess_stands():
    scene = blob(HEIGHT, WIDTH)
    made = snapped(scene, blurred(scene.alpha, 1))["A"]
    assert set(np.unique(made[scene.trimap == 1])) == {1}
    assert set(np.unique(made[:8])) == {0}


def test_a_firm_hold_leaves_the_guess_as_it_is_and_confidence_is_passed_on():
    scene = blob(HEIGHT, WIDTH)
    guess = blurred(scene.alpha)
    made = snapped(scene, guess, hold=10.0, hold_sure=10.0)
    edge = (guess > 0.02) & (guess < 0.98)
    assert np.abs(made["A"] - guess)[edge].mean() < 0.25 * np.abs(scene.alpha - guess)[edge].mean()
    assert made["confidence"].min() == made["confidence"].max() == np.float32(0.7)
    assert made.facts["confidence"] == pytest.approx(of_frame(made["A"].mean(), 0.7), abs=1e-6)


def test_what_an_artist_is_sure_of_stays_and_an_alpha_is_not_touched_at_all():
    scene = blob(HEIGHT, WIDTH)
    wrong = 1 - scene.alpha
    made = snapped(scene, wrong, single(scene.trimap, "trimap"))["A"]
    assert np.array_equal(made[~scene.unknown], scene.trimap[~scene.unknown])
    given = blurred(scene.alpha, 5)
    assert np.array_equal(snapped(scene, wrong, single(given, "alpha"))["A"], given)


def test_a_mask_fixes_nothing_because_it_is_a_few_pixels_off():
    scene = blob(HEIGHT, WIDTH)
    mask = (scene.alpha > 0.9).astype(np.float32)
    guess = blurred(scene.alpha)
    assert np.array_equal(snapped(scene, guess, single(mask, "mask"))["A"], snapped(scene, guess)["A"])


@pytest.mark.parametrize("value", [0.0, 1.0, 0.5])
def test_guesses_without_an_edge_or_all_edge_are_solved_all_the_same(value):
    scene = blob(HEIGHT, WIDTH)
    made = snapped(scene, np.full_like(scene.alpha, value))["A"]
    assert np.isfinite(made).all()
    assert value == 0.5 or (made == value).all()


def test_threads_do_not_change_a_bit():
    scene = blob(HEIGHT, WIDTH, grain=0.01)
    guess = blurred(scene.alpha)
    with threads(1):
        alone = snapped(scene, guess)["A"]
    with threads(2):
        assert np.array_equal(alone, snapped(scene, guess)["A"])
