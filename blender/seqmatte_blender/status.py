# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node can be said to be, in one word and in ranges of frames; read by the panel and by tests."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from . import node, record, session
from .job import Job
from .record import Record
from .seqlink import FrameRange

# What every word means stands in the README, in these words.
WORDS = {
    "unsaved": "save the .blend first",
    "not solved": "press Solve",
    "exporting": "rendering what the engine needs",
    "starting": "starting the engine",
    "solving": "frames arrive",
    "ready": "every frame of the range is there",
    "partial": "some frames of the range are not there",
    "stale": "some frames no longer fit their keys: press Solve",
    "cancelled": "stopped; finished frames stay",
    "failed": "see the message",
    "at the farm": "the job is written; press Reload as frames come",
    "results missing": "the folder of results is not where it was: press Solve, or set the folder",
}


@dataclass(frozen=True)
class Status:
    """word: one of WORDS. fraction: of the bar, None where nothing runs. Frames are the scene's."""

    word: str
    message: str
    note: str
    ready: FrameRange
    stale: FrameRange
    missing: FrameRange
    failed: dict[int, str]
    changed_keys: FrameRange
    fraction: float | None
    line: str


_read: dict[str, tuple[float, Record]] = {}
_visited: dict[str, list[int]] = {}


def of(group: Any) -> Status:
    """The status of a node's group."""
    uid = group.seqmatte.uid
    job = session.job_of(uid)
    live = job is not None and not job.over
    kept = job.record if job else saved(group)
    there = _there(group)
    shift = kept.shift
    wanted = FrameRange(range(group.seqmatte.start, group.seqmatte.end + 1))
    shown = wanted & FrameRange(frame - shift for frame in there)
    stale = FrameRange(frame - shift for frame in kept.stale_frames) & shown
    missing = wanted - shown
    failed = {frame - shift: text for frame, text in kept.failed.items()}
    word = job.phase if job and live else _word(group, kept, wanted, shown, stale)
    return Status(
        word,
        kept.message,
        kept.note,
        shown - stale,
        stale,
        missing,
        failed,
        FrameRange.parse(kept.changed) if kept.changed else FrameRange(),
        job.done / job.total if job and live and job.total else None,
        _line(job) if job and live else "",
    )


def saved(group: Any) -> Record:
    """The record beside the results; read again only when it changed."""
    folder = node.folder(group)
    path = os.path.join(folder, record.NAME)
    try:
        changed = os.stat(path).st_mtime_ns
    except OSError:
        return Record()
    if folder not in _read or _read[folder][0] != changed:
        _read[folder] = (changed, record.read(folder))
    return _read[folder][1]


def next_problem(group: Any) -> int | None:
    """The scene frame to look at next: failed ones, then by rising confidence; after the last the first again."""
    uid = group.seqmatte.uid
    job = session.job_of(uid)
    kept = job.record if job else saved(group)
    order = kept.problems()
    if not order:
        return None
    seen = _visited.setdefault(uid, [])
    if set(order) <= set(seen):
        seen.clear()
    frame = next(frame for frame in order if frame not in seen)
    seen.append(frame)
    return frame - kept.shift


def begin_again(uid: str) -> None:
    """New results: the next problem is the worst once more."""
    _visited.pop(uid, None)


def forget() -> None:
    _read.clear()
    _visited.clear()


def holes(group: Any, frames: FrameRange) -> FrameRange:
    """Frames within the node's range whose result is not on disk: transparent in a render, black on 4.2."""
    shift = saved(group).shift
    wanted = FrameRange(range(group.seqmatte.start, group.seqmatte.end + 1)) & frames
    return wanted - FrameRange(frame - shift for frame in _there(group))


def held(group: Any, frames: FrameRange) -> FrameRange:
    """Frames after the node's range: Blender goes on showing its last matte there, where it has any."""
    shown = group.nodes[node.RESULT]
    last = max(group.seqmatte.end, shown.frame_start + shown.frame_duration - 1)
    after = FrameRange(frame for frame in frames if frame > last)
    return after if after and _there(group) else FrameRange()


def _there(group: Any) -> FrameRange:
    return node.results(group).frames() if node.folder(group) else FrameRange()


def _word(group: Any, kept: Record, wanted: FrameRange, shown: FrameRange, stale: FrameRange) -> str:
    if not node.folder(group):
        return "unsaved"
    if kept.outcome in ("failed", "cancelled"):
        return kept.outcome
    if stale:
        return "stale"
    if kept.outcome == "written" and wanted - shown:
        return "at the farm"
    if not shown:
        return "results missing" if _was_shown(group) else "not solved"
    return "partial" if wanted - shown else "ready"


def _was_shown(group: Any) -> bool:
    """Whether the node was pointed at results before; a new one shows one frame."""
    return bool(group.nodes[node.RESULT].frame_duration > 1)


def _line(job: Job) -> str:
    parts = [f"{job.done}/{job.total}"]
    if job.frame is not None:
        parts.append(f"frame {job.frame - (job.work.plate.shift if job.phase == 'solving' else 0)}")
    if job.seconds_left is not None:
        parts.append(f"{job.seconds_left:.0f} s left")
    return "  ".join(parts)
