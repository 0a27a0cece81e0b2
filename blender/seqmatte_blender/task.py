# SPDX-License-Identifier: GPL-3.0-or-later
"""What one press of a button asks for: decided at once, with every reason why it cannot be done said at once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import bpy

from . import compositor, export, node, record, scene, second_blender
from .seqlink import FramePath, FrameRange, Guide, Shot, farm


@dataclass(frozen=True)
class Key:
    """A key frame as it was when the button was pressed; the artist may go on editing.

    source: what has to be rendered (see export.Wanted); empty: `path` holds the picture already.
    """

    frame: int
    kind: str
    source: str
    path: str = ""


@dataclass(frozen=True)
class Task:
    """kind: solve, check or farm. frames: the node's whole range; asked: the frames wanted now. Both the scene's.

    blend: the artist's file. elsewhere: a second Blender exports, so that the artist's stays free. moves: the data
    window of the plate's files changes.
    """

    kind: str
    blend: str
    uid: str
    scene_name: str
    node_name: str
    folder: str
    plate: scene.Plate
    keys: tuple[Key, ...]
    frames: FrameRange
    asked: FrameRange
    blank: Shot
    wanted: tuple[export.Wanted, ...]
    elsewhere: bool
    moves: bool

    @property
    def results(self) -> FramePath:
        return FramePath(os.path.join(self.folder, node.PATTERN))

    @property
    def given(self) -> dict[int, str]:
        """Files of the keys that need no rendering, by frame."""
        return {key.frame: key.path for key in self.keys if key.path}

    @property
    def plate_note(self) -> str:
        """How the plate reaches the engine, for the panel."""
        how = f"exported, {self.plate.why}" if self.plate.why else "read directly"
        moves = "; its data window changes: a matte lies where its file says, and Blender centres the frame"
        return f"{self.plate.name}: {how}{moves if self.moves else ''}"

    def exported(self) -> Iterator[tuple[str, int, str]]:
        """Renders what is wanted; ("plate" or "mask", scene frame, file), or ("", 0, "") while nothing came."""
        run = self._elsewhere() if self.elsewhere else self._here()
        for index, path in run:
            each = self.wanted[index] if path else None
            yield ("", 0, "") if each is None else ("plate" if each.source == "plate" else "mask", each.frame, path)

    def shot(self, guides: dict[int, str]) -> Shot:
        """The Shot with its guides, given the file of each key's frame."""
        shift = self.plate.shift
        made = [Guide(key.frame + shift, guides[key.frame], key.kind) for key in self.keys]
        return self.blank.replace(guides=tuple(made))

    def claim(self, kept: record.Record) -> None:
        """Writes into a record whose it is."""
        kept.uid, kept.name, kept.owner = self.uid, self.node_name, record.seen_from(self.folder, self.blend)

    def write_farm_job(self, shot: Shot, tasks: list[FrameRange], cache: str) -> None:
        """An OpenJD job beside the results; what the farm makes lands where the node reads."""
        farm.write_bundle(shot.replace(out=self.results), tasks, os.path.join(self.folder, "farm"), cache=cache)

    def _here(self) -> Iterator[tuple[int, str]]:
        index = {each: i for i, each in enumerate(self.wanted)}
        for each, path in export.rendered(self.scene_name, self.node_name, list(self.wanted)):
            yield index[each], path

    def _elsewhere(self) -> Iterator[tuple[int, str]]:
        return second_blender.pictures(self.scene_name, self.node_name, self.wanted)


def made(kind: str, owner: Any, matte: Any, first: int | None = None, elsewhere: bool | None = None) -> Task:
    """What a button asks for on a node of a scene. first: begin at this scene frame. Raises NotReady, ExportError.

    elsewhere: export in a second Blender; None: where this one has windows.
    """
    _refuse_unsaved()
    _refuse_linked(owner, matte.id_data, matte.node_tree)
    frames = scene.frames_of(matte.node_tree.seqmatte)
    plate = scene.plate_of(matte, frames)
    keys = _keys(matte, frames, plate.shift)
    node.own(matte)
    group = matte.node_tree
    refuse_anothers(group)
    settings, folder = group.seqmatte, node.folder(group)
    files = plate.path or node.exported(group)
    looked_at = {frames[0], *(key.frame for key in keys if not key.path)} if plate.path else set()
    windows = {export.windows_of(files.path(frame + plate.shift)) for frame in sorted(looked_at)}
    read = [files.path(frame + plate.shift) for frame in frames] + [key.path for key in keys if key.path]
    _refuse_overwriting(read, node.results(group), [frame + plate.shift for frame in frames])
    asked = FrameRange(frame for frame in frames if first is None or frame >= first)
    if not asked:
        raise scene.NotReady(f"Frame {first} lies after the range, which ends on {frames[-1]}.")
    return Task(
        kind,
        bpy.data.filepath,
        settings.uid,
        owner.name,
        matte.name,
        folder,
        plate,
        keys,
        frames,
        asked,
        scene.shot_of(settings, plate, files, (), frames),
        tuple(_wanted(plate, files, keys, frames, folder)),
        not bpy.app.background if elsewhere is None else elsewhere,
        len(windows) > 1,
    )


def pack_paint(matte: Any) -> Iterator[str]:
    """Packs painted images that are nowhere but in memory, where a copy of the file would lose them; their names."""
    named = [key.image for key in matte.node_tree.seqmatte.keys if key.source == "IMAGE"]
    for image in {*named, *compositor.images(matte)}:
        if image is not None and image.is_dirty:
            image.pack()
            yield image.name


def refuse_anothers(group: Any) -> None:
    """Raises NotReady where the folder of results is that of another node, in this file or another."""
    folder = node.folder(group)
    kept = record.read(folder)
    if kept.uid not in ("", group.seqmatte.uid) or record.is_anothers(kept, folder, bpy.data.filepath):
        whose = f"{kept.name} in {os.path.basename(kept.owner)}"
        raise scene.NotReady(f"{folder} holds the mattes of {whose}: set another folder for the results.")


def _refuse_linked(*blocks: Any) -> None:
    for block in blocks:
        if block.library is not None:
            name = os.path.basename(block.library.filepath)
            raise scene.NotReady(f"This node is linked from {name}: solve it there, or make it local.")


def _refuse_overwriting(read: Iterable[str], results: FramePath, frames: Iterable[int]) -> None:
    """Raises NotReady where a result would take the place of the plate or of a key's own file."""
    places = {os.path.normcase(os.path.realpath(results.path(frame))) for frame in frames}
    for path in read:
        if os.path.normcase(os.path.realpath(path)) in places:
            raise scene.NotReady(f"{path} would be written over by a matte: set another folder for the results.")


def _refuse_unsaved() -> None:
    if not bpy.data.filepath:
        raise scene.NotReady("Save the .blend first: mattes are kept beside it.")


def _keys(matte: Any, frames: FrameRange, shift: int) -> tuple[Key, ...]:
    """The node's keys by frame. Raises NotReady for what cannot be used."""
    settings = matte.node_tree.seqmatte
    if not settings.keys and settings.recipe == "auto":  # of other recipes the engine knows which need none
        raise scene.NotReady("Add a key: the frame on which your mask is right.")
    made: dict[int, Key] = {}
    for key in settings.keys:
        if key.frame not in frames:
            raise scene.NotReady(f"The key on {key.frame} lies outside the range {frames[0]} to {frames[-1]}.")
        if key.frame in made:
            raise scene.NotReady(f"Two keys stand on frame {key.frame}: remove one.")
        made[key.frame] = _key(matte, key, shift)
    return tuple(made[frame] for frame in sorted(made))


def _key(matte: Any, key: Any, shift: int) -> Key:
    if key.source == "MASK":
        if key.mask is None:
            raise scene.NotReady(f"The key on {key.frame} names no Mask.")
        return Key(key.frame, key.kind, f"Mask:{key.mask.name_full}")
    if key.source == "IMAGE":
        if key.image is None:
            raise scene.NotReady(f"The key on {key.frame} names no image.")
        if key.image.source not in ("FILE", "SEQUENCE", "GENERATED"):
            raise scene.NotReady(
                f"The key on {key.frame} names {key.image.name!r}, a {key.image.source.lower()}, whose frames have no "
                "numbers: show it in an Image node, link that to the Mask socket, and let the key take that."
            )
        path = _file_of(key.image, key.frame + shift)
        return Key(key.frame, key.kind, "" if path else f"Image:{key.image.name_full}", path)
    if not matte.inputs["Mask"].is_linked:
        raise scene.NotReady(f"The key on {key.frame} takes the Mask socket, to which nothing is linked.")
    return Key(key.frame, key.kind, "mask")


def _file_of(image: Any, number: int) -> str:
    """The file of an image that is on disk as it is shown, which the engine then reads itself; empty for paint.

    Blender makes noise of an EXR whose only channel is A, and the engine knows what to do with any.
    """
    if image.source not in ("FILE", "SEQUENCE") or image.is_dirty or image.packed_file:
        return ""
    path = bpy.path.abspath(image.filepath, library=image.library)
    found = scene.numbered(path).path(number) if image.source == "SEQUENCE" else path
    if not os.path.exists(found):
        raise scene.NotReady(f"The image {image.name!r} has no file {found}.")
    return os.path.abspath(found)


def _wanted(
    plate: scene.Plate,
    files: FramePath,
    keys: tuple[Key, ...],
    frames: FrameRange,
    folder: str,
) -> Iterator[export.Wanted]:
    """Every picture that has to be rendered before the engine can begin: the plate first, it says where masks lie."""
    if plate.path is None:
        for frame in frames:
            name = os.path.basename(files.path(frame))
            yield export.Wanted("plate", frame, os.path.dirname(files.pattern), name)
    for key in keys:
        if key.path:
            continue
        name = f"{key.frame + plate.shift}.{{digest}}.exr"
        over = files.path(key.frame + plate.shift)
        yield export.Wanted(key.source, key.frame, os.path.join(folder, "guides"), name, over)
