"""Frames that a render is about to take from a node, and that are not there."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

import nuke
from seqlink import FramePath, FrameRange

from . import above, node, scene
from .trouble import Trouble


def of(write: nuke.Node, frames: Iterable[int], views: list[str]) -> Iterator[str]:
    """One sentence for each of our nodes above a Write and each frame of its range on which it gives no result."""
    ours = node.all_of_ours()
    feeding = [(found.fullName(), times) for found, times in above.upstream(write)] if ours else []
    for group in ours:
        if not group["disable"].value() and str(group["show"].value()) != "plate":
            for at in _seen(group, feeding, frames):
                gone = _gone(group, views, at)
                if gone:
                    yield f"{group.fullName()} has no matte on frame {at}: {gone}"


def _seen(group: nuke.Group, feeding: list[tuple[str, above.Times]], frames: Iterable[int]) -> FrameRange:
    """The frames of a node that are rendered, as far as they can be told."""
    ways = [times for name, times in feeding if name == group.fullName()]
    seen = (above.seen_at(frame, way) for way in ways for frame in frames)
    return FrameRange(at for at in seen if at is not None)


def _gone(group: nuke.Group, views: list[str], frame: int) -> str:
    """What the inner Read lacks, since it makes the picture wherever the node's folder is; empty where it lacks nothing
    that is rendered, or nothing is expected."""
    try:
        if frame not in scene.frame_range(group):
            return ""
        read = node.part(group, "MatteResult")
    except Trouble as trouble:
        return str(trouble)
    file = scene.evaluated(read, "file")
    if not file:
        return "it was not solved yet"
    if not int(read["first"].value()) <= frame <= int(read["last"].value()):
        return "that frame was outside the range when it was solved"
    asked = scene.asked_views(group)
    return next(filter(None, (_gone_of(view, group, file, frame) for view in views if view in asked)), "")


def _gone_of(view: str, group: nuke.Group, file: str, frame: int) -> str:
    path = FramePath(file.replace("%V", view)).path(frame)
    if not os.path.exists(path):
        return path
    return f"the view {view} was not solved yet" if scene.borrows(group, view, file) else ""
