"""Carries masks, trimaps and alphas from the guided frames along the shot: optical flow, and a long memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from seqlink.params import param
from seqmatte import appearance, flow, guide, propagation
from seqmatte.appearance import Colours
from seqmatte.background import Background
from seqmatte.device import Device
from seqmatte.flow import Plane
from seqmatte.guide import Band
from seqmatte.layer import Layer
from seqmatte.method import Frozen, Read, View, guide_kind
from seqmatte.propagation import Memory
from seqmatte.reach import NearestKey

# Frames about a guided one in which its background is looked for.
_ABOUT = (-8, -5, -3, -2, -1, 1, 2, 3, 5, 8)
# And about every other frame, beyond what the walk remembers.
_AHEAD = (-6, -3, 3, 6)


@dataclass(frozen=True)
class GuideFlowParams:
    inner: float = param(
        1.8, low=0.0, high=20.0, unit="% of width", help="How far inside a mask's edge the subject may be soft."
    )
    outer: float = param(
        1.8, low=0.0, high=20.0, unit="% of width", help="How far outside a mask's edge hair may reach."
    )


@dataclass(frozen=True)
class Walk:
    """The state: what the last frame looked like and what is remembered. All at working size.

    plate: encoded. age: steps since the guide. ahead: +1 or -1, the walk's direction, 0 before it is known.
    """

    frame: int
    plate: Plane
    band: Band
    behind: Background
    memory: Memory
    age: int


class GuideFlow:
    """Guides to a trimap for every frame.

    Makes "trimap" (0, 0.5, 1), "alpha" (a soft guess) and "confidence" (0..1 in that guess).
    """

    name: ClassVar[str] = "guide_flow"
    version: ClassVar[int] = 1
    Params: ClassVar[type] = GuideFlowParams

    makes = "trimap"
    reads = (Read("plate", (0, *_ABOUT, *_AHEAD), space="encoded"), Read("guide"))
    reach = NearestKey(2)

    def __init__(self, params: GuideFlowParams) -> None:
        self.params = params

    def open(self, device: Device) -> None:
        """Nothing to load: all of it runs on the processor."""

    def start(self, guides: Sequence[View]) -> Walk:
        begun = [self._begun(view) for view in guides]
        return replace(begun[0][0], memory=_learnt([walk for walk, _ in begun]))

    def step(self, state: Walk, view: View) -> tuple[Walk, Layer]:
        plate = _small(view)
        if view.get("guide") is not None:
            state = replace(self._begun(view)[0], memory=state.memory)
            band, behind, age = state.band, state.behind, 0
        else:
            way = propagation.motion(plate, state.plate, state.band.alpha, state.band.unknown)
            band = propagation.carried(state.band, way)
            covered = np.maximum(band.alpha, band.unknown)
            others = _others(view, plate, band, _AHEAD)
            behind = propagation.seen_behind(plate, covered, others, state.behind, way.background)
            age = state.age + 1
        band, confidence = propagation.judged(plate, band, behind, state.memory, 0.0)
        made = _placed(band, confidence, view, age)
        return Walk(view.frame, plate, band, behind, state.memory, age), made

    def _begun(self, view: View) -> tuple[Walk, None]:
        plate = _small(view)
        given = view["guide"]
        kind = guide_kind(given)
        pixels = guide.resized(given[kind], plate.shape[:2])
        if kind == "mask":
            width = plate.shape[1]
            band = _band_of_mask(pixels, self.params.inner * width / 100, self.params.outer * width / 100)
        else:
            band = guide.from_trimap(pixels)
        covered = guide.grown(np.maximum(band.alpha, band.unknown) > 0.02, 3).astype(np.float32)
        others = _others(view, plate, Band(covered, band.unknown), _ABOUT)
        behind = propagation.seen_behind(plate, covered, others, None, None)
        return Walk(view.frame, plate, band, behind, _learnt([]), 0), None

    def freeze(self, state: Walk) -> Frozen:
        colours = state.memory.colours
        return {
            "plate": state.plate,
            "alpha": state.band.alpha,
            "unknown": state.band.unknown,
            "behind": state.behind.colour,
            "trust": state.behind.trust,
            "palette": state.memory.palette,
            "subject": colours.subject,
            "ground": colours.background,
            "numbers": np.array([state.frame, state.age, state.memory.area], np.float64),
        }

    def thaw(self, frozen: Mapping[str, Any]) -> Walk:
        frame, age, area = (float(number) for number in frozen["numbers"])
        memory = Memory(frozen["palette"], Colours(frozen["subject"], frozen["ground"]), area)
        band = Band(frozen["alpha"], frozen["unknown"])
        behind = Background(frozen["behind"], frozen["trust"])
        return Walk(int(frame), frozen["plate"], band, behind, memory, int(age))


def _small(view: View, offset: int = 0) -> Plane:
    encoded = view["plate", offset, "encoded"].take("R", "G", "B")
    return guide.resized(encoded, guide.small_size(*encoded.shape[:2]))


def _band_of_mask(mask: Plane, inner: float, outer: float) -> Band:
    inside = mask > 0.5
    unknown = (guide.distance_to(~inside) <= inner) & inside | (guide.distance_to(inside) <= outer) & ~inside
    return Band(inside.astype(np.float32), unknown.astype(np.float32))


def _others(view: View, plate: Plane, band: Band, offsets: Sequence[int]) -> list[tuple[Plane, Plane]]:
    """Plates of other frames and where the subject may stand in them, brought here along the background's motion."""
    here, made, seen = flow.grey8(plate), [], [plate]
    covered = guide.grown(np.maximum(band.alpha, band.unknown) > 0.02, 3)
    for offset in offsets:
        other = _small(view, offset)
        if any(np.array_equal(other, one) for one in seen):
            continue
        seen.append(other)
        there = flow.grey8(other)
        way = flow.spread(flow.flow(here, there), (~guide.grown(covered, 3)).astype(np.float32))
        back = flow.flow(there, here)
        cover = flow.warp(covered.astype(np.float32), back)
        cover = guide.grown(cover > 0.3, 3).astype(np.float32)
        cover = flow.warp(cover, way)
        cover[~flow.inside(way)] = 2
        made.append((flow.warp(other, way), cover))
    return made


def _learnt(walks: Sequence[Walk]) -> Memory:
    plates = [walk.plate for walk in walks]
    subjects = [walk.band.trimap() == 1 for walk in walks]
    grounds = [walk.band.trimap() == 0 for walk in walks]
    colours = np.concatenate(
        [p[s][::7] for p, s in zip(plates, subjects, strict=True)] or [np.zeros((0, 3), np.float32)]
    )
    area = float(np.mean([s.mean() for s in subjects])) if walks else 0.0
    table = Colours.seen(plates, subjects, grounds)
    return Memory(appearance.palette(colours[:4000], 5), table, area)


def _placed(band: Band, confidence: Plane, view: View, age: int) -> Layer:
    """The band at full size."""
    full = view["plate", 0, "encoded"]
    size = (full.height, full.width)
    trimap = band.trimap()
    unknown = guide.resized((trimap == 0.5).astype(np.float32), size) > 0.02
    sure = guide.resized((trimap == 1).astype(np.float32), size) > 0.5
    alpha = guide.resized(band.alpha, size)
    shown = np.where(unknown, np.float32(0.5), sure.astype(np.float32))
    alpha = np.where(unknown, alpha, sure).astype(np.float32)
    sureness = np.where(unknown, guide.resized(confidence, size), 1).astype(np.float32)
    facts = {"confidence": float(sureness.mean(dtype=np.float64)), "age": age}
    return Layer(
        np.stack((shown, alpha, sureness), 2).astype(np.float32), ("trimap", "alpha", "confidence"), facts=facts
    )
