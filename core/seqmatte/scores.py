"""A clip's scores against its truth: per frame, over time, and as one table.

The default of the command line: float alphas, whole picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from itertools import count, zip_longest

import numpy as np
import numpy.typing as npt

from seqmatte.errors import SeqmatteError
from seqmatte.metrics import (
    Alpha,
    absolute_error,
    connectivity_error,
    motion,
    motion_error,
    sobel_magnitude,
    squared_error,
    temporal_squared_error,
)


@dataclass(frozen=True)
class FrameScore:
    """One frame's figures, whole picture; the two temporal ones compare it with the frame just before, else NaN.

    MAD, MSE: means x 1000. SAD, Grad, Conn: sums / 1000. dtSSD: root mean square x 100. MESSDdt: sum / 1000.
    """

    MAD: float
    MSE: float
    SAD: float
    Grad: float
    Conn: float
    dtSSD: float = math.nan
    MESSDdt: float = math.nan


METRICS = tuple(f.name for f in fields(FrameScore))


@dataclass(frozen=True)
class Score(FrameScore):
    """The means of a clip, and its frames in `frames`. A clip of one frame has NaN for dtSSD and MESSDdt."""

    frames: tuple[FrameScore, ...] = ()

    def as_dict(self, numbers: Iterable[int] | None = None) -> dict[str, object]:
        """For JSON: the means by name, `frames` as a list of the same with their numbers; NaN becomes None."""
        rows = [{name: _or_none(getattr(row, name)) for name in METRICS} for row in (self, *self.frames)]
        counted = zip(self._numbers(numbers), rows[1:], strict=True)
        return {**rows[0], "frames": [{"frame": number, **row} for number, row in counted]}

    def table(self, numbers: Iterable[int] | None = None) -> str:
        """Text: a row per frame with its number, and the means below; a word on frames between which others lie."""
        names = [*map(str, self._numbers(numbers)), "mean"]
        width = max(map(len, ("frame", *names)))
        lines = [" ".join([f"{'frame':>{width}}", *(f"{name:>9}" for name in METRICS)])]
        for name, row in zip(names, (*self.frames, self), strict=True):
            lines.append(" ".join([f"{name:>{width}}", *(_cell(getattr(row, metric)) for metric in METRICS)]))
        if any(math.isnan(row.dtSSD) for row in self.frames[1:]):
            lines[-1] += "  (-: the frame just before is not scored, so there is no change to compare)"
        return "\n".join(lines)

    def _numbers(self, numbers: Iterable[int] | None) -> list[int]:
        """Those of the frames; from 1 on where none are told."""
        return list(numbers) if numbers is not None else list(range(1, len(self.frames) + 1))


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value


def _cell(value: float) -> str:
    return f"{'-':>9}" if math.isnan(value) else f"{value:9.3f}"


def score(
    alphas: Iterable[Alpha],
    truths: Iterable[Alpha],
    plates: Iterable[npt.NDArray[np.floating]] | None = None,
    numbers: Iterable[int] | None = None,
) -> Score:
    """Scores a clip against its truth; reads frame by frame and keeps two.

    alphas, truths: H x W float, in the same order. plates: H x W x 3 display colour, 0..1, for MESSDdt's flow;
    without them the flow is that of the true alphas. numbers: of the frames, all neighbours where none are told: only
    those that follow each other are compared over time. MAD = 1000 mean|a - t|; MSE = 1000 mean (a - t)^2;
    Grad = sum (|grad a| - |grad t|)^2 / 1000 with 3 x 3 Sobel; dtSSD = 100 sqrt(mean of squared differences
    of frame differences), averaged over pairs; MESSDdt = `motion_error` with `motion` / 1000; Conn =
    `connectivity_error` / 1000. Raises SeqmatteError where counts or sizes differ or a value is not finite.
    """
    rows = tuple(frame_scores(alphas, truths, plates, numbers))
    if not rows:
        raise SeqmatteError("there is nothing to score: no frame was given")
    means = {}
    for name in METRICS:
        known = [v for v in (getattr(row, name) for row in rows) if not math.isnan(v)]
        means[name] = sum(known) / len(known) if known else math.nan
    return Score(**means, frames=rows)


def frame_scores(
    alphas: Iterable[Alpha],
    truths: Iterable[Alpha],
    plates: Iterable[npt.NDArray[np.floating]] | None = None,
    numbers: Iterable[int] | None = None,
) -> Iterator[FrameScore]:
    """The rows of `score`, one at a time."""
    streams = [alphas, truths] + ([] if plates is None else [plates])
    before: tuple[Alpha, Alpha, Alpha] | None = None
    counted, last = iter(numbers) if numbers is not None else count(), -1
    for index, pictures in enumerate(zip_longest(*streams)):
        _check(index, pictures)
        alpha, truth = pictures[0], pictures[1]
        seen = pictures[-1] if plates is not None else truth
        if before is not None and before[0].shape != alpha.shape:
            raise SeqmatteError(f"picture {index + 1} is {_size(alpha)}, those before {_size(before[0])}")
        row = _still(alpha, truth)
        number = next(counted)
        if before is not None and number == last + 1:
            row = FrameScore(**{**asdict(row), **_moving(*before, alpha, truth, seen)})
        before, last = (alpha, truth, seen), number
        yield row


def _size(picture: npt.NDArray[np.floating]) -> str:
    return f"{picture.shape[1]}x{picture.shape[0]}"


def _check(index: int, pictures: tuple[npt.NDArray[np.floating] | None, ...]) -> None:
    whole = [p for p in pictures if p is not None]
    if len(whole) < len(pictures):
        raise SeqmatteError(f"alphas, truths and plates must be as many; one of them ends before picture {index + 1}")
    if any(p.ndim != 2 for p in whole[:2]):
        raise SeqmatteError(f"picture {index + 1}: an alpha and its truth are H x W, one channel")
    if len({p.shape[:2] for p in whole}) > 1:
        raise SeqmatteError(f"picture {index + 1}: sizes differ: {', '.join(map(_size, whole))}")
    if not all(np.isfinite(p).all() for p in whole):
        raise SeqmatteError(f"picture {index + 1} holds a value that is not finite")


def _still(alpha: Alpha, truth: Alpha) -> FrameScore:
    total, pixels = absolute_error(alpha, truth), alpha.size
    return FrameScore(
        MAD=1000 * total / pixels,
        MSE=1000 * squared_error(alpha, truth) / pixels,
        SAD=total / 1000,
        Grad=squared_error(sobel_magnitude(alpha), sobel_magnitude(truth)) / 1000,
        Conn=connectivity_error(alpha, truth) / 1000,
    )


def _moving(
    alpha: Alpha, truth: Alpha, seen: Alpha, following: Alpha, following_truth: Alpha, following_seen: Alpha
) -> dict[str, float]:
    change = temporal_squared_error(following, following_truth, alpha, truth)
    flow = motion(seen, following_seen)
    return {
        "dtSSD": 100 * math.sqrt(change / alpha.size),
        "MESSDdt": motion_error(alpha, truth, following, following_truth, flow) / 1000,
    }
