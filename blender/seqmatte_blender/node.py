# SPDX-License-Identifier: GPL-3.0-or-later
"""The Matte node: a plain node group around one image sequence, so that it renders where the add-on is not.

A custom node class would crash the compositor of 4.5 and 5.0 on a farm that has no add-on; a plain group does not.
"""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from collections.abc import Iterator
from typing import Any

import bpy

from . import compositor, record
from .seqlink import FramePath, FrameRange

RESULT = "RESULT"
PATTERN = "matte.####.exr"


def add(tree: Any) -> Any:
    """A new Matte node in a compositing tree."""
    group = bpy.data.node_groups.new(_free_name(), "CompositorNodeTree")
    with contextlib.suppress(AttributeError, TypeError):  # only a colour in the node editor
        group.color_tag = "MATTE"
    group.interface.new_socket(name="Image", in_out="INPUT", socket_type="NodeSocketColor")
    mask = group.interface.new_socket(name="Mask", in_out="INPUT", socket_type="NodeSocketFloat")
    mask.hide_value = True
    group.interface.new_socket(name="Image", in_out="OUTPUT", socket_type="NodeSocketColor")
    group.interface.new_socket(name="Alpha", in_out="OUTPUT", socket_type="NodeSocketFloat")
    result = group.nodes.new("CompositorNodeImage")
    result.name = result.label = RESULT
    out = group.nodes.new("NodeGroupOutput")
    out.location = (result.location.x + 300, result.location.y)
    group.links.new(result.outputs["Image"], out.inputs["Image"])
    group.links.new(result.outputs["Alpha"], out.inputs["Alpha"])
    node = tree.nodes.new("CompositorNodeGroup")
    node.node_tree = group
    node.name = node.label = group.name
    node.width = 180
    _identify(group)
    return node


def is_matte(node: Any) -> bool:
    """Whether a node is one of ours."""
    group = getattr(node, "node_tree", None)
    return bool(group and group.bl_idname == "CompositorNodeTree" and group.seqmatte.uid and RESULT in group.nodes)


def every() -> Iterator[tuple[Any, Any]]:
    """Scene and node of every Matte node in this file's compositing trees, those in groups too."""
    for scene in bpy.data.scenes:
        for node in compositor.nodes_within(compositor.tree_of(scene)):
            if is_matte(node):
                yield scene, node


def find(uid: str) -> Any | None:
    """The group of a uid; None when it was deleted, or what shows its results was. Looked up each time: undo and load
    replace datablocks."""
    for group in bpy.data.node_groups:
        if _uid(group) == uid and RESULT in group.nodes:
            return group
    return None


def in_use(group: Any) -> bool:
    """Whether any tree has a node with this group: one that is deleted leaves it behind. 4.2 counts users wrongly."""
    trees = {*bpy.data.node_groups, *(compositor.tree_of(scene) for scene in bpy.data.scenes)} - {None}
    return any(getattr(each, "node_tree", None) == group for tree in trees for each in tree.nodes)


def own(node: Any) -> None:
    """Gives a node that was duplicated, or whose .blend was copied, a group, a uid and a folder of its own.

    The other keeps what there is.
    """
    group, place = node.node_tree, folder(node.node_tree)
    uid = group.seqmatte.uid
    nodes = [other for scene, other in every() if other.node_tree.seqmatte.uid == uid and not _same(other, node)]
    copies = [other for other in bpy.data.node_groups if other != group and _uid(other) == uid]
    if nodes:
        node.node_tree = group.copy()
    kept = record.read(place)
    if nodes or copies or (kept.uid == uid and record.is_anothers(kept, place, bpy.data.filepath)):
        node.node_tree.name = _free_name()
        _identify(node.node_tree)


def folder(group: Any) -> str:
    """Where the node's results lie; empty while the file was never saved.

    It is the folder of the RESULT image, so it follows when Blender makes paths relative or saves elsewhere.
    """
    image = group.nodes[RESULT].image
    if image is None or (image.filepath.startswith("//") and not bpy.data.filepath):
        return ""
    return os.path.dirname(os.path.normpath(str(bpy.path.abspath(image.filepath, library=image.library))))


def results(group: Any) -> FramePath:
    """The files of the node's results."""
    return FramePath(os.path.join(folder(group), PATTERN))


def exported(group: Any) -> FramePath:
    """The files of a plate that the engine cannot read itself. They bear the uid: no plate of an artist's does."""
    return FramePath(os.path.join(folder(group), "plate", f"plate.{group.seqmatte.uid}.####.exr"))


def set_folder(group: Any, path: str) -> None:
    """Results go to, and are read from, another folder; "//" is that of the .blend."""
    image = group.nodes[RESULT].image
    _, name = _parted(image.filepath)
    image.filepath = path + name if path.endswith(("/", "\\")) else f"{path}/{name}"


def show(group: Any, frames: FrameRange, shift: int) -> None:
    """Sets the RESULT sequence to show file frame + shift at each scene frame of a range."""
    result = group.nodes[RESULT]
    first, last = frames[0], frames[-1]
    head, _ = _parted(result.image.filepath)
    result.image.filepath = head + FramePath(PATTERN).path(first + shift)
    result.frame_start, result.frame_duration = first, last - first + 1
    result.frame_offset = first + shift - 1
    result.use_cyclic, result.use_auto_refresh = False, True


def reload(group: Any) -> None:
    """Reads the results again, for open editors; then redraws them."""
    image = group.nodes[RESULT].image
    if image is not None:
        image.reload()
        # Reading a file anew sets the space by what the file says (5.0).
        image.colorspace_settings.is_data = True
    redraw("NODE_EDITOR", "IMAGE_EDITOR", "VIEW_3D")


def redraw(*kinds: str) -> None:
    """Has the open editors of some kinds drawn again."""
    for manager in bpy.data.window_managers:
        for area in (area for window in manager.windows for area in window.screen.areas):
            if area.type in kinds:
                area.tag_redraw()


def _identify(group: Any) -> None:
    """A fresh uid, and an image of its own that reads //seqmatte/<uid>/."""
    uid = uuid.uuid4().hex[:12]
    group.seqmatte.uid = uid
    result = group.nodes[RESULT]
    kept = (result.frame_start, result.frame_duration, result.frame_offset)
    number = max(result.frame_start + result.frame_offset, 0) if result.image else 1
    image = bpy.data.images.new(f"{group.name} result", 1, 1, float_buffer=True, alpha=True)
    image.source = "SEQUENCE"
    image.filepath = f"//seqmatte/{uid}/{FramePath(PATTERN).path(number)}"
    image.alpha_mode = "PREMUL"
    image.colorspace_settings.is_data = True
    had_image = result.image is not None
    result.image = image
    if had_image:  # giving a node an image resets these
        result.frame_start, result.frame_duration, result.frame_offset = kept


def _parted(path: str) -> tuple[str, str]:
    """Folder, with its last slash, and name. "//" is a folder to Blender, and to no library of Python."""
    name = re.split(r"[/\\]", path)[-1]
    return path[: len(path) - len(name)], name


def _uid(group: Any) -> str:
    return str(group.seqmatte.uid) if group.bl_idname == "CompositorNodeTree" else ""


def _same(one: Any, other: Any) -> bool:
    return bool(one.id_data == other.id_data and one.name == other.name)


def _free_name() -> str:
    number = 1
    while f"Matte {number}" in bpy.data.node_groups:
        number += 1
    return f"Matte {number}"
