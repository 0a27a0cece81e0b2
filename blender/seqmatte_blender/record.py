# SPDX-License-Identifier: GPL-3.0-or-later
"""What was solved, beside the results: read again after a reopen, and by anyone who wants to know."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from .seqlink import FrameRange

NAME = "record.json"


@dataclass
class Record:
    """Frames are the plate's numbers; shift is the plate's number less the scene's.

    uid, name, owner: the node whose folder this is, and its .blend as seen from the folder, so that both can be moved;
    empty until the first solve. shot: the Shot that was solved last. note: how its plate was read. outcome, message:
    how the last job ended, with the engine's last warning where it did not fail.
    confidence and source by finished frame (source: the engine's file that the result was copied from). failed:
    messages by frame. guides: digest of each key's picture at the last solve. stale: finished frames that no longer
    fit the keys, changed: keys that differ since the solve, both as found by Check.
    """

    uid: str = ""
    name: str = ""
    owner: str = ""
    shot: dict[str, Any] = field(default_factory=dict)
    shift: int = 0
    note: str = ""
    message: str = ""
    outcome: str = ""
    stale: str = ""
    changed: str = ""
    confidence: dict[int, float] = field(default_factory=dict)
    source: dict[int, str] = field(default_factory=dict)
    guides: dict[int, str] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)

    @property
    def frames(self) -> FrameRange:
        """All frames of the job."""
        return FrameRange.parse(self.shot["frames"]) if self.shot else FrameRange()

    @property
    def ready(self) -> FrameRange:
        return FrameRange(self.confidence) - self.stale_frames

    @property
    def stale_frames(self) -> FrameRange:
        return FrameRange.parse(self.stale) if self.stale else FrameRange()

    def problems(self) -> list[int]:
        """Frames in the order in which they want looking at: failed ones, then by rising confidence."""
        return [*sorted(self.failed), *sorted(self.confidence, key=lambda frame: (self.confidence[frame], frame))]


def seen_from(folder: str, blend: str) -> str:
    """The path of a .blend, relative to a folder of results where that can be said."""
    try:
        return os.path.relpath(blend, folder)
    except ValueError:  # they lie on two drives
        return blend


def is_anothers(record: Record, folder: str, blend: str) -> bool:
    """Whether a folder's results belong to another .blend, one that is still there."""
    owner = os.path.normpath(os.path.join(folder, record.owner))  # as `seen_from` has it, where a link may lead away
    return bool(record.owner) and os.path.isfile(owner) and os.path.realpath(owner) != os.path.realpath(blend)


def read(folder: str) -> Record:
    """The record of a folder; an empty one where there is none or it cannot be read."""
    try:
        with open(os.path.join(folder, NAME), encoding="utf-8") as stream:
            document = json.load(stream)
        return _from_document(document)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return Record()


def write(folder: str, record: Record) -> None:
    """Written whole or not at all. Raises OSError."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, NAME)
    beside = f"{path}.{os.getpid()}.part"
    with open(beside, "w", encoding="utf-8") as stream:
        json.dump(asdict(record), stream, indent=1, sort_keys=True)
    os.replace(beside, path)


def _from_document(document: Mapping[str, Any]) -> Record:
    record = Record(**{name: document[name] for name in Record.__dataclass_fields__ if name in document})
    for name in ("confidence", "source", "guides", "failed"):
        setattr(record, name, {int(frame): value for frame, value in getattr(record, name).items()})
    return record
