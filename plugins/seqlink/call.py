"""One request to a worker on its way, and how it may fail."""

from __future__ import annotations

import queue
from collections.abc import Iterator, Mapping
from typing import Any, Callable, Protocol

from . import wire

Listener = Callable[[wire.Request], None]
Event = wire.Request


class WorkerError(Exception):
    """The worker could not do what was asked. code: one of wire.CODES, or below zero for the wire's own.

    data: frame, path and field where the error is about one; kind, the error's class in the engine.
    """

    def __init__(self, message: str, code: int = 1, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.data = dict(data or {})

    @property
    def cancelled(self) -> bool:
        return self.code == wire.CANCELLED


class WorkerMissing(WorkerError):
    """There is nothing to start, or it cannot be started."""


class WorkerDied(WorkerError):
    """The process ended before it answered; the message ends with what it said last."""


class WorkerRubbish(WorkerError):
    """The process printed something that is not the protocol."""


class Cancels(Protocol):
    """What a call asks to stop it: its worker."""

    def cancel(self, id: int) -> None: ...


class Call:
    """One request on its way. Its messages wait in a queue of its own until the host takes them."""

    def __init__(self, worker: Cancels, id: int, method: str) -> None:
        self.id = id
        self.method = method
        self.done = False
        self._worker = worker
        self._arrived: queue.SimpleQueue[wire.Message | WorkerError] = queue.SimpleQueue()
        self._result: Any = None
        self._error: WorkerError | None = None

    def poll(self) -> list[Event]:
        """The events that have come since; never waits. Look at `done` afterwards."""
        events = []
        while not self.done:
            try:
                event = self._take(self._arrived.get_nowait())
            except queue.Empty:
                break
            if event is not None:
                events.append(event)
        return events

    def take(self, timeout: float | None = None) -> Event | None:
        """The next event, waiting for it; None once done, or when none comes within `timeout` seconds."""
        try:
            return None if self.done else self._take(self._arrived.get(timeout=timeout))
        except queue.Empty:
            return None

    def events(self, timeout: float | None = None) -> Iterator[Event]:
        """Events as they come, until the answer. Raises WorkerError when none comes for `timeout` seconds."""
        while not self.done:
            try:
                event = self._take(self._arrived.get(timeout=timeout))
            except queue.Empty:
                raise WorkerError(f"no answer to {self.method} within {timeout:g} seconds") from None
            if event is not None:
                yield event

    def result(self, timeout: float | None = None, listen: Listener | None = None) -> Any:
        """The answer, waiting for it. Raises WorkerError: refused, cancelled, or the worker is gone."""
        for event in self.events(timeout):
            if listen is not None:
                listen(event)
        if self._error is not None:
            raise self._error
        return self._result

    @property
    def error(self) -> WorkerError | None:
        """Why it failed, once done; None while it runs and when it went well."""
        return self._error

    def arrived(self, message: wire.Message | WorkerError) -> None:
        """A message for this call, from any thread; it waits for the host to take it."""
        self._arrived.put(message)

    def cancel(self) -> None:
        """Asks the worker to stop this call; its answer is then an error with code 130."""
        if not self.done:
            self._worker.cancel(self.id)

    def _take(self, message: wire.Message | WorkerError) -> Event | None:
        if isinstance(message, wire.Request):
            return message
        self.done = True
        if isinstance(message, WorkerError):
            self._error = message
        elif isinstance(message, wire.Failure):
            self._error = WorkerError(message.message, message.code, message.data)
        else:
            self._result = message.result
        return None
