"""A tiny shot on disk whose alpha, foreground and background are known: truth for every test.

A soft textured disc moves over a textured background, composited in scene-linear light:
plate = alpha * foreground + (1 - alpha) * background. Written in a few milliseconds per frame.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio

from seqlink.frames import FramePath, FrameRange
from seqlink.shot import Guide, Shot
from seqmatte import exr
from seqmatte.layer import Header, Layer, Pixels


@dataclass(frozen=True)
class TinyShot:
    """Files and exact truth. alpha: frame -> H x W. foreground, background: frame -> H x W x 3, straight."""

    folder: Path
    frames: FrameRange
    plate: FramePath
    truth: FramePath
    alpha: Mapping[int, Pixels]
    foreground: Mapping[int, Pixels]
    background: Mapping[int, Pixels]
    header: Header

    def shot(self, *guided: int, kind: str = "mask", **changes: object) -> Shot:
        """The Shot document, with a guide written on each frame named (the first frame if none is)."""
        guides = tuple(self.guide(frame, kind) for frame in guided or (self.frames[0],))
        return Shot(self.plate, self.frames, guides).replace(**changes)

    def guide(self, frame: int, kind: str = "mask", subject: str = "matte") -> Guide:
        """Writes what an artist would give on a frame, from the truth: mask.####.exr and so on, channel A."""
        path = self.folder / f"{kind}.{frame:04d}.exr"
        write_picture(path, guide_pixels(self.alpha[frame], kind)[:, :, None], ("A",), self.header, half=())
        return Guide(frame, str(path), kind, subject)

    def composite(self, frame: int) -> Pixels:
        """What the plate shows without grain, H x W x 3."""
        a = self.alpha[frame][:, :, None]
        return a * self.foreground[frame] + (1 - a) * self.background[frame]


def write_tiny_shot(
    folder: Path,
    *,
    width: int = 64,
    height: int = 48,
    first: int = 1,
    count: int = 12,
    seed: int = 0,
    grain: float = 0.0,
    gain: float = 1.0,
    tag: str = "lin_rec709_scene",
    header: Header | None = None,
) -> TinyShot:
    """Writes plate.####.exr (R,G,B half) and truth.####.exr (premultiplied R,G,B and float A).

    grain: standard deviation of the noise at white. gain: times all light (8 makes an HDR plate). tag: what
    colorInteropID says, "" for an untagged plate. header: windows and metadata, its size wins over width, height.
    """
    folder.mkdir(parents=True, exist_ok=True)
    header = header or Header.of_size(width, height)
    width, height = header.data[2:]
    if tag:
        header = replace(header, attributes={**header.attributes, "colorInteropID": ("string", tag)})
    random = np.random.default_rng(seed)
    inside, outside = _texture(random, height, width), _texture(random, height, width) * 0.6
    tiny = TinyShot(
        folder, FrameRange(range(first, first + count)), FramePath(folder / "plate.####.exr"),
        FramePath(folder / "truth.####.exr"), {}, {}, {}, header,
    )  # fmt: skip
    alpha, foreground, background = {}, {}, {}
    for index, frame in enumerate(tiny.frames):
        alpha[frame] = soft_disc(height, width, *_centre(index, height, width), height * 0.28)
        foreground[frame] = (gain * np.roll(inside, index, axis=1)).astype(np.float32)
        background[frame] = (gain * outside).astype(np.float32)
    tiny = replace(tiny, alpha=alpha, foreground=foreground, background=background)
    for frame in tiny.frames:
        _write_frame(tiny, frame, grain, random)
    return tiny


def soft_disc(height: int, width: int, y: float, x: float, radius: float, softness: float = 3.0) -> Pixels:
    """Alpha of a disc whose edge is a smooth ramp `softness` pixels to each side."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    ramp = np.clip((radius - np.hypot(rows - y, columns - x)) / (2 * softness) + 0.5, 0, 1)
    return (ramp * ramp * (3 - 2 * ramp)).astype(np.float32)


def guide_pixels(alpha: Pixels, kind: str) -> Pixels:
    """mask: the half-opacity outline, hard. trimap: 0, 0.5, 1. alpha: itself."""
    if kind == "mask":
        return (alpha > 0.5).astype(np.float32)
    if kind == "trimap":
        return np.where(alpha <= 0, 0.0, np.where(alpha >= 1, 1.0, 0.5)).astype(np.float32)
    return alpha


def write_picture(
    path: Path,
    pixels: Pixels,
    channels: Sequence[str],
    header: Header | None = None,
    half: Sequence[str] = ("R", "G", "B"),
) -> None:
    exr.write(path, Layer(np.asarray(pixels, np.float32), tuple(channels), header), half=half)


def write_with_oiio(
    path: Path | str, pixels: Pixels, kind: Any, channels: Sequence[str] = (), **attributes: Any
) -> None:
    """A file as another program writes it: any format that the extension names, NaN and all. "__" stands for ":"."""
    spec = oiio.ImageSpec(pixels.shape[1], pixels.shape[0], pixels.shape[2], kind)
    if channels:
        spec.channelnames = tuple(channels)
    for name, value in attributes.items():
        spec.attribute(name.replace("__", ":"), value)
    out = oiio.ImageOutput.create(str(path))
    assert out.open(str(path), spec), oiio.geterror()
    assert out.write_image(np.ascontiguousarray(pixels, np.float32))
    assert out.close()


def random_picture(*shape: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).random(shape, np.float32)


def source_environment() -> dict[str, str]:
    """The environment for a subprocess that imports seqmatte and seqlink from this tree."""
    root = Path(__file__).parents[1]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(str(root / name) for name in ("core", "plugins", "tests"))}


def _write_frame(tiny: TinyShot, frame: int, grain: float, random: np.random.Generator) -> None:
    clean = tiny.composite(frame)
    noise = grain * np.sqrt(np.abs(clean)) * random.standard_normal(clean.shape) if grain else 0.0
    write_picture(Path(tiny.plate.path(frame)), clean + noise, ("R", "G", "B"), tiny.header)
    a = tiny.alpha[frame][:, :, None]
    rgba = np.concatenate([a * tiny.foreground[frame], a], axis=2)
    write_picture(Path(tiny.truth.path(frame)), rgba, ("R", "G", "B", "A"), tiny.header)


def _centre(index: int, height: int, width: int) -> tuple[float, float]:
    return height * 0.5 + 2 * np.sin(index * 0.7), width * 0.3 + index * width * 0.03


def _texture(random: np.random.Generator, height: int, width: int) -> Pixels:
    """Smooth blobs of two sizes, 0.05..0.9, a different mean for each channel."""
    made = np.zeros((height, width, 3))
    for step, weight in ((12, 0.7), (4, 0.3)):
        coarse = random.random((height // step + 2, width // step + 2, 3))
        rows, columns = np.linspace(0, coarse.shape[0] - 1.01, height), np.linspace(0, coarse.shape[1] - 1.01, width)
        r, c = rows.astype(int), columns.astype(int)
        fr, fc = (rows - r)[:, None, None], (columns - c)[None, :, None]
        upper = coarse[r][:, c] * (1 - fc) + coarse[r][:, c + 1] * fc
        lower = coarse[r + 1][:, c] * (1 - fc) + coarse[r + 1][:, c + 1] * fc
        made += weight * (upper * (1 - fr) + lower * fr)
    return (0.05 + 0.85 * made).astype(np.float32)
