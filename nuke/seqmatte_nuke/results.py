"""What becomes of a job's answers: frames as they come, how it ended, and what the node shows of it."""

from __future__ import annotations

from typing import cast

import nuke
from seqlink import farm
from seqlink.call import Event

from . import node, record, scene, session, status
from .record import Record
from .scene import Part
from .session import Job
from .trouble import Trouble, tell_later

# How often arriving frames are shown; each time costs Nuke a redraw.
SHOWN_SECONDS = 2.0
UNSEEN = "The plate is rendered for the engine: what has changed in it, only Solve sees."


def frame_came(job: Job, part: Part, event: Event) -> None:
    if event.method not in ("frame", "warning", "stale"):
        return
    kept = record.read(part.folder)
    if event.method == "stale":
        kept.changed = str(event.params["frames"])
    elif event.method == "warning":
        about = f"Frame {event.params['frame']}: " if "frame" in event.params else ""
        kept.message = about + str(event.params["message"])
    else:
        frame = int(event.params["frame"])
        kept.keys[frame] = str(event.params["key"])
        kept.confidence[frame] = float(event.params["confidence"] or 0.0)
        kept.changed = str(kept.stale - [frame])
    record.write(part.folder, kept)
    if session.due(job, SHOWN_SECONDS):
        group = node.by_uid(job.uid)
        if group is not None:
            _look_at_result(job, group)
            refresh(group)


def nothing(job: Job, part: Part, event: Event) -> None:
    """Questions have no events."""


def solved(job: Job) -> None:
    """Parts are solved in turn: those answered are there, the next one has the error, the rest was not begun."""
    for index, part in enumerate(job.parts):
        kept = record.read(part.folder)
        if index < len(job.answers):
            kept.outcome = "ready"
        elif index == len(job.answers) and _failed(job):
            kept.outcome, kept.message = "failed", str(job.error)
            if job.error is not None and "frame" in job.error.data:
                kept.failed = {int(job.error.data["frame"]): str(job.error)}
        record.write(part.folder, kept)
    group = node.by_uid(job.uid)
    if group is not None:
        if any(record.read(part.folder).confidence for part in job.parts):
            _look_at_result(job, group)
        _tell_if_elsewhere(job, group)
    _asked(job)


def checked(job: Job) -> None:
    for part, answer in zip(job.parts, job.answers):
        kept = record.read(part.folder)
        kept.changed = answer["stale"]
        if kept.message in ("", UNSEEN):
            kept.message = UNSEEN if part.rendered else ""
        record.write(part.folder, kept)
    _asked(job)


def bundled(job: Job, owner: str, cache: str) -> None:
    """The farm makes every frame instead of us: the node looks where they will lie, and what is known of ours goes.

    owner: the script. cache: the folder that the farm shares with us; empty: one of its own.
    """
    for part, answer in zip(job.parts, job.answers):
        farm.write_bundle(part.shot, answer["spans"], f"{part.folder}/farm", cache=cache)
        record.write(part.folder, Record(owner, job.uid, part.view, part.shot.to_dict(), "written"))
    group = node.by_uid(job.uid)
    if group is not None and job.answers:
        show(group)
        _look_at_result(job, group)
    _asked(job)


def show(group: nuke.Group) -> None:
    """Points the inner Read at the results, with the range of the node."""
    read, frames = node.part(group, "MatteResult"), scene.frame_range(group)
    text = scene.result_text(group)
    ends = {"first": frames[0], "last": frames[-1], "origfirst": frames[0], "origlast": frames[-1]}
    with node.unrecorded():
        if str(read["file"].value()) != text:
            read["file"].setValue(text)
        node.set_relied_on(read, ends)


def refresh(group: nuke.Group) -> None:
    with node.unrecorded():
        cast(nuke.Script_Knob, node.part(group, "MatteResult")["reload"]).execute()
        say(group)


def say(group: nuke.Group) -> str:
    """Writes what the node is into its panel; gives the word."""
    found = status.of(group)
    with node.unrecorded():
        group["status"].setValue(found.line())
    return found.word


def _look_at_result(job: Job, group: nuke.Group) -> None:
    """Turns from the plate to the result, once a job: an artist who turns back wants the plate."""
    if not job.looked:
        job.looked = True
        if str(group["show"].value()) == "plate":
            with node.unrecorded():
                group["show"].setValue("result")


def _failed(job: Job) -> bool:
    """Whether it ended with an error that the artist did not cause by stopping it."""
    return job.error is not None and not (job.error.cancelled or job.cancelled)


def _asked(job: Job) -> None:
    group = node.by_uid(job.uid)
    if group is not None:
        refresh(group)
    if _failed(job):
        tell_later(str(job.error))


def _tell_if_elsewhere(job: Job, group: nuke.Group) -> None:
    """A script may be saved to another folder, or the node given one, while it is solved."""
    try:
        now = set(scene.places(group).values())
    except Trouble:
        return
    for part in job.parts:
        if part.folder not in now:
            nuke.tprint(
                f"SeqMatte: {group.fullName()} was solved into {part.folder}, which is no longer its folder. "
                "Press Solve: finished frames come from the engine's cache."
            )
