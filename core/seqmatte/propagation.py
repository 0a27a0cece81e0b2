"""One step of a guide's walk: from the last frame's band to this frame's, at working size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqmatte import appearance, flow
from seqmatte.appearance import Colours, Opinion
from seqmatte.background import DOUBTFUL, Background, agreed
from seqmatte.flow import Plane
from seqmatte.guide import Band, Mask, grown

# Pixels of the working size at which a flow's round trip is no longer believed.
_ROUND_TRIP = 1.5


@dataclass(frozen=True)
class Memory:
    """What the guided frames taught. palette: k x 3 colours of the subject. colours: tables. area: share of the picture
    that the subject covered."""

    palette: Plane
    colours: Colours
    area: float


@dataclass(frozen=True)
class Motion:
    """Ways from this frame to another, h x w x 2: of the subject and of the background, each going on smoothly where
    the other hides it. off: h x w, how far the subject's flow is to be doubted, pixels."""

    subject: Plane
    background: Plane
    off: Plane


def motion(plate: Plane, other: Plane, alpha: Plane, unknown: Plane) -> Motion:
    """The two motions from `plate` to `other`, whose alpha and unknown band are known. All h x w (x 3)."""
    here, there = flow.grey8(plate), flow.grey8(other)
    way, back = flow.flow(here, there), flow.flow(there, here)
    off = flow.round_trip(way, back)
    trust = np.exp(-((off / _ROUND_TRIP) ** 2))
    solid = np.clip(alpha * 2 - 1, 0, 1) * (1 - 0.9 * unknown)
    weight = flow.warp(solid.astype(np.float32), way) * trust
    subject = flow.spread(way, np.asarray(weight, np.float32))
    outer = grown(flow.warp(np.maximum(alpha, unknown), subject) > 0.02, 4)
    background = flow.spread(way, np.where(outer, 0, trust).astype(np.float32))
    off = _around(off, weight)
    return Motion(subject, background, off)


def _around(off: Plane, weight: Plane) -> Plane:
    return flow.spread(np.minimum(off, 8)[..., None], weight)[..., 0]


def seen_behind(
    plate: Plane, covered: Plane, others: list[tuple[Plane, Plane]], before: Background | None, way: Plane | None
) -> Background:
    """The background of this frame: as remembered (brought here by `way`), as other frames show it, as it is seen.

    covered: h x w, 1 where the subject may be. others: (plate, covered) of other frames brought here along the
    background's motion.
    """
    colours, votes = [plate], [np.where(covered > 0.02, DOUBTFUL, 1).astype(np.float32)]
    for colour, cover in others:
        colours.append(colour)
        votes.append(np.clip(1 - cover, DOUBTFUL, 1).astype(np.float32))
    if before is not None and way is not None:
        colours.append(flow.warp(before.colour, way))
        kept = flow.warp(before.trust, way) * 0.98
        votes.append(np.asarray(np.where(flow.inside(way), kept, 0), np.float32))
    return agreed(colours, votes)


def carried(last: Band, way: Motion) -> Band:
    """The last band where the subject has gone."""
    return Band(flow.warp(last.alpha, way.subject), flow.warp(last.unknown, way.subject))


def judged(plate: Plane, band: Band, behind: Background, memory: Memory, doubt: float) -> tuple[Band, Plane]:
    """The band after looking at the plate, and confidence in its alpha, both h x w."""
    unknown = band.unknown >= 0.5
    subject, ground = (band.alpha > 0.5) & ~unknown, (band.alpha <= 0.5) & ~unknown
    asked = unknown | grown(unknown, 6)
    seen = appearance.opinion(plate, subject & ~asked, ground & ~asked, asked, behind, memory.palette)
    return _revised(band, seen, asked, behind)


def _revised(band: Band, seen: Opinion, asked: Mask, behind: Background) -> tuple[Band, Plane]:
    confidence = np.where(asked, 5e-4 / (seen.variance + 3e-3 + 5e-4), 1)
    unknown = band.unknown >= 0.5
    alpha = np.where(unknown, seen.alpha, band.alpha > 0.5)
    return Band(alpha.astype(np.float32), band.unknown), confidence.astype(np.float32)
