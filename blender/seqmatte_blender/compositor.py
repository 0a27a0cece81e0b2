# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between the compositors of Blender 4.2, 4.5 and 5.0, behind one set of names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import bpy

IS_5 = bpy.app.version >= (5, 0, 0)
IS_45 = bpy.app.version >= (4, 5, 0)

# Nodes that show or write something; a copy of the tree must not have them, or the artist's own outputs fire.
OUTPUTS = {
    "CompositorNodeComposite",
    "CompositorNodeViewer",
    "CompositorNodeOutputFile",
    "CompositorNodeSplitViewer",
    "NodeGroupOutput",
}


# Nodes that say where a picture lies without touching its pixels.
MOVING = {"CompositorNodeTranslate", "CompositorNodeTransform", "CompositorNodeStabilize", "CompositorNodeScale"}


def tree_of(scene: Any) -> Any | None:
    """The scene's compositing tree; None where it has none."""
    return scene.compositing_node_group if IS_5 else scene.node_tree


def tree_made(scene: Any) -> Any:
    """The scene's compositing tree, made and switched on where there was none."""
    if not IS_5:
        scene.use_nodes = True
        return scene.node_tree
    if scene.compositing_node_group is None:
        scene.compositing_node_group = bpy.data.node_groups.new(f"{scene.name} comp", "CompositorNodeTree")
    return scene.compositing_node_group


def add_output(tree: Any) -> Any:
    """The node whose first socket is the picture that a render saves."""
    if not IS_5:
        return tree.nodes.new("CompositorNodeComposite")
    if not any(getattr(item, "in_out", "") == "OUTPUT" for item in tree.interface.items_tree):
        tree.interface.new_socket(name="Image", in_out="OUTPUT", socket_type="NodeSocketColor")
    return tree.nodes.new("NodeGroupOutput")


def add_file_output(tree: Any, folder: str, socket: Any) -> Any:
    """A node that writes a socket to `folder` as float EXR in the numbers of the working space."""
    node = tree.nodes.new("CompositorNodeOutputFile")
    if IS_5:
        node.format.media_type = "IMAGE"
    node.format.file_format = "OPEN_EXR"
    node.format.color_depth = "32"
    node.format.exr_codec = "ZIP"
    node.format.color_mode = "RGBA"
    if IS_5:
        node.directory, node.file_name = folder, ""
        node.file_output_items.clear()
        # Without "#" a still render of 5.0 has no frame number.
        node.file_output_items.new("RGBA" if socket.type == "RGBA" else "FLOAT", "picture.####")
    else:
        node.base_path = folder
        node.file_slots.clear()
        node.file_slots.new("picture.####")
    tree.links.new(socket, node.inputs[0])
    return node


def add_mask(tree: Any, mask: Any) -> Any:
    """A node that rasterises a Mask datablock."""
    node = tree.nodes.new("CompositorNodeMask")
    node.mask = mask
    return node


def size_mask(node: Any, width: int, height: int) -> None:
    """Makes a Mask node draw at this size, whatever the scene's is."""
    if IS_5:
        node.inputs["Size Source"].default_value = "Fixed"
    else:
        node.size_source = "FIXED"
    if IS_45:
        node.inputs["Size X"].default_value, node.inputs["Size Y"].default_value = width, height
    else:
        node.size_x, node.size_y = width, height


def add_painted(tree: Any, image: Any) -> Any:
    """The socket with what was painted into an image that is data: its red, premultiplied.

    White on black and white on transparent are then the same mask.
    """
    node = tree.nodes.new("CompositorNodeImage")
    node.image = image
    split = tree.nodes.new("CompositorNodeSeparateColor")
    tree.links.new(node.outputs["Image"], split.inputs["Image"])
    return split.outputs["Red"]


def as_shown(tree: Any, socket: Any) -> Any:
    """The socket with its picture where the comp shows it: a File Output of 4.x does not write where one was moved to.

    What was moved is laid into the render's frame there.
    """
    names = upstream(socket.node)
    if IS_5 or not any(node.bl_idname in MOVING for node in _with_groups(tree.nodes[name] for name in names)):
        return socket
    frame = tree.nodes.new("CompositorNodeBoxMask").outputs[0]
    if socket.type != "RGBA":
        return _laid(tree, frame, socket)
    split, whole = (tree.nodes.new(f"CompositorNode{kind}") for kind in ("SeparateColor", "SetAlpha"))
    whole.mode = "REPLACE_ALPHA"  # the frame's own is all that mixing leaves
    tree.links.new(socket, split.inputs["Image"])
    tree.links.new(_laid(tree, frame, socket), whole.inputs["Image"])
    tree.links.new(_laid(tree, frame, split.outputs["Alpha"]), whole.inputs["Alpha"])
    return whole.outputs["Image"]


def _laid(tree: Any, frame: Any, socket: Any) -> Any:
    mixed = tree.nodes.new("CompositorNodeMixRGB")
    mixed.inputs[0].default_value = 1.0  # nothing is left of the frame but its size
    tree.links.new(frame, mixed.inputs[1])
    tree.links.new(socket, mixed.inputs[2])
    return mixed.outputs[0]


def source_of(socket: Any) -> Any | None:
    """The output socket that feeds an input, through reroutes; None where nothing does."""
    seen = 0
    while socket.is_linked and seen < 1000:
        link = socket.links[0]
        if link.is_muted:
            return None
        if link.from_node.bl_idname != "NodeReroute":
            return link.from_socket
        socket, seen = link.from_node.inputs[0], seen + 1
    return None


def upstream(node: Any) -> set[str]:
    """Names of a node and of all that feed it."""
    names: set[str] = set()
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if node.name not in names:
            names.add(node.name)
            waiting.extend(link.from_node for socket in node.inputs for link in socket.links)
    return names


def images(node: Any) -> Iterator[Any]:
    """The images that feed a node, also from within groups."""
    tree = node.id_data
    waiting = [tree.nodes[name] for name in upstream(node) if name != node.name]
    while waiting:
        each = waiting.pop()
        if each.bl_idname == "CompositorNodeImage":
            yield each.image
        elif each.bl_idname == "CompositorNodeGroup" and each.node_tree is not None:
            waiting.extend(each.node_tree.nodes)


def nodes_within(tree: Any) -> Iterator[Any]:
    """The nodes of a tree and of the groups in it, each group once; nothing for no tree."""
    yield from _with_groups(() if tree is None else tree.nodes)


def _with_groups(nodes: Iterable[Any]) -> Iterator[Any]:
    waiting, seen = list(nodes), set()
    while waiting:
        each = waiting.pop(0)
        yield each
        group = getattr(each, "node_tree", None)
        if group is not None and group not in seen:
            seen.add(group)
            waiting.extend(group.nodes)


def unknown_nodes(tree: Any, names: set[str]) -> Iterator[Any]:
    """Nodes among the named whose add-on is not there: they crash the compositor of 4.5 and 5.0."""
    for name in names:
        node = tree.nodes[name]
        if node.bl_idname == "NodeUndefined" or type(node).__name__ == "NodeUndefined":
            yield node


def keep_only(tree: Any, names: set[str]) -> None:
    """Removes every other node from a copied tree."""
    with _action_aside(tree.animation_data):
        for node in list(tree.nodes):
            if node.name not in names:
                tree.nodes.remove(node)


@contextlib.contextmanager
def nothing_written(tree: Any) -> Iterator[None]:
    """The groups in a copied tree are the artist's own: what writes files in them is muted meanwhile."""
    within = [node for node in nodes_within(tree) if node.id_data != tree]
    loud = [node for node in within if node.bl_idname == "CompositorNodeOutputFile" and not node.mute]
    for node in loud:
        node.mute = True
    try:
        yield
    finally:
        for node in loud:
            node.mute = False


def is_animated(node: Any) -> bool:
    """Whether a curve or a driver moves something of a node."""
    return any(curve.data_path.startswith(f"{node.path_from_id()}.") for curve in _curves(node.id_data.animation_data))


def _curves(animation: Any | None) -> Iterator[Any]:
    if animation is None:
        return
    yield from animation.drivers
    action = animation.action
    if action is None:
        return
    if not hasattr(action, "layers"):  # 4.3 and older
        yield from action.fcurves
        return
    for layer in action.layers:
        for strip in layer.strips:
            for bag in strip.channelbags:
                yield from bag.fcurves


@contextlib.contextmanager
def _action_aside(animation: Any | None) -> Iterator[None]:
    """A node that is removed takes its curves along, and a copied tree shares its action with the artist's."""
    action = animation.action if animation is not None else None
    if animation is None or action is None:
        yield
        return
    slot = getattr(animation, "action_slot", None)  # 4.4 and newer
    animation.action = None
    yield
    animation.action = action
    if slot is not None:
        animation.action_slot = slot
