"""What a way of matting is: the layers it reads around a frame, how far its results reach, and one frame's step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from seqmatte.layer import Layer
from seqmatte.reach import Reach

if TYPE_CHECKING:
    from seqmatte.device import Device

State: TypeAlias = Any
Frozen: TypeAlias = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Read:
    """One thing a step looks at.

    layer: "plate", "clean", "guide", or a layer made earlier in the recipe. offsets: frames relative to the step's
    frame; past the ends the end frame repeats. space (plate and clean only): "scene" is scene-linear light in
    the primaries that results are delivered in, unclipped; "encoded" is linear Rec.709 through the shot's invertible
    network encoding, about 0..1 (see encoding.py). optional: a recipe in which nobody makes the layer goes without, and
    the method then has no such read; of a guide, that it is looked at where there is one and none is needed.
    instead_of: another layer; what this one tells is read only in recipes where nobody makes that.
    """

    layer: str
    offsets: tuple[int, ...] = (0,)
    space: str = "scene"
    optional: bool = False
    instead_of: str = ""


class View:
    """A frame number and exactly what the method declared: view["plate"], view["plate", -1].

    A layer read in two spaces is told apart by a third index: view["plate", 0, "encoded"]. view["guide"] is None on
    frames without a guide.
    """

    def __init__(
        self,
        frame: int,
        fetch: Callable[[str, int, str | None], Layer | None],
        neighbour: Callable[[int, int], int] | None = None,
    ) -> None:
        self.frame = frame
        self._fetch = fetch
        self._neighbour = neighbour

    def at(self, offset: int) -> int:
        """The frame that an offset means: past the shot's ends the end frame."""
        return self._neighbour(self.frame, offset) if self._neighbour else self.frame + offset

    def __getitem__(self, which: str | tuple[str, int] | tuple[str, int, str]) -> Layer:
        layer = self.get(which)
        if layer is None:
            raise KeyError(f"frame {self.frame} has no {which}")
        return layer

    def get(self, which: str | tuple[str, int] | tuple[str, int, str]) -> Layer | None:
        """The layer, or None where there is none (a guide on an unguided frame, a shot without clean plate)."""
        if isinstance(which, str):
            return self._fetch(which, 0, None)
        return self._fetch(which[0], which[1], which[2] if len(which) == 3 else None)


class Method(Protocol):
    """One way to make one layer, a frame at a time. Constructed with its Params; heavy things wait for `open`.

    makes: the layer's name. version: raised when its pixels change. A stateful method takes its past from the state,
    never from offset -1, because a walk may run backwards.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    makes: str
    reads: tuple[Read, ...]
    reach: Reach
    Params: ClassVar[type]
    params: Any

    def open(self, device: Device) -> None:
        """Loads weights, once."""

    def start(self, guides: Sequence[View]) -> State:
        """The memory before the walk, from the span's guided frames, nearest first."""

    def step(self, state: State, view: View) -> tuple[State, Layer]:
        """One frame."""

    # Methods with long spans also have these two, so that a walk resumes from a snapshot bit for bit:
    #   freeze(state) -> Frozen       arrays by name
    #   thaw(frozen) -> State
    # And any method may have:
    #   start_reads: tuple of Reads   what `start` looks at, if not all that a step does
    #   remembers: bool               False where no step changes the state: a frame then goes by the start alone
    #   half: tuple of channels       stored in half precision; the others in float
    #   mixed(one, other, share)      a layer where two walks meet, if not the pixels' mean (layer.mixed)
    #   weights_digest: str           of the weights it uses, for its keys
    #   needs_clean: bool             whether it cannot do without a clean plate


def guide_kind(guide: Layer) -> str:
    """ "mask", "trimap" or "alpha"."""
    return guide.channels[0]


def as_planes(layer: Layer, *channels: str) -> npt.NDArray[np.float32]:
    """1 x C x H x W, contiguous: what torch wants."""
    import cv2

    picked = layer.take(*channels) if channels and channels != layer.channels else layer.pixels
    planes = np.empty((1, picked.shape[2], *picked.shape[:2]), np.float32)
    cv2.split(np.ascontiguousarray(picked, np.float32), list(planes[0]))
    return planes
