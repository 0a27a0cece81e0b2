# SPDX-License-Identifier: GPL-3.0-or-later
"""A job, from the artist's node to results in its folder, as a generator that gives way whenever it would wait.

Threads read pipes and never touch bpy.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

from . import delivery, export, node, record, task
from .record import Record
from .seqlink import FrameRange, Shot, settings
from .seqlink.call import Call, WorkerError
from .seqlink.client import Worker

RELOAD_EVERY = 1.0
BUSY_SECONDS = 0.1  # cached frames come faster than they can be copied, and Blender must not freeze


@dataclass
class Job:
    """One press of Solve or Check. worker: gives the engine, started where it is not yet. phase: exporting, starting,
    solving, then how it ended. engine: where it was sent. again: that engine was ended because of another job."""

    work: task.Task
    worker: Callable[[], Worker]
    phase: str = "exporting"
    done: int = 0
    total: int = 0
    frame: int | None = None
    seconds_left: float | None = None
    cancelled: bool = False
    engine: Worker | None = None
    again: bool = False
    record: Record = field(default_factory=Record)
    steps: Iterator[None] = field(default_factory=lambda: iter(()))

    @property
    def over(self) -> bool:
        return self.phase in ("ready", "checked", "written", "cancelled", "failed")


def finish(job: Job, outcome: str) -> None:
    job.phase = job.record.outcome = outcome
    with contextlib.suppress(OSError):  # where the folder cannot be written, the job has already said so
        record.write(job.work.folder, job.record)
    group = node.find(job.work.uid)
    if group is not None:
        node.reload(group)


def steps(job: Job) -> Iterator[None]:
    """One job from the artist's node to results in its folder. Raises one of session.PROBLEMS."""
    work = job.work
    exported: dict[str, dict[int, str]] = {"plate": {}, "mask": work.given}
    job.total = len(work.wanted)
    for source, frame, path in work.exported():
        if job.cancelled:
            raise WorkerError("cancelled")
        if path:
            exported[source][frame] = path
            job.done, job.frame = job.done + 1, frame
        yield
    job.record.note = work.plate_note
    yield from _asked(job, work.shot(exported["mask"]), exported["mask"])


def _asked(job: Job, shot: Shot, guides: dict[int, str]) -> Iterator[None]:
    """The engine's part, from its beginning in another engine where this one is ended because of another job."""
    part = _solve if job.work.kind == "solve" else _check
    try:
        yield from part(job, shot, guides)
    except WorkerError:
        if not job.again or job.cancelled:
            raise
        job.again = False
        yield from _asked(job, shot, guides)


def _solve(job: Job, shot: Shot, guides: dict[int, str]) -> Iterator[None]:
    """Computes what is asked, and brings in other finished frames that an edit changed and the cache knows.

    A finished frame that is neither is stale, and stays so when the job is cancelled or asked for less.
    """
    shift = job.work.plate.shift
    cached, missing, _ = yield from _status(job, shot)
    _begin(job, shot, guides)
    # Also what is cached: until it is brought in, an older matte lies there.
    delivery.mark_stale(job.record, missing | cached)
    asked = FrameRange(frame + shift for frame in job.work.asked)
    yield from _render(job, shot, asked | (cached & job.record.confidence))
    finish(job, "ready")


def _check(job: Job, shot: Shot, guides: dict[int, str]) -> Iterator[None]:
    """Brings in what is cached, and says which finished frames no longer fit. Computes nothing."""
    solved = bool(job.record.shot)
    before = job.record.guides
    shift = job.work.plate.shift
    changed = [frame for frame, path in guides.items() if before.get(frame + shift) != export.file_digest(path)]
    job.record.changed = str(FrameRange(changed)) if changed else ""
    cached, missing, spans = yield from _status(job, shot)
    delivery.mark_stale(job.record, missing)
    if job.work.kind == "farm":
        return _hand_over(job, shot, guides, spans)
    if solved:
        _show_all(job)
    elif cached:
        _begin(job, shot, guides)
    if cached:
        delivery.mark_stale(job.record, missing | cached)
        yield from _render(job, shot, cached)
    finish(job, "checked")


def _status(job: Job, shot: Shot) -> Generator[None, None, tuple[FrameRange, FrameRange, list[FrameRange]]]:
    """What is cached, what is missing, and the runs of frames that belong together. No pixels are computed."""
    call = yield from _sent(job, "status", {"shot": shot.to_dict()})
    yield from _awaited(job, call)
    answer = call.result()
    if job.cancelled:  # the engine answers a question that it has begun
        raise WorkerError("cancelled")
    spans = [FrameRange.parse(text) for text in answer["spans"]]
    return _frames(answer["cached"]), _frames(answer["missing"]), spans


def _hand_over(job: Job, shot: Shot, guides: dict[int, str], spans: list[FrameRange]) -> None:
    """Writes the job for a farm, which then makes every frame instead of us; one that its cache has costs a copy."""
    _begin(job, shot, guides)
    job.work.write_farm_job(shot, spans, settings.load().cache)
    delivery.give_away(job.record, shot.frames)
    finish(job, "written")


def _frames(text: str) -> FrameRange:
    return FrameRange.parse(text) if text else FrameRange()


def _begin(job: Job, shot: Shot, guides: dict[int, str]) -> None:
    """Writes down what is solved and for whom, and points the node at it."""
    shift = job.work.plate.shift
    job.work.claim(job.record)
    delivery.begin(job.record, job.work.results, shot, {frame + shift: path for frame, path in guides.items()})
    _show_all(job)


def _show_all(job: Job) -> None:
    """Points the node at the files of its whole range."""
    job.record.shift = job.work.plate.shift
    group = node.find(job.work.uid)
    if group is not None:
        node.show(group, job.work.frames, job.record.shift)


def _render(job: Job, shot: Shot, frames: FrameRange) -> Iterator[None]:
    record.write(job.work.folder, job.record)  # whatever cuts this short, the frames that it reaches are known as stale
    call = yield from _sent(job, "render", {"shot": shot.to_dict(), "frames": str(frames)})
    job.phase, job.done, job.total = "solving", 0, len(frames)
    yield from _awaited(job, call)
    call.result()


def _sent(job: Job, method: str, params: dict[str, Any]) -> Generator[None, None, Call]:
    """Sends a request from a thread, since starting an engine takes seconds; gives the Call."""
    job.phase = "starting"
    line = job.engine = job.worker()
    answer: list[Call | WorkerError] = []
    dropped = threading.Event()

    def send() -> None:
        try:
            answer.append(line.send(method, params))
        except WorkerError as error:
            answer.append(error)
        if dropped.is_set():
            _take_back(answer)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            yield
    except GeneratorExit:  # another file is opened: nobody waits for what is on its way
        dropped.set()
        _take_back(answer)
        raise
    sent = answer[0]
    if isinstance(sent, WorkerError):
        raise sent
    return sent


def _take_back(sent: list[Call | WorkerError]) -> None:
    for call in sent:
        if isinstance(call, Call):
            call.cancel()


def _awaited(job: Job, call: Call) -> Iterator[None]:
    """Takes events until the answer is there."""
    asked_to_stop, shown = False, time.monotonic()
    try:
        while True:
            given_way = time.monotonic()
            for event in call.poll():
                _take(job, event.method, event.params)
                if time.monotonic() - given_way > BUSY_SECONDS:
                    yield
                    given_way = time.monotonic()
            if call.done:
                job.again = job.again and call.error is not None  # not where it was answered before the end
                return
            if job.cancelled and not asked_to_stop:
                call.cancel()
                asked_to_stop = True
            if time.monotonic() - shown > RELOAD_EVERY:
                _show(job)
                shown = time.monotonic()
            yield
    finally:
        call.cancel()


def _take(job: Job, event: str, params: dict[str, Any]) -> None:
    if event == "frame":
        job.frame = int(params["frame"])
        confidence = float(params.get("confidence") or 0.0)
        delivery.take(job.record, job.work.results, job.frame, str(params["path"]), confidence)
    elif event == "progress":
        job.done, job.total = int(params["done"]), int(params["total"])
        job.seconds_left = params.get("eta")
    elif event == "warning":
        frame = params.get("frame")
        about = "" if frame is None else f"Frame {frame - job.work.plate.shift}: "
        job.record.message = about + str(params["message"])


def _show(job: Job) -> None:
    """Lets the artist see frames as they arrive."""
    record.write(job.work.folder, job.record)
    group = node.find(job.work.uid)
    if group is None or not node.in_use(group):
        job.cancelled = True
    else:
        node.reload(group)
