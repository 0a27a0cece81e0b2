"""The host's end of the wire: starts a worker process, asks, listens, cancels, restarts.

    worker = Worker(settings.command(settings.load()))
    worker.start()
    call = worker.send("render", {"shot": shot.to_dict()})
    for event in call.events():              # in a thread of the host, or:
        ...
    call.poll()                              # from a timer: what has come since, never waits
    call.result()                            # {"frames": "1-12"}, or raises WorkerError

One reading thread per worker sorts lines into the queues of the calls they belong to. It never touches the host:
everything a host does with a message happens in the thread that takes it out of the queue. Another one writes, so that
a worker which does not listen keeps no thread of the host waiting, whatever is asked of it or cancelled.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import os
import queue
import subprocess
import threading
from collections.abc import Mapping, Sequence
from typing import IO, Any

from . import wire
from .call import Call, Listener, WorkerDied, WorkerError, WorkerMissing, WorkerRubbish
from .child import end, ending, own_session, see_end, stripped

HELLO_SECONDS = 60.0
STOP_SECONDS = 5.0
# How often one who wants to stop a worker looks at what holds it.
LOOK_SECONDS = 0.2
_LAST_WORDS = 40


class Worker:
    """One worker process. Methods may be called from any thread.

    command: program and arguments, e.g. [python, "-m", "seqmatte", "worker"]. env: variables set for the worker on
    top of the host's, after those in STRIPPED were taken out. listen: gets log lines and other messages that belong
    to no call; it runs in the reading thread and must not touch the host.
    """

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str] | None = None, listen: Listener | None = None
    ) -> None:
        self.command = list(command)
        self.hello: dict[str, Any] = {}
        self._env = dict(env or {})
        self._listen = listen
        self._lifetime = threading.RLock()  # starting and ending; never wanted by the reading thread
        self._lock = threading.Lock()  # the table of calls, and which process they are sent to
        self._unsent: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._process: subprocess.Popen[bytes] | None = None
        self._calls: dict[int, Call] = {}
        self._ids = itertools.count(1)
        self._words: collections.deque[str] = collections.deque(maxlen=_LAST_WORDS)
        self._over: WorkerError | None = None  # why this process answers nothing more
        self._threads: list[threading.Thread] = []
        self._stopped = False

    @property
    def running(self) -> bool:
        process = self._process
        return process is not None and process.poll() is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> dict[str, Any]:
        """Starts the process and greets it; the answer to hello. Does nothing when it runs.

        Raises WorkerMissing, WorkerDied (also where it was stopped), WorkerRubbish, or WorkerError when it speaks
        another protocol.
        """
        with self._lifetime:
            if self._stopped:
                raise WorkerDied("the engine was ended")
            if self.running and self.hello:
                return self.hello
            self._launch()
            try:
                self.hello = self._greeted()
            except WorkerError:
                self._kill()
                raise
            return self.hello

    def ask(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        listen: Listener | None = None,
    ) -> Any:
        """Sends a request and waits for the answer; starts the worker if it is not running. Raises WorkerError."""
        return self.send(method, params).result(timeout, listen)

    def send(self, method: str, params: Mapping[str, Any] | None = None) -> Call:
        """Sends a request, without waiting; starts the worker if it is not running."""
        self.start()
        return self._post(method, params)

    def cancel(self, id: int) -> None:
        """Asks the worker to stop a call. A worker that is gone has stopped already."""
        if self.running:
            self._post("cancel", {"id": id})

    def restart(self) -> dict[str, Any]:
        """A fresh process; calls that were running end with WorkerDied."""
        with self._lifetime:
            self._kill()
            return self.start()

    def stop(self) -> None:
        """Ends the process for good, safe to call twice: by closing its input (to it, the host's end), then by force.

        One that another thread is greeting has nothing to finish, and may never answer: it is killed. Who waits to
        send something meanwhile is refused: nobody would end what that started.
        """
        self._stopped = True
        while not self._lifetime.acquire(timeout=LOOK_SECONDS):
            if self.running and not self.hello and self._process is not None:
                end(self._process)
        try:
            process = self._process
            if process is not None and process.poll() is None:
                self._unsent.put(None)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(STOP_SECONDS)
            self._kill()
        finally:
            self._lifetime.release()

    def last_words(self) -> str:
        """The last lines of the worker's standard error."""
        return "\n".join(self._words)

    def _post(self, method: str, params: Mapping[str, Any] | None) -> Call:
        call = Call(self, next(self._ids), method)
        line = wire.written(wire.Request(method, dict(params or {}), call.id))
        with self._lock:
            if self._process is None or self._over is not None:
                call.arrived(self._over or WorkerDied("the engine is not running"))
                return call
            self._calls[call.id] = call
            self._unsent.put(line)
        return call

    def _launch(self) -> None:
        self._kill()
        self._words.clear()
        try:
            process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                # Or `python -m` looks for modules in the host's folder first, which may be the artist's.
                env={**stripped(os.environ), "PYTHONSAFEPATH": "1", **self._env},
                **own_session(),
            )
        except (OSError, ValueError) as error:
            raise WorkerMissing(
                f"cannot start the engine: {error}. Set the engine's Python in the preferences: {self.command[0]!r}"
            ) from None
        with self._lock:
            self._process, self._over, self._unsent = process, None, queue.SimpleQueue()
        errors = threading.Thread(target=self._read_errors, args=(process,), daemon=True)
        lines = threading.Thread(target=self._read_lines, args=(process, errors, self._unsent), daemon=True)
        writer = threading.Thread(target=self._write_lines, args=(process, self._unsent), daemon=True)
        self._threads = [errors, lines, writer]
        for thread in self._threads:
            thread.start()

    def _greeted(self) -> dict[str, Any]:
        greeting = self._post("hello", {"protocol": wire.PROTOCOL}).result(HELLO_SECONDS)
        spoken = greeting.get("protocol") if isinstance(greeting, dict) else None
        if spoken != wire.PROTOCOL:
            raise WorkerError(
                f"the engine speaks protocol {spoken}, this plug-in {wire.PROTOCOL}: update the older one"
            )
        return dict(greeting)

    def _write_lines(self, process: subprocess.Popen[bytes], unsent: queue.SimpleQueue[bytes | None]) -> None:
        """Until there is a None. What is sent after that waits for the end of the process, and fails with it."""
        stream = _open_stream(process.stdin)
        try:
            for line in iter(unsent.get, None):
                stream.write(line)
                stream.flush()
        except OSError:
            # The reading thread fails the calls, once it has read all that the process said before it ended.
            see_end(process, STOP_SECONDS)
        with contextlib.suppress(OSError):  # something unsent was left in it
            stream.close()

    def _read_lines(
        self, process: subprocess.Popen[bytes], errors: threading.Thread, unsent: queue.SimpleQueue[bytes | None]
    ) -> None:
        stream = _open_stream(process.stdout)
        problem: WorkerError | None = None
        while problem is None:
            line = stream.readline(wire.LONGEST_LINE)
            if not line:
                break
            try:
                self._deliver(_from_worker(line))
            except wire.WireError:
                if _torn(line):
                    self._words.append(f"... {_shown(line)}")
                    break
                problem = WorkerRubbish(
                    f"{self.command[0]} printed what is not the engine's protocol: {_shown(line)}. "
                    "Is this the Python that has seqmatte installed?"
                )
                end(process)
        # Its last words explain the end, so they are read to theirs first.
        see_end(process, STOP_SECONDS)
        errors.join(STOP_SECONDS)
        self._settle(process, problem or self._death(process))
        unsent.put(None)
        for pipe in (process.stdout, process.stderr):
            _open_stream(pipe).close()

    def _read_errors(self, process: subprocess.Popen[bytes]) -> None:
        for line in iter(lambda: _open_stream(process.stderr).readline(4096), b""):
            self._words.append(line.decode("utf-8", "replace").rstrip())

    def _deliver(self, message: wire.Message) -> None:
        id = message.params.get("id") if isinstance(message, wire.Request) else message.id
        with self._lock:
            call = self._calls.get(id) if isinstance(id, int) else None
            if call is not None and not isinstance(message, wire.Request):
                del self._calls[call.id]
        if call is not None:
            call.arrived(message)
        elif isinstance(message, wire.Request) and self._listen is not None:
            self._listen(message)

    def _settle(self, process: subprocess.Popen[bytes], error: WorkerError) -> None:
        """Ends every call that a process leaves unanswered, and those that are made before the next is started."""
        with self._lock:
            if self._process is not process or self._over is not None:
                return
            self._over = error
            left, self._calls = list(self._calls.values()), {}
        for call in left:
            call.arrived(error)

    def _death(self, process: subprocess.Popen[bytes]) -> WorkerDied:
        words = self.last_words()
        return WorkerDied(f"the engine {ending(process.wait())}" + (f". It said last:\n{words}" if words else ""))

    def _kill(self) -> None:
        process, threads = self._process, self._threads
        self.hello = {}
        if process is None:
            return
        if process.poll() is None:
            end(process)
        process.wait()
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(STOP_SECONDS)
        self._settle(process, self._death(process))
        self._process = None


def _torn(line: bytes) -> bool:
    """Whether it broke off, because the process ended while it wrote it."""
    return not line.endswith(b"\n") and len(line) < wire.LONGEST_LINE


def _from_worker(line: bytes) -> wire.Message:
    message = wire.read(line)
    if isinstance(message, wire.Request) and message.id is not None:
        raise wire.WireError(wire.INVALID_REQUEST, "a worker asks nothing; this is an echo")
    return message


def _open_stream(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise WorkerError("the worker was started without pipes")
    return stream


def _shown(line: bytes) -> str:
    text = line.decode("utf-8", "replace").strip()
    return repr(text if len(text) <= 200 else text[:200] + "...")
