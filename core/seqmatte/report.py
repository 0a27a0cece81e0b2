"""What the command line prints while the engine works: a line that moves, or JSON lines."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from seqmatte import printing
from seqmatte.events import Event, FrameDone, Progress, Warning

if TYPE_CHECKING:
    from seqlink import FrameRange
    from seqmatte.engine import Engine, Result, Status


class Reporter:
    """Hears the engine's events. Text goes to standard error, JSON lines to standard output."""

    def __init__(self, *, json_lines: bool = False) -> None:
        self._json = json_lines
        self._moving = sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not json_lines
        self._lowest: tuple[float, int] | None = None
        self._frames = 0
        self._subject = ""

    def begin(self, engine: Engine, status: Status) -> None:
        """Says what is about to happen. Counts anew: one reporter tells of one subject after the other."""
        self._lowest, self._frames = None, 0
        self._subject = engine.subject if len(engine.shot.subjects()) > 1 else ""
        self._tell("plan", **_plan(engine, status))
        if not self._json:
            self._line(f"{engine.subject}: recipe {engine.recipe}, {_counts(status)}")
            self._line(f"colour: {engine.colour}")

    def plans(self, engines: Sequence[Engine], frames: FrameRange | None = None) -> None:
        """The dry run's answer, on standard output: of all engines or, where one of them fails, of none."""
        for engine, status in [(engine, engine.status(frames)) for engine in engines]:
            self._plan(engine, status)

    def _plan(self, engine: Engine, status: Status) -> None:
        if self._json:
            self._tell("plan", **_plan(engine, status))
            return
        print(f"subject  {engine.subject}\nrecipe   {engine.recipe}: {', '.join(engine.plan.methods)}")
        print(f"colour   {engine.colour}\ncached   {status.cached or 'none'}\nmissing  {status.missing or 'none'}")
        for task in status.tasks:
            print(f"task     {task}")

    def hear(self, event: Event) -> None:
        """The engine's listener."""
        if self._json:
            if not isinstance(event, FrameDone):
                self._tell(type(event).__name__.lower(), **dataclasses.asdict(event))
        elif isinstance(event, Warning):
            where = f"frame {event.frame}: " if event.frame is not None else ""
            self._line(f"warning: {where}{event.message}")
        elif isinstance(event, Progress):
            self._progress(event)

    def delivered(self, result: Result, place: str) -> None:
        """A result lies where the artist wants it."""
        self._frames += 1
        if self._lowest is None or result.confidence < self._lowest[0]:
            self._lowest = (result.confidence, result.frame)
        if self._json:
            self._tell("frame", **{**dataclasses.asdict(result), "path": place, "cache": result.path})
        elif not self._moving:
            made = "cached" if result.steps == 0 else counted(result.steps, "step")
            self._line(f"{result.frame}  {place}  confidence {result.confidence:.2f}  {made}")

    def end(self) -> None:
        """Closes the moving line and says where to look first."""
        if self._json:
            return
        if self._lowest is not None:
            whose = f"{self._subject}: " if self._subject else ""
            first = f"look first at {self._lowest[1]} (confidence {self._lowest[0]:.2f})"
            self._line(f"{whose}{counted(self._frames, 'frame')}; {first}")

    def _progress(self, event: Progress) -> None:
        if self._moving:
            left = "" if event.seconds_left is None else f"  {clock_text(event.seconds_left)} left"
            bar = "#" * (30 * event.done // max(event.total, 1))
            sys.stderr.write(f"\r[{bar:<30}] {event.done}/{event.total}{left}   ")
            sys.stderr.flush()

    def _tell(self, kind: str, **facts: Any) -> None:
        if self._json:
            print(json.dumps({"event": kind, **facts}, default=str), flush=True)

    def _line(self, text: str) -> None:
        printing.tell(text)


def counted(number: int, thing: str, things: str = "") -> str:
    """A number and what there is of it: 1 frame, 2 frames, 1 entry, 2 entries."""
    return f"{number} {thing if number == 1 else things or thing + 's'}"


def size_text(size: float) -> str:
    """Bytes as a disk's: 1.25 GB, and below that 12.5 MB."""
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def clock_text(seconds: float) -> str:
    """A duration as an artist says it: 40 s, 3 min, 2 h 05."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d}"


def _counts(status: Status) -> str:
    return (
        f"{counted(len(status.cached), 'frame')} cached, {len(status.missing)} to compute ({status.missing or 'none'})"
    )


def _plan(engine: Engine, status: Status) -> dict[str, Any]:
    return {
        "subject": engine.subject,
        "recipe": engine.recipe,
        "methods": list(engine.plan.methods),
        "colour": engine.colour,
        "cached": str(status.cached),
        "missing": str(status.missing),
        "tasks": [str(task) for task in status.tasks],
    }
