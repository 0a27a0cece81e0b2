# SPDX-License-Identifier: GPL-3.0-or-later
"""From a Matte node to a Shot: which plate feeds it, under which numbers, in which colour space."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import bpy

from . import compositor, props
from .seqlink import Colour, FramePath, FrameRange, Guide, Shot
from .seqlink.weights import named


class NotReady(Exception):
    """What the artist has to do before this node can be solved."""


@dataclass(frozen=True)
class Plate:
    """What feeds the node's Image socket.

    path: the engine reads these files itself; None: they are exported first, and `why` says why. shift: the plate's
    number at a scene frame is frame + shift, so that a Shot is numbered like its files and equals the shell's.
    """

    name: str
    path: FramePath | None = None
    shift: int = 0
    why: str = ""


def plate_of(node: Any, frames: FrameRange) -> Plate:
    """The plate of a node over a range of scene frames. Raises NotReady."""
    socket = compositor.source_of(node.inputs["Image"])
    if socket is None:
        raise NotReady("Link a plate to the Image socket.")
    feeding = socket.node
    if feeding.mute or socket.name != "Image":
        return Plate(feeding.name, why="it is not the picture of an unmuted node")
    if feeding.bl_idname == "CompositorNodeImage" and feeding.image:
        return _image_plate(feeding, frames)
    if feeding.bl_idname == "CompositorNodeMovieClip" and feeding.clip:
        return _clip_plate(feeding, frames)
    return Plate(feeding.name, why="it is made by nodes")


def shot_of(settings: Any, plate: Plate, files: FramePath, guides: Sequence[Guide], frames: FrameRange) -> Shot:
    """The whole job. frames: the scene's; the Shot has the plate's."""
    return Shot(
        plate=files,
        frames=FrameRange(frame + plate.shift for frame in frames),
        guides=tuple(guides),
        clean=clean_of(settings),
        colour=colour(),
        recipe=settings.recipe or "auto",
        params=props.params(settings),
        weights=weights_of(settings),
    )


def clean_of(settings: Any) -> FramePath | None:
    """The files of the clean plate, None without one. Raises NotReady."""
    image = settings.clean
    if image is None:
        return None
    why = _unlike_its_file(image.filepath, image)
    if why:
        raise NotReady(f"The clean plate {image.name!r} must be an EXR in the working space, but {why}.")
    path = bpy.path.abspath(image.filepath, library=image.library)
    return numbered(path) if image.source == "SEQUENCE" else FramePath(path)


def weights_of(settings: Any) -> dict[str, str]:
    """The file of the adapted weights by its network; nothing without. Raises NotReady."""
    try:
        return named(bpy.path.abspath(settings.weights, library=settings.id_data.library))
    except ValueError as problem:
        raise NotReady(f"Adapted Weights: {problem}.") from None


def frames_of(settings: Any) -> FrameRange:
    """The scene frames of a node's range. Raises NotReady."""
    if settings.start > settings.end:
        raise NotReady(f"The range runs backwards: {settings.start} to {settings.end}.")
    if settings.start < 0:
        raise NotReady("Blender's image sequences have no negative frames: start at 0 or later.")
    return FrameRange(range(settings.start, settings.end + 1))


def colour() -> Colour:
    """The config that Blender works with, and its working space: what exported numbers are in."""
    # Tried in 4.2, 4.5, 5.0: a config among the user's own data files takes the place of the built-in one.
    folders = [
        find("DATAFILES", path="colormanagement") for find in (bpy.utils.user_resource, bpy.utils.system_resource)
    ]
    files = [os.path.join(folder, "config.ocio") for folder in folders if folder]
    found = next((file for file in files if os.path.exists(file)), "")
    return Colour(config=os.environ.get("OCIO") or found, space=working_space())


def working_space() -> str:
    """The name of the colour space that the compositor works in."""
    if compositor.IS_5:
        return str(bpy.data.colorspace.working_space)
    probe = bpy.data.images.new("seqmatte probe", 1, 1, float_buffer=True)
    try:
        return str(probe.colorspace_settings.name)
    finally:
        bpy.data.images.remove(probe)


def plate_range(node: Any) -> FrameRange:
    """The scene frames that the plate's own files cover; empty where they are not numbered files."""
    socket = compositor.source_of(node.inputs["Image"])
    feeding = socket.node if socket else None
    try:
        if feeding and feeding.bl_idname == "CompositorNodeImage" and feeding.image.source == "SEQUENCE":
            last = feeding.frame_start + feeding.frame_duration - 1
            return FrameRange(range(feeding.frame_start, last + 1))
        if feeding and feeding.bl_idname == "CompositorNodeMovieClip":
            return FrameRange(range(feeding.clip.frame_start, feeding.clip.frame_start + feeding.clip.frame_duration))
    except AttributeError:  # a node without its datablock
        pass
    return FrameRange()


def _image_plate(node: Any, frames: FrameRange) -> Plate:
    image = node.image
    if compositor.is_animated(node):
        return Plate(image.name, why="its frames are animated")
    if image.source in ("SEQUENCE", "MOVIE") and not node.use_cyclic:
        _within(frames, node.frame_start, node.frame_duration, image.name)
    why = _unlike_its_file(image.filepath, image) or _altered(node)
    if why:
        return Plate(image.name, why=why)
    path = bpy.path.abspath(image.filepath, library=image.library)
    if image.source == "FILE":
        return Plate(image.name, FramePath(path))
    return Plate(image.name, numbered(path), node.frame_offset + 1 - node.frame_start)


def _clip_plate(node: Any, frames: FrameRange) -> Plate:
    clip = node.clip
    _within(frames, clip.frame_start, clip.frame_duration - clip.frame_offset, clip.name)
    why = _unlike_its_file(clip.filepath, clip)
    if why or clip.use_proxy:
        return Plate(clip.name, why=why or "it has a proxy")
    path = bpy.path.abspath(clip.filepath, library=clip.library)
    # Tried in 4.2, 4.5, 5.0: a clip counts from the number of the file it was opened with.
    first = _number(path)
    return Plate(clip.name, numbered(path), first + clip.frame_offset - clip.frame_start)


def _unlike_its_file(filepath: str, picture: Any) -> str:
    """Why the numbers that Blender shows are not those in the file; empty where they are."""
    if picture.source not in ("SEQUENCE", "FILE"):
        return f"it is a {picture.source.lower()}"
    if not filepath.lower().endswith(".exr"):
        return "it is no EXR"
    if getattr(picture, "packed_file", None):
        return "it is packed"
    if getattr(picture, "is_dirty", False):
        return "it has paint that is not saved"
    if picture.source == "SEQUENCE" and _number(filepath) is None:
        return "its files are not numbered"
    pattern = numbered(filepath) if picture.source == "SEQUENCE" else FramePath(filepath)
    if pattern.path(_number(filepath) or 0) != filepath:
        return "its name has a sign that stands for the frame's number elsewhere, such as @"
    space = picture.colorspace_settings
    if not getattr(space, "is_data", False) and space.name not in (working_space(), "scene_linear"):
        return f"it is converted from {space.name}"
    return ""


def _altered(node: Any) -> str:
    """Why an Image node shows something else than its files; empty where it does not."""
    image = node.image
    if image.type == "MULTILAYER":
        return "it has layers"
    if image.alpha_mode not in ("PREMUL", "CHANNEL_PACKED"):
        return f"its alpha is read as {image.alpha_mode.lower()}"
    if image.source == "SEQUENCE" and node.use_cyclic:
        return "it is cyclic"
    return "its alpha is made straight" if getattr(node, "use_straight_alpha_output", False) else ""


def _within(frames: FrameRange, start: int, duration: int, name: str) -> None:
    last = start + duration - 1
    if frames[0] < start or frames[-1] > last:
        raise NotReady(
            f"The range {frames[0]} to {frames[-1]} is longer than the plate {name!r}, which has {start} to {last}."
        )


def numbered(path: str) -> FramePath:
    """The pattern of a numbered file: its last digits are the frame, as Blender takes them."""
    folder, name = os.path.split(path)
    found = _digits(name)
    if found is None:
        return FramePath(path)
    return FramePath(os.path.join(folder, name[: found.start()] + "#" * len(found[0]) + name[found.end() :]))


def _number(path: str) -> Any:
    found = _digits(os.path.basename(path))
    return None if found is None else int(found[0])


def _digits(name: str) -> re.Match[str] | None:
    stem, _ = os.path.splitext(name)
    every = list(re.finditer(r"\d+", stem))
    return every[-1] if every else None


def guides_of(keys: Sequence[Any], files: Mapping[int, str], shift: int) -> list[Guide]:
    """Guides in the plate's numbers, from the files that each key's frame was exported to."""
    return [Guide(key.frame + shift, files[key.frame], key.kind) for key in keys]
