"""The key frames of a node: the frames on which its mask input is good, and what its alpha holds there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import nuke
from seqlink import FrameRange

from .above import seen_at, upstream
from .node import KINDS, MASK
from .trouble import Trouble


def of(group: nuke.Node) -> FrameRange:
    """The key frames that the knob names. Raises Trouble."""
    return FrameRange(kinds(group))


def kinds(group: nuke.Node) -> dict[int, str]:
    """What is given on each key frame, in the order of frames. Raises Trouble.

    The knob reads like `1001 1048=trimap 1060-1064=alpha`, commas allowed; a bare number is of the kind of new keys.
    """
    text = re.sub(r"\s*=\s*", "=", str(group["keys"].value()))
    found: dict[int, str] = {}
    for word in re.split(r"[\s,]+", text.strip()) if text.strip() else ():
        numbers, named, kind = word.partition("=")
        if named and kind not in KINDS:
            raise Trouble(f"Key frames: {word}: {kind!r} is none of {', '.join(KINDS)}.")
        try:
            found.update(dict.fromkeys(FrameRange.parse(numbers), kind or _new(group)))
        except ValueError as error:
            raise Trouble(f"Key frames: {error}.") from None
    return dict(sorted(found.items()))


def add(group: nuke.Node, frames: Any) -> None:
    """Frames become keys of the kind that the node says new ones are; other keys stay what they were."""
    _write(group, {**kinds(group), **dict.fromkeys(frames, _new(group))})


def remove(group: nuke.Node, frames: Any) -> None:
    _write(group, {frame: kind for frame, kind in kinds(group).items() if frame not in frames})


def pin(group: nuke.Node) -> None:
    """Writes its kind to every key, so that it stays what it is whatever new ones will be."""
    _write(group, kinds(group))


def from_roto(group: nuke.Node, frames: FrameRange) -> FrameRange:
    """Those of these frames on which a shape of the Roto above the mask input has a key. Raises Trouble."""
    feeding = upstream(group.input(MASK))
    roto, times = next((found for found in feeding if found[0].Class() in ("Roto", "RotoPaint")), (None, ()))
    if roto is None:
        raise Trouble("There is no Roto or RotoPaint above the mask input.")
    strange = next((node for node in times if node.Class() != "TimeOffset" or seen_at(0, (node,)) is None), None)
    if strange is not None:
        raise Trouble(f"{strange.name()} shows {roto.name()} at other times: add its good frames by hand.")
    curves: Any = roto["curves"]
    keyed = {frame for shape in _shapes(curves.rootLayer) for frame in _key_frames(shape)}
    if not keyed:
        raise Trouble(f"The shapes of {roto.name()} have no keys.")
    return FrameRange(frame for frame in frames if seen_at(frame, times) in keyed)


def _new(group: nuke.Node) -> str:
    return str(group["guide_kind"].value())


def _write(group: nuke.Node, found: dict[int, str]) -> None:
    """With the kind at each: a bare number would become another kind with the next change of the list."""
    runs = groupby(sorted(found), key=lambda frame: found[frame])
    words = [f"{word}={kind}" for kind, frames in runs for word in str(FrameRange(frames)).split(",")]
    group["keys"].setValue(" ".join(words))


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
