"""Optical flow between small encoded plates, the motion of subject and background apart, and warping."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.float32]
Grey = npt.NDArray[np.uint8]

# Encoded Rec.709 light: green weighs most, yet blue still tells blue from black.
_LUMA = (np.float32(0.25), np.float32(0.5), np.float32(0.25))


def grey8(encoded: Plane) -> Grey:
    """The 8-bit picture that DIS flow wants, from H x W x 3 of encoded light, about 0..1. For nothing else."""
    # Written out: a matrix product may round otherwise with another number of threads.
    luma = _LUMA[0] * encoded[..., 0] + _LUMA[1] * encoded[..., 1] + _LUMA[2] * encoded[..., 2]
    return np.asarray(np.clip(luma * 255 + 0.5, 0, 255), np.uint8)


def flow(at: Grey, to: Grey, begin: Plane | None = None) -> Plane:
    """H x W x 2, pixels: from each pixel of `at`, the way (x, y) to the same thing in `to`.

    T. Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016, medium preset. begin: a first guess.
    On one thread: DIS cuts its work into stripes, one a thread, and gives other vectors for other cuts.
    """
    import cv2

    dis: Any = cv2
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        search = dis.DISOpticalFlow_create(dis.DISOPTICAL_FLOW_PRESET_MEDIUM)
        found = search.calc(at, to, None if begin is None else np.ascontiguousarray(begin, np.float32))
    finally:
        cv2.setNumThreads(threads)
    return np.asarray(found, np.float32)


def warp(picture: Plane, way: Plane) -> Plane:
    """The picture looked up at each pixel plus its way; linear between pixels, its edge repeats."""
    import cv2

    where, lookup = grid(way.shape) + way, cast(Any, cv2.remap)
    return np.asarray(lookup(picture, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def inside(way: Plane) -> npt.NDArray[np.bool_]:
    """Where the way ends inside the picture."""
    where, (height, width) = grid(way.shape) + way, way.shape[:2]
    return np.asarray((where >= 0).all(2) & (where[..., 0] <= width - 1) & (where[..., 1] <= height - 1))


def round_trip(there: Plane, back: Plane) -> Plane:
    """How many pixels from where it began one ends, there and back again."""
    return np.asarray(np.sqrt(((there + warp(back, there)) ** 2).sum(2)), np.float32)


def spread(field: Plane, weight: Plane) -> Plane:
    """H x W x C: the field where its weight is large, elsewhere what lies around, ever coarser. Weight H x W, 0..1.

    Pull and push over a pyramid (S. Gortler et al., "The Lumigraph", SIGGRAPH 1996, section 3.4).
    """
    levels = [(field * weight[..., None], weight)]
    while max(levels[-1][1].shape) > 1:
        levels.append((_halved(levels[-1][0]), _halved(levels[-1][1])))
    filled = np.asarray(levels[-1][0] / np.maximum(levels[-1][1], 1e-9)[..., None], np.float32)
    for value, mass in levels[-2::-1]:
        known = np.minimum(mass * 4, 1)[..., None]
        below = (1 - known) * _sized(filled, mass.shape)
        filled = np.asarray(known * value / np.maximum(mass, 1e-9)[..., None] + below, np.float32)
    return filled


def grid(shape: tuple[int, ...]) -> Plane:
    """H x W x 2: each pixel's own x and y."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.stack((x, y), 2).astype(np.float32)


def _halved(picture: Plane) -> Plane:
    import cv2

    height, width = picture.shape[:2]
    made = cv2.resize(picture, ((width + 1) // 2, (height + 1) // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(made, np.float32).reshape((height + 1) // 2, (width + 1) // 2, *picture.shape[2:])


def _sized(picture: Plane, shape: tuple[int, ...]) -> Plane:
    import cv2

    made = cv2.resize(picture, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(made, np.float32).reshape(shape[0], shape[1], *picture.shape[2:])
