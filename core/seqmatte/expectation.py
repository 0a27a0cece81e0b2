"""What a guide alone leads one to expect of alpha, on its own frame and where the motion has carried it.

Colours that look alike mislead in the same places frame after frame, so that what they said must not become what is
expected next. Hence the guide's word is carried by itself, and is led towards what was found only as far as it had
become uncertain (the gain of R. Kalman's filter).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seqmatte import flow, guide
from seqmatte.flow import Plane
from seqmatte.guide import Band, Mask

if TYPE_CHECKING:
    from seqmatte.propagation import Motion

# How alpha rises across a drawn outline: a logistic curve, so steep for each hundredth of the picture's width. On
# furry, hairy and hard subjects alike it went from a fifth to four fifths within about one hundredth on each side.
_RISE = 1.4
# How far off that may be anywhere, and by how many hundredths of the width the outline may have been drawn off.
_USUAL, _DRAWN_OFF = 0.2, 0.5
# At this spread nothing is expected any more.
_NOTHING = 0.6
# Spread that comes of a pixel's doubt in the way, of an encoded difference that motion does not explain, and how many
# pixels a carried edge slips over one frame.
_DOUBT, _UNEXPLAINED, _SLIP = 0.1, 4.0, 0.5
# Encoded differences that are grain.
_GRAIN = 0.02
# Variance of what is found, as errors last that colours make.
_FOUND = 0.2


@dataclass(frozen=True)
class Expectation:
    """alpha: h x w, 0..1. spread: h x w, the standard deviation of what alpha may turn out to be."""

    alpha: Plane
    spread: Plane

    def without(self, where: Mask) -> Expectation:
        """Nothing expected there."""
        return Expectation(self.alpha, np.where(where, np.float32(_NOTHING), self.spread))

    def after(self, found: Plane) -> Plane:
        """h x w: what to expect next, once an alpha was found."""
        variance = self.spread**2
        return np.asarray(self.alpha + variance / (variance + _FOUND) * (found - self.alpha), np.float32)


def of_guide(kind: str, band: Band) -> Expectation:
    """A mask's edge is taken for soft; an alpha is what it is; of its band a trimap says nothing."""
    usual = np.full_like(band.alpha, usually(kind))
    if kind != "mask":
        return Expectation(band.alpha, usual)
    inside = band.alpha > 0.5
    depth = np.where(inside, guide.distance_to(~inside), -guide.distance_to(inside)) * 100 / inside.shape[1]
    alpha = (1 / (1 + np.exp(np.clip(-_RISE * depth, -30, 30)))).astype(np.float32)
    off = _DRAWN_OFF * _RISE * alpha * (1 - alpha)
    return Expectation(alpha, np.asarray(np.hypot(usual, off), np.float32))


def usually(kind: str) -> float:
    """The least spread of what a guide of this kind leads one to expect."""
    return _NOTHING if kind == "trimap" else _USUAL


def carried(last: Plane, plate: Plane, last_plate: Plane, way: Motion, age: int, usual: float) -> Expectation:
    """The expectation after one frame's motion.

    An edge goes either as its pixels do, which beside a moving subject may be the background's motion, or on as the
    subject's heart does, which is wrong of what rolls or bends: each in proportion to how well it explains the plate.
    last: h x w, what was expected. age: frames since the guide. usual: its least spread.
    """
    ways = (way.way, way.subject)
    misses = [_missed(plate, flow.warp(last_plate, each)) for each in ways]
    own, whole = (1 / (miss * miss + _GRAIN**2) for miss in misses)
    share = whole / (own + whole)
    as_pixels, as_subject = (flow.warp(last, each) for each in ways)
    alpha = as_pixels + share * (as_subject - as_pixels)
    missed = misses[0] + share * (misses[1] - misses[0])
    unexplained = np.maximum(missed - 2 * np.median(missed), 0)
    down, right = np.gradient(alpha)
    variance = (
        usual**2
        + (_DOUBT * way.off) ** 2
        + (_UNEXPLAINED * unexplained) ** 2
        + _SLIP**2 * (age + 1) * (down * down + right * right)
        + share * (1 - share) * (as_subject - as_pixels) ** 2
    )
    spread = np.maximum(np.minimum(np.sqrt(variance), _NOTHING), _NOTHING * way.left_behind)
    return Expectation(np.asarray(alpha, np.float32), np.asarray(spread, np.float32))


def _missed(plate: Plane, moved: Plane) -> Plane:
    """h x w: how far a moved plate is from the plate, over 7 x 7 pixels."""
    import cv2

    return np.asarray(cv2.blur(np.sqrt(((plate - moved) ** 2).sum(2)), (7, 7)), np.float32)
