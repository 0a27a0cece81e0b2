"""How the camera moved from one frame to the next, told by what the subject does not cover."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt

from seqmatte import flow
from seqmatte.confidence import blank
from seqmatte.flow import Plane

# A homography, 3 x 3: from (x, y, 1) of a pixel of one frame to the same thing in another.
Way = npt.NDArray[np.float64]

# Above this share a covered pixel says nothing of the camera.
_COVERED = 0.02
# Pixels that flow's round trip may be off, and by which a place may lie off the way and still go along with it.
_ROUND_TRIP, _OFF = 1.0, 0.7
# Places that are asked, about; the fewest that tell; the least share of them that must go along, and of all places
# where nothing covers the set: over a cut, flow finds a few likenesses by chance.
_PLACES, _FEWEST, _LEAST, _LEAST_OF_ALL = 5000, 40, 0.3, 0.1
# What a homography scales the picture's corner by lies well within these.
_SMALLEST, _LARGEST = 0.1, 10.0


def way_between(here: Plane, there: Plane, covered: Plane, covered_there: Plane) -> Way | None:
    """From pixels of one frame to those of another, as the set moved; None over a cut, to or from a frame on which
    nothing can be seen, or where too little tells.

    here, there: H x W x 3, encoded. covered: H x W, 0 where only the set is seen. A homography is exact for a camera
    that turns, zooms, or stands before something flat, and near enough for what is far away. From optical flow by
    RANSAC (M. Fischler and R. Bolles, "Random Sample Consensus", CACM 1981).
    """
    import cv2

    if blank(here) or blank(there):  # flow would find some way
        return None
    at, to = flow.grey8(here), flow.grey8(there)
    way, back = flow.flow(at, to), flow.flow(to, at)
    bare = (covered < _COVERED) & (flow.warp(covered_there, way) < _COVERED)
    places, found = _places(way, bare & (flow.round_trip(way, back) < _ROUND_TRIP))
    fewest = max(_FEWEST, _LEAST_OF_ALL * len(_places(way, bare)[0]))
    if len(places) < fewest:
        return None
    made, along = cast(Any, cv2.findHomography)(places, found, cv2.RANSAC, _OFF)
    told = made is not None and along.mean() >= _LEAST and along.sum() >= fewest
    return made if told and _sound(made) else None


def moved(picture: Plane, way: Way, size: tuple[int, int], outside: float | None = None) -> Plane:
    """Another frame's picture, brought here along the way that leads there: (height, width) of it, cubic between
    pixels.

    outside: what stands past its edges, and then linear; None for the edge itself, again and again.
    """
    import cv2

    border = cv2.BORDER_REPLICATE if outside is None else cv2.BORDER_CONSTANT
    between = cv2.INTER_CUBIC if outside is None else cv2.INTER_LINEAR
    look_up, how = cast(Any, cv2.warpPerspective), between | cv2.WARP_INVERSE_MAP
    made = look_up(picture, way, size[::-1], flags=how, borderMode=border, borderValue=outside or 0.0)
    return np.asarray(made, np.float32)


def _places(way: Plane, asked: npt.NDArray[np.bool_]) -> tuple[Plane, Plane]:
    """N x 2 each: places (x, y) on a grid over what is asked, and where their way leads."""
    step = max(4, round((asked.size / _PLACES) ** 0.5))
    y, x = np.nonzero(asked[step // 2 :: step, step // 2 :: step])
    y, x = y * step + step // 2, x * step + step // 2
    at = np.stack((x, y), 1).astype(np.float32)
    return at, at + way[y, x]


def _sound(way: Way) -> bool:
    return bool(np.isfinite(way).all() and _SMALLEST < np.linalg.det(way) < _LARGEST)
