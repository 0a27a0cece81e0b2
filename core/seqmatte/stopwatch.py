"""Where the time of a run goes, by stage, and how long the rest of it will take."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from seqmatte.events import Progress


class Stopwatch:
    """seconds: wall-clock time by stage, one inside another charged to itself alone. Used from one thread."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._stages: list[str] = []
        self._since = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Charges the time inside to `name`, but for what is charged to stages within."""
        self._charge()
        self._stages.append(name)
        try:
            yield
        finally:
            self._charge()
            self._stages.pop()

    def _charge(self) -> None:
        now = time.perf_counter()
        if self._stages:
            self.seconds[self._stages[-1]] += now - self._since
        self._since = now


class Clock:
    """Counts frames and guesses how long the rest takes, from those that were computed."""

    def __init__(self, total: int) -> None:
        self._total, self._done, self._computed = total, 0, 0
        self._started = time.monotonic()
        self._spent = 0.0

    def progress(self, *, hit: bool) -> Progress:
        now = time.monotonic()
        self._done += 1
        if not hit:
            self._computed += 1
            self._spent += now - self._started
        self._started = now
        left = None if not self._computed else (self._total - self._done) * self._spent / self._computed
        return Progress(self._done, self._total, left)
