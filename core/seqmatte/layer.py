"""Layer: the one kind of picture that passes between plate, methods, cache and results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Header:
    """What an EXR says beside its pixels; carried from the plate to every result.

    data: (x, y, width, height) of the pixels; display: the same of the display window. Both in pixels, y down,
    origins may be negative. attributes: name -> (OpenImageIO type name, value), metadata and timecode.
    """

    data: tuple[int, int, int, int]
    display: tuple[int, int, int, int]
    pixel_aspect: float = 1.0
    attributes: Mapping[str, tuple[str, Any]] = field(default_factory=dict)

    @staticmethod
    def of_size(width: int, height: int) -> Header:
        """A header whose two windows are the whole picture, at the origin."""
        return Header((0, 0, width, height), (0, 0, width, height))


@dataclass(frozen=True)
class Layer:
    """pixels: H x W x C, float32, the data window row by row from the top. channels: one name each.

    facts: numbers or words that belong to the picture as a whole (its confidence, what healed it); stored as
    metadata with it. A guide's one channel is named by its kind: "mask", "trimap" or "alpha".
    """

    pixels: Pixels
    channels: tuple[str, ...]
    header: Header | None = None
    facts: Mapping[str, float | int | str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or self.pixels.shape[2] != len(self.channels):
            raise ValueError(f"pixels {self.pixels.shape} do not fit channels {self.channels}")

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    def __getitem__(self, channel: str) -> Pixels:
        """One channel, H x W."""
        return self.pixels[:, :, self.channels.index(channel)]

    def has(self, channel: str) -> bool:
        return channel in self.channels

    def take(self, *channels: str) -> Pixels:
        """The named channels in the order asked, H x W x C."""
        return self.pixels[:, :, [self.channels.index(name) for name in channels]]

    def with_header(self, header: Header | None) -> Layer:
        return replace(self, header=header)


def single(pixels: npt.ArrayLike, name: str, **facts: float | int | str) -> Layer:
    """A one-channel layer from an H x W picture."""
    return Layer(np.asarray(pixels, np.float32)[:, :, None], (name,), facts=facts)


def mixed(one: Layer, other: Layer, share: float) -> Layer:
    """Two pictures of the same frame and channels in one, the first with this share. Facts are the first's, but a
    confidence that both tell."""
    pixels = np.asarray(other.pixels + np.float32(share) * (one.pixels - other.pixels), np.float32)
    facts = dict(one.facts)
    if "confidence" in one.facts and "confidence" in other.facts:
        facts["confidence"] = share * float(one.facts["confidence"]) + (1 - share) * float(other.facts["confidence"])
    return replace(one, pixels=pixels, facts=facts)
