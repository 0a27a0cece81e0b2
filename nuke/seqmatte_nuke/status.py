"""What a node can be said to be, in one word and in ranges of frames."""

from __future__ import annotations

import os
from dataclasses import dataclass

import nuke
from seqlink import FrameRange

from . import node, record, scene, session
from .record import Record
from .trouble import Trouble

# What each word means stands in the README, in these words.
WORDS = {
    "unsaved": "save the script first",
    "not solved": "press Solve",
    "solving": "frames arrive",
    "ready": "every frame of the range is there",
    "partial": "some frames of the range are not there",
    "stale": "some frames no longer fit their guides: press Solve",
    "cancelled": "stopped; finished frames stay",
    "failed": "see the message",
    "at the farm": "the job is written; press Reload as frames come",
}


@dataclass(frozen=True)
class Status:
    """word: one of WORDS. Frames of the view named first among the worst."""

    word: str
    ready: FrameRange
    missing: FrameRange
    stale: FrameRange
    failed: dict[int, str]
    lowest: tuple[float, int] | None
    message: str

    def line(self) -> str:
        """One line for the node and its panel."""
        said = [self.word]
        if self.word not in ("unsaved", "not solved"):
            said.append(f"{len(self.ready)}/{len(self.ready | self.missing | self.stale)} ready")
        if self.stale:
            said.append(f"stale {self.stale}")
        if self.failed:
            said.append(f"failed {FrameRange(self.failed)}")
        if self.lowest is not None:
            said.append(f"lowest confidence {self.lowest[0]:.2f} at {self.lowest[1]}")
        return ", ".join(said) + (f"\n{self.message}" if self.message else "")


def of(group: nuke.Group) -> Status:
    """Read from the folder, never from the engine: as true in a reopened script as after a solve."""
    try:
        wanted, places = scene.frame_range(group), list(scene.places(group).values())
    except Trouble as trouble:
        return Status("unsaved", FrameRange(), FrameRange(), FrameRange(), {}, None, str(trouble))
    records = [record.read(place) for place in places]
    there = [record.results(place).frames() for place in places]
    solved = wanted
    for place in there:
        solved = solved & place
    stale = FrameRange(frame for kept in records for frame in kept.stale) & solved
    failed = {frame: text for kept in records for frame, text in kept.failed.items()}
    message = next((kept.message for kept in records if kept.message), "")
    word = "solving" if session.running(node.uid_of(group)) else _word(records, wanted - solved, stale)
    return Status(word, solved - stale, wanted - solved, stale, failed, _lowest(records, wanted), message)


def live(group: nuke.Group) -> str:
    """What the node shows in the graph: counted while it is solved, else nothing."""
    job = session.running(node.uid_of(group))
    if job is None:
        return ""
    if job.cancelled:
        return "stopping"
    left = "" if job.seconds_left is None else f", {round(job.seconds_left)} s left"
    return f"{job.done}/{job.total}{left}" if job.total else "starting"


def problems(group: nuke.Group) -> list[int]:
    """Frames of the range that want looking at, worst first, over all views. Raises Trouble."""
    wanted, records = scene.frame_range(group), [record.read(place) for place in scene.places(group).values()]
    failed = sorted({frame for kept in records for frame in kept.failed} & {*wanted})
    worst: dict[int, float] = {}
    for kept in records:
        for frame in wanted & kept.confidence:
            worst[frame] = min(kept.confidence[frame], worst.get(frame, 1.0))
    return [*failed, *sorted(set(worst) - set(failed), key=lambda frame: (worst[frame], frame))]


def _word(records: list[Record], missing: FrameRange, stale: FrameRange) -> str:
    outcomes = {kept.outcome for kept in records}
    if "failed" in outcomes:
        return "failed"
    if outcomes == {""}:
        return "not solved"
    if stale:
        return "stale"
    if "cancelled" in outcomes and missing:
        return "cancelled"
    if "written" in outcomes and missing:
        return "at the farm"
    return "partial" if missing else "ready"


def _lowest(records: list[Record], wanted: FrameRange) -> tuple[float, int] | None:
    found = [(value, frame) for kept in records for frame, value in kept.confidence.items() if frame in wanted]
    return min(found) if found else None


def writable(folder: str) -> str:
    """Why nothing can be written to a folder; empty when it can."""
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        return error.strerror or str(error)
    return "" if os.access(folder, os.W_OK) else "permission denied"
