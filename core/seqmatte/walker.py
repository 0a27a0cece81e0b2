"""From a plan to layers by name and frame, found on the shelf or made by walking methods. Nothing else walks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from seqmatte import exr, recipe
from seqmatte.confidence import unseen
from seqmatte.device import Device
from seqmatte.errors import Cancelled
from seqmatte.layer import Layer, mixed
from seqmatte.method import Method, Read, State, View
from seqmatte.open_methods import OpenMethods
from seqmatte.plan import Plan
from seqmatte.reach import Span
from seqmatte.shelf import Shelf
from seqmatte.source import Source
from seqmatte.stopwatch import Stopwatch

SOURCES = recipe.SOURCES

# A walk's state is stored after every so many frames, so that frame 900 resumes from 896 and not from 1.
SNAPSHOT_EVERY = 8

# What a plate may hold instead of numbers, as its facts and its readers name it.
SICK = {"nan": "NaN", "inf": "infinite"}


class Flag(Protocol):
    """Anything that can be set from elsewhere, as threading.Event."""

    def is_set(self) -> bool: ...


class Walker:
    """Makes the layers of a plan. sources: plate and guides. shelf: where layers are found and put.

    steps: method steps taken so far. looked_at: pictures of the shot's files that they saw, as (layer, frame, space).
    cancelled: looked at before every step. watch: told where the time goes. before_step: called before every step,
    for whoever must say now and then that the work goes on.
    """

    def __init__(
        self,
        plan: Plan,
        sources: Source,
        shelf: Shelf,
        device: Device,
        opened: OpenMethods,
        watch: Stopwatch,
        cancelled: Flag | None,
    ) -> None:
        self.steps = 0
        self.looked_at: set[tuple[str, int, str | None]] = set()
        self._plan, self._sources, self._shelf = plan, sources, shelf
        self._device, self._opened = device, opened
        self._watch, self._cancelled = watch, cancelled
        self.before_step: Callable[[], None] = lambda: None

    def layer(self, name: str, frame: int) -> Layer:
        """A layer by name at a frame: from the cache, else computed, with all that it needs."""
        key = self._plan.key(name, frame)
        found = self._shelf.get(key)
        if found is None:
            walks = self._plan.walks(name, frame)
            parts = [(self._walked(self._plan.methods[name], span, frame), share) for span, share in walks]
            found = parts[0][0] if len(parts) == 1 else self._met(self._plan.methods[name], frame, parts)
        return found

    def look_for_cancel(self) -> None:
        if self._cancelled is not None and self._cancelled.is_set():
            raise Cancelled("cancelled; finished frames are kept")

    def _walked(self, method: Method, span: Span, frame: int) -> Layer:
        """What one walk makes at a frame."""
        key = self._plan.walked_key(method.makes, frame, span)
        found = self._shelf.get(key)
        if found is None:
            self._walk(method, span, frame)
            found = self._shelf.get(key)
        assert found is not None
        return found

    def _met(self, method: Method, frame: int, parts: list[tuple[Layer, float]]) -> Layer:
        """What two walks made where they meet, mixed and shelved."""
        (one, share), (other, _) = parts
        made = getattr(method, "mixed", mixed)(one, other, share)
        return self._shelve(method, self._plan.key(method.makes, frame), made)

    def _walk(self, method: Method, span: Span, until: int) -> None:
        """Walks a span up to a frame, from the nearest state there is, and shelves what is made."""
        opened = self._opened.get(method, self._device)
        frames = span.walked
        stop = frames.index(until) + 1
        at, state = self._resumed(opened, span, stop)
        for frame in frames[at:stop]:
            self.look_for_cancel()
            self.before_step()
            with self._watch.stage(method.name):
                state, made = opened.step(state, self._view(method.name, method.reads, frame))
            at, self.steps = at + 1, self.steps + 1
            if at > len(span.lead):
                key = self._plan.walked_key(method.makes, frame, span)
                self._shelve(method, key, self._headed(method, frame, made))
                if at % SNAPSHOT_EVERY == 0 and at < len(frames) and hasattr(opened, "freeze"):
                    self._shelf.put_state(self._plan.state_key(method.makes, frame, span), opened.freeze(state))
        if stop < len(frames):
            self._opened.keep(self._live_key(method, span, until), state)

    def _resumed(self, method: Method, span: Span, stop: int) -> tuple[int, State]:
        """The latest state before a place of the span: one in memory, a stored one, or the start."""
        frames, remembers = span.walked, getattr(method, "remembers", True)
        for place in range(stop - 1, len(span.lead) if remembers else max(stop - 2, 0), -1):
            live = self._opened.take(self._live_key(method, span, frames[place - 1]))
            if live is not None:
                return place, live
            if place % SNAPSHOT_EVERY == 0 and hasattr(method, "thaw"):
                stored = self._shelf.get_state(self._plan.state_key(method.makes, frames[place - 1], span))
                if stored is not None:
                    return place, method.thaw(stored)
        with self._watch.stage(method.name):
            reads = getattr(method, "start_reads", method.reads)
            state = method.start([self._view(method.name, reads, guide) for guide in span.guides])
        return (0 if remembers else stop - 1), state

    def _live_key(self, method: Method, span: Span, frame: int) -> str:
        return f"{self._plan.state_key(method.makes, frame, span)} {self._device.kind}"

    def _view(self, method: str, reads: Sequence[Read], frame: int) -> View:
        def fetch(layer: str, offset: int, space: str | None) -> Layer | None:
            read = _declared(method, reads, layer, offset, space)
            return self._input(read, self._plan.neighbour(frame, offset))

        return View(frame, fetch, self._plan.neighbour)

    def _input(self, read: Read, frame: int) -> Layer | None:
        with self._watch.stage("read" if read.layer in SOURCES else "engine"):
            if read.layer in SOURCES:
                self.looked_at.add((read.layer, frame, read.space))
                return self._sources.layer(read.layer, frame, read.space)
            return self.layer(read.layer, frame)

    def _headed(self, method: Method, frame: int, made: Layer) -> Layer:
        """With the plate's windows and metadata, where it is as large, and facts of how it was made."""
        plate = self._sources.layer("plate", frame, "scene")
        facts = {
            **made.facts,
            **_sickness(plate),
            **self._blindness(method, frame),
            "method": f"{method.name} {method.version}",
        }
        as_large = plate is not None and (plate.width, plate.height) == (made.width, made.height)
        return replace(made, header=plate.header if plate and as_large else None, facts=facts)

    def _blindness(self, method: Method, frame: int) -> dict[str, float | int | str]:
        """Of a finished frame: the fact "unseen" where its guide lies on a plate that does not show the subject."""
        guided = frame in self._plan.guided and self._plan.needs_guide() and method.makes == self._plan.final
        guide = self._sources.layer("guide", frame) if guided else None
        plate = self._sources.layer("plate", frame, "encoded") if guided else None
        if guide is None or plate is None:
            return {}
        return {"unseen": 1} if unseen(plate.pixels, guide.pixels[..., 0]) else {}

    def _shelve(self, method: Method, key: str, made: Layer) -> Layer:
        half = tuple(getattr(method, "half", ()))
        layer = exr.quantised(made, half)
        self._shelf.put(key, layer, half)
        return layer


def _sickness(plate: Layer | None) -> dict[str, float | int | str]:
    """How many values of the plate were no numbers; nothing for a sound one."""
    facts = plate.facts if plate else {}
    return {name: facts[name] for name in SICK if facts.get(name)}


def _declared(method: str, reads: Sequence[Read], layer: str, offset: int, space: str | None) -> Read:
    for read in reads:
        if read.layer == layer and offset in read.offsets and space in (None, read.space):
            return read
    raise LookupError(f"{method} looks at {layer!r} at {offset:+d} ({space}), which it did not declare")
