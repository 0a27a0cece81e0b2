"""The set behind the subject, stitched from the frames in which the subject stood elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seqmatte.flow import Plane

# Frames that must show the set for it to be believed in full.
_ENOUGH = 3
# Encoded colours that lie so far from their median belong to what moved by itself, or stands at another depth.
_APART = 0.03


@dataclass(frozen=True)
class Stitched:
    """colour: h x w x 3, encoded; the plate's own where no other frame shows the set. trust: h x w, 0..1."""

    colour: Plane
    trust: Plane


def stitched(plate: Plane, shown: Sequence[Plane], bare: Sequence[npt.NDArray[np.bool_]]) -> Stitched:
    """The median of what other frames show, pixel by pixel.

    plate: h x w x 3, encoded. shown: other frames' plates, brought to this one along the camera's way. bare: h x w
    each, where nothing stood before the set.
    """
    if not shown:
        return Stitched(plate, np.zeros(plate.shape[:2], np.float32))
    colours, seen = np.stack(shown), np.stack(bare)
    count = seen.sum(0)
    middle = _median(np.where(seen[..., None], colours, np.float32(np.inf)), count[..., None])
    off = np.where(seen, np.abs(colours - middle).mean(-1), np.float32(np.inf))
    spread = np.where(count > 0, _median(off, count, upper=False), 0)
    trust = np.minimum(count, _ENOUGH) / _ENOUGH / (1 + (spread / _APART) ** 2)
    return Stitched(np.where(count[..., None] > 0, middle, plate).astype(np.float32), trust.astype(np.float32))


def _median(values: Plane, count: npt.NDArray[np.int_], upper: bool = True) -> Plane:
    """Over the first axis, of so many values that are not infinite; upper: of two in the middle their mean, else the
    lower."""
    ordered = np.sort(values, 0)
    low = _at(ordered, np.maximum((count - 1) // 2, 0))
    return (low + _at(ordered, np.minimum(count // 2, len(values) - 1))) / np.float32(2) if upper else low


def _at(ordered: Plane, place: npt.NDArray[np.int_]) -> Plane:
    """ordered[place], another place for each pixel."""
    return np.asarray(np.take_along_axis(ordered, place[None], 0)[0], np.float32)
