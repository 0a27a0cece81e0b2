"""What networks see: an invertible picture of about 0..1 from unbounded light, constant over a shot.

Linear Rec.709 times 2^ev, the sRGB curve up to a knee, and above it a logarithmic shoulder that reaches 1 at `top`
with no jump in value or slope. Nothing is clipped above; light beyond `top` goes a little beyond 1. Below, light is
clamped at -0.02, because the straight toe would turn negative grain into large negative numbers.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

Light = TypeVar("Light", npt.NDArray[np.float32], "torch.Tensor")

FLOOR = -0.02
HIGHEST_TOP = 64.0
HALF_MAX = 65504.0
# An exposure is shifted by so many stops at most; a plate in candelas begins some twenty away.
_MOST_STOPS = 40.0
_BREAK = 0.0031308
_SLOPE = 12.92
# With the knee at 1 there is no room left below 1: the shoulder starts there with this bend instead.
_BEND_ABOVE_ONE = 0.1


@dataclass(frozen=True)
class Encoding:
    """ev: stops added first. knee: linear value where the sRGB curve ends. top: linear value that becomes 1.

    Encoding() is plain sRGB for plates whose light stays below 1 (above, it bends but does not clip).
    """

    ev: float = 0.0
    knee: float = 1.0
    top: float = 1.0

    def __post_init__(self) -> None:
        if not (0.05 <= self.knee <= 1.0 and self.knee <= self.top <= 65504 and abs(self.ev) <= _MOST_STOPS):
            raise ValueError(f"encoding {self}: needs ev -40..40, knee 0.05..1 and top from knee to 65504")
        if self.knee == 1.0 < self.top:
            raise ValueError(f"encoding {self}: with knee 1 there is no room for a shoulder; use knee 0.5")

    def __str__(self) -> str:
        return ",".join(str(float(part)).removesuffix(".0") for part in (self.ev, self.knee, self.top))

    @staticmethod
    def parse(text: str) -> Encoding:
        """From "ev,knee,top". Raises ValueError which says what would be right."""
        try:
            ev, knee, top = (float(part) for part in text.split(","))
        except ValueError:
            raise ValueError(
                f"encoding {text!r}: write auto, or ev,knee,top as three numbers, such as 0,0.5,16"
            ) from None
        return Encoding(ev, knee, top)

    def encode(self, light: Light) -> Light:
        """Linear Rec.709, any shape, numpy float32 or torch, to the network's picture of the same kind."""
        x: Any = _clamp(light * 2.0**self.ev, FLOOR, None)
        at_knee, slope, bend = _shoulder(self.knee, self.top)
        above = at_knee + bend * _maths(x).log1p((_clamp(x, self.knee, None) - self.knee) * (slope / bend))
        picture: Light = _where(x <= self.knee, _srgb(_clamp(x, None, self.knee)), above)
        return picture

    def decode(self, picture: Light) -> Light:
        """The inverse of `encode` for all light from -0.02 / 2^ev to half's largest, to about 2e-6 of the value."""
        at_knee, slope, bend = _shoulder(self.knee, self.top)
        # A network may answer anything: what no file could hold ends here, before it overflows.
        highest = at_knee + bend * math.log1p(HALF_MAX * 2.0**self.ev * slope / bend)
        rise = _maths(picture).expm1((_clamp(picture, at_knee, highest) - at_knee) / bend)
        below = _linear(_clamp(picture, None, at_knee))
        light: Light = _where(picture <= at_knee, below, self.knee + rise * (bend / slope)) * 2.0**-self.ev
        return light


def choose(samples: Iterable[npt.NDArray[np.float32]]) -> Encoding:
    """Constants for a shot from a few of its frames, H x W x 3 in linear Rec.709.

    Coarse on purpose (whole stops, powers of two), so that a repaired frame or another choice of frames rarely
    changes them. Light above 1 on more than a thousandth of the picture brings the shoulder in. Only a plate
    whose brightest parts are dark, or whose darkest parts are bright, is shifted, by whole stops.
    """
    pixels = np.concatenate([np.asarray(sample, np.float32).reshape(-1, 3) for sample in samples])
    pixels = pixels[np.isfinite(pixels).all(axis=1)]
    if not len(pixels):
        return Encoding()
    ev = _stops_off(pixels.max(axis=1))
    brightest = pixels.max(axis=1) * 2.0**ev
    if float(np.quantile(brightest, 0.999)) <= 1.0:
        return Encoding(ev)
    extreme = max(float(np.quantile(brightest, 0.9999)), 2.0)
    return Encoding(ev, 0.5, min(2.0 ** math.ceil(math.log2(extreme)), HIGHEST_TOP))


_CHOSEN: OrderedDict[tuple[object, ...], Encoding] = OrderedDict()


def chosen(sampled: tuple[object, ...], samples: Callable[[], Iterable[npt.NDArray[np.float32]]]) -> Encoding:
    """The encoding for what was sampled, remembered in the process: a worker makes a Source for each request."""
    if sampled not in _CHOSEN:
        _CHOSEN[sampled] = choose(samples())
        while len(_CHOSEN) > 64:
            _CHOSEN.popitem(last=False)
    return _CHOSEN[sampled]


def _stops_off(light: npt.NDArray[np.float32]) -> float:
    """Whole stops to an ordinary exposure. A night with one lit face needs none, and a face before a window none."""
    dark, middle, bright = (float(value) for value in np.quantile(light, (0.05, 0.5, 0.95)))
    if 1e-4 < bright < 0.06:
        return float(round(math.log2(0.5 / bright)))
    return max(-_MOST_STOPS, float(round(math.log2(0.18 / middle)))) if dark > 1.0 else 0.0


@lru_cache(maxsize=64)
def _shoulder(knee: float, top: float) -> tuple[float, float, float]:
    """(value at the knee, slope there, bend): knee + bend * log1p((x - knee) * slope / bend) is 1 at top."""
    at_knee = 1.055 * knee ** (1 / 2.4) - 0.055
    slope = 1.055 / 2.4 * knee ** (1 / 2.4 - 1)
    if top <= knee or knee >= 1.0 or slope * (top - knee) <= 1.0 - at_knee:
        return at_knee, slope, _BEND_ABOVE_ONE
    low, high = 1e-4, 10.0
    for _ in range(80):
        bend = math.sqrt(low * high)
        short = bend * math.log1p((top - knee) * slope / bend) < 1.0 - at_knee
        low, high = (bend, high) if short else (low, bend)
    return at_knee, slope, bend


def _srgb(x: Any) -> Any:
    """IEC 61966-2-1, its toe straight on through 0."""
    return _where(x <= _BREAK, x * _SLOPE, 1.055 * _clamp(x, _BREAK, None) ** (1 / 2.4) - 0.055)


def _linear(y: Any) -> Any:
    return _where(y <= _SLOPE * _BREAK, y / _SLOPE, ((_clamp(y, 0.0, None) + 0.055) / 1.055) ** 2.4)


def _maths(x: Any) -> Any:
    """numpy or torch, by what is given; torch is not loaded for arrays."""
    if isinstance(x, np.ndarray):
        return np
    import torch

    return torch


def _where(condition: Any, yes: Any, no: Any) -> Any:
    return _maths(condition).where(condition, yes, no)


def _clamp(x: Any, low: float | None, high: float | None) -> Any:
    return _maths(x).clip(x, low, high)
