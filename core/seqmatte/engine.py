"""The engine: from a Shot and a cache to finished frames, in the order of the walk, with events."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from seqlink import FrameRange, Shot
from seqmatte import recipe
from seqmatte.cache import Cache
from seqmatte.colour import PlateColour
from seqmatte.device import Device
from seqmatte.errors import GuideError, ShotError
from seqmatte.events import FrameDone, Listener, Warning, nobody
from seqmatte.keys import FileDigests
from seqmatte.layer import Layer
from seqmatte.lease import Lease
from seqmatte.open_methods import OpenMethods
from seqmatte.plan import Plan
from seqmatte.shelf import Shelf
from seqmatte.source import Source
from seqmatte.stopwatch import Clock, Stopwatch
from seqmatte.walker import SICK, SOURCES, Flag, Walker

# A clean plate that is believed less than this about the subject is told of.
_STRANGE = 0.1


@dataclass(frozen=True)
class Result:
    """A finished frame: the EXR at `path` holds it. steps: method steps it took, 0 for a hit."""

    frame: int
    path: str
    key: str
    confidence: float
    steps: int
    subject: str = "matte"


@dataclass(frozen=True)
class Status:
    """cached and missing frames of what was asked; tasks: how a farm would cut what is missing."""

    cached: FrameRange
    missing: FrameRange
    tasks: tuple[FrameRange, ...]


class Engine:
    """One subject of a shot. Raises, when made, whatever is wrong with the Shot as a document.

    subject: which matte. device: where methods compute; never part of a key. listener: hears the events of `render`.
    cancelled: looked at before every step. opened: shared by the engines of one process. stopwatch: told where the
    time goes: a stage for each method, "read" for plate and guides, "engine" for all else.
    """

    def __init__(
        self,
        shot: Shot,
        cache: Cache | None = None,
        *,
        subject: str | None = None,
        device: Device | None = None,
        listener: Listener = nobody,
        cancelled: Flag | None = None,
        digests: FileDigests | None = None,
        opened: OpenMethods | None = None,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        self.shot = shot
        self.subject = subject or shot.subjects()[0]
        self.recipe = recipe.resolve(shot).name
        self.cache = cache or Cache()
        self.device = device or Device()
        self._listener = listener
        self._watch = stopwatch or Stopwatch()
        self._sources = Source(shot, digests or FileDigests(), self.subject)
        guided = [guide.frame for guide in shot.guided(self.subject)]
        self.plan = Plan(recipe.build(shot), self._sources, shot.frames, guided)
        self._shelf = Shelf(self.cache)
        self._walker = Walker(
            self.plan, self._sources, self._shelf, self.device, opened or OpenMethods(), self._watch, cancelled
        )
        # Pictures of the shot's files, by how far they lie from the frame that is made of them.
        reads = [read for method in self.plan.methods.values() for read in method.reads if read.layer in SOURCES]
        self._habit: set[tuple[str, int, str | None]] = {
            (read.layer, offset, read.space) for read in reads for offset in read.offsets if offset >= 0
        }
        self._check_document(guided)

    @property
    def colour(self) -> str:
        """Which colour space the plate is taken to be in, and who said so."""
        return self._sources.colour.found

    @property
    def plate_colour(self) -> PlateColour:
        """The colour transforms of the shot."""
        return self._sources.colour

    def plate(self, frame: int) -> Layer:
        """The plate of a frame, scene-linear, in the primaries that results are delivered in."""
        layer = self._sources.layer("plate", frame, "scene")
        assert layer is not None
        return layer

    def key(self, name: str, frame: int) -> str:
        """The key of a layer at a frame. Reads digests of files, no pixels (but to choose the shot's encoding)."""
        return self.plan.key(name, frame)

    def layer(self, name: str, frame: int) -> Layer:
        """A layer by name at a frame: from the cache, else computed, with all that it needs."""
        return self._walker.layer(name, frame)

    def result(self, frame: int) -> Result:
        """The finished frame. Computes it unless it is cached; verifies it if it is."""
        return self._finished(frame, self._computed(frame))

    def render(self, frames: Iterable[int] | None = None) -> Iterator[Result]:
        """Finished frames as they come, in the order of the walk, with events.

        Raises the first error met; frames given before it are finished and stay.
        """
        wanted = self._wanted(frames)
        self.check(frames if frames is None else wanted)
        if self.shot.recipe == "auto" and (note := recipe.automatic(self.shot)[1]):
            self._listener(Warning(note))
        order = self.plan.order(wanted)
        with self.cache.lease(self._keys_of(order)) as lease, ThreadPoolExecutor(1) as ahead:
            # A frame far from its guide takes hundreds of steps, longer than a lease lasts.
            self._walker.before_step = lease.renew
            yield from self._rendered(order, lease, ahead)

    def status(self, frames: Iterable[int] | None = None) -> Status:
        """What is cached and what an edit has reached, before computing anything."""
        wanted = self._wanted(frames)
        missing = FrameRange(frame for frame in wanted if self.key(self.plan.final, frame) not in self.cache)
        tasks = tuple(task & missing for task in self.plan.tasks() if task & missing)
        return Status(wanted - missing, missing, tasks)

    def check(self, frames: Iterable[int] | None = None) -> None:
        """Refuses what can be known to be wrong before computing: gaps in the plate, guides that cannot be used.

        frames: what will be asked for, None for all. What none of them looks at may be broken or missing.
        """
        self._sources.check(None if frames is None else self.plan.looks_at(self._wanted(frames)))

    def flush(self) -> None:
        """Waits until all that was computed is stored."""
        self._shelf.flush()

    def _check_document(self, guided: list[int]) -> None:
        if not self.shot.frames:
            raise ShotError("no frames are asked for", field="frames")
        if self.plan.needs_guide() and not guided:
            advice = "give a mask, trimap or alpha on any frame, as --mask 1001=mask.1001.exr"
            raise GuideError(f"recipe {self.recipe} needs a guide and there is none; {advice}")
        for frame in guided:
            if frame not in self.shot.frames:
                around = f"the shot's frames are {self.shot.frames}"
                raise GuideError(f"the guide on frame {frame} lies outside the shot: {around}", frame=frame)
        twice = {frame for frame in guided if guided.count(frame) > 1}
        if twice:
            raise GuideError(f"more than one guide for {self.subject!r} on frame {min(twice)}", frame=min(twice))

    def _wanted(self, frames: Iterable[int] | None) -> FrameRange:
        wanted = self.shot.frames if frames is None else FrameRange(frames)
        outside = wanted - self.shot.frames
        if outside:
            raise ShotError(f"frames {outside} are not in the shot's range {self.shot.frames}", field="frames")
        return wanted

    def _keys_of(self, frames: Iterable[int]) -> Iterator[str]:
        return (key for frame in frames for name in self.plan.methods for key in self.plan.keys(name, frame))

    def _rendered(self, order: list[int], lease: Lease, ahead: ThreadPoolExecutor) -> Iterator[Result]:
        waiting: deque[tuple[int, int]] = deque()
        clock = Clock(len(order))
        try:
            for frame in order[:1]:
                self._look_ahead(frame, None, ahead)
            for frame, following in zip(order, [*order[1:], None], strict=True):
                lease.renew()
                if following is not None:
                    self._look_ahead(following, frame, ahead)
                try:
                    waiting.append((frame, self._computed(frame)))
                except Exception:
                    yield from self._handed_out(waiting, 0, clock)
                    raise
                # One frame behind, so that a result is written while the next is computed.
                yield from self._handed_out(waiting, 1 if waiting[-1][1] else 0, clock)
            yield from self._handed_out(waiting, 0, clock)
        finally:
            ahead.shutdown(wait=False, cancel_futures=True)
            self._shelf.flush(quietly=True)

    def _handed_out(self, waiting: deque[tuple[int, int]], kept: int, clock: Clock) -> Iterator[Result]:
        """The finished frames, the earliest first, but so many of the last."""
        while len(waiting) > kept:
            yield self._told(*waiting.popleft(), clock)

    def _told(self, frame: int, steps: int, clock: Clock) -> Result:
        result = self._finished(frame, steps)
        facts = self.layer(self.plan.final, frame).facts
        if sick := [f"{facts[name]} {word}" for name, word in SICK.items() if name in facts]:
            self._listener(Warning(f"the plate has {' and '.join(sick)} values; healed from their neighbours", frame))
        if float(facts.get("clean", 1)) < _STRANGE:
            said = "the clean plate looks unlike the plate around the subject and is hardly used"
            self._listener(Warning(f"{said}; conform its exposure and framing", frame))
        if "unseen" in facts:
            said = "the guide lies where nothing of the subject can be seen, and other frames go by it"
            self._listener(Warning(f"{said}; draw it on the nearest frame that shows the subject instead", frame))
        if "clipped" in facts:
            said = f"{facts['clipped']} values beyond what half floats hold were clipped"
            self._listener(Warning(f"{said}; --set refine.depth=float keeps them", frame))
        self._listener(FrameDone(frame, result.path, result.confidence, steps, self.subject))
        self._listener(clock.progress(hit=steps == 0))
        self._shelf.let_go(result.key)
        return result

    def _computed(self, frame: int) -> int:
        """Sees to it that the frame's final layer is there; gives the steps it took."""
        before = self._walker.steps
        self._walker.looked_at.clear()
        self._walker.look_for_cancel()
        with self._watch.stage("engine"):
            self.layer(self.plan.final, frame)
        if self._walker.looked_at:
            self._habit = {(name, self.plan.offset(frame, at), space) for name, at, space in self._walker.looked_at}
        return self._walker.steps - before

    def _finished(self, frame: int, steps: int) -> Result:
        key = self.key(self.plan.final, frame)
        with self._watch.stage("engine"):
            self._shelf.stored(key)
            confidence = float(self.layer(self.plan.final, frame).facts.get("confidence", 1.0))
        return Result(frame, str(self.cache.path(key)), key, confidence, steps, self.subject)

    def _look_ahead(self, frame: int, before: int | None, ahead: ThreadPoolExecutor) -> None:
        """Begins to read what a frame will want, which comes after `before`: itself where it is cached, else the
        farthest of what the last one looked at, one further."""
        key = self.key(self.plan.final, frame)
        if key in self.cache:
            self._shelf.read_ahead(key)
            return
        # The farthest on of each kind alone: the nearer were looked at before, and of large plates few are kept.
        way = 1 if before is None or frame > before else -1
        farthest: dict[tuple[str, str | None], int] = {}
        for name, offset, space in self._habit:
            farthest[name, space] = max(farthest.get((name, space), offset * way), offset * way)
        for (name, space), offset in farthest.items():
            ahead.submit(self._sources.prefetch, name, self.plan.neighbour(frame, offset * way), space)
