"""The key frames of a node: the frames on which its mask input is good."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import nuke
from seqlink import FrameRange

from .node import MASK
from .trouble import Trouble

# How far above the mask input a Roto may stand, so that a tree of thousands of nodes is not searched.
_DEPTH = 200


def of(group: nuke.Node) -> FrameRange:
    """The key frames written in the knob, between blanks or commas, ranges allowed. Raises Trouble."""
    text = str(group["keys"].value())
    try:
        return FrameRange.parse(",".join(re.split(r"[\s,]+", text.strip()))) if text.strip() else FrameRange()
    except ValueError as error:
        raise Trouble(f"Key frames: {error}.") from None


def add(group: nuke.Node, frames: Any) -> None:
    _write(group, of(group) | frames)


def remove(group: nuke.Node, frames: Any) -> None:
    _write(group, of(group) - frames)


def from_roto(group: nuke.Node) -> FrameRange:
    """Frames on which a shape of the Roto above the mask input has a key. Raises Trouble."""
    roto = next(_rotos(group.input(MASK)), None)
    if roto is None:
        raise Trouble("There is no Roto or RotoPaint above the mask input.")
    curves: Any = roto["curves"]
    found = FrameRange(frame for shape in _shapes(curves.rootLayer) for frame in _key_frames(shape))
    if not found:
        raise Trouble(f"The shapes of {roto.name()} have no keys.")
    return found


def _write(group: nuke.Node, frames: FrameRange) -> None:
    group["keys"].setValue(" ".join(str(frame) for frame in frames))


def _rotos(node: nuke.Node | None) -> Iterator[nuke.Node]:
    waiting, seen = [node], 0
    while waiting and seen < _DEPTH:
        found, seen = waiting.pop(0), seen + 1
        if found is None:
            continue
        if found.Class() in ("Roto", "RotoPaint"):
            yield found
        waiting.extend(found.input(index) for index in range(found.inputs()))


def _shapes(layer: Any) -> Iterator[Any]:
    """The shapes of a layer and of those in it. A shape is what has control points; strokes are not roto."""
    for element in layer:
        kind = type(element).__name__
        if kind == "Layer":
            yield from _shapes(element)
        elif kind == "Shape":
            yield element


def _key_frames(shape: Any) -> Iterator[int]:
    for point in shape:
        yield from (round(time) for time in point.center.getControlPointKeyTimes())
