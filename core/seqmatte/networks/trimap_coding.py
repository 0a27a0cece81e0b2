"""How networks are told a trimap: classes, one number, or distances to what is known.

A trimap here is H x W, 8 bit: 0 background, 128 unknown, 255 foreground. Codes are C x H x W float32.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Trimap = npt.NDArray[np.uint8]
Code = npt.NDArray[np.float32]

# FBA (Forte and Pitie, 2020), section 3: three Gaussians of the distance, scaled by the training crop's 320.
FBA_SPREADS = tuple(320 * share for share in (0.02, 0.08, 0.16))


def as_bytes(trimap: npt.NDArray[np.floating]) -> Trimap:
    """A trimap of 0..1 as 8 bit: 0 and 1 are known, everything between is unknown (128)."""
    return np.select([trimap <= 0, trimap >= 1], [np.uint8(0), np.uint8(255)], np.uint8(128))


def one_hot(trimap: Trimap) -> Code:
    """Background, unknown, foreground, one of them 1 (GCA: thirds of the 8-bit range)."""
    return np.stack((trimap < 85, (trimap >= 85) & (trimap < 170), trimap >= 170)).astype(np.float32)


def scalar(trimap: Trimap) -> Code:
    """One channel: 0, 128/255, 1 (DIM, IndexNet, DVM)."""
    return (trimap[None] / np.float32(255)).astype(np.float32)


def two_channel(trimap: Trimap) -> Code:
    """1 on sure background; 1 on sure foreground (FBA)."""
    return np.stack((trimap == 0, trimap == 255)).astype(np.float32)


def distances(two: npt.NDArray[np.floating]) -> Code:
    """FBA's six channels: exp(-d^2 / 2s^2) of the distance d in pixels to the background, then the foreground.

    two: 2 x H x W as `two_channel` gives it, resized or not. Spreads s are 6.4, 25.6 and 51.2 pixels. All
    three are 0 where a channel is empty.
    """
    code = np.zeros((6, *two.shape[1:]), np.float32)
    for k in range(2):
        if not np.count_nonzero(two[k]):
            continue
        # A member is what (1 - t) * 255 truncates to 0 in 8 bits. Overshoot of a resized channel is negative
        # there and wraps, so it is no member; the public weights have seen it so.
        away = ((1 - two[k]) * 255).astype(np.int64) & 255
        distance = cv2.distanceTransform(away.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        for i, spread in enumerate(FBA_SPREADS):
            code[3 * k + i] = np.exp(-(distance**2) / (2 * spread**2))
    return code


def unknown(trimap: Trimap, grow: int = 0) -> npt.NDArray[np.bool_]:
    """Where the trimap is neither 0 nor 255, grown by `grow` pixels in a square (TCVOM)."""
    mask = ((trimap > 0) & (trimap < 255)).astype(np.uint8)
    square = np.ones((2 * grow + 1, 2 * grow + 1), np.uint8)
    return np.asarray(cv2.dilate(mask, square) > 0)


def one_hot_within(trimap: Trimap, band: npt.NDArray[np.bool_]) -> Code:
    """`one_hot` with unknown wherever the (grown) band is, as TCVOM codes it for GCA."""
    return one_hot(np.where(band, np.uint8(128), trimap))


def coded(base: str, trimap: Trimap, band: npt.NDArray[np.bool_]) -> Code:
    """The channels that TCVOM's bases are given after the picture's.

    base: "gca", "dim", "index" or "fba". band: the (grown) unknown region; only gca's code follows it.
    """
    if base == "gca":
        return one_hot_within(trimap, band)
    if base == "fba":
        two = two_channel(trimap)
        return np.concatenate((distances(two), two))
    return scalar(trimap)
