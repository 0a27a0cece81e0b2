"""Smoothing that follows the plate's edges."""

from __future__ import annotations

import numpy as np

from seqmatte.flow import Plane


def fitted(plate: Plane, wanted: Plane, weight: Plane, radius: int = 6, epsilon: float = 1e-4) -> Plane:
    """h x w, 0..1: `wanted`, made an affine function of colour in every window, as far as its weights allow.

    The guided filter (K. He et al., ECCV 2010, equations 11 to 13) with a weight for each pixel. plate: h x w x 3,
    encoded. weight: h x w, above 0 somewhere in every window.
    """
    mass = np.asarray(_mean(weight, radius) + 1e-6, np.float32)
    picture = [np.ascontiguousarray(plate[..., c]) for c in range(3)]
    mean = [_mean(weight * channel, radius) / mass for channel in picture]
    target = _mean(weight * wanted, radius) / mass
    second = [
        [_mean(weight * picture[i] * picture[j], radius) / mass - mean[i] * mean[j] for j in range(3)] for i in range(3)
    ]
    cross = [_mean(weight * picture[i] * wanted, radius) / mass - mean[i] * target for i in range(3)]
    slope = _solved(second, cross, epsilon)
    offset = target - sum(s * m for s, m in zip(slope, mean, strict=True))
    share = _mean(mass, radius)
    made = _mean(mass * offset, radius)
    for s, channel in zip(slope, picture, strict=True):
        made = made + _mean(mass * s, radius) * channel
    return np.asarray(np.clip(made / share, 0, 1), np.float32)


def _mean(picture: Plane, radius: int) -> Plane:
    import cv2

    side = 2 * radius + 1
    return np.asarray(cv2.blur(np.asarray(picture, np.float32), (side, side)))


def _solved(second: list[list[Plane]], cross: list[Plane], epsilon: float) -> list[Plane]:
    """The 3 x 3 systems (second + epsilon) slope = cross of every pixel, by cofactors."""
    (a, b, c), (_, d, e), (_, _, f) = second
    a, d, f = a + epsilon, d + epsilon, f + epsilon
    aa, bb, cc = d * f - e * e, c * e - b * f, b * e - c * d
    dd, ee, ff = a * f - c * c, b * c - a * e, a * d - b * b
    over = 1 / np.maximum(a * aa + b * bb + c * cc, epsilon**3)
    x, y, z = cross
    return [(aa * x + bb * y + cc * z) * over, (bb * x + dd * y + ee * z) * over, (cc * x + ee * y + ff * z) * over]
