"""The worker: JSON lines in, Engine, JSON lines out (the messages are described in seqlink/wire.py).

Three threads. The reading one answers hello, cancel and bye at once, so that a cancel is seen before the next step of
a method, and answers for a request that still waits. The main one renders, one request after the other. A third
answers what needs no pixels (status, methods), also while a render runs. Nothing is kept between requests but opened
methods, found by identity.

Standard output belongs to the protocol: `claim_output` keeps it and points the ordinary one at standard error, so
that whatever a library prints, from Python or from C, cannot be taken for a message. Nothing heavy is imported before.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
import time
import traceback
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from seqlink import wire
from seqmatte.answers import Answers, Delivered, as_failure, as_message
from seqmatte.errors import Cancelled, DeviceError, SeqmatteError

if TYPE_CHECKING:
    from seqmatte.events import Event

# How long a step may go on after the host is gone. Results are renamed into place, so an end at any time is safe.
GRACE_SECONDS = 1.0


def main(cache: str | None = None, device: str = "auto") -> int:
    """Serves until standard input closes or says bye. cache: folder of results. device: auto, cpu, cuda."""
    source, output = claim_input(), claim_output()
    Desk(Answers(cache, device), Outlet(output)).serve(source)
    return 0


def claim_output() -> IO[bytes]:
    """The real standard output; the ordinary one becomes standard error, for Python and for C."""
    sys.stdout.flush()
    kept = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return kept


def claim_input() -> IO[bytes]:
    """The real standard input; the ordinary one becomes empty, so that no library or child eats a message."""
    kept = os.fdopen(os.dup(0), "rb")
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    return kept


class Outlet:
    """Writes whole messages, from any thread. Once the host is gone it stays silent."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, message: wire.Message) -> None:
        line = memoryview(wire.written(message))
        # The reading thread meets the end of the input and ends the process; a writer has nothing to add.
        with self._lock, contextlib.suppress(OSError):
            while line:
                line = line[self._stream.write(line) :]


@dataclass(eq=False)
class Job:
    """A request that takes its time. begun: whether someone works on it; else a cancel answers for it at once."""

    request: wire.Request
    begun: bool = False
    cancelled: threading.Event = field(default_factory=threading.Event)


class Desk:
    """Takes messages in, hands jobs out, sees to it that each request gets exactly one answer."""

    RENDERING = ("frame", "render")
    QUESTIONS = ("status", "methods")

    def __init__(self, answers: Answers, outlet: Outlet) -> None:
        self._answers, self._outlet = answers, outlet
        self._renders: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._questions: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._open: dict[int | str, Job] = {}
        self._lock = threading.Lock()

    def serve(self, source: IO[bytes]) -> None:
        """Until the end of the input, or bye."""
        threading.Thread(target=self._read, args=(source,), daemon=True, name="read").start()
        threading.Thread(target=self._work, args=(self._questions,), daemon=True, name="questions").start()
        self._work(self._renders)

    def _read(self, source: IO[bytes]) -> None:
        with contextlib.suppress(OSError):
            while line := source.readline(wire.LONGEST_LINE + 1):
                if len(line) > wire.LONGEST_LINE:
                    _skip_line(source, line)
                    self._refuse(None, wire.INVALID_REQUEST, f"a line is longer than {wire.LONGEST_LINE} bytes")
                elif not line.endswith(b"\n"):
                    break  # the host ended in the middle of a message
                elif not self._receive(line):
                    break
        self._end()

    def _receive(self, line: bytes) -> bool:
        """Answers or queues one message; False after bye."""
        try:
            message = wire.read(line)
        except wire.WireError as error:
            self._refuse(error.id, error.code, str(error))
            return True
        if not isinstance(message, wire.Request):
            return True  # nothing was asked of the host, so an answer from it answers nothing
        if message.method in self.RENDERING + self.QUESTIONS:
            self._queue(message)
            return True
        try:
            self._reply(message, self._at_once(message))
        except (SeqmatteError, wire.WireError) as error:
            self._fail(message, error)
        return message.method != "bye"

    def _at_once(self, request: wire.Request) -> dict[str, Any]:
        if request.method == "hello":
            return self._answers.hello(request.params)
        if request.method == "cancel":
            return {"cancelled": self._cancel(request.params.get("id"))}
        if request.method == "bye":
            return {}
        known = ", ".join(("hello", *self.RENDERING, *self.QUESTIONS, "cancel", "bye"))
        raise wire.WireError(wire.UNKNOWN_METHOD, f"no method {request.method[:80]!r}. Available: {known}")

    def _queue(self, request: wire.Request) -> None:
        if request.id is None:
            return  # a notification cannot be answered, so there is nothing to compute for it
        job = Job(request)
        with self._lock:
            taken = request.id in self._open
            if not taken:
                self._open[request.id] = job
        if taken:
            self._refuse(request.id, wire.INVALID_REQUEST, f"id {request.id!r} is in use by a running request")
        else:
            (self._renders if request.method in self.RENDERING else self._questions).put(job)

    def _cancel(self, id: Any) -> bool:
        with self._lock:
            job = self._open.get(id) if isinstance(id, (int, str)) else None
            if job is not None:
                job.cancelled.set()
            if job is None or job.begun:
                return job is not None
            self._open.pop(id)
        self._fail(job.request, Cancelled("cancelled before it began"))
        return True

    def _begin(self, job: Job) -> bool:
        """Whether it still waits for an answer; one that was cancelled while it waited has had it."""
        with self._lock:
            job.begun = job in self._open.values()
            return job.begun

    def _work(self, jobs: queue.SimpleQueue[Job | None]) -> None:
        while (job := jobs.get()) is not None:
            if not self._begin(job):
                continue
            try:
                answer = self._computed(job)
            except Exception as error:  # noqa: BLE001 - whatever a job meets, the worker lives and says it
                self._close(job)
                self._fail(job.request, error)
            else:
                self._close(job)
                self._reply(job.request, answer)

    def _computed(self, job: Job) -> dict[str, Any]:
        if job.cancelled.is_set():
            raise Cancelled("cancelled before it began")  # the host is gone
        params = job.request.params
        if job.request.method == "render":
            return self._answers.render(params, job.cancelled, lambda event: self._tell(job, event))
        if job.request.method == "frame":
            return self._answers.frame(params, job.cancelled)
        if job.request.method == "status":
            return self._answers.status(params)
        return self._answers.methods(params)

    def _close(self, job: Job) -> None:
        # Before the answer is sent, so that the id is free again for a host that has read it.
        with self._lock:
            if job.request.id is not None:
                self._open.pop(job.request.id, None)

    def _tell(self, job: Job, event: Event | Delivered) -> None:
        self._outlet.send(as_message(job.request.id, event))

    def _reply(self, request: wire.Request, result: dict[str, Any]) -> None:
        if request.id is not None:
            self._outlet.send(wire.Reply(request.id, result))

    def _refuse(self, id: int | str | None, code: int, message: str) -> None:
        self._outlet.send(wire.Failure(id, code, message))

    def _fail(self, request: wire.Request, error: Exception) -> None:
        failure = as_failure(request.id, error)
        if failure.code == wire.INTERNAL_ERROR:
            told = "".join(traceback.format_exception(error))
            print(told, file=sys.stderr, flush=True)
            self._outlet.send(wire.Request("log", {"message": told}))
        if failure.code == DeviceError.code:
            self._answers.forget()
        if request.id is not None:
            self._outlet.send(failure)

    def _end(self) -> None:
        with self._lock:
            for job in self._open.values():
                job.cancelled.set()
        self._renders.put(None)
        time.sleep(GRACE_SECONDS)
        os._exit(0)


def _skip_line(source: IO[bytes], line: bytes) -> None:
    while line and not line.endswith(b"\n"):
        line = source.readline(wire.LONGEST_LINE)
