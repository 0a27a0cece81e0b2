"""Foreground and background unmixed: against truth, against pymatting, in any light, with any number of threads."""

from __future__ import annotations

import numpy as np
import pymatting
import pytest
import torch

from core.soft_edges import blob
from core.test_solver import planes, threads
from seqmatte.clean_plate import CleanPlate, with_clean_plate
from seqmatte.foreground import _most_light, foreground_background, premultiplied


def rows(tensor):
    return tensor.permute(1, 2, 0).numpy()


def unmixed(scene):
    return foreground_background(planes(scene.plate), torch.from_numpy(scene.alpha))


def test_smooth_colours_are_found_again_behind_a_soft_edge():
    scene = blob()
    foreground, background = (rows(x) for x in unmixed(scene))
    soft = (scene.alpha > 0.2) & (scene.alpha < 0.8)
    assert np.abs(foreground - scene.foreground)[soft].mean() < 0.02
    assert np.abs(background - scene.background)[soft].mean() < 0.03


def test_it_is_no_worse_than_pymattings():
    scene = blob(120, 160, light=6.0, grain=0.01)
    ours = [rows(x) for x in unmixed(scene)]
    theirs = pymatting.estimate_foreground_ml(
        scene.plate.astype(np.float64), scene.alpha.astype(np.float64), return_background=True
    )
    soft = (scene.alpha > 0.05) & (scene.alpha < 0.95)
    for found, oracle, truth in zip(ours, theirs, (scene.foreground, scene.background), strict=True):
        assert np.abs(found - truth)[soft].mean() < 1.05 * np.abs(oracle - truth)[soft].mean()


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 3), (33, 200), (170, 65)])
def test_any_size_gives_finite_colours_that_explain_the_plate(size):
    random = torch.Generator().manual_seed(0)
    plate, alpha = torch.rand(3, *size, generator=random), torch.rand(*size, generator=random)
    foreground, background = foreground_background(plate, alpha)
    assert foreground.shape == background.shape == plate.shape
    assert torch.isfinite(foreground).all() and torch.isfinite(background).all()
    assert (alpha * foreground + (1 - alpha) * background - plate).abs().mean() < 0.2


def test_the_plate_is_the_foreground_where_alpha_is_one_and_the_background_where_it_is_none():
    scene = blob(200, 260)
    foreground, background = (rows(x) for x in unmixed(scene))
    assert (foreground[scene.alpha == 1] == scene.plate[scene.alpha == 1]).all()
    assert (background[scene.alpha == 0] == scene.plate[scene.alpha == 0]).all()


def test_negative_and_very_bright_light_pass_through():
    scene = blob(light=3000.0)
    scene.plate[:5] = -0.25
    foreground, background = (rows(x) for x in unmixed(scene))
    made = rows(
        premultiplied(planes(scene.plate), torch.from_numpy(scene.alpha), planes(foreground), planes(background))
    )
    assert np.isfinite(made).all()
    assert background.min() <= -0.25 and background.max() > 1000


def test_a_lamp_beside_a_soft_edge_does_not_turn_the_foreground_black():
    scene = blob(120, 160)
    truth = scene.alpha[..., None] * scene.foreground
    lit = scene.background.copy()
    lit[40:50, :] = 30.0
    plate = planes(truth + (1 - scene.alpha[..., None]) * lit)
    alpha = torch.from_numpy(scene.alpha)
    foreground, background = foreground_background(plate, alpha)
    assert foreground.min() >= 0 and background.min() >= 0
    made = rows(premultiplied(plate, alpha, foreground, background))
    beside = np.zeros_like(scene.alpha, bool)
    beside[30:40], beside[50:60] = True, True
    beside &= (scene.alpha > 0) & (scene.alpha < 1)
    assert np.abs(made - truth)[beside].mean() < 0.02
    assert made.min() > -0.05


def test_the_straight_foreground_goes_on_behind_a_lamp_that_stands_apart():
    scene = blob(120, 160)
    plate = scene.plate.copy()
    plate[8:18, 130:140] = 30.0
    foreground, _ = foreground_background(planes(plate), torch.from_numpy(scene.alpha))
    with_lamp, beside = rows(foreground)[8:18, 130:140], rows(foreground)[24:34, 130:140]
    assert with_lamp.min() > 0.5 * beside.min() > 0.02


def test_a_lamp_that_alpha_took_a_share_of_stays_with_the_background():
    scene = blob(160, 200)
    y, x = np.mgrid[:160, :200]
    lamp = np.hypot(y - 80, x - 160) < 6
    lit = np.where(lamp[..., None], 20.0, scene.background)
    a = scene.alpha[..., None]
    plate = planes(a * scene.foreground + (1 - a) * lit)
    wrong = np.where(lamp, 0.3, scene.alpha).astype(np.float32)
    taken = torch.from_numpy(wrong)
    made = rows(premultiplied(plate, taken, *foreground_background(plate, taken)))
    assert made[lamp].max() < 1.0


def test_a_dark_subject_that_mostly_stands_before_a_bright_window_takes_little_of_its_light():
    opacity = ((blob(160, 200).alpha - 0.5) * 3 + 0.5).clip(0, 1)
    y, x = np.mgrid[:160, :200]
    window = ((x > 60) & (y > 20) & (y < 130))[..., None] * np.ones(3)
    a = opacity[..., None]
    plate, alpha = planes(a * 0.05 + (1 - a) * np.where(window > 0, 40.0, 0.1)), torch.from_numpy(opacity)
    foreground, background = foreground_background(plate, alpha)
    soft = (opacity > 0.3) & (opacity < 0.95)
    assert rows(foreground)[soft].max() < 1
    assert np.quantile(rows(premultiplied(plate, alpha, foreground, background))[soft], 0.95) < 0.2


def test_a_rim_that_is_lit_from_behind_keeps_its_light():
    scene = blob(160, 200)
    edge = ((scene.alpha > 0) & (scene.alpha < 0.98))[..., None]
    front = np.where(edge, 4.0, 0.05) * np.ones(3, np.float32)
    a = scene.alpha[..., None]
    plate, alpha = planes(a * front + (1 - a) * scene.background), torch.from_numpy(scene.alpha)
    foreground = rows(foreground_background(plate, alpha)[0])
    assert foreground[(scene.alpha > 0.3) & (scene.alpha < 0.9)].mean() > 3.2


def test_a_veil_over_a_very_large_plate_is_unmixed():
    plate, alpha = torch.full((3, 4200, 4096), 0.5), torch.full((4200, 4096), 0.6)
    most = _most_light(plate, alpha, 3.0)
    assert torch.allclose(most, torch.tensor(1.0))


def test_a_subject_that_the_frame_cuts_keeps_its_colour_up_to_the_frame():
    scene = blob(300, 400)
    cut = [np.ascontiguousarray(x[100:, :]) for x in (scene.plate, scene.alpha, scene.foreground)]
    foreground = rows(foreground_background(planes(cut[0]), torch.from_numpy(cut[1]))[0])
    soft = (cut[1] > 0.3) & (cut[1] < 0.9)
    assert soft[0].any()
    off = np.abs(foreground - cut[2]).mean(2)
    assert off[:2][soft[:2]].mean() < 0.02


def test_the_matte_over_its_own_background_gives_the_plate_with_its_grain():
    scene = blob(100, 140, grain=0.02)
    plate, alpha = planes(scene.plate), torch.from_numpy(scene.alpha)
    foreground, background = unmixed(scene)
    made = premultiplied(plate, alpha, foreground, background)
    again = made + (1 - alpha) * background
    assert (again - plate).abs()[:, alpha > 0.25].max() < 1e-5
    assert torch.equal(made[:, alpha == 1], plate[:, alpha == 1])
    assert (made[:, alpha == 0] == 0).all()


def test_a_clean_plate_replaces_the_guessed_background_where_it_agrees():
    scene = blob(100, 140)
    # A pattern behind the edge that nobody could guess.
    stripes = 0.2 * (np.arange(140) // 3 % 2).astype(np.float32)[None, :, None]
    a = scene.alpha[..., None]
    plate = planes(scene.plate + (1 - a) * stripes)
    clean, alpha = planes(scene.background + stripes), torch.from_numpy(scene.alpha)
    guess = foreground_background(plate, alpha)
    known = with_clean_plate(plate, alpha, *guess, CleanPlate.beside(plate, alpha, clean))
    soft = torch.from_numpy((scene.alpha > 0.3) & (scene.alpha < 0.95))
    truth = planes(scene.foreground)
    before, after = ((found[0] - truth).abs()[:, soft].mean() for found in (guess, known))
    assert after < 0.5 * before


def test_a_clean_plate_of_another_set_is_not_believed():
    scene = blob(100, 140)
    plate, alpha = planes(scene.plate), torch.from_numpy(scene.alpha)
    guess = foreground_background(plate, alpha)
    strange = CleanPlate.beside(plate, alpha, 3 * planes(scene.background) + 0.5)
    known = with_clean_plate(plate, alpha, *guess, strange)
    for before, after in zip(guess, known, strict=True):
        assert (before - after).abs().max() < 1e-3


def test_the_number_of_threads_changes_no_byte():
    scene = blob(300, 400, grain=0.01)
    with threads(1):
        alone = torch.cat(unmixed(scene))
    with threads(4):
        together = torch.cat(unmixed(scene))
    assert torch.equal(alone, together)
