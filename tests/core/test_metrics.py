"""The figures: papers' series against reference vectors, and the default score against its definitions."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest

from seqmatte import metrics, metrics_published, scores
from seqmatte.errors import SeqmatteError

PARITY = Path(os.environ.get("SEQMATTE_PARITY_DIR") or Path(__file__).parents[1] / "parity")
HEIGHT, WIDTH = 32, 40


@pytest.fixture(scope="module")
def vectors():
    with np.load(PARITY / "metrics.npz") as held:
        return dict(held)


@pytest.fixture(scope="module")
def clip(vectors):
    names = ("pred_u8", "true_u8", "trimap_u8", "flow", "fgr_pred_u8", "fgr_true_u8")
    return metrics_published.Clip(*(vectors[name] for name in names))


@pytest.mark.parametrize("name", metrics_published.names())
def test_a_published_series_gives_the_reference_figures(name, clip, vectors):
    np.testing.assert_allclose(metrics_published.published(name, clip), vectors[name], rtol=1e-6, atol=1e-5)


def test_every_series_of_the_vectors_is_published(vectors):
    inputs = {"meta", "flow"} | {name for name in vectors if name.endswith("_u8")}
    assert set(vectors) - inputs == set(metrics_published.names())


def test_an_unknown_series_lists_those_there_are(clip):
    with pytest.raises(SeqmatteError, match="rvm_mad"):
        metrics_published.published("rvm_mud", clip)


def disc(x, y=15.5, radius=8.0):
    """A soft disc, exact in position."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return np.clip(radius - np.hypot(columns - x, rows - y) + 0.5, 0, 1).astype(np.float32)


MOVING = [disc(14.0 + 2 * t) for t in range(4)]


def test_a_perfect_matte_scores_zero_everywhere():
    result = scores.score(MOVING, MOVING)
    assert [getattr(result, name) for name in scores.METRICS] == [0.0] * 7


def test_the_means_and_roots_are_those_of_the_definitions():
    noise = np.random.default_rng(5).normal(0, 0.1, (4, HEIGHT, WIDTH)).astype(np.float32)
    result = scores.score([truth + n for truth, n in zip(MOVING, noise, strict=True)], MOVING)
    assert result.MAD == pytest.approx(1000 * np.abs(noise).mean(), rel=1e-4)
    assert result.MSE == pytest.approx(1000 * np.square(noise).mean(), rel=1e-4)
    assert result.SAD == pytest.approx(np.abs(noise).sum() / 4 / 1000, rel=1e-4)
    change = np.square(np.diff(noise, axis=0)).mean(axis=(1, 2))
    assert result.dtSSD == pytest.approx(100 * np.sqrt(change).mean(), rel=1e-4)


def test_a_constant_offset_costs_accuracy_but_nothing_over_time():
    result = scores.score([truth + 0.25 for truth in MOVING], MOVING)
    assert result.MAD == pytest.approx(250, rel=1e-5)
    assert result.dtSSD == pytest.approx(0, abs=1e-4)


def test_a_vertical_edge_has_a_sobel_gradient_of_four():
    edge = np.zeros((HEIGHT, WIDTH), np.float32)
    edge[:, 20:] = 1
    result = scores.score([edge], [np.zeros_like(edge)])
    assert result.Grad == pytest.approx(2 * HEIGHT * 16 / 1000)


def test_an_island_off_the_subject_costs_connectivity_and_a_soft_rim_does_not():
    truth = disc(20.0)
    island = truth.copy()
    island[2:6, 2:6] = 1
    assert metrics.connectivity_error(island, truth) == pytest.approx(16)
    assert metrics.connectivity_error(np.maximum(truth - 0.04, 0), truth) == pytest.approx(0)


def test_of_equal_components_the_first_by_columns_or_by_rows_is_taken():
    mask = np.zeros((6, 6), bool)
    mask[0, 4:6] = True
    mask[4:6, 0] = True
    assert metrics.largest_component(mask)[4, 0]
    assert metrics.largest_component(mask, first_by_rows=True)[0, 4]
    assert not metrics.largest_component(np.zeros((4, 4), bool)).any()


def test_an_error_that_travels_with_the_subject_costs_less_than_one_that_flickers():
    still = scores.score([truth * 0.8 for truth in MOVING], MOVING)
    flickering = scores.score([truth * (0.8 + 0.2 * (t % 2)) for t, truth in enumerate(MOVING)], MOVING)
    assert still.MESSDdt < 0.5 * flickering.MESSDdt


def test_a_flow_that_is_not_known_leaves_its_pixels_out():
    flow = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    wrong = MOVING[0] + 0.5
    assert metrics.motion_error(wrong, MOVING[0], MOVING[0], MOVING[0], flow) == pytest.approx(
        0.25 * HEIGHT * WIDTH, rel=1e-5
    )
    flow[:, 10:] = np.nan
    assert metrics.motion_error(wrong, MOVING[0], MOVING[0], MOVING[0], flow) == pytest.approx(
        0.25 * HEIGHT * 10, rel=1e-5
    )


def test_warping_samples_between_pixels_and_is_zero_outside():
    ramp = np.tile(np.arange(WIDTH, dtype=np.float64), (HEIGHT, 1))
    flow = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    flow[..., 0] = 1.5
    moved = metrics.warp(ramp, flow)
    np.testing.assert_allclose(moved[:, :-2], ramp[:, :-2] + 1.5)
    np.testing.assert_allclose(moved[:, -1], 0)


def test_the_flow_of_the_plate_is_used_where_plates_are_given():
    """Plates that stand still say that the error stood still, whatever the true alpha does."""
    wrong = [truth + 0.3 for truth in MOVING]
    plates = [np.full((HEIGHT, WIDTH, 3), 0.5)] * 4
    assert scores.score(wrong, MOVING, plates).MESSDdt == pytest.approx(0, abs=1e-5)
    with pytest.raises(SeqmatteError, match="ends before picture 4"):
        scores.score(wrong, MOVING, plates[:3])


def test_a_clip_is_read_one_frame_at_a_time():
    taken = []

    def frames():
        for t, truth in enumerate(MOVING):
            taken.append(t)
            yield truth

    rows = scores.frame_scores(frames(), iter(MOVING))
    next(rows)
    assert taken == [0]


def test_a_single_frame_has_no_temporal_figures_and_says_so():
    result = scores.score(MOVING[:1], MOVING[:1])
    assert math.isnan(result.dtSSD)
    assert result.as_dict()["dtSSD"] is None
    assert result.table().splitlines()[1].split() == ["1", *["0.000"] * 5, "-", "-"]


def test_the_table_and_the_json_hold_every_frame():
    result = scores.score([truth * 0.9 for truth in MOVING], MOVING)
    held = json.loads(json.dumps(result.as_dict()))
    assert [frame["MAD"] for frame in held["frames"]] == [frame.MAD for frame in result.frames]
    lines = result.table(range(1001, 1001 + len(result.frames))).splitlines()
    assert [line.split()[0] for line in lines] == ["frame", "1001", "1002", "1003", "1004", "mean"]


@pytest.mark.parametrize(
    ("alphas", "truths", "says"),
    [
        ([], [], "nothing to score"),
        (MOVING[:2], MOVING, "ends before picture 3"),
        ([MOVING[0][:-1]], [MOVING[0]], "40x31, 40x32"),
        ([MOVING[0][..., None]], [MOVING[0]], "one channel"),
        ([MOVING[0] * np.nan], [MOVING[0]], "picture 1 holds a value that is not finite"),
        ([MOVING[0], MOVING[0][:20]], [MOVING[0], MOVING[0][:20]], "picture 2 is 40x20"),
    ],
)
def test_what_cannot_be_compared_is_named(alphas, truths, says):
    with pytest.raises(SeqmatteError, match=says):
        scores.score(alphas, truths)
