"""What a guide says: a mask, trimap or alpha as sure subject, sure background and an unknown band between."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from seqmatte import layer
from seqmatte.flow import Plane
from seqmatte.layer import Layer

Mask = npt.NDArray[np.bool_]

# Propagation sees plates of at most this many pixels a side; the band is placed at full size.
SIDE = 640
_NEARLY = 0.02


@dataclass(frozen=True)
class Band:
    """alpha: h x w, 0..1, the best guess. unknown: h x w, 0..1, from 0.5 on nothing is claimed for sure."""

    alpha: Plane
    unknown: Plane

    def trimap(self) -> Plane:
        """h x w: 0, 0.5 or 1."""
        sure = np.where(self.alpha > 0.5, np.float32(1), np.float32(0))
        return np.asarray(np.where(self.unknown >= 0.5, np.float32(0.5), sure), np.float32)


def known(guide: Layer) -> Mask:
    """h x w: where an artist has decided: all of an alpha, a trimap outside its unknown band, of a mask nothing."""
    kind, drawn = guide.channels[0], guide.pixels[:, :, 0]
    if kind == "mask":
        return np.zeros(drawn.shape, bool)
    return np.asarray((drawn <= 0) | (drawn >= 1) | (kind == "alpha"))


def small_size(height: int, width: int) -> tuple[int, int]:
    """(height, width) that propagation works at: at most 640 a side, same shape."""
    return shrunk_to(SIDE, height, width)


def shrunk_to(side: int, height: int, width: int) -> tuple[int, int]:
    """(height, width) of at most so many pixels a side, same shape."""
    scale = min(1.0, side / max(height, width))
    return max(16, round(height * scale)), max(16, round(width * scale))


def resized(picture: Plane, size: tuple[int, int]) -> Plane:
    """The picture at (height, width): averaged when smaller, linear when larger, itself when the same."""
    import cv2

    if picture.shape[:2] == size:
        return np.asarray(picture, np.float32)
    smaller = size[0] * size[1] < picture.shape[0] * picture.shape[1]
    way = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    made = cv2.resize(np.asarray(picture, np.float32), (size[1], size[0]), interpolation=way)
    return np.asarray(made, np.float32)


def grown(mask: Mask, radius: float) -> Mask:
    """The mask and all within so many pixels of it."""
    if radius <= 0 or not mask.any():
        return mask
    return distance_to(mask) <= radius


def shrunk(mask: Mask, radius: float | Plane) -> Mask:
    """The pixels of the mask further than so many pixels from its outside."""
    return np.asarray(distance_to(~mask) > radius)


def distance_to(mask: Mask) -> Plane:
    """h x w, pixels to the nearest pixel of the mask; far everywhere if it is empty."""
    import cv2

    if not mask.any():
        return np.full(mask.shape, 1e6, np.float32)
    return np.asarray(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5), np.float32)


def from_trimap(trimap: Plane) -> Band:
    """Believed as it stands: below 0.02 background, above 0.98 subject, else unknown."""
    unknown = (trimap > _NEARLY) & (trimap < 1 - _NEARLY)
    return Band(np.asarray(trimap, np.float32), unknown.astype(np.float32))


def from_mask(mask: Plane, inner: float, outer: float) -> Band:
    """A hard mask and a band about its edge, pixels wide inside and outside.

    However soft its edge may be, the heart of a subject is left sure: the inner band goes no further in than four
    tenths of the way.
    """
    inside = mask > 0.5
    depth, away = distance_to(~inside), distance_to(inside)
    inner = min(inner, 0.4 * float(depth.max())) if not inside.all() else 0.0
    unknown = np.where(inside, depth <= inner, away <= outer)
    return Band(inside.astype(np.float32), unknown.astype(np.float32))


def placed(band: Band, size: tuple[int, int]) -> Plane:
    """The band's trimap at full size; what is unknown at working size is so in all of its pixels."""
    trimap = band.trimap()
    unknown = resized((trimap == 0.5).astype(np.float32), size) > 0.02
    sure = resized((trimap == 1).astype(np.float32), size) > 0.5
    return np.where(unknown, np.float32(0.5), sure.astype(np.float32))


def mixed(one: Layer, other: Layer, share: float) -> Layer:
    """Two walks' "alpha" and "confidence" of one frame, and "trimap" if there is one, the first with this share.

    Confidence falls where they contradict each other; unknown is what either does not know, or where they do.
    """
    made = layer.mixed(one, other, share)
    planes = {name: made[name].copy() for name in made.channels}
    planes["confidence"] *= 1 - 4 * share * (1 - share) * np.abs(one["alpha"] - other["alpha"])
    if "trimap" in planes:
        planes["trimap"][(planes["trimap"] > 0) & (planes["trimap"] < 1)] = 0.5
    return replace(made, pixels=np.stack(list(planes.values()), 2))
