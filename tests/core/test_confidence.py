"""Confidence: what it says of a pixel, and what of a frame."""

import cv2
import numpy as np
import pytest

from seqmatte import confidence
from seqmatte.layer import Layer


def disc(size, radius, soft=2.0):
    rows, columns = np.mgrid[:size, :size] - (size - 1) / 2
    return np.clip((radius - np.hypot(rows, columns)) / soft + 0.5, 0, 1).astype(np.float32)


def number(alpha, sure):
    return confidence.of_frame(float(alpha.mean()), float(sure.mean()))


def trimap_layer(alpha, guess, sure):
    band = np.where((alpha > 0) & (alpha < 1), 0.5, alpha)
    return Layer(np.stack((band, guess, np.full_like(band, sure)), 2), ("trimap", "alpha", "confidence"))


def test_a_frame_s_number_goes_by_the_matte_and_not_by_how_much_picture_is_around_it():
    alpha = disc(200, 60)
    wide = cv2.copyMakeBorder(alpha, 0, 0, 150, 150, cv2.BORDER_CONSTANT)
    near, far = (number(one, confidence.alone(one)) for one in (alpha, wide))
    assert far == pytest.approx(near, abs=0.005)


def test_a_frame_that_the_subject_has_left_is_not_doubted_for_it():
    empty = np.zeros((90, 160), np.float32)
    assert number(empty, confidence.alone(empty)) == 1
    assert number(empty, np.full_like(empty, 0.9999)) > 0.9


def test_a_matte_that_the_other_opinion_contradicts_is_doubted_by_the_share_that_differs():
    alpha = disc(200, 60)
    shifted = np.roll(alpha, 12, 1)
    alike, apart = (
        confidence.judged(alpha, (alpha, other), trimap_layer(alpha, alpha, 1), None) for other in (alpha, shifted)
    )
    assert number(alpha, apart) < number(alpha, alike) - 0.05
    assert (apart[np.abs(alpha - shifted) == 1] < 0.5).all()
    assert ((apart >= 0) & (apart <= 1)).all()


def test_what_an_artist_drew_as_alpha_is_sure_to_the_last_wisp():
    alpha = disc(100, 30, soft=20)
    assert (confidence.beside_guess(alpha, trimap_layer(alpha, alpha, 1)) == 1).all()
    doubted = confidence.beside_guess(alpha, trimap_layer(alpha, alpha, 0.3))
    assert (doubted[(alpha > 0) & (alpha < 1)] < 1).all()


def test_only_a_picture_in_which_nothing_varies_is_blank():
    grey = np.full((100, 180, 3), 0.4, np.float32)
    assert confidence.blank(grey)
    assert not confidence.blank(grey + 0.05 * disc(180, 40)[:100, :, None])


def test_a_guide_says_something_of_a_plain_picture_that_shows_a_small_subject():
    drawn, plain = disc(400, 4), np.full((400, 400, 3), 0.4, np.float32)
    shown = plain + 0.2 * drawn[..., None]
    assert confidence.blank(shown)
    assert confidence.unseen(plain, drawn)
    assert not confidence.unseen(shown, drawn)
