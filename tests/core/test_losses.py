"""Each loss against its formula, written out in numpy on small arrays."""

import numpy as np
import pytest
import torch

from seqmatte.training import losses, losses_trimap


@pytest.fixture
def pair():
    dice = np.random.default_rng(3)
    return dice.random((2, 1, 32, 48), np.float32), dice.random((2, 1, 32, 48), np.float32)


def as_tensors(*arrays):
    return [torch.from_numpy(a) for a in arrays]


def test_alpha_l1_is_the_mean_absolute_difference(pair):
    assert losses.alpha_l1(*as_tensors(*pair)).item() == pytest.approx(np.abs(pair[0] - pair[1]).mean(), rel=1e-5)


def test_composition_is_the_error_of_the_composite_in_linear_light(pair):
    dice = np.random.default_rng(4)
    front, back = dice.random((2, 3, 32, 48), np.float32), dice.random((2, 3, 32, 48), np.float32)
    found, true = (a * front + (1 - a) * back for a in pair)
    assert losses.composition(*as_tensors(*pair, front, back)).item() == pytest.approx(
        np.abs(found - true).mean(), rel=1e-4
    )


def test_composition_does_not_let_a_lamp_outweigh_the_picture(pair):
    front, back = np.full((2, 3, 32, 48), 60, np.float32), np.zeros((2, 3, 32, 48), np.float32)
    assert losses.composition(*as_tensors(*pair, front, back)).item() == pytest.approx(
        np.abs(pair[0] - pair[1]).mean(), rel=1e-4
    )


def blurred(x, gain=1.0):
    line = np.array([1, 4, 6, 4, 1]) / 16
    kernel = np.outer(line, line) * gain
    padded = np.pad(x, 2, mode="reflect")
    return sum(kernel[i, j] * padded[i : i + x.shape[0], j : j + x.shape[1]] for i in range(5) for j in range(5))


def pyramid(x, levels):
    for _ in range(levels):
        down = blurred(x)[::2, ::2]
        spread = np.zeros_like(x)
        spread[::2, ::2] = down
        yield x - blurred(spread, 4.0)
        x = down


def test_the_laplacian_loss_weighs_each_level_twice_the_finer_one(pair):
    total = 0.0
    for level in range(3):
        differences = []
        for found, true in zip(pair[0][:, 0], pair[1][:, 0], strict=True):
            a = list(pyramid(found.astype(np.float64), 3))[level]
            t = list(pyramid(true.astype(np.float64), 3))[level]
            differences.append(np.abs(a - t).mean())
        total += 2**level * np.mean(differences)
    assert losses.laplacian(*as_tensors(*pair), levels=3).item() == pytest.approx(total / 3, rel=1e-4)


def test_the_gradient_loss_compares_steepness_by_forward_differences(pair):
    def steepness(x):
        dx, dy = np.zeros_like(x), np.zeros_like(x)
        dx[..., :-1], dy[..., :-1, :] = np.diff(x, axis=-1), np.diff(x, axis=-2)
        return np.sqrt(dx**2 + dy**2 + 1.001e-5)

    expected = np.abs(steepness(pair[0]) - steepness(pair[1])).mean()
    assert losses.gradient(*as_tensors(*pair)).item() == pytest.approx(expected, rel=1e-4)


def test_the_temporal_loss_is_the_mean_square_of_the_difference_of_frame_steps():
    dice = np.random.default_rng(5)
    found, true = dice.random((2, 4, 1, 8, 8), np.float32), dice.random((2, 4, 1, 8, 8), np.float32)
    expected = ((np.diff(found, axis=1) - np.diff(true, axis=1)) ** 2).mean()
    assert losses.temporal(*as_tensors(found, true)).item() == pytest.approx(expected, rel=1e-5)


def test_a_constant_error_costs_nothing_in_time():
    true = torch.rand(1, 3, 1, 8, 8)
    assert losses.temporal(true + 0.2, true).item() == pytest.approx(0, abs=1e-10)


def test_memory_supervision_adds_the_coarse_and_the_moved_alphas_errors(pair):
    coarse = np.random.default_rng(6).normal(size=(2, 1, 2, 3)).astype(np.float32)
    low = pair[1].reshape(2, 1, 2, 16, 3, 16).mean((3, 5))
    expected = np.abs(1 / (1 + np.exp(-coarse)) - low).mean() + np.abs(pair[0] - pair[1]).mean()
    assert losses.memory(*as_tensors(coarse, *pair)).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("share", [1.0, 0.25])
def test_the_bootstrapped_loss_is_the_cross_entropy_of_the_hardest_pixels(share):
    dice = np.random.default_rng(7)
    logits, alpha = dice.normal(size=(2, 1, 8, 8)).astype(np.float32), dice.random((2, 1, 8, 8), np.float32)
    target = alpha > 0.5
    each = np.log1p(np.exp(np.where(target, -logits, logits))).reshape(2, -1)
    hardest = np.sort(each, axis=1)[:, -int(64 * share) :]
    assert losses.bootstrapped(*as_tensors(logits, alpha), share).item() == pytest.approx(hardest.mean(), rel=1e-4)


def test_the_hardest_share_falls_in_a_straight_line():
    shares = [losses.hardest_share(step, 100, 300) for step in (0, 100, 200, 300, 900)]
    assert shares == pytest.approx([1, 1, 0.575, 0.15, 0.15])


def test_doubt_is_least_where_the_logits_say_the_error(pair):
    alpha, truth = as_tensors(*pair)
    error = torch.nn.functional.adaptive_avg_pool2d((alpha - truth).abs(), (8, 12))
    right = losses.doubt(error.logit(), alpha, truth)
    assert right < losses.doubt(error.logit() + 0.5, alpha, truth)
    assert right < losses.doubt(error.logit() - 0.5, alpha, truth)


def test_exclusion_is_the_quarter_power_of_shared_edges_over_three_scales():
    dice = np.random.default_rng(8)
    pictures = [dice.random((2, 3, 16, 16), np.float32) for _ in range(2)]
    total = 0.0
    for axis in (2, 3):
        f, b = (p.astype(np.float64) for p in pictures)
        each = np.zeros(2)
        for _ in range(3):
            df, db = np.zeros_like(f), np.zeros_like(b)
            inner = (slice(None), slice(None), slice(None, -1)) if axis == 2 else (..., slice(None, -1))
            df[inner], db[inner] = np.diff(f, axis=axis), np.diff(b, axis=axis)
            balance = 2 * np.abs(df).mean() / (np.abs(db).mean() + 1.001e-5)
            own, other = np.tanh(df / 2), np.tanh(balance * db / 2)
            each += ((own**2 * other**2).mean((1, 2, 3)) + 1.001e-5) ** 0.25
            f, b = (x.reshape(2, 3, x.shape[2] // 2, 2, -1, 2).mean((3, 5)) for x in (f, b))
        total += (each / 3).mean()
    assert losses_trimap.exclusion(*as_tensors(*pictures)).item() == pytest.approx(total, rel=1e-4)


def test_losses_of_the_unknown_region_count_nothing_else():
    truth, unknown = torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8)
    unknown[..., :4, :] = 1
    alpha = torch.full_like(truth, 0.5)
    assert losses_trimap.dim_alpha(alpha, truth, unknown) == pytest.approx(0.5 * 32 / 33)
    assert losses_trimap.gca_alpha(alpha, truth, unknown) == pytest.approx(0.5)
    assert losses_trimap.gca_alpha(alpha, truth, torch.zeros_like(unknown)) == 0
    layers = losses_trimap.Truth(truth, torch.full((1, 3, 8, 8), 0.8), torch.full((1, 3, 8, 8), 0.2), unknown)
    assert losses_trimap.dim_composition(alpha, layers) == pytest.approx(0.3 * 32 / 33)


def test_fba_losses_vanish_at_the_truth_and_exclude_edges_that_both_layers_have():
    generator = torch.Generator().manual_seed(3)
    alpha, unknown = torch.rand(1, 1, 96, 96, generator=generator), torch.ones(1, 1, 96, 96)
    edges, flat = torch.rand(1, 3, 96, 96, generator=generator), torch.full((1, 3, 96, 96), 0.5)
    truth = losses_trimap.Truth(alpha, edges, flat, unknown)
    distance, scales, _ = losses_trimap.frame_terms("fba", torch.cat((alpha, edges, flat), 1), truth)
    assert distance < 1e-6
    assert scales == 0
    assert losses_trimap.exclusion(edges, edges) > 3 * losses_trimap.exclusion(edges, flat)
