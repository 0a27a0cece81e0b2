"""The closed-form method: sure where sure, steady along time, resumable bit for bit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from core.soft_edges import Composite, blob, plate_layers, trimap_layer, view
from core.test_solver import threads
from seqmatte.device import Device
from seqmatte.layer import Layer, single
from seqmatte.methods.closed_form import ClosedForm

HEIGHT, WIDTH = 96, 128


def opened(**params: Any) -> ClosedForm:
    method = ClosedForm(ClosedForm.Params(**{"steps": 40, **params}))
    method.open(Device("cpu"))
    return method


def look(composite: Composite, frame: int = 1, trimap: Layer | None = None):
    return view(frame, **plate_layers(composite), trimap=trimap or trimap_layer(composite))


def moving(count: int, grain: float) -> list[Composite]:
    """Frames with grain of their own and a texture that flow can hold on to."""
    frames = []
    for number in range(count):
        scene = blob(HEIGHT, WIDTH, shift=1.5 * number)
        noise = np.random.default_rng(number).standard_normal(scene.plate.shape) * grain
        weave = 0.1 * cv2.GaussianBlur(np.random.default_rng(99).standard_normal((HEIGHT, WIDTH)), (0, 0), 2)
        weave = np.roll(weave, round(1.5 * number), 1)[..., None] * scene.alpha[..., None]
        frames.append(Composite(np.float32(scene.plate + noise + weave), *list(scene.__dict__.values())[1:]))
    return frames


def walked(method: ClosedForm, scenes: list[Composite], state: object = None) -> tuple[object, list[Layer]]:
    made = []
    for number, scene in enumerate(scenes):
        state, layer = method.step(state, look(scene, number))
        made.append(layer)
    return state, made


def test_a_bare_trimap_becomes_alpha_near_the_truth_and_exact_where_it_is_sure():
    scene = blob(HEIGHT, WIDTH)
    method = opened()
    _, layer = method.step(method.start([]), look(scene))
    alpha = layer["A"]
    assert np.abs(alpha - scene.alpha).mean() < 0.003
    assert (alpha[scene.trimap == 1] == 1).all() and (alpha[scene.trimap == 0] == 0).all()
    assert layer.channels == ("A", "confidence")
    assert 0 < layer.facts["confidence"] < 1
    assert layer.facts["correction"] == 0


def test_where_the_guide_is_certain_of_its_soft_value_it_stands():
    scene = blob(HEIGHT, WIDTH)
    soft = np.full_like(scene.trimap, 0.3)
    pixels = np.stack((scene.trimap, np.where(scene.unknown, soft, scene.trimap), np.ones_like(soft)), 2)
    guided = Layer(pixels, ("trimap", "alpha", "confidence"))
    _, layer = opened().step(None, look(scene, trimap=guided))
    assert np.abs(layer["A"] - 0.3)[scene.unknown].max() < 0.005


def test_a_guess_of_no_confidence_changes_nothing():
    scene = blob(HEIGHT, WIDTH)
    wrong = np.where(scene.unknown, 1 - scene.alpha, scene.trimap)
    sure = np.where(scene.unknown, 0, 1)
    guided = Layer(np.stack((scene.trimap, wrong, sure), 2).astype(np.float32), ("trimap", "alpha", "confidence"))
    _, alone = opened().step(None, look(scene))
    _, layer = opened().step(None, look(scene, trimap=guided))
    assert np.abs(layer["A"] - alone["A"]).max() < 0.02


def test_confidence_is_low_where_the_guess_and_the_picture_disagree():
    scene = blob(HEIGHT, WIDTH)
    facts = []
    for guess in (scene.alpha, 1 - scene.alpha):
        pixels = np.stack((scene.trimap, guess, np.where(scene.unknown, 0.2, 1)), 2).astype(np.float32)
        _, layer = opened().step(None, look(scene, trimap=Layer(pixels, ("trimap", "alpha", "confidence"))))
        facts.append(layer["confidence"][scene.unknown].mean())
    assert facts[1] < facts[0] - 0.1


def test_the_edge_leans_on_the_last_frame_where_the_picture_has_become_blind():
    """The subject's colour behind it: alone the band is a guess, with the last frame it is what it was."""
    seen = blob(HEIGHT, WIDTH, grain=0.002)
    weave = cv2.GaussianBlur(np.random.default_rng(9).standard_normal((HEIGHT, WIDTH)), (0, 0), 1.5)
    blind = replace(seen, plate=np.float32(0.3 + 0.1 * weave[..., None] + 0 * seen.plate))
    method = opened(steadiness=1.0)
    state, _ = method.step(None, look(seen))
    held = replace(state, luma=method.step(None, look(blind))[0].luma)
    _, steady = method.step(held, look(blind))
    _, alone = method.step(None, look(blind))
    wrong_steady, wrong_alone = (np.abs(x["A"] - seen.alpha)[seen.unknown].mean() for x in (steady, alone))
    assert wrong_steady < 0.7 * wrong_alone


def test_what_the_last_frame_brings_gives_way_to_a_sure_guess_against_it():
    """A lamp came out from behind the fur: the last frame says subject, the guide says background."""
    scene = blob(HEIGHT, WIDTH)
    weave = cv2.GaussianBlur(np.random.default_rng(9).standard_normal((HEIGHT, WIDTH)), (0, 0), 1.5)
    blind = replace(scene, plate=np.float32(0.3 + 0.1 * weave[..., None] + 0 * scene.plate))
    method = opened(widening=0.0, steadiness=1.0)
    state, _ = method.step(None, look(blind))
    brought = replace(state, alpha=np.where(scene.unknown, 1, scene.trimap).astype(np.float32))
    found = []
    for sureness in (0.0, 0.12):
        guess = np.stack((scene.trimap, scene.trimap == 1, np.where(scene.unknown, sureness, 1)), 2)
        guided = Layer(guess.astype(np.float32), ("trimap", "alpha", "confidence"))
        found.append(method.step(brought, look(blind, trimap=guided))[1]["A"][scene.unknown].mean())
    assert found[0] > 0.8
    assert found[1] < 0.5


def test_steadiness_does_not_blur_an_edge_that_the_picture_tells():
    scenes = moving(4, grain=0.005)
    errors = [
        np.mean([np.abs(a["A"] - s.alpha).mean() for a, s in zip(walked(method, scenes)[1], scenes, strict=True)])
        for method in (opened(steadiness=0.0), opened())
    ]
    assert errors[1] < 1.1 * errors[0]


def test_nothing_of_the_last_frame_is_kept_over_a_cut():
    def woven(seed: int) -> Composite:
        scene = blob(HEIGHT, WIDTH, shift=20.0 * seed)
        weave = cv2.GaussianBlur(np.random.default_rng(seed).standard_normal((HEIGHT, WIDTH)), (0, 0), 1.5)
        return replace(scene, plate=np.float32(scene.plate + 0.1 * weave[..., None]))

    before, after = woven(0), woven(1)
    method = opened()
    state, _ = method.step(None, look(before))
    _, cut = method.step(state, look(after))
    _, fresh = method.step(None, look(after))
    assert np.abs(cut["A"] - fresh["A"]).mean() < 0.002


def test_a_frame_on_which_nothing_can_be_seen_keeps_the_matte_that_was_there_and_is_not_remembered():
    before, after = moving(2, grain=0.002)
    black = replace(before, plate=np.zeros_like(before.plate))
    method = opened()
    state, last = method.step(None, look(before))
    unseen = replace(trimap_layer(before), facts={"unseen": 1})
    waited, held = method.step(state, look(black, trimap=unseen))
    assert np.array_equal(held["A"], last["A"])
    assert held["confidence"].max() <= 0.5
    made = [method.step(one, look(after))[1].pixels.tobytes() for one in (state, waited)]
    assert made[0] == made[1]
    assert method.step(None, look(black, trimap=unseen))[0] is None


def test_a_walk_resumed_from_its_frozen_state_gives_the_same_bytes():
    scenes = moving(4, grain=0.01)
    method = opened()
    _, whole = walked(method, scenes)
    state, _ = walked(method, scenes[:2])
    frozen = {name: array.copy() for name, array in method.freeze(state).items()}
    other = opened()
    _, resumed = walked(other, scenes[2:], other.thaw(frozen))
    for a, b in zip(whole[2:], resumed, strict=True):
        assert a.pixels.tobytes() == b.pixels.tobytes()


def test_the_state_before_the_first_frame_can_be_frozen_too():
    method = opened()
    assert method.thaw(method.freeze(method.start([]))) is None


def test_the_number_of_threads_changes_no_byte():
    scenes = moving(2, grain=0.01)
    before = cv2.getNumThreads()
    made = []
    for count in (1, 4):
        cv2.setNumThreads(count)
        with threads(count):
            made.append(walked(opened(), scenes)[1][-1].pixels.tobytes())
    cv2.setNumThreads(before)
    assert made[0] == made[1]


@pytest.mark.parametrize("size", [(1, 1), (2, 40), (17, 19), (33, 65)])
def test_small_and_odd_plates_are_solved(size):
    random = np.random.default_rng(0)
    plate = random.random((*size, 3)).astype(np.float32)
    trimap = np.full(size, 0.5, np.float32)
    trimap[0, 0] = 1
    layers = {"plate": Layer(plate, ("R", "G", "B")), "trimap": single(trimap, "trimap")}
    method = opened()
    state, _ = method.step(None, view(1, **layers))
    _, layer = method.step(state, view(2, **layers))
    assert np.isfinite(layer.pixels).all() and layer["A"].min() >= 0 and layer["A"].max() <= 1


def test_a_subject_that_left_the_frame_leaves_an_empty_matte():
    scene = blob(HEIGHT, WIDTH)
    empty = replace(scene, plate=scene.background)
    gone = Layer(np.zeros((HEIGHT, WIDTH, 1), np.float32), ("trimap",))
    method = opened()
    state, _ = method.step(None, look(scene))
    state, first = method.step(state, look(empty, trimap=gone))
    _, second = method.step(state, look(empty, trimap=gone))
    assert first["A"].mean() < 0.05
    assert second["A"].max() < 0.02


def test_a_guide_that_drifted_off_the_edge_is_mended_by_the_last_frames_alpha():
    scene = blob(HEIGHT, WIDTH, grain=0.002)
    drifted = single(np.roll(scene.trimap, 12, 1), "trimap")
    errors = []
    for widening in (0.0, 6.0):
        method = opened(widening=widening)
        state, _ = method.step(None, look(scene))
        _, layer = method.step(state, look(scene, trimap=drifted))
        errors.append(np.abs(layer["A"] - scene.alpha).mean())
    assert errors[1] < 0.5 * errors[0]
