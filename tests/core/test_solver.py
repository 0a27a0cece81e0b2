"""The closed-form solver against pymatting, against truth, and against itself with other threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pymatting
import pytest
import torch

from core.soft_edges import Composite, blob
from seqmatte import laplacian
from seqmatte.band import band_of
from seqmatte.solver import Effort, Task, solve


def task_of(composite: Composite, **changes: object) -> Task:
    known = torch.from_numpy(composite.trimap)
    nothing = torch.zeros_like(known)
    task = Task(planes(composite.plate), known == 0.5, known, known, nothing)
    return Task(**{**task.__dict__, **changes})


def planes(picture):
    return torch.from_numpy(picture).permute(2, 0, 1).contiguous()


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def laplacian_times(picture, vector, epsilon, mask=None):
    band = band_of(torch.ones(vector.shape, dtype=torch.bool) if mask is None else mask)
    # A floor that drowns the window's own brightness makes epsilon the paper's constant one.
    rows = laplacian.stencil(band, planes(picture), epsilon / 1e12, 1e6)
    made = torch.zeros_like(band.canvas(vector[None]))
    band.put(made, laplacian.product(band, rows, band.canvas(vector[None]))[:, None])
    return band.picture(made)[0]


@pytest.mark.parametrize("shape", [(40, 50), (33, 31), (64, 96), (3, 3)])
def test_the_laplacian_equals_pymattings(shape):
    random = np.random.default_rng(1)
    picture = random.random((*shape, 3)).astype(np.float32)
    vector = torch.from_numpy(random.random(shape).astype(np.float32))
    truth = pymatting.cf_laplacian(picture.astype(np.float64), epsilon=1e-3) @ vector.double().ravel().numpy()
    made = laplacian_times(picture, vector, 1e-3)
    assert np.abs(made.ravel().numpy() - truth).max() < 2e-5


def test_tiles_outside_the_band_are_left_out_and_those_inside_do_not_notice():
    random = np.random.default_rng(2)
    picture = random.random((128, 160, 3)).astype(np.float32)
    vector = torch.from_numpy(random.random((128, 160)).astype(np.float32))
    mask = torch.zeros(128, 160, dtype=torch.bool)
    mask[40:50, 100:130] = True
    assert len(band_of(mask)) == 2
    whole, part = laplacian_times(picture, vector, 1e-3), laplacian_times(picture, vector, 1e-3, mask)
    assert torch.equal(part[mask], whole[mask])


def test_the_laplacian_of_a_perfectly_flat_plate_is_finite_and_blind_to_constants():
    flat = np.full((40, 40, 3), 0.5, np.float32)
    rows = laplacian.stencil(band_of(torch.ones(40, 40, dtype=torch.bool)), planes(flat), 1e-7, 0.03)
    assert torch.isfinite(rows).all()
    made = laplacian_times(flat, torch.full((40, 40), 3.0), 1e-6)
    assert made.abs().max() < 1e-4


def test_alpha_is_pymattings_where_both_solve_the_same_equations():
    scene = blob(grain=0.002)
    truth = pymatting.estimate_alpha_cf(
        scene.plate.clip(0, 1).astype(np.float64),
        scene.trimap.astype(np.float64),
        laplacian_kwargs={"epsilon": 1e-5},
    )
    clipped = Composite(scene.plate.clip(0, 1), *list(scene.__dict__.values())[1:])
    made = solve(task_of(clipped), Effort(epsilon=1e-5 / 1e12, floor=1e6, steps=2000, tolerance=1e-5))
    assert np.abs(made.numpy() - truth).mean() < 2e-3


@pytest.mark.parametrize("light", [1.0, 40.0])
def test_alpha_is_right_beside_ordinary_and_hot_light(light):
    scene = blob(90, 120, light=light)
    made = solve(task_of(scene)).numpy()
    assert np.abs(made - scene.alpha)[scene.unknown].mean() < 0.01


def test_sure_pixels_stay_exactly_as_given():
    scene = blob()
    made = solve(task_of(scene)).numpy()
    assert (made[scene.trimap == 0] == 0).all()
    assert (made[scene.trimap == 1] == 1).all()
    assert made.min() >= 0 and made.max() <= 1


def test_a_trimap_without_a_band_comes_back_as_it_is():
    known = torch.zeros(20, 20)
    known[5:10] = 1
    task = Task(torch.rand(3, 20, 20), known > 2, known, known, torch.zeros(20, 20))
    assert torch.equal(solve(task), known)


def test_a_wholly_unknown_picture_without_a_prior_does_not_fail():
    half = torch.full((70, 70), 0.5)
    task = Task(torch.rand(3, 70, 70), half > 0, half, half, torch.zeros(70, 70))
    assert torch.isfinite(solve(task)).all()


def test_a_prior_decides_where_the_picture_says_nothing():
    grey = torch.full((3, 64, 64), 0.4)
    known = torch.full((64, 64), 0.5)
    known[:8] = 0
    known[-8:] = 1
    prior = (torch.arange(64)[:, None] > 40).float().expand(64, 64).contiguous()
    free = Task(grey, known == 0.5, known, prior, torch.zeros(64, 64))
    held = Task(grey, known == 0.5, known, prior, torch.full((64, 64), 1e5))
    assert (solve(held)[known == 0.5] - prior[known == 0.5]).abs().max() < 1e-3
    assert (solve(free)[30] - prior[30]).abs().max() > 0.2


def test_the_number_of_threads_changes_no_byte():
    scene = blob(150, 200, grain=0.01)
    task = task_of(scene, weight=torch.full((150, 200), 1e-3))
    with threads(1):
        alone = solve(task)
    with threads(4):
        together = solve(task)
    assert torch.equal(alone, together)


def test_the_product_of_two_bands_is_the_same_with_any_number_of_threads():
    random = torch.Generator().manual_seed(0)
    a, b = (torch.rand(200, 32, 32, generator=random) for _ in range(2))
    with threads(1):
        alone = laplacian.dot(a, b)
    with threads(3):
        together = laplacian.dot(a, b)
    assert alone == together == pytest.approx(float((a.double() * b.double()).sum()), rel=1e-6)
