"""Which frames are walked together, and from which guided frames. Pure functions of frame numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

# Frames that two walks go on beyond the middle between their guides.
MEETING = 4


@dataclass(frozen=True)
class Span:
    """The unit of walking, of a farm task, and of what an edit reaches.

    frames: what it yields, in walking order, may run backwards. lead: walked first to warm the state, not kept.
    guides: the guided frames it starts from, nearest first. beyond: frames of the span that comes to meet this one,
    walked last; there what both made is mixed.
    """

    frames: tuple[int, ...]
    lead: tuple[int, ...] = ()
    guides: tuple[int, ...] = ()
    beyond: tuple[int, ...] = ()

    @property
    def walked(self) -> tuple[int, ...]:
        """Every frame of the walk, in its order."""
        return self.lead + self.frames + self.beyond


def meeting(frame: int, spans: Sequence[Span]) -> list[tuple[Span, float]]:
    """The spans that a frame is made by, the one that yields it first, and the share of each.

    Where two walks meet, their shares change evenly from one to the other.
    """
    own = next(span for span in spans if frame in span.frames)
    for other in spans:
        if frame in other.beyond:
            shared = sorted(other.beyond + own.beyond)
            left = 1 - (shared.index(frame) + 1) / (len(shared) + 1)
            share = left if own.frames[0] < other.frames[0] else 1 - left
            return [(own, share), (other, 1 - share)]
    return [(own, 1.0)]


class Reach(Protocol):
    """Cuts a shot into spans: every frame in exactly one."""

    def spans(self, frames: Sequence[int], guided: Sequence[int]) -> list[Span]: ...


@dataclass(frozen=True)
class PerFrame:
    """Each frame alone."""

    def spans(self, frames: Sequence[int], guided: Sequence[int]) -> list[Span]:
        return [Span((frame,)) for frame in sorted(frames)]


@dataclass(frozen=True)
class Chunked:
    """Fixed runs of `size` frames, each warmed by the `lead` frames before it.

    Chunks begin at absolute frame numbers, so trimming a shot moves no boundary.
    """

    size: int
    lead: int

    def spans(self, frames: Sequence[int], guided: Sequence[int]) -> list[Span]:
        ordered = sorted(frames)
        runs: dict[int, list[int]] = {}
        for frame in ordered:
            runs.setdefault(frame // self.size, []).append(frame)
        return [Span(tuple(run), self._lead(ordered, run[0])) for _, run in sorted(runs.items())]

    def _lead(self, ordered: list[int], first: int) -> tuple[int, ...]:
        before = [frame for frame in ordered if frame < first]
        return tuple(before[-self.lead :]) if self.lead else ()


@dataclass(frozen=True)
class NearestKey:
    """Out from each guided frame, both ways, to the middle between two; memory of the nearest `guides` keys.

    The guided frame itself belongs to the walk forward. A frame exactly between two keys goes to the earlier one.
    guides=0: the same walks for a method that looks at no guided frame before it starts, so none counts for its keys.
    meeting: how many frames each of two walks goes on beyond the middle, so that no pop is seen where they meet.
    """

    guides: int = 1
    meeting: int = 0

    def spans(self, frames: Sequence[int], guided: Sequence[int]) -> list[Span]:
        keys, made = sorted(guided), []
        for key in keys:
            mine = [frame for frame in sorted(frames) if _nearest(frame, keys) == key]
            forward = tuple(frame for frame in mine if frame >= key)
            backward = tuple(frame for frame in reversed(mine) if frame < key)
            for run in (backward, forward):
                if run:
                    made.append(Span(run, (), self._memory(run, key, keys), self._beyond(run, key, keys, frames)))
        return made

    def _beyond(self, run: tuple[int, ...], key: int, keys: list[int], frames: Sequence[int]) -> tuple[int, ...]:
        """The frames after the run, up to the next guided one, which is nobody else's."""
        if run[0] >= key:
            end = min((k for k in keys if k > key), default=run[-1])
            return tuple(f for f in sorted(frames) if run[-1] < f < end)[: self.meeting]
        end = max((k for k in keys if k < key), default=run[-1])
        return tuple(f for f in sorted(frames, reverse=True) if end < f < run[-1])[: self.meeting]

    def _memory(self, run: tuple[int, ...], key: int, keys: list[int]) -> tuple[int, ...]:
        # The second key lies on the side the walk goes to: between two keys one hears of both.
        ahead = [k for k in keys if (k > key if run[-1] >= key and run[0] >= key else k < key)]
        ahead.sort(key=lambda k: abs(k - key))
        return (key, *ahead)[: self.guides]


@dataclass(frozen=True)
class FromKey:
    """From each guided frame to the next one, in one direction (step +1 forward, -1 backward).

    Frames before the first key (forward), or after the last (backward), are walked from that key the other way.
    """

    step: int = 1

    def spans(self, frames: Sequence[int], guided: Sequence[int]) -> list[Span]:
        ordered, keys = sorted(frames)[:: self.step], sorted(guided)[:: self.step]
        made = []
        for key, following in zip(keys, [*keys[1:], None], strict=True):
            run = tuple(f for f in ordered if _from(f, key, self.step) and not _from(f, following, self.step))
            if run:
                made.append(Span(run, (), (key,)))
        head = tuple(f for f in reversed(ordered) if keys and not _from(f, keys[0], self.step))
        return [*made, Span(head, (), (keys[0],))] if head else made


def _nearest(frame: int, keys: list[int]) -> int:
    return min(keys, key=lambda key: (abs(key - frame), key))


def _from(frame: int, key: int | None, step: int) -> bool:
    return key is not None and (frame - key) * step >= 0
