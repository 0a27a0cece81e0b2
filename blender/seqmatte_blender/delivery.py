# SPDX-License-Identifier: GPL-3.0-or-later
"""Results beside the .blend, and the record of them kept in step. Frames are the plate's numbers."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping

from . import export
from .record import Record
from .seqlink import FramePath, FrameRange, Shot

_RESULT = re.compile(r"matte\.(\d+)\.exr")


def begin(record: Record, folder: str, shot: Shot, guides: Mapping[int, str]) -> None:
    """Writes down what is solved now, and drops what lies outside its range. guides: file by frame."""
    for frame in FrameRange(record.confidence) - shot.frames:
        del record.confidence[frame]
        record.source.pop(frame, None)
    record.shot = shot.to_dict()
    record.guides = {frame: export.file_digest(path) for frame, path in guides.items()}
    record.changed = record.message = ""
    record.failed = {}
    record.outcome = "solving"
    os.makedirs(folder, exist_ok=True)
    _drop_strays(folder, shot.frames)


def mark_stale(record: Record, missing: FrameRange) -> None:
    """Finished frames that the engine would have to compute again no longer fit."""
    stale = missing & record.confidence
    record.stale = str(stale) if stale else ""


def take(record: Record, results: FramePath, frame: int, path: str, confidence: float) -> None:
    """A frame that the engine finished comes to its place."""
    place(record, results, frame, path)
    record.confidence[frame] = confidence
    record.failed.pop(frame, None)
    record.stale = str(record.stale_frames - [frame])


def place(record: Record, results: FramePath, frame: int, path: str) -> None:
    """Copies a finished frame beside the .blend, whole or not at all; skips what is there already."""
    target = results.path(frame)
    if os.path.exists(target) and record.source.get(frame) == path:
        return
    if not os.path.exists(target) or not os.path.samefile(target, path):
        beside = f"{target}.{os.getpid()}.part"
        shutil.copyfile(path, beside)
        os.replace(beside, target)
    record.source[frame] = path


def give_away(record: Record, frames: FrameRange) -> None:
    """Frames that somebody else will make: what we know of ours says nothing about theirs."""
    for frame in frames:
        record.confidence.pop(frame, None)
        record.source.pop(frame, None)
    record.stale = ""


def _drop_strays(folder: str, frames: FrameRange) -> None:
    """Removes results outside the range: Blender would show the one just before it."""
    for name in os.listdir(folder):
        found = _RESULT.match(name)
        if found and int(found[1]) not in frames:
            os.remove(os.path.join(folder, name))
