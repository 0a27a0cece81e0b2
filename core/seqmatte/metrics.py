"""How far an alpha is from the truth, measure by measure.

What `scores` (the command line's table) and `metrics_published` (the 8-bit figures of papers and their scripts)
are made of. Alphas are H x W, float, 0..1 (nothing is clipped); a region is a boolean H x W, None the whole picture.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

Alpha = npt.NDArray[np.floating]
Region = npt.NDArray[np.bool_]
Flow = npt.NDArray[np.float32]

# 51/255 must count as 0.2: thresholds are tenths, alphas often 8-bit values in single precision.
SLACK = 1e-6


def inside(values: npt.NDArray[np.floating], region: Region | None) -> npt.NDArray[np.float64]:
    """The values of a region, flat and in double precision, so that sums over 4K frames keep their digits."""
    return np.asarray(values if region is None else values[region], np.float64).ravel()


def absolute_error(alpha: Alpha, truth: Alpha, region: Region | None = None) -> float:
    """Sum over the region of |alpha - truth| (SAD before any scaling)."""
    return float(np.abs(inside(alpha, region) - inside(truth, region)).sum())


def squared_error(alpha: Alpha, truth: Alpha, region: Region | None = None) -> float:
    """Sum over the region of (alpha - truth)^2."""
    return float(((inside(alpha, region) - inside(truth, region)) ** 2).sum())


def sobel_magnitude(alpha: Alpha) -> Alpha:
    """Length of the 3 x 3 Sobel gradient, not normalised (a step from 0 to 1 gives 4)."""
    picture = np.asarray(alpha, np.float32)
    magnitude: Alpha = np.hypot(cv2.Sobel(picture, cv2.CV_32F, 1, 0), cv2.Sobel(picture, cv2.CV_32F, 0, 1))
    return magnitude


def _gaussian_derivative(sigma: float) -> npt.NDArray[np.float64]:
    half = math.ceil(sigma * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * sigma * 0.01)))
    x = np.arange(-half, half + 1, dtype=np.float64)
    bell = np.exp(-(x**2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))
    kernel = np.outer(bell, -x * bell / sigma**2)
    return np.asarray(kernel / np.linalg.norm(kernel))


def gaussian_gradient(alpha: Alpha, sigma: float = 1.4, stretch: bool = False) -> Alpha:
    """Length of the gradient under Gaussian derivatives of norm 1, borders replicated.

    stretch: bring the frame to 0..1 by its minimum and maximum first. Rhemann et al., "A perceptually
    motivated online benchmark for image matting" (CVPR 2009), whose scripts use sigma 1.4 (9 x 9).
    """
    picture = np.asarray(alpha, np.float64)
    if stretch:
        low, high = picture.min(), picture.max()
        picture = (picture - low) / (high - low) if high > low else picture - low
    kernel = _gaussian_derivative(sigma)
    # The kernel is odd along x, so filter2D's correlation differs from a convolution by the sign only.
    across = cv2.filter2D(picture, cv2.CV_64F, kernel, borderType=cv2.BORDER_REPLICATE)
    down = cv2.filter2D(picture, cv2.CV_64F, kernel.T, borderType=cv2.BORDER_REPLICATE)
    magnitude: Alpha = np.hypot(across, down)
    return magnitude


def largest_component(mask: Region, first_by_rows: bool = False, background_counts: bool = False) -> Region:
    """The largest 4-connected component of a mask, all False where there is none.

    Of equal components the one whose first pixel comes first: down the columns as in MATLAB, or along the
    rows. background_counts: the False pixels, taken together, count as one more component.
    """
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    sizes = np.bincount(labels.ravel())
    if not background_counts:
        sizes[0] = 0
    if sizes.max() == 0:
        return np.zeros_like(mask)
    flat = labels.ravel(order="C" if first_by_rows else "F")
    first = flat[int(np.argmax((sizes == sizes.max())[flat]))]
    return np.asarray(labels == first)


def connectivity_error(
    alpha: Alpha,
    truth: Alpha,
    region: Region | None = None,
    *,
    first_by_rows: bool = False,
    background_counts: bool = False,
) -> float:
    """Sum over the region of |phi(alpha) - phi(truth)|, the connectivity error of Rhemann et al. (CVPR 2009).

    With l the last of the thresholds 0, 0.1 .. 1 at which a pixel still belongs to the largest component of
    {alpha >= threshold and truth >= threshold}, phi(a) = 1 - d where d = a - l is 0.15 or more, else 1.
    """
    level = np.full(alpha.shape, -1.0)
    both = np.minimum(np.asarray(alpha, np.float64), np.asarray(truth, np.float64))
    for i in range(1, 11):
        joined = largest_component(both >= i / 10 - SLACK, first_by_rows, background_counts)
        level[(level < 0) & ~joined] = (i - 1) / 10
    level[level < 0] = 1.0
    phi = [1 - np.where(a - level >= 0.15, a - level, 0.0) for a in (alpha, truth)]
    return absolute_error(phi[0], phi[1], region)


def temporal_squared_error(
    alpha: Alpha, truth: Alpha, other: Alpha, other_truth: Alpha, region: Region | None = None
) -> float:
    """Sum over the region of ((alpha - other) - (truth - other_truth))^2: what dtSSD takes the root of."""
    return squared_error(alpha - other, truth - other_truth, region)


def warp(picture: Alpha, flow: Flow) -> Alpha:
    """A picture sampled bilinearly at (x + u, y + v), zero outside. flow: H x W x 2, pixels."""
    rows, columns = np.indices(picture.shape, dtype=np.float64)
    x, y = columns + flow[..., 0], rows + flow[..., 1]
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    fx, fy = x - left, y - top
    total = np.zeros(picture.shape)
    for dy, wy in ((0, 1 - fy), (1, fy)):
        for dx, wx in ((0, 1 - fx), (1, fx)):
            row, column = top + dy, left + dx
            known = (row >= 0) & (row < picture.shape[0]) & (column >= 0) & (column < picture.shape[1])
            total[known] += (wx * wy)[known] * picture[row[known], column[known]]
    return total


def motion_error(
    alpha: Alpha,
    truth: Alpha,
    following: Alpha,
    following_truth: Alpha,
    flow: Flow,
    region: Region | None = None,
    squared: bool = True,
) -> float:
    """Sum of |(alpha - truth)^2 - (the same one frame on, brought back along the motion)^2| (MESSDdt).

    flow: from this frame to the following one, pixels; NaN where unknown, which leaves the pixel out.
    squared: False compares the differences themselves. Erofeev et al., "Perceptually motivated benchmark for
    video matting" (BMVC 2015).
    """
    valid = np.asarray(np.isfinite(flow).all(axis=-1))
    usable = np.where(valid[..., None], flow, 0).astype(np.float32)
    here, there = alpha - truth, warp(following, usable) - warp(following_truth, usable)
    if squared:
        here, there = here**2, there**2
    return absolute_error(here, there, valid if region is None else valid & region)


def motion(picture: npt.NDArray[np.floating], following: npt.NDArray[np.floating]) -> Flow:
    """Dense flow from one picture to the next by DIS (medium), pixels; NaN where it leaves the frame.

    Pictures: H x W alpha or H x W x 3 display colour, 0..1. Kroeger et al., "Fast optical flow using dense
    inverse search" (ECCV 2016).
    """
    height, width = picture.shape[:2]
    still = np.zeros((height, width, 2), np.float32)
    grey = [np.asarray(p if p.ndim == 2 else p.mean(axis=2), np.float32) for p in (picture, following)]
    bytes_ = [np.rint(np.clip(g, 0, 1) * 255).astype(np.uint8) for g in grey]
    # DIS has no level coarse enough for a picture below 16 pixels; there nothing is known to have moved.
    if min(height, width) < 16:
        return still
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(bytes_[0], bytes_[1], still)
    rows, columns = np.indices((height, width))
    x, y = columns + flow[..., 0], rows + flow[..., 1]
    outside = (x < 0) | (x > width - 1) | (y < 0) | (y > height - 1)
    return np.asarray(np.where(outside[..., None], np.nan, flow), np.float32)
