"""What an engine tells while it works: one stream that command line, worker and farm print in their own way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Progress:
    """done of total frames; seconds_left is None until a frame was timed."""

    done: int
    total: int
    seconds_left: float | None = None


@dataclass(frozen=True)
class FrameDone:
    """A frame's result lies at path. confidence: 0..1; steps: how many method steps it took, 0 for a hit."""

    frame: int
    path: str
    confidence: float
    steps: int
    subject: str = "matte"


@dataclass(frozen=True)
class Warning:
    """Something an artist should know, that did not stop the work."""

    message: str
    frame: int | None = None


Event: TypeAlias = Progress | FrameDone | Warning
Listener: TypeAlias = Callable[[Event], None]


def nobody(event: Event) -> None:
    """A listener that does not listen."""
