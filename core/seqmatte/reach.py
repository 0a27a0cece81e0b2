"""Which frames are walked together, and from which guided frames. Pure functions of frame numbers."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
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


def meetings(spans: Sequence[Span]) -> dict[int, list[tuple[Span, float]]]:
    """For every frame the spans that it is made by, the one that yields it first, and the share of each.

    Where two walks meet, their shares change evenly from one to the other.
    """
    own = {frame: span for span in reversed(spans) for frame in span.frames}
    coming = {frame: span for span in reversed(spans) for frame in span.beyond}
    return {frame: _shares(frame, span, coming.get(frame)) for frame, span in own.items()}


def _shares(frame: int, own: Span, other: Span | None) -> list[tuple[Span, float]]:
    if other is None:
        return [(own, 1.0)]
    shared = sorted(other.beyond + own.beyond)
    left = 1 - (shared.index(frame) + 1) / (len(shared) + 1)
    share = left if own.frames[0] < other.frames[0] else 1 - left
    return [(own, share), (other, 1 - share)]


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
        place = bisect_left(ordered, first)
        return tuple(ordered[max(place - self.lead, 0) : place])


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
        ordered, keys = sorted(frames), sorted(guided)
        if not keys:
            return []
        # 2 f <= a + b where a frame is no nearer to the later key b than to a.
        cuts = [bisect_right(ordered, (a + b) // 2) for a, b in pairwise(keys)]
        made = []
        for place, (start, stop) in enumerate(zip([0, *cuts], [*cuts, len(ordered)], strict=True)):
            own = bisect_left(ordered, keys[place])
            if start < own:
                run = tuple(reversed(ordered[start:own]))
                made.append(Span(run, (), self._memory(keys, place, -1), self._before(ordered, keys, place, start)))
            if own < stop:
                run = tuple(ordered[own:stop])
                made.append(Span(run, (), self._memory(keys, place, 1), self._after(ordered, keys, place, stop)))
        return made

    def _after(self, ordered: list[int], keys: list[int], place: int, stop: int) -> tuple[int, ...]:
        """The frames after a walk forward, up to the next guided one, which is nobody else's."""
        end = bisect_left(ordered, keys[place + 1]) if place + 1 < len(keys) else stop
        return tuple(ordered[stop : min(stop + self.meeting, end)])

    def _before(self, ordered: list[int], keys: list[int], place: int, start: int) -> tuple[int, ...]:
        """Those after a walk backward, in its order."""
        end = bisect_right(ordered, keys[place - 1]) if place else start
        return tuple(reversed(ordered[max(start - self.meeting, end) : start]))

    def _memory(self, keys: list[int], place: int, step: int) -> tuple[int, ...]:
        # The second key lies on the side the walk goes to: between two keys one hears of both.
        wanted = range(place, place + step * self.guides, step)
        return tuple(keys[at] for at in wanted if 0 <= at < len(keys))


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


def _from(frame: int, key: int | None, step: int) -> bool:
    return key is not None and (frame - key) * step >= 0
