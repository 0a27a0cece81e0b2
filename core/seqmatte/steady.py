"""Carries a solved alpha from one frame to the next along optical flow, and says where that can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from seqmatte import flow

Plane = npt.NDArray[np.float32]

# Flow is found on pictures of at most this many pixels a side: hair moves with its surroundings.
_SIDE = 960
# Pixels (of the flow's picture) and code values (of 255) off at which trust has fallen to about a third.
_ROUND_TRIP = 0.7
_LUMA = 6.0
# Grain makes even the same thing look unlike itself: so many times the median difference is forgiven, to a limit.
_GRAIN, _GRAINIEST = 2.0, 12.0
# Code values by which half of the picture is off when it is another shot's.
_CUT = 15.0
# Slope of alpha, a pixel, at which the flow's usual slip would do as much harm as the last frame does good.
_SLOPE = 0.03
# Alpha this far from 0 and 1 is an edge, and no longer grain.
_SOFT = 0.1


@dataclass(frozen=True)
class Memory:
    """alpha: H x W, what the last frame was solved to. luma: its encoded plate in 8 bits, at the flow's size."""

    alpha: Plane
    luma: npt.NDArray[np.uint8]


def luma_of(encoded: Plane) -> npt.NDArray[np.uint8]:
    """The 8-bit picture that flow is found on, from H x W x 3 of about 0..1."""
    import cv2

    height, width = encoded.shape[:2]
    scale = min(1.0, _SIDE / max(height, width))
    size = (max(16, round(width * scale)), max(16, round(height * scale)))
    return flow.grey8(np.asarray(cv2.resize(encoded, size, interpolation=cv2.INTER_AREA), np.float32))


def carried(memory: Memory, luma: npt.NDArray[np.uint8]) -> tuple[Plane, Plane] | None:
    """The last alpha where it is now, and how far it can be trusted; both H x W, 0..1. None over a cut."""
    import cv2

    back, forth = flow.flow(luma, memory.luma), flow.flow(memory.luma, luma)
    where = flow.grid(luma.shape) + back
    off = flow.round_trip(back, forth)
    seen = _looked_up(memory.luma, where)
    unlike = cv2.blur(cv2.absdiff(seen, luma).astype(np.float32), (3, 3))
    grain = float(np.median(unlike))
    if grain > _CUT:
        return None
    forgiven = max(_LUMA, min(_GRAIN * grain, _GRAINIEST))
    trust = np.exp(-((off / _ROUND_TRIP) ** 2) - (unlike / forgiven) ** 2)
    # Over a cut, flow finds likenesses by chance: where little can be trusted, nothing is.
    trust = trust * np.clip((trust.mean() - 0.25) / 0.25, 0, 1)
    trust[~flow.inside(back)] = 0
    return _at_full_size(memory.alpha, where, trust)


def in_doubt(known: Plane, moved: Plane, reach: float) -> npt.NDArray[np.bool_]:
    """Where a sure pixel should be solved all the same: near the soft edge that the last frame's alpha brings here,
    or where that alpha says the opposite. known: H x W, 0 or 1. reach: pixels."""
    import cv2

    far = ((moved <= _SOFT) | (moved >= 1 - _SOFT)).astype(np.uint8)
    if far.all():
        near = np.zeros(far.shape, bool)
    else:
        near = cv2.distanceTransform(far, cv2.DIST_L2, 5) <= reach
    return np.asarray(near | (np.abs(moved - known) > 0.5), bool)


def _at_full_size(alpha: Plane, where: Plane, trust: Plane) -> tuple[Plane, Plane]:
    import cv2

    height, width = alpha.shape
    sy, sx = height / where.shape[0], width / where.shape[1]
    move = cv2.resize(where - flow.grid(where.shape[:2]), (width, height), interpolation=cv2.INTER_LINEAR)
    target = flow.grid((height, width)) + move * np.array([sx, sy], np.float32)
    wide = cv2.resize(trust.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    moved = _looked_up(alpha, target, cubic=True).clip(0, 1)
    down, right = np.gradient(cv2.blur(moved, (3, 3))) if min(moved.shape) > 1 else (moved * 0, moved * 0)
    steep = (down * down + right * right) / _SLOPE**2
    return moved, np.asarray(wide / (1 + steep), np.float32)


def _looked_up(picture: npt.NDArray[Any], where: Plane, *, cubic: bool = False) -> npt.NDArray[Any]:
    """The picture at H x W x 2 places (x, y), between its pixels linearly or cubic (which blurs less)."""
    import cv2

    flat, lookup = np.ascontiguousarray(where, np.float32), cast(Any, cv2.remap)
    between = cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR
    return np.asarray(lookup(picture, flat, None, between, borderMode=cv2.BORDER_REPLICATE))
