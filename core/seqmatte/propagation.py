"""One step of a guide's walk: from the last frame's matte to this frame's band, at working size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqmatte import appearance, flow
from seqmatte.background import DOUBTFUL, Background, agreed
from seqmatte.colour_tables import Colours
from seqmatte.encoding import Encoding
from seqmatte.expectation import Expectation
from seqmatte.flow import Plane
from seqmatte.guide import Band, Mask, grown, shrunk
from seqmatte.smoothing import fitted

# Pixels of the working size at which a flow's round trip is no longer believed.
_ROUND_TRIP = 1.5
# Pixels about a carried edge that are always looked at anew.
_EDGE = 5.0
# And how far inside its edge a heart that went along with the outline begins.
_HEART = 8.0
# Alpha this near to 0 or 1 counts as such, and pixels added about the rest.
_NEARLY, _FULL, _RIM = 0.04, 0.96, 2.0
# An expected alpha this near to a half is that of an edge.
_SOFT = 0.42
# Encoded colours this near are the same thing seen twice; this far apart they are two things.
SAME, _OTHER = 0.045, 0.12
# Pixels around the subject in which it may turn up from behind something.
_BESIDE = 24.0
# Pixels of a rim from which its motion can be told.
_RIM_ENOUGH = 50


@dataclass(frozen=True)
class Memory:
    """What the guided frames taught. palette: k x 3 colours of the subject. colours: tables. area: share of the
    picture that the subject covered."""

    palette: Plane
    colours: Colours
    area: float


@dataclass(frozen=True)
class Motion:
    """Ways from this frame to the last, h x w x 2: as found (`way`), and of the background, going on smoothly where
    the subject hides it. off: h x w, pixels by which the way may be wrong. left_behind: h x w, 0..1, whether a pixel
    goes with the background while the subject goes elsewhere. subject: of the subject's sure heart, going on smoothly
    beyond it."""

    way: Plane
    background: Plane
    off: Plane
    left_behind: Plane
    subject: Plane


def motion(plate: Plane, last: Plane, covered: Plane, solid: Plane) -> Motion:
    """covered: h x w of the last frame, above 0 where the subject may be; solid: 1 where it surely is."""
    here, there = flow.grey8(plate), flow.grey8(last)
    way, back = flow.flow(here, there), flow.flow(there, here)
    off = flow.round_trip(way, back)
    trust = np.exp(-((off / _ROUND_TRIP) ** 2)).astype(np.float32)
    filled = flow.spread(way, trust)
    outer = grown(flow.warp(covered, filled) > 0.02, 4)
    background = flow.spread(way, np.where(outer, 0, trust).astype(np.float32))
    subject = flow.spread(way, flow.warp(solid, filled) * trust)
    apart = np.sqrt(((subject - background) ** 2).sum(2))
    with_it = np.exp(-((way - background) ** 2).sum(2) / 0.5) * trust
    left = (with_it * np.clip((apart - 1) / 2, 0, 1)).astype(np.float32)
    return Motion(filled, background, np.minimum(off, 8).astype(np.float32), left, subject)


def covered(alpha: Plane, ground: Mask) -> Plane:
    """h x w: how far the subject may hide the background, 0 only well away from it."""
    return np.where(grown(~ground, 3), np.clip(alpha, 0.05, 1), 0).astype(np.float32)


def brought(plate: Plane, cover: Plane, other: Plane) -> tuple[Plane, Plane]:
    """Another frame's plate, and how far the subject hides it, brought here along the background's motion.

    cover: h x w of this frame, as `covered` gives it.
    """
    here, there = flow.grey8(plate), flow.grey8(other)
    way = flow.spread(flow.flow(here, there), (~grown(cover > 0, 3)).astype(np.float32))
    moved = flow.warp(cover, flow.flow(there, here))
    moved = np.where(grown(moved > 0.02, 4), np.maximum(moved, 0.3), 0).astype(np.float32)
    moved = flow.warp(moved, way)
    moved[~flow.inside(way)] = 1
    return flow.warp(other, way), moved


def seen_behind(
    plate: Plane,
    covered: Plane,
    others: list[tuple[Plane, Plane]],
    before: Background | None,
    way: Plane | None,
    colours: Colours | None,
) -> Background:
    """The background of this frame: as remembered (brought here by `way`), as other frames show it, as it is seen.

    covered: h x w, 0 where only background is, 1 where surely subject. others: (plate, covered) of other frames
    brought here along the background's motion. colours: what the subject is known to look like.
    """
    seen = [(plate, covered), *others]
    shown = [colour for colour, _ in seen]
    votes = [_vote(colour, cover, colours) for colour, cover in seen]
    if before is not None and way is not None:
        shown.append(flow.warp(before.colour, way))
        # Under the subject a motion is only guessed: the further it leads, the less is certain.
        length = np.sqrt((way**2).sum(2))
        kept = flow.warp(before.trust, way) * (0.995 - 0.06 * np.clip(length / 4, 0, 1))
        if colours is not None:
            kept = kept * np.where(covered > 0, np.clip(3 - 3 * colours.likeness(shown[-1]), 0, 1), 1)
        votes.append(np.asarray(np.where(flow.inside(way), kept, 0), np.float32))
    return agreed(shown, votes)


def _vote(colour: Plane, covered: Plane, colours: Colours | None) -> Plane:
    """What a frame's word on the background is worth: much where nothing stands before it, else little, and nothing
    where the colour is the subject's."""
    like = np.float32(0.5) if colours is None else colours.likeness(colour)
    doubtful = DOUBTFUL * np.clip(1 - covered, 0, 1) * np.clip(2 - 2 * like, 0, 1)
    return np.where(covered > 0.02, doubtful, 1).astype(np.float32)


def expected(last: Band, way: Motion) -> tuple[Plane, Mask, Mask]:
    """The last alpha where it has gone, and what is then surely subject and surely background."""
    import cv2

    alpha = flow.warp(last.alpha, way.way)
    claimed = flow.warp(last.unknown, way.way) < 0.5
    off = cv2.blur(way.off, (9, 9))
    edge = _EDGE + np.clip(off - 0.5, 0, 6)
    return alpha, shrunk((alpha > _FULL) & claimed, edge - 2), shrunk(alpha < _NEARLY, edge)


def kept(plate: Plane, last: Band, way: Motion, ground: Mask, memory: Memory) -> Mask:
    """What the last frame's heart covers if it has moved as its outline has, and looks like the subject.

    What turns or rolls moves elsewhere inside than its outline does; flow alone would take the heart out of it.
    """
    rim = flow.warp(last.alpha, way.way)
    rim_only = (rim > 0.2) & (rim < 0.8) & (way.off < _ROUND_TRIP)
    if rim_only.sum() < _RIM_ENOUGH:
        return np.zeros(ground.shape, bool)
    outline = np.median(way.way[rim_only], axis=0).astype(np.float32)
    heart = (last.alpha > _FULL) & (last.unknown < 0.5)
    moved = flow.warp(heart.astype(np.float32), np.broadcast_to(outline, way.way.shape).copy()) > 0.5
    like = (memory.colours.likeness(plate) > 0.4) & memory.colours.met(plate)
    return shrunk(moved, _HEART) & _mostly(like, 0.6) & ~ground


def judged(
    plate: Plane,
    awaited: Expectation,
    subject: Mask,
    ground: Mask,
    behind: Background,
    memory: Memory,
    left_behind: Plane,
    encoding: Encoding,
    followed: Background | None = None,
) -> tuple[Band, Plane]:
    """The band after looking at the plate, and confidence in its alpha, both h x w.

    awaited: what is expected of alpha. subject, ground: what is sure beforehand. encoding: the plate's.
    """
    asked = ~(subject | ground)
    seen = appearance.opinion(
        plate, subject, ground, asked, behind, memory.palette, memory.colours, left_behind, awaited, encoding, followed
    )
    weight = np.where(asked, 3e-3 / (seen.variance + 3e-3), 2).astype(np.float32)
    wanted = np.where(asked, seen.alpha, subject)
    alpha = fitted(plate, wanted.astype(np.float32), weight)
    alpha = np.where(asked, alpha, subject).astype(np.float32)
    alpha = np.where(_crumbs(alpha, memory.area), np.float32(0), alpha)
    # What was never seen of the subject is not claimed for it, however unlike the background it is.
    strange = ~_mostly(memory.colours.met(plate), 0.5)
    soft = asked & (alpha > _NEARLY) & ((alpha < _FULL) | strange)
    # Nor is anything, to either side, that is only too near to what was expected to be soft.
    soft |= asked & (np.abs(awaited.alpha - 0.5) < _SOFT)
    unknown = grown(soft, _RIM) & asked
    sureness = np.where(asked, 5e-4 / (seen.variance + 3e-3 + 5e-4), 1)
    return Band(alpha, unknown.astype(np.float32)), sureness.astype(np.float32)


def _crumbs(alpha: Plane, area: float) -> Mask:
    """Pieces that are neither near the subject nor much of it: what stuck to it from the background."""
    import cv2

    count, piece = cv2.connectedComponents(grown(alpha > _NEARLY, 4).astype(np.uint8), ltype=cv2.CV_32S)
    mass = np.bincount(piece.reshape(-1), alpha.reshape(-1), count)
    mass[0] = 0
    small = mass < 0.1 * max(float(mass.max()), 0.5 * area * alpha.size)
    small[0] = False
    return np.asarray(small[piece])


def challenged(
    plate: Plane,
    carried: Plane,
    subject: Mask,
    ground: Mask,
    remembered: Background,
    memory: Memory,
    missing: bool,
) -> tuple[Mask, Mask]:
    """What stays sure of subject and background after comparing the plate with the background that is remembered.

    carried: alpha as expected, h x w. missing: the subject is smaller than on the guided frames, so that it may
    come back anywhere, else only beside itself.
    """
    far = np.sqrt(((plate - remembered.colour) ** 2).sum(2))
    like = memory.colours.likeness(plate)
    known = remembered.trust > 0.6
    bare = _mostly(known & (far < SAME) & (like < 0.25), 0.95)
    gone = _mostly(known & (far < SAME) & (like < 0.25), 0.7)
    come = _mostly(known & (far > _OTHER) & (like > 0.8), 0.7)
    if not missing:
        come &= grown(~ground, _BESIDE)
    return subject & ~grown(gone, 2), (ground | (bare & ~subject)) & ~grown(come, 4)


def _mostly(mask: Mask, share: float) -> Mask:
    """Where at least this share of the 5 x 5 pixels around is in the mask."""
    import cv2

    return np.asarray(cv2.blur(mask.astype(np.float32), (5, 5)) >= share)


def remembered(before: Background, way: Motion) -> Background:
    """The background that is remembered, where it has gone."""
    trust = flow.warp(before.trust, way.background) * flow.inside(way.background)
    return Background(flow.warp(before.colour, way.background), np.asarray(trust, np.float32))


def learnt(behind: Background, plate: Plane, band: Band, confidence: Plane) -> Background:
    """The background, with what turned out to be nothing but background in this frame."""
    bare = (band.alpha < 0.03) & ((band.unknown < 0.5) | (confidence > 0.08))
    colour = np.where(bare[..., None], plate, behind.colour)
    return Background(colour.astype(np.float32), np.where(bare, np.maximum(behind.trust, 0.6), behind.trust))


def followed(before: Background, way: Motion) -> Background:
    """The remembered background where each pixel's own motion has taken it."""
    trust = flow.warp(before.trust, way.way) * np.exp(-((way.off / _ROUND_TRIP) ** 2))
    return Background(flow.warp(before.colour, way.way), trust.astype(np.float32))
