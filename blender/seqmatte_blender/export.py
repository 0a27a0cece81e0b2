# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders what feeds a Matte node to files, from a copy of the scene in which nothing else can write.

Runs in this Blender where it is headless, and in a second one (background.py) where an artist sits.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import bpy

from . import compositor, windows


class ExportError(Exception):
    """A plate frame or a mask could not be rendered; says which and why."""


@dataclass(frozen=True)
class Wanted:
    """One picture to render.

    source: "plate" or "mask" (what is linked to the node's sockets), "Mask:NAME" (a Mask datablock) or "Image:NAME"
    (a painted image); NAME is the full one, which tells a linked one from the file's own. frame: the scene's. folder,
    name: where it goes; "{digest}" in the name becomes the first 16 letters of the digest of the file. over: of a mask,
    the file of the plate's frame that it was drawn over; it may be one that is rendered before.
    """

    source: str
    frame: int
    folder: str
    name: str
    over: str = ""


def rendered(scene_name: str, node_name: str, wanted: list[Wanted]) -> Iterator[tuple[Wanted, str]]:
    """Each picture and its file, as they are written. Raises ExportError."""
    scene = bpy.data.scenes[scene_name]
    try:
        for source in dict.fromkeys(each.source for each in wanted):
            with contextlib.ExitStack() as scratch_things:
                scratch = scratch_things.enter_context(_scratch(scene))
                scratch_things.enter_context(compositor.nothing_written(compositor.tree_of(scratch)))
                folder = scratch_things.enter_context(tempfile.TemporaryDirectory(prefix="seqmatte-"))
                painted = scratch_things.enter_context(_as_data(source))
                feeding = _wire(scratch, node_name, painted or source, folder)
                for each in (each for each in wanted if each.source == source):
                    plate = windows_of(each.over) if each.over else None
                    if plate:
                        _fit(feeding, painted, each.frame, *plate.size)
                    path = _render(scratch, each, folder)
                    if plate and windows_of(path).size == plate.size:
                        windows.lay(path, plate)
                    yield each, _placed(path, each)
    finally:
        # Masks are evaluated in place, so they stand at the last frame that was rendered.
        bpy.data.scenes[scene_name].frame_set(scene.frame_current, subframe=scene.frame_subframe)


def file_digest(path: str) -> str:
    """The first 16 letters of the SHA-256 of a file. Files that we render carry no dates, so equal means unchanged."""
    made = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            made.update(block)
    return made.hexdigest()[:16]


def windows_of(path: str) -> windows.Windows:
    """Where the picture of an EXR lies. Raises ExportError."""
    try:
        return windows.of(path)
    except FileNotFoundError:
        raise ExportError(f"{path} does not exist.") from None
    except OSError as error:
        raise ExportError(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise ExportError(f"{path} is no whole EXR: write it again.") from None


@contextlib.contextmanager
def _scratch(scene: Any) -> Iterator[Any]:
    """A copy of the scene that renders its compositing tree and nothing else; gone afterwards."""
    made = scene.copy()
    tree = None
    if compositor.IS_5:
        made.compositing_node_group = tree = compositor.tree_made(scene).copy()
    else:
        made.use_nodes = True
    render = made.render
    render.image_settings.color_management = "FOLLOW_SCENE"
    render.use_sequencer, render.use_compositing = False, True
    render.resolution_percentage = 100
    render.use_border = render.use_multiview = False
    for name in dir(render):
        if name.startswith("use_stamp"):
            setattr(render, name, False)
    try:
        yield made
    finally:
        bpy.data.scenes.remove(made)
        if tree is not None:
            bpy.data.node_groups.remove(tree)


@contextlib.contextmanager
def _as_data(source: str) -> Iterator[str]:
    """For a painted image, a copy of it whose numbers are what the artist painted; "" for any other source.

    A picture that is not data is made linear on its way in, which would move its soft edges. The space of the image
    itself cannot be changed: that would lose the paint, unless it is packed, and it is the artist's.
    """
    kind, _, name = source.partition(":")
    if kind != "Image":
        yield ""
        return
    made = _named(bpy.data.images, name).copy()
    made.colorspace_settings.is_data = True
    try:
        yield f"Image:{made.name_full}"
    finally:
        bpy.data.images.remove(made)


def _wire(scratch: Any, node_name: str, source: str, folder: str) -> Any:
    """Leaves in the copy only what makes the source, and a node that writes it; the node that the source comes from."""
    tree = compositor.tree_of(scratch)
    if tree is None or node_name not in tree.nodes:
        raise ExportError(f"the node {node_name!r} is not in the compositing tree of the scene itself")
    kind, _, name = source.partition(":")
    socket = _socket(tree, tree.nodes[node_name], kind, name)
    names = compositor.upstream(socket.node)
    for unknown in compositor.unknown_nodes(tree, names):
        raise ExportError(
            f"the node {unknown.name!r} before the matte belongs to an add-on that is not here. "
            "Render that part to files and link those"
        )
    compositor.keep_only(tree, names)
    compositor.add_file_output(tree, folder, compositor.as_shown(tree, socket))
    return socket.node


def _socket(tree: Any, node: Any, kind: str, name: str) -> Any:
    """The socket, in the copied tree, that holds the source."""
    if kind == "Mask":
        return compositor.add_mask(tree, _named(bpy.data.masks, name)).outputs["Mask"]
    if kind == "Image":
        return compositor.add_painted(tree, _named(bpy.data.images, name))
    socket = compositor.source_of(node.inputs["Image" if kind == "plate" else "Mask"])
    if socket is None:
        raise ExportError(f"nothing is linked to the {kind} of {node.name!r}")
    return socket


def _fit(feeding: Any, painted: str, frame: int, width: int, height: int) -> None:
    """Draws a mask at the size of the plate's frame, as the artist did; refuses paint of another."""
    if feeding.bl_idname == "CompositorNodeMask":
        compositor.size_mask(feeding, width, height)
    if painted:
        size = tuple(_named(bpy.data.images, painted.partition(":")[2]).size)
        if size != (width, height):
            raise ExportError(
                f"frame {frame}: the painted image is {size[0]} x {size[1]}, the plate {width} x {height}"
            )


def _named(blocks: Any, name: str) -> Any:
    """A mask or image by its full name: by its name alone, one of this file hides a linked one."""
    return next(block for block in blocks if block.name_full == name)


def _render(scratch: Any, each: Wanted, folder: str) -> str:
    """The file that the copy writes at a frame."""
    with bpy.context.temp_override(scene=scratch):
        scratch.frame_set(each.frame)
        try:
            bpy.ops.render.render()
        except RuntimeError as error:
            raise ExportError(f"frame {each.frame}, {each.source}: {error}") from None
    names = os.listdir(folder)
    if len(names) != 1:
        raise ExportError(
            f"frame {each.frame}: Blender wrote no picture of the {each.source}. Does its file exist at this frame?"
        )
    return os.path.join(folder, names[0])


def _placed(written: str, each: Wanted) -> str:
    """Moves a picture to its place, or drops it where the same is there already: its time then stays too."""
    name = each.name.replace("{digest}", file_digest(written)) if "{digest}" in each.name else each.name
    place = os.path.join(each.folder, name)
    if os.path.exists(place) and file_digest(place) == file_digest(written):
        os.remove(written)
        return place
    try:
        os.makedirs(each.folder, exist_ok=True)
        beside = f"{place}.{os.getpid()}.part"
        shutil.move(written, beside)
        os.replace(beside, place)
    except OSError as error:
        raise ExportError(f"frame {each.frame}: cannot write {place}: {error.strerror}") from None
    return place
