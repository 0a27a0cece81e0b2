"""Which colours subject and background have: tables that are learnt on guided frames and asked of any."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seqmatte.flow import Plane

Mask = npt.NDArray[np.bool_]
Index = npt.NDArray[np.int64]

_BINS = 24
# Share of the subject, in hundredths, that has a colour at least, for it to be one of the subject's.
_RARE = 0.005


@dataclass(frozen=True)
class Colours:
    """How common colours are, 24 x 24 x 24 each: in the subject and in the background of the guided frames, and in
    the background of the last frames."""

    subject: Plane
    background: Plane
    recent: Plane

    @staticmethod
    def seen(plates: list[Plane], subjects: list[Mask], backgrounds: list[Mask]) -> Colours:
        ground = _table(plates, backgrounds)
        return Colours(_table(plates, subjects), ground, ground)

    def likeness(self, plate: Plane) -> Plane:
        """h x w, 0..1: whether a colour is rather the subject's; 0.5 where it is neither's or both's."""
        at = _bin(plate)
        subject = self.subject.reshape(-1)[at]
        background = np.maximum(self.background, self.recent).reshape(-1)[at]
        return np.asarray((subject + 1e-4) / (subject + background + 2e-4), np.float32)

    def met(self, plate: Plane) -> Mask:
        """h x w: whether the subject showed such a colour on the guided frames."""
        return np.asarray(self.subject.reshape(-1)[_bin(plate)] > _RARE)

    def after(self, plate: Plane, background: Mask) -> Colours:
        """With what the background of one more frame looks like."""
        recent = 0.8 * self.recent + 0.2 * _table([plate], [background])
        return Colours(self.subject, self.background, np.asarray(recent, np.float32))


def _bin(plate: Plane) -> Index:
    cell = np.clip(plate * _BINS, 0, _BINS - 1).astype(np.int64)
    return np.asarray((cell[..., 0] * _BINS + cell[..., 1]) * _BINS + cell[..., 2])


def _table(plates: list[Plane], masks: list[Mask]) -> Plane:
    """24 x 24 x 24, sums to 1: a blurred histogram."""
    counts = np.zeros(_BINS**3, np.float64)
    for plate, mask in zip(plates, masks, strict=True):
        counts += np.bincount(_bin(plate)[mask], minlength=_BINS**3)
    cube = counts.reshape(_BINS, _BINS, _BINS)
    for axis in range(3):
        padded = np.pad(cube, [(2, 2) if i == axis else (0, 0) for i in range(3)], mode="edge")
        cube = np.zeros_like(cube)
        for k, share in enumerate((0.06, 0.24, 0.4, 0.24, 0.06)):
            cube += share * np.take(padded, range(k, k + _BINS), axis)
    return np.asarray(cube / max(cube.sum(), 1e-9) * 100, np.float32)
