"""What was solved, beside the results: read again after a reopen, by farms, and by anyone who wants to know."""

from __future__ import annotations

import contextlib
import json
import os
import re
from dataclasses import asdict, dataclass, field
from typing import Any

from seqlink import FramePath, FrameRange

NAME = "record.json"
RESULT = "matte/matte.%04d.exr"

# Results by folder. Guides and plates that were written for the engine stay: what it has cached is known by their
# bytes, and Nuke writes the date into each.
_RESULTS = {
    "matte": r"matte\.-?\d+\.exr",
    "farm": r"(template|parameter_values|asset_references|shot)\.json",
    "": r"(record|shot)\.json",
}


@dataclass
class Record:
    """One view of one node.

    owner, uid: the script and the node that were solved last; view: which of its views. shot: the Shot of then.
    outcome: "", "ready", "cancelled", "failed" or "written" (a farm's job); message: its sentence.
    confidence: 0..1 by finished frame; keys: what each was made of. failed: sentences by frame. changed: finished
    frames that no longer fit plate, guides and options, as the last solve or check found.
    """

    owner: str = ""
    uid: str = ""
    view: str = ""
    shot: dict[str, Any] = field(default_factory=dict)
    outcome: str = ""
    message: str = ""
    confidence: dict[int, float] = field(default_factory=dict)
    keys: dict[int, str] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)
    changed: str = ""

    @property
    def frames(self) -> FrameRange:
        return FrameRange.parse(self.shot["frames"]) if self.shot else FrameRange()

    @property
    def stale(self) -> FrameRange:
        return FrameRange.parse(self.changed) if self.changed else FrameRange()


def results(folder: str) -> FramePath:
    """Where the results of a folder lie."""
    return FramePath(f"{folder}/{RESULT}")


def exists(folder: str) -> bool:
    return os.path.exists(os.path.join(folder, NAME))


def read(folder: str) -> Record:
    """The record of a folder; an empty one where there is none or it cannot be read."""
    try:
        with open(os.path.join(folder, NAME), encoding="utf-8") as stream:
            document = json.load(stream)
        record = Record(**{name: document[name] for name in Record.__dataclass_fields__ if name in document})
        record.confidence = {int(frame): float(value) for frame, value in record.confidence.items()}
        record.keys = {int(frame): str(key) for frame, key in record.keys.items()}
        record.failed = {int(frame): str(text) for frame, text in record.failed.items()}
        _ = record.frames, record.stale
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return Record()
    return record


def write(folder: str, record: Record) -> None:
    """Written whole or not at all. Raises OSError."""
    write_text(os.path.join(folder, NAME), json.dumps(asdict(record), indent=1, sort_keys=True))


def write_text(path: str, text: str) -> None:
    """Written whole or not at all. Raises OSError."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    beside = f"{path}.{os.getpid()}.part"
    with open(beside, "w", encoding="utf-8") as stream:
        stream.write(text)
    os.replace(beside, path)


def clear(folder: str) -> None:
    """Deletes the results in a folder and what is known of them, and nothing else. Raises OSError."""
    for name, ours in _RESULTS.items():
        place = os.path.join(folder, name)
        for file in os.listdir(place) if os.path.isdir(place) else ():
            if re.fullmatch(ours, file):
                os.remove(os.path.join(place, file))
        with contextlib.suppress(OSError):  # it was not there, or something of the artist's is in it
            os.rmdir(place)
