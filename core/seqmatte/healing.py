"""What a plate holds instead of numbers, healed from what is around it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seqmatte.layer import Pixels


def heal(pixels: Pixels) -> tuple[Pixels, int, int]:
    """(pixels without NaN and Inf, values that were NaN, values that were infinite).

    A broken value becomes the median of the sound ones around it (3 x 3, its own channel). Where there is none, NaN
    and -Inf become the nearest sound value (0 if there is none at all), and +Inf, which is light, the brightest of the
    channel. Returns the same array when nothing is broken.
    """
    sound = np.isfinite(pixels)
    if sound.all():
        return pixels, 0, 0
    nan = int(np.count_nonzero(np.isnan(pixels)))
    inf = int(sound.size - np.count_nonzero(sound)) - nan
    healed = pixels.copy()
    for channel in range(pixels.shape[2]):
        healed[:, :, channel] = _healed_channel(pixels[:, :, channel], sound[:, :, channel])
    return healed, nan, inf


def _healed_channel(values: npt.NDArray[np.float32], sound: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    rows, columns = np.nonzero(~sound)
    if not len(rows):
        return values
    # Infinity sorts behind every sound neighbour and marks the border.
    padded = np.pad(np.where(sound, values, np.inf), 1, constant_values=np.inf)
    around = np.stack([padded[rows + dy, columns + dx] for dy in range(3) for dx in range(3)])
    around.sort(axis=0)
    count = np.isfinite(around).sum(axis=0)
    median = np.take_along_axis(around, np.maximum(count - 1, 0)[None] // 2, axis=0)[0]
    healed = values.copy()
    healed[rows, columns] = np.where(count > 0, median, np.float32(0))
    if sound.any() and not count.all():
        alone = rows[count == 0], columns[count == 0]
        healed[alone] = np.where(values[alone] == np.inf, values[sound].max(), _nearest(values, sound)[alone])
    return healed


def _nearest(values: npt.NDArray[np.float32], sound: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """H x W: the sound value that is nearest to each place."""
    import cv2

    broken = (~sound).astype(np.uint8)
    _, whose = cv2.distanceTransformWithLabels(broken, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    there = np.zeros(int(whose.max()) + 1, np.float32)
    there[whose[sound]] = values[sound]
    return np.asarray(there[whose], np.float32)
