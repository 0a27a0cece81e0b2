"""One engine for this Nuke, and the jobs that run in it.

Each job is followed by a thread that touches nothing of Nuke but a progress box; whatever a message changes in the
script is handed to the main thread. Without a window there is nobody to keep waiting, and no queue is pumped: the job
is then followed by the main thread itself.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import nuke
from seqlink import settings
from seqlink.call import Call, Event, WorkerDied, WorkerError
from seqlink.client import Worker
from seqlink.settings import SettingsError

from .scene import Part
from .trouble import tell_later

# How often a waiting follower looks whether the artist has pressed Cancel in the progress box.
LOOK_SECONDS = 0.2

_lock = threading.Lock()
_worker: Worker | None = None
# Engines that other settings name, or that are being ended, each until its last job is over.
_leaving: list[Worker] = []
_jobs: dict[str, Job] = {}


@dataclass
class Job:
    """What one node has asked the engine for.

    method: render or status, with params for each part beside its Shot. have: by view the keys of the frames that it
    holds, to be told before a render which of them are stale. heard: called with (job, part, event). ended:
    called with (job). Both in the main thread. again: its engine is ended because of another job. waits: others are
    before it, and nothing was made for it yet. spared: it did not suffer for what one of those did, which it does once.
    """

    uid: str
    title: str
    method: str
    parts: list[Part]
    params: list[dict[str, Any]]
    heard: Callable[[Job, Part, Event], None]
    ended: Callable[[Job], None]
    have: dict[str, dict[int, str]] = field(default_factory=dict)
    answers: list[Any] = field(default_factory=list)
    error: WorkerError | None = None
    cancelled: bool = False
    again: bool = False
    waits: bool = False
    spared: bool = False
    over: bool = False
    done: int = 0
    total: int = 0
    seconds_left: float | None = None
    shown_at: float = 0.0
    looked: bool = False
    worker: Worker | None = None
    call: Call | None = None
    box: Any = None

    def cancel(self) -> None:
        """Asks the engine to stop; finished frames stay."""
        self.cancelled = True
        if self.call is not None:
            self.call.cancel()


def running(uid: str) -> Job | None:
    job = _jobs.get(uid)
    return job if job is not None and not job.over else None


def cancel(job: Job) -> None:
    """Asks a job to stop; asked a second time, ends an engine that may not listen any more.

    Other jobs in it begin again in the next one. Ending it takes its time, for which nobody has to wait.
    """
    engine = job.worker
    if job.cancelled and engine is not None:
        _use_no_more(engine)
        threading.Thread(target=engine.stop, daemon=True, name="seqmatte stop").start()
    job.cancel()


def _use_no_more(engine: Worker) -> None:
    """What runs in it and what comes next get a fresh one, which the end of this one, however late, does not touch."""
    global _worker
    with _lock:
        for job in _jobs.values():
            job.again = job.again or (job.worker is engine and not job.cancelled)
        if _worker is engine:
            _leaving.append(engine)
            _worker = None


def begin(job: Job) -> None:
    """Follows a job: in a thread where Nuke has a window, else until it is over."""
    with _lock:
        _jobs[job.uid] = job
    if nuke.GUI:
        threading.Thread(target=_follow, args=(job, _in_main_thread), daemon=True, name="seqmatte").start()
    else:
        _follow(job, _at_once)


def worker(job: Job | None = None) -> Worker:
    """The engine of this session, as the settings name it; another one when they have changed. Raises WorkerError.

    job: what is to run in it, to its end, whatever the settings become.
    """
    global _worker
    if job is not None and job.worker is not None:
        return job.worker
    try:
        command = settings.command(settings.load())
    except SettingsError as error:
        raise WorkerError(str(error)) from None
    with _lock:
        if _worker is None or _worker.command != command:
            if _worker is not None:
                _leaving.append(_worker)
            _worker = Worker(command)
        if job is not None:
            job.worker = _worker
        return _worker


def stop() -> None:
    """Ends the engine, and cancels what it was doing. The next job starts another."""
    global _worker
    with _lock:
        for job in _jobs.values():
            job.cancelled = True
        for engine in (*_leaving, _worker):
            if engine is not None:
                engine.stop()
        _leaving.clear()
        _worker = None


def _stop_unused() -> None:
    """Ends the engines of other settings in which no job runs any more."""
    with _lock:
        used = [job.worker for job in _jobs.values()]
        unused = [engine for engine in _leaving if engine not in used]
        _leaving[:] = [engine for engine in _leaving if engine in used]
    for engine in unused:
        engine.stop()


def _follow(job: Job, post: Callable[..., None]) -> None:
    job.box = nuke.ProgressTask(job.title) if nuke.GUI else None
    try:
        worker(job)
        _stop_unused()
        for part, params in zip(job.parts, job.params):
            _follow_part(job, part, params, post)
            if job.cancelled:
                break
    except WorkerError as error:
        job.error = error
    finally:
        job.box = None  # it closes with its last reference; a variable would live on in the error's frames
        job.worker = None
        try:
            _stop_unused()
        finally:
            post(_end, job)


def _end(job: Job) -> None:
    """In the main thread: else the artist could begin another job before the end of this one is told."""
    job.over = True
    try:
        job.ended(job)
    except OSError as error:
        tell_later(f"{job.title}: {error}")


def _follow_part(job: Job, part: Part, params: dict[str, Any], post: Callable[..., None]) -> None:
    """From its beginning again where its engine ended because of another job. Raises WorkerError."""
    try:
        _ask(job, part, params, post)
    except WorkerError as error:
        # An engine that still listens while it is ended says of all that it cancels them.
        ended = error.cancelled or isinstance(error, WorkerDied)
        if job.cancelled or not ended or not (job.again or job.waits):
            raise
        job.again, job.spared, job.worker = False, True, None
        _follow_part(job, part, params, post)


def _ask(job: Job, part: Part, params: dict[str, Any], post: Callable[..., None]) -> None:
    job.waits = not job.spared and _others_before(job)
    if job.have and not job.cancelled:
        _ask_what_is_stale(job, part, post)
    if job.cancelled:
        return  # pressed while the engine was asked: nothing of this part is begun
    call = worker(job).send(job.method, {"shot": part.shot.to_dict(), **params})
    for event in _heard(job, call):
        job.waits = False
        _show(job, event)
        post(job.heard, job, part, event)
    job.answers.append(call.result())


def _others_before(job: Job) -> bool:
    with _lock:
        return any(other.worker is job.worker for other in _jobs.values() if other is not job)


def _ask_what_is_stale(job: Job, part: Part, post: Callable[..., None]) -> None:
    """Told as an event before the render: a solve of some frames leaves others behind, and a cancel does too."""
    try:
        call = worker(job).send("status", {"shot": part.shot.to_dict(), "have": job.have.get(part.view, {})})
        for _ in _heard(job, call):
            """It has nothing to tell before its answer."""
        answer = call.result()
    except WorkerError as error:
        if error.code <= 1:
            raise
        return  # the Shot itself is wrong: the render says so in full
    post(job.heard, job, part, Event("stale", {"frames": answer["stale"]}))


def _heard(job: Job, call: Call) -> Iterator[Event]:
    """A call's events until it is done; cancelled as soon as the artist says so."""
    job.call = call
    if job.cancelled:
        call.cancel()  # pressed while the engine was starting
    while not call.done:
        event = call.take(LOOK_SECONDS)
        if job.box is not None and job.box.isCancelled() and not job.cancelled:
            job.cancel()
        if event is not None:
            yield event


def _show(job: Job, event: Event) -> None:
    if event.method == "progress":
        job.done, job.total = int(event.params["done"]), int(event.params["total"])
        job.seconds_left = event.params["eta"]
        if job.box is not None:
            job.box.setProgress(int(100 * job.done / max(job.total, 1)))
            job.box.setMessage(f"{job.done} of {job.total} frames")


def due(job: Job, seconds: float) -> bool:
    """Whether it is time again to show what has come."""
    now = time.monotonic()
    if now - job.shown_at < seconds:
        return False
    job.shown_at = now
    return True


def _in_main_thread(call: Callable[..., None], *args: Any) -> None:
    nuke.executeInMainThread(call, args=args)


def _at_once(call: Callable[..., None], *args: Any) -> None:
    call(*args)


atexit.register(stop)
