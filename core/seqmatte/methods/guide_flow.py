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
from seqmatte.guide import Band, Mask
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
        4.5, low=0.0, high=20.0, unit="% of width", help="How far inside a mask's edge the subject may be soft."
    )
    outer: float = param(
        2.5, low=0.0, high=20.0, unit="% of width", help="How far outside a mask's edge hair may reach."
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
        return replace(begun[0], memory=_learnt([(walk.plate, walk.band) for walk in begun]))

    def step(self, state: Walk, view: View) -> tuple[Walk, Layer]:
        if view.get("guide") is not None:
            begun = replace(self._begun(view), memory=state.memory)
            walk, confidence = self._guided(begun, view)
        else:
            walk, confidence = self._carried(state, view)
        return walk, _placed(walk.band, confidence, view, walk.age)

    def _begun(self, view: View) -> Walk:
        plate, given = _small(view), view["guide"]
        kind = guide_kind(given)
        pixels = guide.resized(given[kind], plate.shape[:2])
        band = guide.from_trimap(pixels)
        if kind == "mask":
            width = plate.shape[1]
            band = _band_of_mask(pixels, self.params.inner * width / 100, self.params.outer * width / 100)
        covered = _covered(np.where(band.unknown >= 0.5, np.float32(0.5), band.alpha), band.trimap() == 0)
        others = _others(view, plate, covered, _ABOUT)
        memory = _learnt([(plate, band)])
        behind = propagation.seen_behind(plate, covered, others, None, None, memory.colours)
        return Walk(view.frame, plate, band, behind, memory, 0)

    def _guided(self, begun: Walk, view: View) -> tuple[Walk, Plane]:
        kind = guide_kind(view["guide"])
        band = begun.band
        unknown = band.unknown >= 0.5
        subject, ground = (band.alpha > 0.5) & ~unknown, (band.alpha <= 0.5) & ~unknown
        if kind == "mask":
            subject, ground = propagation.challenged(begun.plate, subject, ground, begun.behind, begun.memory, False)
        trust = np.full(unknown.shape, 1.0 if kind == "alpha" else 0.0, np.float32)
        found, confidence = propagation.judged(
            begun.plate, band.alpha, trust, subject, ground, begun.behind, begun.memory, np.zeros_like(trust)
        )
        if kind == "mask":
            return replace(begun, band=found), confidence
        alpha = np.where(unknown, found.alpha, band.alpha > 0.5).astype(np.float32)
        return replace(begun, band=Band(alpha, band.unknown)), confidence

    def _carried(self, last: Walk, view: View) -> tuple[Walk, Plane]:
        plate = _small(view)
        solid = (last.band.trimap() == 1).astype(np.float32)
        way = propagation.motion(plate, last.plate, np.maximum(last.band.alpha, last.band.unknown), solid)
        alpha, subject, ground = propagation.expected(last.band.alpha, way)
        missing = float((last.band.alpha > 0.5).mean()) < 0.6 * last.memory.area
        known = propagation.remembered(last.behind, way)
        subject, ground = propagation.challenged(plate, subject, ground, known, last.memory, missing)
        covered = _covered(alpha, ground)
        others = _others(view, plate, covered, _AHEAD)
        behind = propagation.seen_behind(plate, covered, others, last.behind, way.background, last.memory.colours)
        trust = np.exp(-((way.off / 1.5) ** 2)).astype(np.float32)
        band, confidence = propagation.judged(
            plate,
            alpha,
            trust,
            subject,
            ground,
            behind,
            last.memory,
            way.left_behind,
            propagation.followed(last.behind, way),
        )
        behind = propagation.learnt(behind, plate, band, confidence)
        memory = replace(last.memory, colours=last.memory.colours.after(plate, band.trimap() == 0))
        return Walk(view.frame, plate, band, behind, memory, last.age + 1), confidence

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
            "recent": colours.recent,
            "numbers": np.array([state.frame, state.age, state.memory.area], np.float64),
        }

    def thaw(self, frozen: Mapping[str, Any]) -> Walk:
        frame, age, area = (float(number) for number in frozen["numbers"])
        memory = Memory(frozen["palette"], Colours(frozen["subject"], frozen["ground"], frozen["recent"]), area)
        band = Band(frozen["alpha"], frozen["unknown"])
        behind = Background(frozen["behind"], frozen["trust"])
        return Walk(int(frame), frozen["plate"], band, behind, memory, int(age))


def _small(view: View, offset: int = 0) -> Plane:
    encoded = view["plate", offset, "encoded"].take("R", "G", "B")
    return guide.resized(encoded, guide.small_size(*encoded.shape[:2]))


def _band_of_mask(mask: Plane, inner: float, outer: float) -> Band:
    inside = mask > 0.5
    # However soft its edge, the heart of a subject is sure.
    inner = min(inner, 0.4 * float(guide.distance_to(~inside).max()))
    unknown = (guide.distance_to(~inside) <= inner) & inside | (guide.distance_to(inside) <= outer) & ~inside
    return Band(inside.astype(np.float32), unknown.astype(np.float32))


def _covered(alpha: Plane, ground: Mask) -> Plane:
    """How far the subject may hide the background: 0 only well away from it."""
    return np.where(guide.grown(~ground, 3), np.clip(alpha, 0.05, 1), 0).astype(np.float32)


def _others(view: View, plate: Plane, covered: Plane, offsets: Sequence[int]) -> list[tuple[Plane, Plane]]:
    """Plates of other frames and how far the subject hides them, brought here along the background's motion."""
    here, made, seen = flow.grey8(plate), [], [plate]
    for offset in offsets:
        other = _small(view, offset)
        if any(np.array_equal(other, one) for one in seen):
            continue
        seen.append(other)
        there = flow.grey8(other)
        way = flow.spread(flow.flow(here, there), (~guide.grown(covered > 0, 3)).astype(np.float32))
        cover = flow.warp(covered, flow.flow(there, here))
        near = guide.grown(cover > 0.02, 4)
        cover = flow.warp(np.where(near, np.maximum(cover, 0.3), 0).astype(np.float32), way)
        cover[~flow.inside(way)] = 1
        made.append((flow.warp(other, way), cover))
    return made


def _learnt(seen: Sequence[tuple[Plane, Band]]) -> Memory:
    """What plates and their bands, of the guided frames, teach."""
    plates = [plate for plate, _ in seen]
    subjects, grounds = ([band.trimap() == side for _, band in seen] for side in (1, 0))
    colours = np.concatenate([plate[subject][::7] for plate, subject in zip(plates, subjects, strict=True)])
    area = float(np.mean([subject.mean() for subject in subjects]))
    return Memory(appearance.palette(colours[:4000], 5), Colours.seen(plates, subjects, grounds), area)


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
