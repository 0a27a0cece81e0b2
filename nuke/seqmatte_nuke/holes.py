"""Frames that a render is about to take from a node, and that are not there."""

from __future__ import annotations

import os
from collections.abc import Iterator

import nuke
from seqlink import FramePath, FrameRange

from . import above, node, scene
from .trouble import Trouble


def of(write: nuke.Node, frame: int) -> Iterator[str]:
    """One sentence for each of our nodes above a Write that gives no result on a frame of its range."""
    ours = node.all_of_ours()
    if any(write.fullName().startswith(f"{group.fullName()}.") for group in ours):
        return  # a solve's own render
    feeding = [(found.fullName(), times) for found, times in above.upstream(write)] if ours else []
    for group in ours:
        if not group["disable"].value() and str(group["show"].value()) != "plate":
            for at in _seen(group, feeding, frame):
                gone = _gone(group, write, at)
                if gone:
                    yield f"{group.fullName()} has no matte on frame {at}: {gone}"


def _seen(group: nuke.Group, feeding: list[tuple[str, above.Times]], frame: int) -> FrameRange:
    """The frames of a node that are rendered, as far as they can be told: where it, or a group around it, feeds."""
    name = group.fullName()
    times = [times for other, times in feeding if name == other or name.startswith(f"{other}.")]
    return FrameRange(at for at in (above.seen_at(frame, way) for way in times) if at is not None)


def _gone(group: nuke.Group, write: nuke.Node, frame: int) -> str:
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
    return next(filter(None, (_gone_of(view, group, file, frame) for view in _views(group, write))), "")


def _gone_of(view: str, group: nuke.Group, file: str, frame: int) -> str:
    path = FramePath(file.replace("%V", view)).path(frame)
    if not os.path.exists(path):
        return path
    return f"the view {view} was not solved yet" if scene.borrows(group, view, file) else ""


def _views(group: nuke.Group, write: nuke.Node) -> list[str]:
    """The views that a Write renders and that are asked of the node."""
    asked = scene.asked_views(group)
    return [view for view in str(write["views"].value()).split() if view in asked]
