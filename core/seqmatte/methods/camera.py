"""The camera's move from each frame to the next, beside a small picture of what the subject does not cover."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from seqmatte import camera
from seqmatte.camera import Way
from seqmatte.device import Device
from seqmatte.flow import Plane
from seqmatte.guide import grown, resized, shrunk_to
from seqmatte.layer import Layer
from seqmatte.method import Read, State, View
from seqmatte.reach import PerFrame
from seqmatte.stitched import Stitched, stitched

# Pixels a side of the small picture, at most: of a larger plate the set behind soft edges is known less sharply.
SIDE = 960
# Frames before and after that show what the subject hides.
REACH = 8
# Pixels of the small picture about what is wanted, of which the set is stitched too.
_BESIDE = 64
# What a matte hides: all of more than this opacity, and so many pixels of the small picture about it.
_HIDING, _ABOUT = 0.02, 3


@dataclass(frozen=True)
class CameraParams:
    pass


class Camera:
    """The camera's move from frame to frame, and what the subject does not cover of the set.

    Makes "camera": R, G, B (encoded, at most `SIDE` pixels a side) and "covered", 1 where the subject may hide the
    set; fact "way": nine numbers, the homography from the small picture's pixels to the next frame's, or nothing.
    The subject is where the memory network guesses it, or where closed form finds it in recipes without.
    """

    name: ClassVar[str] = "camera"
    version: ClassVar[int] = 2
    Params: ClassVar[type] = CameraParams
    half: ClassVar[tuple[str, ...]] = ("R", "G", "B", "covered")

    makes = "camera"
    reads = (
        Read("plate", (0, 1), space="encoded"),
        Read("guess", (0, 1), optional=True),
        Read("solved", (0, 1), instead_of="guess"),
    )
    reach = PerFrame()

    def __init__(self, params: CameraParams) -> None:
        self.params = params

    def open(self, device: Device) -> None:
        """Nothing to load: all of it runs on the processor."""

    def start(self, guides: Sequence[View]) -> State:
        return None

    def step(self, state: State, view: View) -> tuple[State, Layer]:
        here, covered = self._seen(view, 0)
        way = None
        if view.at(1) != view.frame:
            there, covered_there = self._seen(view, 1)
            way = camera.way_between(here, there, covered, covered_there)
        pixels = np.concatenate((here, covered[..., None]), 2)
        return None, Layer(pixels, ("R", "G", "B", "covered"), facts={"way": _written(way)})

    def _seen(self, view: View, offset: int) -> tuple[Plane, Plane]:
        """The small plate, and what of it the subject may hide."""
        plate = view["plate", offset, "encoded"].take("R", "G", "B")
        size = shrunk_to(SIDE, *plate.shape[:2])
        guessed = any(read.layer == "guess" for read in self.reads)
        alpha = view["guess", offset]["alpha"] if guessed else view["solved", offset]["A"]
        hidden = grown(resized(alpha, size) > _HIDING, _ABOUT)
        return resized(plate, size), hidden.astype(np.float32)


def way_of(layer: Layer) -> Way | None:
    """From a frame's small picture to the next one's, as the layer tells it."""
    numbers = str(layer.facts.get("way", "")).split()  # files hold no empty facts
    return np.array(numbers, np.float64).reshape(3, 3) if numbers else None


def behind(view: View, wanted: npt.NDArray[np.bool_]) -> Stitched:
    """The set behind the subject about what is wanted (H x W, of the plate's size), as up to `REACH` frames before and
    after show it; elsewhere the plate, not trusted. The view has "camera" at all of these offsets."""
    small = view["camera"]
    colour, trust = small.pixels[..., :3].copy(), np.zeros((small.height, small.width), np.float32)
    if wanted.any():
        part = _about(wanted, (small.height, small.width))
        found = part_behind(view, part)
        colour[part], trust[part] = found.colour, found.trust
    return Stitched(resized(colour, wanted.shape), resized(trust, wanted.shape))


def _about(wanted: npt.NDArray[np.bool_], size: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns, in a picture of this (height, width), that hold what is wanted and what is beside it."""
    scales = [small / full for small, full in zip(size, wanted.shape, strict=True)]  # of a strip one is another
    ends = [np.flatnonzero(wanted.any(1 - axis))[[0, -1]] * scales[axis] for axis in (0, 1)]
    rows, columns = (slice(max(int(low) - _BESIDE, 0), int(high) + 1 + _BESIDE) for low, high in ends)
    return rows, columns


def part_behind(view: View, part: tuple[slice, slice]) -> Stitched:
    """`behind`, of a part (rows, columns) of the small picture."""
    here = view["camera"].pixels[part][..., :3]
    corner = np.array([[1, 0, part[1].start], [0, 1, part[0].start], [0, 0, 1]], np.float64)
    shown, bare = [], []
    for offset, way in [*_ways(view, 1), *_ways(view, -1)]:
        other = view["camera", offset]
        shown.append(camera.moved(other.pixels[..., :3], way @ corner, here.shape[:2]))
        bare.append(camera.moved(other["covered"], way @ corner, here.shape[:2], outside=1.0) < _HIDING)
    return stitched(here, shown, bare)


def _ways(view: View, direction: int) -> Iterator[tuple[int, Way]]:
    """Offsets, ever further, and the way from this frame there; up to the shot's end or a cut."""
    way = np.eye(3)
    for offset in range(direction, direction * (REACH + 1), direction):
        if view.at(offset) == view.at(offset - direction):
            return
        step = way_of(view["camera", min(offset, offset - direction)])
        if step is None:
            return
        way = (step if direction > 0 else np.linalg.inv(step)) @ way
        yield offset, way


def _written(way: Way | None) -> str:
    return "" if way is None else " ".join(repr(float(number)) for number in way.ravel())
