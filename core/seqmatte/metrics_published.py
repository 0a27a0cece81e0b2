"""The figures that papers and their scripts print, each as its own series, so that tables can be compared.

All work on 8-bit alphas divided by 255. Families: `off` (Deep Image Matting, after Rhemann et al., CVPR 2009), `gca`,
`rvm`, `vmd` (VideoMatting108, TCVOM), `dvm`. Each has its own region, scale and stretch: never put two side by side.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from seqmatte.errors import SeqmatteError
from seqmatte.metrics import (
    Alpha,
    Flow,
    Region,
    absolute_error,
    connectivity_error,
    gaussian_gradient,
    motion_error,
    squared_error,
    temporal_squared_error,
)

Bytes = npt.NDArray[np.uint8]
Figures = npt.NDArray[np.float64]
Pair = Callable[[int], float]


@dataclass(frozen=True)
class Clip:
    """A clip and its truth, 8 bit.

    alphas, truths, trimaps: T x H x W (trimap 0, 128 unknown, 255). flow: T x H x W x 2 from frame t to t + 1
    in pixels, NaN where invalid. foregrounds: T x H x W x 3.
    """

    alphas: Bytes
    truths: Bytes
    trimaps: Bytes
    flow: Flow | None = None
    foregrounds: Bytes | None = None
    true_foregrounds: Bytes | None = None

    def alpha(self, t: int) -> Alpha:
        return np.asarray(self.alphas[t] / 255.0)

    def truth(self, t: int) -> Alpha:
        return np.asarray(self.truths[t] / 255.0)

    def unknown(self, t: int) -> Region:
        return np.asarray(self.trimaps[t] == 128)

    def band(self, t: int) -> Region:
        """TCVOM's unknown: neither 0 nor 255, so that trimaps resized with soft edges count too."""
        return np.asarray((self.trimaps[t] > 0) & (self.trimaps[t] < 255))

    def foreground_pair(self, t: int) -> tuple[Alpha, Alpha]:
        if self.foregrounds is None or self.true_foregrounds is None:
            raise SeqmatteError("this figure compares foregrounds, and the clip has none")
        return self.foregrounds[t] / 255.0, self.true_foregrounds[t] / 255.0

    def flow_from(self, t: int) -> Flow:
        if self.flow is None:
            raise SeqmatteError("this figure follows the motion, and the clip has no flow")
        return np.asarray(self.flow[t])

    def everything(self, t: int) -> Region:
        return np.ones(self.alphas[t].shape, bool)


Choice = Callable[[Clip, int], Region]


def names() -> tuple[str, ...]:
    """Every series that `published` can make."""
    return tuple(SERIES)


def published(name: str, clip: Clip) -> Figures:
    """One series: a figure per frame (`vmd_video_avg`: six means; `dvm` pairs: one per pair of frames)."""
    if name not in SERIES:
        raise SeqmatteError(f"no series {name!r}; available: {', '.join(SERIES)}")
    return SERIES[name](clip)


def _each(clip: Clip, figure: Pair) -> Figures:
    return np.array([figure(t) for t in range(len(clip.alphas))])


def _gradient(clip: Clip, t: int, region: Region, stretch: bool) -> float:
    lengths = [gaussian_gradient(a, stretch=stretch) for a in (clip.alpha(t), clip.truth(t))]
    return squared_error(lengths[0], lengths[1], region)


def _sad(where: Choice, scale: float = 1e-3) -> Callable[[Clip], Figures]:
    return lambda clip: _each(clip, lambda t: scale * absolute_error(clip.alpha(t), clip.truth(t), where(clip, t)))


def _mse(where: Choice, more: float = 0.0, scale: float = 1.0) -> Callable[[Clip], Figures]:
    """more: what a script adds to the number of pixels against an empty region."""

    def figure(clip: Clip, t: int) -> float:
        region = where(clip, t)
        return scale * _ratio(squared_error(clip.alpha(t), clip.truth(t), region), region.sum() + more)

    return lambda clip: _each(clip, lambda t: figure(clip, t))


def _ratio(total: float, count: float) -> float:
    return total / count if count else math.nan


def _grad(where: Choice, stretch: bool, scale: float = 1.0) -> Callable[[Clip], Figures]:
    return lambda clip: _each(clip, lambda t: scale * _gradient(clip, t, where(clip, t), stretch))


def _conn(
    where: Choice, scale: float = 1.0, first_by_rows: bool = False, background_counts: bool = False
) -> Callable[[Clip], Figures]:
    def figure(clip: Clip, t: int) -> float:
        return scale * connectivity_error(
            clip.alpha(t),
            clip.truth(t),
            where(clip, t),
            first_by_rows=first_by_rows,
            background_counts=background_counts,
        )

    return lambda clip: _each(clip, lambda t: figure(clip, t))


def _foreground_mse(where: Choice) -> Callable[[Clip], Figures]:
    """Background Matting V2: colours are zero where the true alpha is; the mean of the channels' MSE."""

    def figure(clip: Clip, t: int) -> float:
        colour, true = clip.foreground_pair(t)
        region, subject = where(clip, t), (clip.truths[t] > 0)[..., None]
        return _ratio(squared_error(colour * subject, true * subject, region), 3 * float(region.sum()))

    return lambda clip: _each(clip, lambda t: figure(clip, t))


def _rvm_foreground(error: Callable[[Alpha, Alpha, Region], float]) -> Callable[[Clip], Figures]:
    def figure(clip: Clip, t: int) -> float:
        subject = np.asarray(clip.truths[t] > 0)
        return 1e3 * _ratio(error(*clip.foreground_pair(t), subject), 3 * float(subject.sum()))

    return lambda clip: _each(clip, lambda t: figure(clip, t))


def _rvm_mad(clip: Clip) -> Figures:
    return _each(clip, lambda t: 1e3 * absolute_error(clip.alpha(t), clip.truth(t)) / clip.alphas[t].size)


def _change(clip: Clip, t: int, other: int, region: Region) -> float:
    """sqrt of the summed squared difference between how the matte and the truth change from t to other."""
    total = temporal_squared_error(clip.alpha(t), clip.truth(t), clip.alpha(other), clip.truth(other), region)
    return math.sqrt(total)


def _rvm_dtssd(clip: Clip) -> Figures:
    """The first frame's 0 is part of the series, and of RVM's averages."""
    root = math.sqrt(clip.alphas[0].size)
    return _each(clip, lambda t: 1e2 * _change(clip, t, t - 1, clip.everything(t)) / root if t else 0.0)


def _ssda(where: Choice) -> Callable[[Clip], Figures]:
    return lambda clip: _each(clip, lambda t: math.sqrt(squared_error(clip.alpha(t), clip.truth(t), where(clip, t))))


def _followed(clip: Clip, figure: Pair) -> Figures:
    """A figure for every frame that has a next one; 0 for the last, which VideoMatting108 counts too."""
    last = len(clip.alphas) - 1
    return _each(clip, lambda t: figure(t) if t < last else 0.0)


def _vmd_dtssd(clip: Clip) -> Figures:
    return _followed(clip, lambda t: _change(clip, t, t + 1, clip.band(t)))


def _vmd_messddt(squared: bool) -> Callable[[Clip], Figures]:
    def figure(clip: Clip, t: int) -> float:
        pictures = (clip.alpha(t), clip.truth(t), clip.alpha(t + 1), clip.truth(t + 1))
        return motion_error(*pictures, clip.flow_from(t), clip.band(t), squared)

    return lambda clip: _followed(clip, lambda t: figure(clip, t))


def _vmd_flow_pixels(clip: Clip) -> Figures:
    def count(t: int) -> float:
        return float((np.isfinite(clip.flow_from(t)).all(axis=-1) & clip.band(t)).sum())

    return _followed(clip, count)


VMD_MEANS = ("vmd_msad", "vmd_mse", "vmd_ssda", "vmd_dtssd", "vmd_messddt_fix", "vmd_messddt")


def _vmd_video_avg(clip: Clip) -> Figures:
    """A video's line in VideoMatting108's table; clips are then averaged equally."""
    return np.array([published(name, clip).mean() for name in VMD_MEANS])


def _vmd_msad(clip: Clip) -> Figures:
    def figure(t: int) -> float:
        band = clip.band(t)
        return _ratio(absolute_error(clip.alpha(t), clip.truth(t), band), float(band.sum()))

    return _each(clip, figure)


def _pairs(clip: Clip, figure: Pair) -> Figures:
    return np.array([figure(t) for t in range(len(clip.alphas) - 1)])


def farneback(truth: Bytes, following: Bytes) -> Flow:
    """DVM's flow between two true alphas (H x W, 8 bit), pixels, before it is rounded."""
    flow = cv2.calcOpticalFlowFarneback(
        truth, following, np.zeros((*truth.shape, 2), np.float32),
        pyr_scale=0.5, levels=5, winsize=10, iterations=2, poly_n=7, poly_sigma=1.5,
        flags=cv2.OPTFLOW_FARNEBACK_GAUSSIAN,
    )  # fmt: skip
    return np.asarray(flow, np.float32)


def _dvm_messddt(clip: Clip) -> Figures:
    """DVM's MESSDdt with its script's indexing, only for comparison with its printed figures.

    Rows are moved by x and columns by y, and every warp reads from the clip's second frame; `vmd_messddt`
    is the same idea done right.
    """
    height, width = clip.truths[0].shape
    columns_as_rows, rows_as_columns = np.indices((height, width))[::-1]
    errors = [((clip.alpha(t) - clip.truth(t)) ** 2 * clip.unknown(t)) for t in range(len(clip.alphas))]

    def figure(t: int) -> float:
        steps = np.rint(farneback(clip.truths[t], clip.truths[t + 1])).astype(np.int64)
        row = np.clip(columns_as_rows + steps[..., 0], 0, height - 1)
        column = np.clip(rows_as_columns + steps[..., 1], 0, width - 1)
        return absolute_error(errors[t], errors[1][row, column])

    return _pairs(clip, figure)


def _counts(clip: Clip) -> Figures:
    """DVM returns each sum with the unknown pixels plus one, for an average over a whole set."""
    return _each(clip, lambda t: float(clip.unknown(t).sum() + 1))


SERIES: dict[str, Callable[[Clip], Figures]] = {
    "off_sad_unk": _sad(Clip.unknown),
    "off_mse_unk": _mse(Clip.unknown),
    "off_grad_unk": _grad(Clip.unknown, stretch=True),
    "off_conn_unk": _conn(Clip.unknown),
    "off_fgmse_unk": _foreground_mse(Clip.unknown),
    "off_sad_whole": _sad(Clip.everything),
    "off_mse_whole": _mse(Clip.everything),
    "off_grad_whole": _grad(Clip.everything, stretch=True),
    "off_conn_whole": _conn(Clip.everything),
    "off_fgmse_whole": _foreground_mse(Clip.everything),
    "gca_sad": _sad(Clip.unknown),
    "gca_mse": _mse(Clip.unknown, more=1e-8),
    "gca_grad": _grad(Clip.unknown, stretch=False, scale=1e-3),
    "gca_conn": _conn(Clip.unknown, scale=1e-3, background_counts=True),
    "rvm_mad": _rvm_mad,
    "rvm_mse": _mse(Clip.everything, scale=1e3),
    "rvm_grad_lr": _grad(Clip.everything, stretch=True, scale=1e-3),
    "rvm_grad_hr": _grad(Clip.everything, stretch=False, scale=1e-3),
    "rvm_conn": _conn(Clip.everything, scale=1e-3, first_by_rows=True),
    "rvm_dtssd": _rvm_dtssd,
    "rvm_fgr_mse": _rvm_foreground(squared_error),
    "rvm_fgr_mad": _rvm_foreground(absolute_error),
    "vmd_msad": _vmd_msad,
    "vmd_mse": _mse(Clip.band),
    "vmd_ssda": _ssda(Clip.band),
    "vmd_dtssd": _vmd_dtssd,
    "vmd_messddt_fix": _vmd_messddt(squared=False),
    "vmd_messddt": _vmd_messddt(squared=True),
    "vmd_flow_pixels": _vmd_flow_pixels,
    "vmd_video_avg": _vmd_video_avg,
    "dvm_sad": _sad(Clip.unknown),
    "dvm_mse": _mse(Clip.unknown, more=1.0),
    "dvm_grad": _grad(Clip.unknown, stretch=False),
    "dvm_conn": _conn(Clip.unknown),
    "dvm_ssda": _ssda(Clip.unknown),
    "dvm_ssda_n": _counts,
    "dvm_dtssd": lambda clip: _pairs(clip, lambda t: _change(clip, t, t + 1, clip.unknown(t))),
    "dvm_dtssd_n": lambda clip: _counts(clip)[:-1],
    "dvm_messddt_upstream_indexing": _dvm_messddt,
    "dvm_messddt_upstream_indexing_n": lambda clip: _counts(clip)[:-1],
    "dvm_farneback_flow": lambda clip: np.stack(
        [farneback(clip.truths[t], clip.truths[t + 1]) for t in range(len(clip.truths) - 1)]
    ),
}
