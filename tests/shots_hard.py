"""Small shots that are hard on propagation, made from numbers alone, with exact alpha."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from seqmatte.encoding import Encoding
from seqmatte.layer import Layer
from seqmatte.method import View

WIDTH, HEIGHT = 256, 144


@dataclass(frozen=True)
class HardShot:
    """plates: scene-linear, H x W x 3. alphas: H x W. One of each a frame, from frame 0."""

    plates: list[np.ndarray]
    alphas: list[np.ndarray]

    def views(self, guides, kind):
        """A View of each frame. guides: frame -> H x W picture."""
        encoding, last = Encoding(), len(self.plates) - 1

        def view(frame):
            def fetch(layer, offset, space):
                there = min(max(frame + offset, 0), last)
                if layer == "plate":
                    picture, facts = encoding.encode(self.plates[there]), {"encoding": str(encoding)}
                    return Layer(picture, ("R", "G", "B"), facts=facts)
                return Layer(guides[there][..., None], (kind,)) if there in guides else None

            return View(frame, fetch)

        return [view(frame) for frame in range(len(self.plates))]

    def mask(self, frame):
        """What an artist would draw: the half-opacity outline."""
        return (self.alphas[frame] > 0.5).astype(np.float32)


def texture(seed, colour, contrast=0.6):
    """H x W x 3, mottled at several sizes."""
    rng, made = np.random.default_rng(seed), 0.0
    for cells in (4, 9, 20, 45):
        coarse = rng.random((cells, cells * 2, 3)).astype(np.float32)
        made = made + cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) / 4
    return (np.array(colour, np.float32) * (1 + contrast * 2 * (made - 0.5))).clip(0.005).astype(np.float32)


def disc(x, y, radius, soft=1.5):
    """H x W alpha of a disc whose edge is so many pixels soft."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    away = np.hypot(rows - y, columns - x)
    return np.clip((radius - away) / (2 * soft) + 0.5, 0, 1).astype(np.float32)


def moving_disc(frames=8, start=70.0, speed=6.0, post=None, light=None, ground=(0.15, 0.3, 0.12)):
    """A reddish disc before a green ground. post: (x, width) of something before it. light: a hot lamp's level."""
    rng = np.random.default_rng(5)
    behind, skin = texture(1, ground), texture(2, (0.45, 0.15, 0.1))
    if light is not None:
        behind = behind + disc(200, 60, 9)[..., None] * np.float32(light)
    plates, alphas = [], []
    for frame in range(frames):
        x = start + speed * frame
        alpha = disc(x, 72, 28)
        carried = cv2.warpAffine(skin, np.float32([[1, 0, x - start], [0, 1, 0]]), (WIDTH, HEIGHT), borderMode=2)
        plate = carried * alpha[..., None] + behind * (1 - alpha[..., None])
        if post is not None:
            first, width = post
            plate[:, first : first + width] = texture(3, (0.2, 0.2, 0.35))[:, first : first + width]
            alpha = alpha.copy()
            alpha[:, first : first + width] = 0
        grain = rng.normal(size=plate.shape).astype(np.float32) * 0.004
        plates.append((plate + grain).astype(np.float32))
        alphas.append(alpha)
    return HardShot(plates, alphas)
