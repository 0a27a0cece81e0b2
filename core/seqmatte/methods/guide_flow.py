"""Carries masks, trimaps and alphas from the guided frames along the shot: optical flow, and a long memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from seqlink.params import param
from seqmatte import appearance, expectation, guide, propagation
from seqmatte.background import Background
from seqmatte.colour_tables import Colours
from seqmatte.confidence import blank
from seqmatte.device import Device
from seqmatte.encoding import Encoding
from seqmatte.flow import Plane
from seqmatte.guide import Band
from seqmatte.layer import Layer
from seqmatte.method import Frozen, Read, View, guide_kind
from seqmatte.propagation import Memory
from seqmatte.reach import MEETING, NearestKey

# Frames about a guided one in which its background is looked for.
_ABOUT = (-8, -5, -3, -2, -1, 1, 2, 3, 5, 8)
# On every other frame, beside what the walk remembers: so many frames further on.
_AHEAD = (3, 6)
# Of an artist's soft alpha nothing is to be changed.
_CERTAIN = 0.999


@dataclass(frozen=True)
class GuideFlowParams:
    inner: float = param(
        4.5, low=0.0, high=20.0, unit="% of width", help="How far inside a mask's edge the subject may be soft."
    )
    outer: float = param(
        2.5, low=0.0, high=20.0, unit="% of width", help="How far outside a mask's edge hair may reach."
    )


@dataclass(frozen=True)
class Ahead:
    """Plates further on, so that each is read once. at: how many frames further. plates: n x h x w x 3, half."""

    at: tuple[int, ...]
    plates: npt.NDArray[np.float16]


@dataclass(frozen=True)
class Walk:
    """The state: what the last frame looked like and what is remembered. All at working size.

    plate: encoded. confidence: in the band's alpha. age: steps since the guide. awaited: h x w, the alpha that the
    guide leads one to expect, usual: how far that is off at least.
    """

    frame: int
    plate: Plane
    band: Band
    confidence: Plane
    behind: Background
    memory: Memory
    ahead: Ahead
    age: int
    awaited: Plane
    usual: float


class GuideFlow:
    """Guides to a trimap for every frame.

    Makes "trimap" (0, 0.5, 1), "alpha" (a soft guess) and "confidence" (0..1 in that guess); fact "unseen" where
    nothing can be seen, and all is held as it was. Between two guides each frame is walked to from the nearer one, and
    both have taught what subject and background look like.
    """

    name: ClassVar[str] = "guide_flow"
    version: ClassVar[int] = 6
    Params: ClassVar[type] = GuideFlowParams

    makes = "trimap"
    reads = (
        Read("plate", (0, *_ABOUT, *_AHEAD, *(-offset for offset in _AHEAD)), space="encoded"),
        Read("guide"),
    )
    reach = NearestKey(2, MEETING)
    mixed = staticmethod(guide.mixed)

    def __init__(self, params: GuideFlowParams) -> None:
        self.params = params

    def open(self, device: Device) -> None:
        """Nothing to load: all of it runs on the processor."""

    def start(self, guides: Sequence[View]) -> Walk:
        """The nearest guide's frame, looked at; what all of them teach."""
        given = [(_small(view), self._band(view)) for view in guides]
        return _begun(guides[0], *given[0], _learnt(given))

    def step(self, state: Walk, view: View) -> tuple[Walk, Layer]:
        if view.frame == state.frame:
            return state, _placed(state, view, guided=True)
        plate = _small(view)
        if view.get("guide") is not None:
            walk = _begun(view, plate, self._band(view), state.memory)
            return walk, _placed(walk, view, guided=True)
        if not _unseen(state, plate):
            walk = _carried(state, view, plate)
            return walk, _placed(walk, view, guided=False)
        walk = replace(state, frame=view.frame, ahead=_looked_ahead(state, view), age=state.age + 1)
        held = _placed(walk, view, guided=False)
        return walk, replace(held, facts={**held.facts, "unseen": 1})

    def freeze(self, state: Walk) -> Frozen:
        colours = state.memory.colours
        return {
            "plate": state.plate,
            "alpha": state.band.alpha,
            "unknown": state.band.unknown,
            "confidence": state.confidence,
            "awaited": state.awaited,
            "behind": state.behind.colour,
            "trust": state.behind.trust,
            "palette": state.memory.palette,
            "subject": colours.subject,
            "ground": colours.background,
            "recent": colours.recent,
            "ahead": state.ahead.plates,
            "ahead_at": np.array(state.ahead.at, np.int64),
            "numbers": np.array([state.frame, state.age, state.memory.area, state.usual], np.float64),
        }

    def thaw(self, frozen: Mapping[str, Any]) -> Walk:
        frame, age, area, usual = (float(number) for number in frozen["numbers"])
        colours = Colours(frozen["subject"], frozen["ground"], frozen["recent"])
        return Walk(
            int(frame),
            frozen["plate"],
            Band(frozen["alpha"], frozen["unknown"]),
            frozen["confidence"],
            Background(frozen["behind"], frozen["trust"]),
            Memory(frozen["palette"], colours, area),
            Ahead(tuple(int(at) for at in frozen["ahead_at"]), frozen["ahead"]),
            int(age),
            frozen["awaited"],
            usual,
        )

    def _band(self, view: View) -> Band:
        """The guide at working size."""
        given = view["guide"]
        kind, size = guide_kind(given), guide.small_size(given.height, given.width)
        pixels = guide.resized(given[kind], size)
        if kind == "mask":
            return guide.from_mask(pixels, self.params.inner * size[1] / 100, self.params.outer * size[1] / 100)
        return guide.from_trimap(pixels)


def _begun(view: View, plate: Plane, band: Band, memory: Memory) -> Walk:
    """A guided frame, its band judged by its plate: a mask's is found, a trimap's and an alpha's stand."""
    unknown = band.unknown >= 0.5
    covered = propagation.covered(np.where(unknown, np.float32(0.5), band.alpha), band.trimap() == 0)
    others = _brought(plate, covered, (_small(view, offset) for offset in _ABOUT))
    behind = propagation.seen_behind(plate, covered, others, None, None, memory.colours)
    subject, ground = band.trimap() == 1, band.trimap() == 0
    kind = guide_kind(view["guide"])
    if kind == "mask":
        subject, ground = propagation.challenged(plate, band.alpha, subject, ground, behind, memory, False)
    nothing = np.zeros_like(band.alpha)
    awaited = expectation.of_guide(kind, band)
    found, confidence = propagation.judged(plate, awaited, subject, ground, behind, memory, nothing, _encoding(view))
    if kind == "trimap":
        found = Band(np.where(unknown, found.alpha, band.alpha > 0.5).astype(np.float32), band.unknown)
    if kind == "alpha":
        found, confidence = band, np.full_like(confidence, _CERTAIN)
    none = Ahead((), np.zeros((0, *plate.shape), np.float16))
    return Walk(view.frame, plate, found, confidence, behind, memory, none, 0, awaited.alpha, expectation.usually(kind))


def _carried(last: Walk, view: View, plate: Plane) -> Walk:
    """One frame further."""
    ahead = _looked_ahead(last, view)
    solid = (last.band.trimap() == 1).astype(np.float32)
    way = propagation.motion(plate, last.plate, np.maximum(last.band.alpha, last.band.unknown), solid)
    alpha, subject, ground = propagation.expected(last.band, way)
    subject |= propagation.kept(plate, last.band, way, ground, last.memory)
    missing = float((last.band.alpha > 0.5).mean()) < 0.6 * last.memory.area
    known = propagation.remembered(last.behind, way)
    sure = subject | ground
    subject, ground = propagation.challenged(plate, alpha, subject, ground, known, last.memory, missing)
    awaited = expectation.carried(last.awaited, plate, last.plate, way, last.age, last.usual)
    # A subject that is partly hidden may turn up where the last frame did not show it.
    awaited = awaited.without((sure & ~subject & ~ground) | (missing & (awaited.alpha < 0.5)))
    covered = propagation.covered(alpha, ground)
    wanted = (ahead.plates[ahead.at.index(offset)].astype(np.float32) for offset in _AHEAD)
    others = _brought(plate, covered, wanted)
    behind = propagation.seen_behind(plate, covered, others, last.behind, way.background, last.memory.colours)
    followed = propagation.followed(last.behind, way)
    band, confidence = propagation.judged(
        plate, awaited, subject, ground, behind, last.memory, way.left_behind, _encoding(view), followed
    )
    behind = propagation.learnt(behind, plate, band, confidence)
    memory = replace(last.memory, colours=last.memory.colours.after(plate, band.trimap() == 0))
    return Walk(
        view.frame, plate, band, confidence, behind, memory, ahead, last.age + 1, awaited.after(band.alpha), last.usual
    )


def _unseen(last: Walk, plate: Plane) -> bool:
    """Whether nothing can be seen, as in a dip to black: a plain set that the subject has left is something."""
    if not blank(plate):
        return False
    ground = last.band.trimap() == 0
    bare = last.plate[ground].mean(0) if ground.any() else np.full(3, np.inf, np.float32)
    same = np.abs(plate.mean((0, 1)) - bare).max() < propagation.SAME
    return not (same and blank(np.where(ground[..., None], last.plate, bare)))


def _looked_ahead(last: Walk, view: View) -> Ahead:
    """Plates further on in the walk's direction: those of the last frame that still are, and what is new."""
    forward = 1 if view.frame > last.frame else -1
    kept = {at - 1: plate for at, plate in zip(last.ahead.at, last.ahead.plates, strict=True) if at > min(_AHEAD)}
    for offset in _AHEAD:
        if offset not in kept:
            kept[offset] = _small(view, offset * forward).astype(np.float16)
    at = tuple(sorted(kept))
    return Ahead(at, np.stack([kept[offset] for offset in at]))


def _brought(plate: Plane, covered: Plane, others: Iterable[Plane]) -> list[tuple[Plane, Plane]]:
    """Plates of other frames and how far the subject hides them, brought here along the background's motion.

    A plate seen twice, as past the shot's end, counts once, and one on which nothing can be seen not at all.
    """
    made: list[tuple[Plane, Plane]] = []
    seen = [plate.astype(np.float16)]
    for other in others:
        half = other.astype(np.float16)
        if blank(other) or any(np.array_equal(half, one) for one in seen):
            continue
        seen.append(half)
        made.append(propagation.brought(plate, covered, half.astype(np.float32)))
    return made


def _small(view: View, offset: int = 0) -> Plane:
    """The encoded plate at working size."""
    encoded = view["plate", offset, "encoded"].take("R", "G", "B")
    return guide.resized(encoded, guide.small_size(*encoded.shape[:2]))


def _encoding(view: View) -> Encoding:
    """The shot's, as its encoded plates say."""
    return Encoding.parse(str(view["plate", 0, "encoded"].facts["encoding"]))


def _learnt(seen: Sequence[tuple[Plane, Band]]) -> Memory:
    """What plates and their bands, of the guided frames, teach."""
    plates = [plate for plate, _ in seen]
    subjects, grounds = ([band.trimap() == side for _, band in seen] for side in (1, 0))
    colours = np.concatenate([plate[subject][::7] for plate, subject in zip(plates, subjects, strict=True)])
    area = float(np.mean([subject.mean() for subject in subjects]))
    return Memory(appearance.palette(colours[:4000], 5), Colours.seen(plates, subjects, grounds), area)


def _placed(walk: Walk, view: View, guided: bool) -> Layer:
    """The band at full size; on a guided frame what the artist gave is taken as it is."""
    given = view["guide"] if guided else None
    kind = guide_kind(given) if given is not None else ""
    plate = view["plate", 0, "encoded"]
    size = (plate.height, plate.width)
    alpha, confidence = guide.resized(walk.band.alpha, size), guide.resized(walk.confidence, size)
    if given is not None and kind != "mask":
        shown, alpha = guide.from_trimap(given[kind]).trimap(), given[kind] if kind == "alpha" else alpha
        if kind == "alpha":  # its faintest wisps are the artist's too
            shown = np.where((alpha > 0) & (alpha < 1), np.float32(0.5), alpha)
        confidence = np.ones_like(confidence) if kind == "alpha" else confidence
    else:
        shown = guide.placed(walk.band, size)
    unknown = shown == 0.5
    alpha = np.where(unknown, alpha, shown)
    confidence = np.where(unknown, confidence, np.float32(1))
    facts = {"confidence": float(confidence.mean(dtype=np.float64)), "age": walk.age}
    pixels = np.stack((shown, alpha, confidence), 2).astype(np.float32)
    return Layer(pixels, ("trimap", "alpha", "confidence"), facts=facts)
