"""What will be computed, known before any pixel is: the key of every layer and the spans they are walked in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from seqlink import FrameRange
from seqlink.params import values
from seqmatte.keys import digest
from seqmatte.layer import Layer
from seqmatte.method import Method, Read
from seqmatte.reach import PerFrame, Span, meetings

# Tasks of recipes without a walk: frames that one farm task takes together.
FRAMES_PER_TASK = 16


class Sources(Protocol):
    """Where plate, guide and clean layers come from."""

    def key(self, name: str, frame: int, space: str | None) -> str: ...

    def layer(self, name: str, frame: int, space: str | None) -> Layer | None: ...


class _Noted:
    """Sources that only note which of their frames are asked for."""

    def __init__(self, seen: dict[str, set[int]]) -> None:
        self._seen = seen

    def key(self, name: str, frame: int, space: str | None) -> str:
        self._seen.setdefault(name, set()).add(frame)
        return ""

    def layer(self, name: str, frame: int, space: str | None) -> Layer | None:
        return None


def identity(method: Method) -> list[object]:
    """All that a method is, as plain values: what goes into its keys."""
    return [method.name, method.version, method.makes, values(method.params), getattr(method, "weights_digest", "")]


class Plan:
    """Keys and spans of one subject of a shot. frames: the shot's whole range, whatever part is asked for."""

    def __init__(
        self, methods: Sequence[Method], sources: Sources, frames: Iterable[int], guided: Sequence[int]
    ) -> None:
        self.methods = {method.makes: method for method in methods}
        self.final = methods[-1].makes
        self.frames = sorted(frames)
        self.guided = sorted(guided)
        self._sources = sources
        self._place = {frame: i for i, frame in enumerate(self.frames)}
        self._keys: dict[tuple[str, int], str] = {}
        self._walked_keys: dict[tuple[str, int, int], str] = {}
        self._chained: dict[tuple[str, int], tuple[int, str]] = {}
        self._spans: dict[str, list[Span]] = {}
        self._walks: dict[str, dict[int, list[tuple[Span, float]]]] = {}

    def key(self, layer: str, frame: int, space: str | None = None) -> str:
        """The key of a layer at a frame; of a source, that of its content in the space."""
        if layer not in self.methods:
            return self._sources.key(layer, frame, space)
        if (layer, frame) not in self._keys:
            walks = self.walks(layer, frame)
            own = self.walked_key(layer, frame, walks[0][0])
            parts = [[self.walked_key(layer, frame, span), share] for span, share in walks]
            self._keys[layer, frame] = own if len(walks) == 1 else digest("met", parts)
        return self._keys[layer, frame]

    def keys(self, layer: str, frame: int) -> list[str]:
        """The key of a layer at a frame, and those of what it is mixed of."""
        walks = self.walks(layer, frame)
        return list(
            dict.fromkeys([self.key(layer, frame), *(self.walked_key(layer, frame, span) for span, _ in walks)])
        )

    def walked_key(self, layer: str, frame: int, span: Span) -> str:
        """The key of what one walk makes at a frame."""
        key, method = (layer, span.frames[0], frame), self.methods[layer]
        if key not in self._walked_keys and getattr(method, "remembers", True):
            self._chain(method, span, frame)
        elif key not in self._walked_keys:
            self._walked_keys[key] = digest(self._begun(method, span), self._seen(method.reads, frame))
        return self._walked_keys[key]

    def state_key(self, layer: str, frame: int, span: Span) -> str:
        """The key of a walk's state after a frame: of content and, since states count frames, of the numbers too."""
        return digest("state", self.walked_key(layer, frame, span), frame, span.guides)

    def walks(self, layer: str, frame: int) -> list[tuple[Span, float]]:
        """The spans that make a layer at a frame, and their shares: one, or two where they meet."""
        if layer not in self._walks:
            self._walks[layer] = meetings(self._spans_of(self.methods[layer]))
        return self._walks[layer][frame]

    def neighbour(self, frame: int, offset: int) -> int:
        """The frame so many places along the shot; past the ends the end frame."""
        place = min(max(self._place[frame] + offset, 0), len(self.frames) - 1)
        return self.frames[place]

    def offset(self, frame: int, other: int) -> int:
        """How many places along the shot another frame lies."""
        return self._place[other] - self._place[frame]

    def needs_guide(self) -> bool:
        """Whether any method starts from the artist's guides."""
        reads = (read for method in self.methods.values() for read in method.reads)
        return any(read.layer == "guide" and not read.optional for read in reads)

    def order(self, frames: Iterable[int]) -> list[int]:
        """Frames in the order in which the recipe's first walk meets them."""
        wanted = set(frames)
        return [frame for span in self._walked() for frame in span.frames if frame in wanted]

    def tasks(self) -> list[FrameRange]:
        """Sets of frames that are cheap to compute apart, for a farm: cut where walks end.

        No result depends on the cut.
        """
        spans = self._walked()
        if all(len(span.frames) == 1 for span in spans):
            cuts = range(0, len(self.frames), FRAMES_PER_TASK)
            return [FrameRange(self.frames[i : i + FRAMES_PER_TASK]) for i in cuts]
        tasks: list[list[int]] = []
        task_of: dict[int, int] = {}
        for span in spans:
            met = min((task_of[frame] for frame in span.beyond if frame in task_of), default=len(tasks))
            if met == len(tasks):
                tasks.append([])
            tasks[met] += span.frames
            task_of.update(dict.fromkeys(span.frames, met))
        return [FrameRange(task) for task in tasks]

    def _walked(self) -> list[Span]:
        """The spans of the first method that walks; of none, each frame alone."""
        for method in self.methods.values():
            if not isinstance(method.reach, PerFrame):
                return self._spans_of(method)
        return PerFrame().spans(self.frames, self.guided)

    def _spans_of(self, method: Method) -> list[Span]:
        if method.makes not in self._spans:
            self._spans[method.makes] = method.reach.spans(self.frames, self.guided)
        return self._spans[method.makes]

    def _chain(self, method: Method, span: Span, until: int) -> None:
        """Fills in the keys of a span up to a frame: each made of the one before it and of all that is read there.

        No further: what only later frames read may be broken, or not be rendered yet.
        """
        place, key = self._chained.get((method.makes, span.frames[0]), (0, ""))
        key = key or self._begun(method, span)
        for frame in span.walked[place:]:
            key = digest(key, self._seen(method.reads, frame))
            place += 1
            self._walked_keys[method.makes, span.frames[0], frame] = key
            self._chained[method.makes, span.frames[0]] = place, key
            if frame == until:
                break

    def _begun(self, method: Method, span: Span) -> str:
        """The key of a walk before its first step."""
        reads = getattr(method, "start_reads", method.reads)
        return digest(identity(method), [self._seen(reads, guide) for guide in span.guides])

    def looks_at(self, frames: Iterable[int]) -> dict[str, set[int]]:
        """The frames of each source that the keys, and so the pixels, of these final layers are made of."""
        seen: dict[str, set[int]] = {}
        asked = Plan(list(self.methods.values()), _Noted(seen), self.frames, self.guided)
        asked._spans, asked._walks = self._spans, self._walks
        for frame in frames:
            asked.key(self.final, frame)
        return seen

    def _seen(self, reads: Iterable[Read], frame: int) -> list[str]:
        return [key for read in reads for key in self._read_keys(read, frame)]

    def _read_keys(self, read: Read, frame: int) -> list[str]:
        return [self.key(read.layer, self.neighbour(frame, offset), read.space) for offset in read.offsets]
