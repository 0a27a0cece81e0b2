# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs on their way and the worker that they share.

`pump` moves every job on; a timer calls it where an artist sits, a loop calls it in scripts and tests.
"""

from __future__ import annotations

import contextlib
import threading
import time
import traceback
from collections.abc import Generator

import bpy

from . import export, node, record, scene, task
from .job import Job, finish, steps
from .seqlink import settings
from .seqlink.call import WorkerError
from .seqlink.client import Worker

TICK = 0.2

# What stops a job with a sentence instead of a traceback.
PROBLEMS = (
    scene.NotReady,
    export.ExportError,
    WorkerError,
    settings.SettingsError,
    OSError,
    ValueError,
)


_jobs: dict[str, Job] = {}
_workers: list[Worker] = []


def job_of(uid: str) -> Job | None:
    """The job that runs for a node, or the one that ended last."""
    return _jobs.get(uid)


def running(uid: str) -> bool:
    job = _jobs.get(uid)
    return job is not None and not job.over


def start(work: task.Task) -> Job:
    """Begins a job; what it does happens in `pump`."""
    job = Job(work, worker)
    job.record = record.read(work.folder)
    job.record.message = ""
    job.steps = steps(job)
    _jobs[work.uid] = job
    if not bpy.app.background and not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=TICK)
    return job


def cancel(uid: str) -> None:
    """Asks a job to stop; finished frames stay. Asked a second time, ends an engine that may not listen any more.

    Other jobs in it begin again in the next one.
    """
    if not running(uid):
        return
    if _jobs[uid].cancelled:
        _end_engine(_jobs[uid].engine)
    _jobs[uid].cancelled = True


def drop(uid: str) -> None:
    """Forgets how a job ended."""
    _jobs.pop(uid, None)


def pump() -> bool:
    """Moves every job on by one step; whether any is still on its way."""
    for job in list(_jobs.values()):
        if not job.over:
            _advance(job)
    return any(not job.over for job in _jobs.values())


def wait(job: Job) -> None:
    """Pumps until a job is over: for scripts, where no timer fires."""
    while not job.over:
        pump()
        time.sleep(0.01)


def abandon() -> None:
    """Drops all jobs, as when another file is opened; the worker stops what it does for them."""
    for job in list(_jobs.values()):
        job.cancelled = True
        if not job.over and isinstance(job.steps, Generator):
            job.steps.close()
            _keep(job)
    _jobs.clear()


def stop() -> None:
    """Ends everything, the worker too."""
    abandon()
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    while _workers:
        _workers.pop().stop()


def worker() -> Worker:
    """The worker, of the engine that the preferences name now; one named before goes when its jobs are over.

    Raises SettingsError.
    """
    command = settings.command(settings.load())
    for other in [each for each in _workers if each.command != command and not _jobs_in(each)]:
        _workers.remove(other)
        other.stop()
    for each in _workers:
        if each.command == command:
            return each
    _workers.append(Worker(command))
    return _workers[-1]


def _jobs_in(engine: Worker) -> list[Job]:
    return [job for job in _jobs.values() if job.engine is engine and not job.over]


def _end_engine(engine: Worker | None) -> None:
    if engine is None or engine not in _workers:
        return
    for job in _jobs_in(engine):
        job.again = True
    _workers.remove(engine)
    threading.Thread(target=engine.stop).start()  # one that hangs takes seconds, in which Blender must not stand still


def _keep(job: Job) -> None:
    """Leaves on disk what a job that goes on no more has brought."""
    if job.record.shot:
        job.record.outcome = "cancelled"
        with contextlib.suppress(OSError):
            record.write(job.work.folder, job.record)


def _tick() -> float | None:
    node.redraw("NODE_EDITOR")  # progress is drawn in the panel there
    return TICK if pump() else None


def _advance(job: Job) -> None:
    try:
        next(job.steps)
    except StopIteration:
        pass
    except PROBLEMS as problem:
        _end(job, problem)
    except Exception as mistake:  # noqa: BLE001 - raised further it would end the timer, and with it every job
        traceback.print_exc()
        said = f"{type(mistake).__name__}: {mistake}"
        _end(job, RuntimeError(f"a mistake in the extension, {said} (the console says where)"))


def _end(job: Job, problem: Exception) -> None:
    """A job that could not finish: cancelled, or failed with a sentence and the frame where there is one."""
    cancelled = job.cancelled or getattr(problem, "cancelled", False)
    frame = getattr(problem, "data", {}).get("frame")
    if not cancelled:
        job.record.message = str(problem)
        if isinstance(frame, int):
            job.record.failed[frame] = str(problem)
    finish(job, "cancelled" if cancelled else "failed")
