# SPDX-License-Identifier: GPL-3.0-or-later
"""Results beside the .blend, and the record of them kept in step. Frames are the plate's numbers."""

from __future__ import annotations

import contextlib
import filecmp
import os
import re
import shutil
from collections.abc import Mapping

from . import export
from .record import Record
from .seqlink import FramePath, FrameRange, Shot

_RESULT = re.compile(r"matte\.(-?\d{4,})\.exr")


def begin(record: Record, results: FramePath, shot: Shot, guides: Mapping[int, str]) -> None:
    """Writes down what is solved now, for a shell too, and drops what lies outside its range. guides: file by frame."""
    folder = os.path.dirname(results.pattern)
    ours = {*record.source, *(FrameRange.parse(record.shot["frames"]) if record.shot else ())}
    for frame in FrameRange(record.confidence) - shot.frames:
        del record.confidence[frame]
        record.source.pop(frame, None)
    record.shot = shot.to_dict()
    record.guides = {frame: export.file_digest(path) for frame, path in guides.items()}
    record.changed = ""
    record.failed = {}
    record.outcome = "solving"
    os.makedirs(folder, exist_ok=True)
    _drop_strays(folder, FrameRange(ours) - shot.frames)
    with open(os.path.join(folder, "shot.json"), "w", encoding="utf-8") as stream:
        stream.write(shot.replace(out=results).to_json() + "\n")


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
    # Whatever the record says: a job that was cut short, or a farm, may have written since.
    if not os.path.exists(target) or not filecmp.cmp(path, target, shallow=False):
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


def clear(folder: str, uid: str) -> None:
    """Deletes the results of a node and what was written to make them, and nothing else. Raises OSError."""
    for name, ours in _written(uid).items():
        place = os.path.join(folder, name)
        for file in os.listdir(place) if os.path.isdir(place) else ():
            if re.fullmatch(rf"({ours})(\.\d+\.part)?", file):  # a part is left where Blender was killed
                os.remove(os.path.join(place, file))
        if name:
            with contextlib.suppress(OSError):  # it was not there, or something of the artist's is in it
                os.rmdir(place)


def _written(uid: str) -> dict[str, str]:
    """What a node's files are called, by folder. All that is exported is known by its bytes: written anew it is the
    same to the cache, so it need not stay."""
    return {
        "plate": rf"plate\.{uid}\.\d+\.exr",
        "guides": r"-?\d+\.[0-9a-f]{16}\.exr",
        "farm": r"(template|parameter_values|asset_references|shot)\.json",
        "": rf"(record|shot)\.json|{_RESULT.pattern}",
    }


def _drop_strays(folder: str, frames: FrameRange) -> None:
    """Removes results of ours outside the range: Blender would show the one just before it."""
    for name in os.listdir(folder):
        found = _RESULT.fullmatch(name)
        if found and int(found[1]) in frames:
            os.remove(os.path.join(folder, name))
