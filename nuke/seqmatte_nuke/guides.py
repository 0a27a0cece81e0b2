"""Pictures from Nuke to the engine: the mask on key frames, and the plate where its file cannot be passed as it is.

Raw float EXRs of the working space's numbers, written by the node's own Writes, which are disabled at all other times.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import nuke
from seqlink import FramePath, FrameRange, Guide

from . import exr_bytes, node
from .trouble import Trouble


def refuse_if_busy() -> None:
    if nuke.executing():
        raise Trouble("Nuke is rendering. Press again when it is done.")


def masks(group: nuke.Group, kinds: dict[int, str], folder: str, view: str) -> tuple[Guide, ...]:
    """Renders the mask input on key frames. The same picture keeps its old file, so that an undo costs nothing."""
    fresh = FramePath(f"{folder}/guides/new.{node.uid_of(group)}/mask.%04d.exr")
    _render(group, "MatteMaskWrite", fresh, FrameRange(kinds), view)
    made = []
    for frame, kind in kinds.items():
        path = f"{folder}/guides/{kind}.{frame:04d}.{exr_bytes.digest(fresh.path(frame))[:12]}.exr"
        if os.path.exists(path):
            os.remove(fresh.path(frame))
        else:
            os.replace(fresh.path(frame), path)
        made.append(Guide(frame, path, kind))
    return tuple(made)


def plate(group: nuke.Group, frames: FrameRange, folder: str, view: str) -> FramePath:
    """Renders the plate input. A frame whose picture is the same keeps its old file."""
    kept = exported(group, folder)
    fresh = FramePath(f"{folder}/plate/new.{node.uid_of(group)}/plate.%04d.exr")
    _render(group, "MattePlateWrite", fresh, frames, view)
    for frame in frames:
        old, new = kept.path(frame), fresh.path(frame)
        if os.path.exists(old) and exr_bytes.digest(old) == exr_bytes.digest(new):
            os.remove(new)
        else:
            os.replace(new, old)  # at once: another job may read it
    return kept


def exported(group: nuke.Group, folder: str) -> FramePath:
    """The files of a plate that is rendered for the engine. They bear the uid: no plate of an artist's does."""
    return FramePath(f"{folder}/plate/plate.{node.uid_of(group)}.%04d.exr")


def _render(group: nuke.Group, name: str, files: FramePath, frames: FrameRange, view: str) -> None:
    """Executes one of the node's Writes. Raises Trouble when Nuke stops or writes nothing."""
    write = node.part(group, name)
    shutil.rmtree(os.path.dirname(str(files)), ignore_errors=True)
    try:
        with node.unrecorded(), _enabled(write), _full_size():
            write["file"].setValue(str(files))
            write["views"].setValue(view)
            nuke.execute(write, nuke.FrameRanges(list(frames)), [view], continueOnError=False)
    except (RuntimeError, nuke.CancelledError) as error:
        raise Trouble(f"Nuke stopped while it wrote frames for the engine: {error}") from None
    missing = [frame for frame in frames if not os.path.exists(files.path(frame))]
    if missing:
        raise Trouble(f"Nuke wrote no file for frames {FrameRange(missing)}: {files.path(missing[0])}")


@contextmanager
def _enabled(write: nuke.Node) -> Iterator[None]:
    """A Write that is enabled only inside: whatever happens, a saved script must never render it."""
    write["disable"].setValue(False)
    try:
        yield
    finally:
        write["disable"].setValue(True)


@contextmanager
def _full_size() -> Iterator[None]:
    """Proxy mode off, and on again afterwards."""
    proxy = nuke.root()["proxy"]
    before = proxy.value()
    proxy.setValue(False)
    try:
        yield
    finally:
        proxy.setValue(before)
