"""Composites with exact truth in memory: what the solvers are judged on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seqmatte.layer import Layer, single
from seqmatte.method import View

Plane = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Composite:
    """plate, foreground, background: H x W x 3, linear. alpha: H x W. trimap: H x W, 0, 0.5, 1."""

    plate: Plane
    alpha: Plane
    foreground: Plane
    background: Plane
    trimap: Plane

    @property
    def unknown(self) -> npt.NDArray[np.bool_]:
        return self.trimap == 0.5


def blob(height: int = 60, width: int = 80, *, light: float = 1.0, grain: float = 0.0, shift: float = 0.0) -> Composite:
    """A soft-edged warm blob with strands on a cold gradient; shift moves it by so many pixels to the right.

    light: how much brighter than 1 the background's lamp is.
    """
    y, x = np.mgrid[:height, :width].astype(np.float32)
    angle = np.arctan2(y - height / 2, x - width / 2 - shift)
    radius = np.hypot(y - height / 2, x - width / 2 - shift)
    edge = min(height, width) * (0.3 + 0.03 * np.sin(9 * angle))
    alpha = np.clip((edge - radius) / 8 + 0.5, 0, 1)
    foreground = np.stack((0.6 + 0.002 * x, 0.3 + 0.001 * y, 0.1 + 0 * x), 2)
    lamp = light * np.exp(-((x - width * 0.8) ** 2 + (y - height * 0.3) ** 2) / (width * 2))
    background = np.stack((0.05 + 0.002 * y, 0.1 + 0.001 * x, 0.4 + 0.002 * x), 2) + lamp[..., None]
    plate = alpha[..., None] * foreground + (1 - alpha[..., None]) * background
    plate = plate + grain * np.random.default_rng(0).standard_normal(plate.shape)
    trimap = np.where(radius < edge - 9, 1.0, np.where(radius > edge + 9, 0.0, 0.5))
    return Composite(*(np.asarray(p, np.float32) for p in (plate, alpha, foreground, background, trimap)))


def view(frame: int = 1, **layers: Layer | None) -> View:
    """A View of layers by name; a plate in encoded light is given as plate_encoded."""

    def fetch(name: str, offset: int, space: str | None) -> Layer | None:
        return layers.get(f"{name}_{space}", layers.get(name))

    return View(frame, fetch)


def plate_layers(composite: Composite) -> dict[str, Layer]:
    """The plate in both lights, as the source hands it out."""
    from seqmatte.encoding import Encoding

    encoding = Encoding(0.0, 0.5, 16.0)
    encoded = Layer(encoding.encode(composite.plate), ("R", "G", "B"), facts={"encoding": str(encoding)})
    return {"plate": Layer(composite.plate, ("R", "G", "B")), "plate_encoded": encoded}


def trimap_layer(composite: Composite) -> Layer:
    return single(composite.trimap, "trimap")
