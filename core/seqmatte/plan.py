"""What will be computed, known before any pixel is: the key of every layer and the spans they are walked in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from seqlink import FrameRange
from seqlink.params import values
from seqmatte.keys import digest
from seqmatte.layer import Layer
from seqmatte.method import Method, Read
from seqmatte.reach import PerFrame, Span

# Tasks of recipes without a walk: frames that one farm task takes together.
FRAMES_PER_TASK = 16


class Sources(Protocol):
    """Where plate, guide and clean layers come from."""

    def key(self, name: str, frame: int, space: str | None) -> str: ...

    def layer(self, name: str, frame: int, space: str | None) -> Layer | None: ...


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
        self._spans: dict[str, dict[int, Span]] = {}

    def key(self, layer: str, frame: int, space: str | None = None) -> str:
        """The key of a layer at a frame; of a source, that of its content in the space."""
        if layer not in self.methods:
            return self._sources.key(layer, frame, space)
        if (layer, frame) not in self._keys:
            self._chain(self.methods[layer], self.span(layer, frame))
        return self._keys[layer, frame]

    def state_key(self, layer: str, frame: int) -> str:
        """The key of the walk's state after a frame."""
        return digest("state", self.key(layer, frame))

    def span(self, layer: str, frame: int) -> Span:
        """The span that a frame is walked in."""
        if layer not in self._spans:
            spans = self.methods[layer].reach.spans(self.frames, self.guided)
            self._spans[layer] = {frame: span for span in spans for frame in span.frames}
        return self._spans[layer][frame]

    def neighbour(self, frame: int, offset: int) -> int:
        """The frame so many places along the shot; past the ends the end frame."""
        place = min(max(self._place[frame] + offset, 0), len(self.frames) - 1)
        return self.frames[place]

    def needs_guide(self) -> bool:
        """Whether any method starts from the artist's guides."""
        return any(read.layer == "guide" for method in self.methods.values() for read in method.reads)

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
        return [FrameRange(span.frames) for span in spans]

    def _walked(self) -> list[Span]:
        """The spans of the first method that walks; of none, each frame alone."""
        for method in self.methods.values():
            if not isinstance(method.reach, PerFrame):
                return method.reach.spans(self.frames, self.guided)
        return PerFrame().spans(self.frames, self.guided)

    def _chain(self, method: Method, span: Span) -> None:
        """Fills in the keys of a span: each made of the one before it and of all that is read at its frame."""
        key = digest(identity(method), [self._seen(method, guide) for guide in span.guides])
        for frame in span.lead + span.frames:
            key = digest(key, self._seen(method, frame))
            if frame in span.frames:
                self._keys[method.makes, frame] = key

    def _seen(self, method: Method, frame: int) -> list[str]:
        return [key for read in method.reads for key in self._read_keys(read, frame)]

    def _read_keys(self, read: Read, frame: int) -> list[str]:
        return [self.key(read.layer, self.neighbour(frame, offset), read.space) for offset in read.offsets]
