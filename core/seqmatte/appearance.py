"""What subject and background look like: colour samples, and what they say of a pixel's alpha."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seqmatte.background import Background
from seqmatte.colour_tables import Colours
from seqmatte.encoding import Encoding
from seqmatte.expectation import Expectation
from seqmatte.flow import Plane

Mask = npt.NDArray[np.bool_]
Index = npt.NDArray[np.int64]

_TURN = 2.399963  # The golden angle: any few directions of it lie well spread.
_SUBJECT_SAMPLES = 9
_NEAR_SAMPLES = 3
# Encoded noise of a plate: residuals beyond a few of these are not explained.
_NOISE = 0.02
# An encoded step small enough to find the encoding's slope with.
_STEP = np.float32(0.01)
_ALMOST_ONE = 0.003
# Variance of the colours that a usual pair could have mixed, as far as alpha is uncertain.
_USUAL_WIDTH = 0.004
_BEYOND = 0.4
# What a colour that only one side has is worth beside the pairs.
_KNOWN = 0.3
# Weight of background samples at which there is background at hand.
_AT_HAND = 0.3


@dataclass(frozen=True)
class Opinion:
    """What colours say, with what was expected. alpha: h x w, the mean of what is possible. variance: h x w, how far
    that may be off."""

    alpha: Plane
    variance: Plane


def opinion(
    plate: Plane,
    sure_subject: Mask,
    sure_background: Mask,
    asked: Mask,
    behind: Background,
    palette: Plane,
    colours: Colours,
    left_behind: Plane,
    awaited: Expectation,
    encoding: Encoding,
    followed: Background | None = None,
) -> Opinion:
    """Alpha of the pixels asked for, by pairs of a subject's and a background's colour.

    Each pair that could have mixed the pixel, in linear light, gives an alpha, weighted by how well it explains the
    pixel and by how near it was found (in the spirit of K. He et al., "A Global Sampling Method for Alpha Matting",
    CVPR 2011, equations 3 to 5); the mean and the spread of these are given, instead of the best pair.
    plate: h x w x 3, encoded by `encoding`. palette: k x 3, the subject's colours on the guided frames. left_behind:
    h x w, 0..1, whether a pixel moves as the background does while the subject does not. awaited: what was expected of
    alpha, which weighs the pairs and stands where they tell nothing. followed: a second guess at the background, which
    has gone with each pixel's own motion.
    """
    asked_at = np.flatnonzero(asked)
    alpha, variance = sure_subject.astype(np.float32), np.full(asked.shape, 1e-4, np.float32)
    if not len(asked_at):
        return Opinion(alpha, variance)
    pixel = plate.reshape(-1, 3)[asked_at]
    subject = _subject_samples(plate, sure_subject, asked_at, palette)
    background = _background_samples(plate, sure_background, asked_at, behind)
    if followed is not None:
        own = followed.colour.reshape(-1, 3)[asked_at], 0.6 * followed.trust.reshape(-1)[asked_at] + 1e-4
        background = [*background, own]
    like = colours.likeness(plate).reshape(-1)[asked_at]
    prior = Expectation(awaited.alpha.reshape(-1)[asked_at], awaited.spread.reshape(-1)[asked_at])
    light = _Light.about(pixel, encoding)
    mean, spread = _mixed(pixel, subject, background, like, left_behind.reshape(-1)[asked_at], prior, light)
    alpha.reshape(-1)[asked_at], variance.reshape(-1)[asked_at] = mean, spread
    return Opinion(alpha, variance)


Samples = list[tuple[Plane, Plane]]


def _subject_samples(plate: Plane, sure: Mask, at: Index, palette: Plane) -> Samples:
    samples: Samples = []
    if sure.any():
        samples += _nearby(plate, sure, at, _SUBJECT_SAMPLES, 1.5, lambda far, deep: np.exp(-0.3 * far / (deep + 4)))
    ones = np.ones(len(at), np.float32)
    return samples + [(np.broadcast_to(colour, (len(at), 3)), 0.1 * ones) for colour in palette]


def _background_samples(plate: Plane, sure: Mask, at: Index, behind: Background) -> Samples:
    trust = behind.trust.reshape(-1)[at]
    samples: Samples = [(behind.colour.reshape(-1, 3)[at], trust + 1e-3)]
    if sure.any():
        near = _nearby(plate, sure, at, _NEAR_SAMPLES, 1.0, lambda far, _: np.exp(-far / 15) / _NEAR_SAMPLES)
        samples += [(colour, np.asarray((1 - 0.6 * trust) * weight + 1e-4, np.float32)) for colour, weight in near]
    return samples


def _nearby(
    plate: Plane, sure: Mask, at: Index, count: int, reach: float, weigh: Callable[[Plane, Plane], npt.NDArray[Any]]
) -> Samples:
    """Colours of sure pixels about each pixel asked for: the nearest to places ever further off, all around it."""
    import cv2

    height, width = sure.shape
    colours = cv2.blur(plate, (3, 3)).reshape(-1, 3)
    nearest, distance = nearest_of(sure)
    y, x = np.divmod(at, width)
    deep = distance.reshape(-1)[at]
    samples = []
    for k in range(count):
        # Neighbours look in other directions, so that together they see all of the rim.
        turn = _TURN * (k * 89 + (x * 7 + y * 13) % 16)
        away = (deep + 4) * (reach * k / max(count - 1, 1))
        row = np.clip(np.rint(y + away * np.sin(turn)), 0, height - 1).astype(np.int64)
        column = np.clip(np.rint(x + away * np.cos(turn)), 0, width - 1).astype(np.int64)
        found = nearest.reshape(-1)[row * width + column]
        far = np.hypot(found // width - y, found % width - x).astype(np.float32)
        samples.append((colours[found], weigh(far, deep).astype(np.float32)))
    return samples


def nearest_of(sure: Mask) -> tuple[Index, Plane]:
    """For each pixel the flat index of the nearest sure one, and how far it is in pixels."""
    import cv2

    distance, label = cv2.distanceTransformWithLabels(
        (~sure).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    index = np.zeros(int(label.max()) + 1, np.int64)
    there = np.flatnonzero(sure)
    index[label.reshape(-1)[there]] = there
    return np.asarray(index[label]), np.asarray(distance, np.float32)


@dataclass(frozen=True)
class _Light:
    """Brings encoded colours to linear light, where a soft edge is a mixture, in units of what grain does to a pixel.

    rise: n x 3, how steeply the encoding rises at the pixel. Light times that is, near the pixel, as far apart as the
    encoded colours are, so that what a mixture leaves unexplained is measured alike in the dark and in the light.
    """

    encoding: Encoding
    rise: Plane

    @staticmethod
    def about(pixel: Plane, encoding: Encoding) -> _Light:
        further = encoding.decode(pixel + _STEP) - encoding.decode(pixel - _STEP)
        return _Light(encoding, np.asarray(2 * _STEP / np.maximum(further, 1e-6), np.float32))

    def of(self, colour: Plane) -> Plane:
        return np.asarray(self.encoding.decode(np.asarray(colour, np.float32)) * self.rise, np.float32)


def _mixed(
    pixel: Plane,
    subject: Samples,
    background: Samples,
    like: Plane,
    still: Plane,
    prior: Expectation,
    light: _Light,
) -> tuple[Plane, Plane]:
    """Mean and variance of alpha over all pairs of samples, each joined with what was expected.

    like: n, 0..1, whether the colour is a subject's; still: n, 0..1, whether it stays with the background. prior: n.
    """
    expected, unsure = prior.alpha, prior.spread**2
    mass, first, second = _of_pairs(pixel, subject, background, prior, light)
    whole, none = _of_one_kind(pixel, background, like, still)
    whole, none = whole * _odds(1 - expected, unsure), none * _odds(expected, unsure)
    mass, first, second = mass + whole + none, first + whole, second + whole
    mean = first / mass
    spread = np.maximum(second / mass - mean * mean, 1e-4)
    return np.asarray(mean, np.float32), np.asarray(spread, np.float32)


def _of_pairs(
    pixel: Plane, subject: Samples, background: Samples, prior: Expectation, light: _Light
) -> tuple[Plane, Plane, Plane]:
    """n each: the weights of all pairs of a subject's and a background's sample, times 1, alpha and its square."""
    expected, unsure = prior.alpha, prior.spread**2
    mass = np.full(len(pixel), 1e-5, np.float32)
    first, second = mass * expected, mass * (expected * expected + unsure)
    lit, lit_subject = light.of(pixel), [light.of(fore) for fore, _ in subject]
    for back, back_weight in background:
        lit_back = light.of(back)
        from_back = lit - lit_back
        for (fore, fore_weight), lit_fore in zip(subject, lit_subject, strict=True):
            mix = lit_fore - lit_back
            wide = (mix * mix).sum(1) + 1e-5
            free = (from_back * mix).sum(1) / wide
            rest = from_back - np.clip(free, 0, 1)[:, None] * mix
            length = ((fore - back) ** 2).sum(1) + 1e-5
            # Beyond 0 and 1, so that grain averages out around them instead of adding up.
            alpha = np.clip(free, -_BEYOND, 1 + _BEYOND)
            # Two colours that are nearly one tell nothing.
            weight = fore_weight * back_weight * length / (length + _ALMOST_ONE)
            weight = weight * np.exp((rest * rest).sum(1) / (-2 * _NOISE**2))
            # The further apart its colours are, the more other pixels a pair could have mixed as well.
            weight = weight * np.sqrt(_USUAL_WIDTH / (wide * unsure + _NOISE**2))
            own = _NOISE**2 / length
            weight = weight * _odds(alpha - expected, unsure + own)
            told = unsure / (unsure + own)
            alpha = expected + told * (alpha - expected)
            mass += weight
            first += weight * alpha
            second += weight * (alpha * alpha + np.minimum(told * own, 0.1))
    return mass, first, second


def _of_one_kind(pixel: Plane, background: Samples, like: Plane, still: Plane) -> tuple[Plane, Plane]:
    """n each: how much speaks for a pixel that is all subject, and for one that is all background."""
    # A colour that no pair explains and that is not the background's: subject that was not seen before.
    strange = np.sqrt(((pixel - background[0][0]) ** 2).sum(1)) / _NOISE
    unseen = 0.02 * background[0][1] * np.exp(-0.5 * np.maximum(0, 3 - strange) ** 2)
    # Colours that on the guided frames were only ever the one or the other's.
    other = np.clip(strange - 2, 0, 4) / 4 * background[0][1]
    whole, none = _KNOWN * np.clip(2 * like - 1, 0, 1) ** 2, _KNOWN * np.clip(1 - 2 * like, 0, 1) ** 2 * (1 - other)
    # Far from all background that is known, nothing is taken for it.
    none = (none + _KNOWN * still) * np.minimum(sum((weight for _, weight in background), np.float32(0)) / _AT_HAND, 1)
    return np.asarray(whole + unseen), np.asarray(none)


def _odds(away: Plane, variance: Plane) -> Plane:
    """n, 0..1: how well an alpha goes with what was expected, so far from it."""
    return np.asarray(np.exp(away * away / (-2 * variance)), np.float32)


def palette(colours: Plane, count: int, rounds: int = 8) -> Plane:
    """count x 3: colours that stand for n x 3 given ones (k-means, begun evenly along brightness)."""
    if not len(colours):
        return np.zeros((0, 3), np.float32)
    ordered = colours[np.argsort(colours.sum(1), kind="stable")]
    centres = ordered[((np.arange(count) + 0.5) / count * len(ordered)).astype(int)].copy()
    for _ in range(rounds):
        which = ((ordered[:, None] - centres[None]) ** 2).sum(2).argmin(1)
        for i in range(count):
            if (which == i).any():
                centres[i] = ordered[which == i].mean(0)
    return np.asarray(centres, np.float32)
