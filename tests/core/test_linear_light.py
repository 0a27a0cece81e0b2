"""Alpha found on encoded light, made right for linear light."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from core.soft_edges import blob
from core.test_solver import planes
from seqmatte.encoding import Encoding
from seqmatte.linear_light import corrected


def alpha_in_encoded_light(scene, encoding):
    """The alpha that solves E(I) = a E(F) + (1 - a) E(B): what a network trained on encoded composites would give."""
    i, f, b = (encoding.encode(x) for x in (scene.plate, scene.foreground, scene.background))
    return np.clip(((i - b) * (f - b)).sum(2) / ((f - b) ** 2).sum(2).clip(1e-9), 0, 1).astype(np.float32)


def against(background_gain):
    """The blob with its background so many times as bright."""
    scene = blob(120, 160)
    background, a = scene.background * np.float32(background_gain), scene.alpha[..., None]
    return replace(scene, background=background, plate=a * scene.foreground + (1 - a) * background)


@pytest.mark.parametrize(
    "gain, encoding", [(0.05, Encoding()), (0.1, Encoding(0.0, 0.5, 16.0)), (40.0, Encoding(0.0, 0.5, 64.0))]
)
def test_most_of_the_error_of_encoded_light_is_taken_back(gain, encoding):
    scene = against(gain)
    wrong = alpha_in_encoded_light(scene, encoding)
    right = corrected(planes(encoding.encode(scene.plate)), torch.from_numpy(wrong), encoding, 1.0).numpy()
    soft = (scene.alpha > 0.02) & (scene.alpha < 0.98)
    before, after = (np.abs(a - scene.alpha)[soft].mean() for a in (wrong, right))
    assert before > 0.03
    assert after < 0.4 * before


def test_half_the_strength_goes_half_the_way():
    scene, encoding = blob(), Encoding()
    wrong = torch.from_numpy(alpha_in_encoded_light(scene, encoding))
    picture = planes(encoding.encode(scene.plate))
    full, half = (corrected(picture, wrong, encoding, strength) for strength in (1.0, 0.5))
    assert torch.allclose(half, (wrong + full) / 2, atol=1e-6)
    assert torch.equal(corrected(picture, wrong, encoding, 0.0), wrong)


def test_sure_pixels_stay_exactly_sure():
    scene, encoding = blob(), Encoding()
    made = corrected(planes(encoding.encode(scene.plate)), torch.from_numpy(scene.alpha), encoding, 1.0).numpy()
    assert (made[scene.alpha == 0] == 0).all() and (made[scene.alpha == 1] == 1).all()
