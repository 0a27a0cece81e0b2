"""Frames that a render is about to take from a node, and that are not there."""

from __future__ import annotations

import os
from collections.abc import Iterator

import nuke

from . import node, record, scene
from .trouble import Trouble


def of(write: nuke.Node, frame: int) -> Iterator[str]:
    """One sentence for each of our nodes above a Write that has no result on a frame of its range."""
    for group in node.all_of_ours():
        if not group["disable"].value() and str(group["show"].value()) != "plate" and _feeds(group, write):
            gone = _gone(group, frame)
            if gone:
                yield f"{group.fullName()} has no matte on frame {frame}: {gone}"


def _feeds(group: nuke.Group, write: nuke.Node) -> bool:
    """Whether a node, or a group around it, stands above a Write. Inside a group, what stands around is unknown."""
    if "." in write.fullName():
        return not any(write.fullName().startswith(f"{ours.fullName()}.") for ours in node.all_of_ours())
    return group.fullName().partition(".")[0] in {above.name() for above in node.upstream(write)}


def _gone(group: nuke.Group, frame: int) -> str:
    """The file that is not there; empty when there is one for each view, or none is expected."""
    try:
        if frame not in scene.frame_range(group):
            return ""
        paths = [record.results(place).path(frame) for place in scene.places(group).values()]
    except Trouble as trouble:
        return str(trouble)
    return next((path for path in paths if not os.path.exists(path)), "")
