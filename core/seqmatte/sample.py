"""A procedural shot with exact truth, as files: plate, truth, guides and the document that mattes it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from seqlink.frames import FramePath, FrameRange
from seqlink.shot import Guide, Shot
from seqmatte import exr, shot_file
from seqmatte.errors import OutputError, ShotError
from seqmatte.layer import Header, Layer, Pixels
from seqmatte.sample_scene import TAGS, Params, Scene


def write_sample(
    folder: Path,
    params: Params,
    *,
    guided: Sequence[int] = (),
    done: Callable[[int, int], None] = lambda count, total: None,
) -> Shot:
    """Writes plate.####.exr, truth.####.exr (premultiplied R,G,B and A), shot.json and, on each guided frame (the
    first if none is named), mask.####.exr and trimap.####.exr. Gives the Shot that mattes it from the masks.

    An earlier sample's frames that this one does not have are removed. done: told (frames written, frames in all).
    Raises ShotError for a guided frame that the shot does not have, OutputError when the folder cannot be written or
    holds a plate or guides that are no sample's.
    """
    frames = FrameRange(range(params.first, params.first + params.frames))
    keys = tuple(guided) or (frames[0],)
    if strange := FrameRange(keys) - frames:
        raise ShotError(f"no guide can lie on {strange}: the shot's frames are {frames}", field="guided")
    folder.mkdir(parents=True, exist_ok=True)
    _clear_earlier(folder, frames, FrameRange(keys))
    scene = Scene(params)
    header = Header(
        (0, 0, params.width, params.height),
        (0, 0, params.width, params.height),
        attributes={"colorInteropID": ("string", TAGS[params.space]), "FramesPerSecond": ("rational", (24, 1))},
    )
    for index, frame in enumerate(frames):
        plate, truth = scene.frame(index)
        # First what tells a sample's frame from a plate, should it be stopped here.
        exr.write(_place(folder, "truth", frame), Layer(truth, ("R", "G", "B", "A"), header))
        exr.write(_place(folder, "plate", frame), Layer(plate, ("R", "G", "B"), header))
        if frame in keys:
            _write_guides(folder, frame, truth[:, :, 3], header)
        done(index + 1, len(frames))
    guides = tuple(Guide(frame, _place(folder, "mask", frame)) for frame in keys)
    shot = Shot(_numbered(folder, "plate"), frames, guides)
    shot_file.write(shot, folder / "shot.json")
    return shot


def mask_of(alpha: Pixels) -> Pixels:
    """What a roto artist would draw: the half-opacity outline as a polygon of few points, hairs left out. H x W."""
    height, width = alpha.shape
    smooth = cv2.GaussianBlur(alpha, (0, 0), height / 150)
    outlines, _ = cv2.findContours((smooth > 0.5).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    drawn = np.zeros((height, width), np.uint8)
    large = [outline for outline in outlines if cv2.contourArea(outline) > (height / 40) ** 2] or outlines
    cv2.fillPoly(drawn, [cv2.approxPolyDP(outline, height / 400, True) for outline in large], 255, cv2.LINE_AA)
    return np.asarray(drawn / np.float32(255), np.float32)


def trimap_of(alpha: Pixels) -> Pixels:
    """0, 0.5, 1 with a small margin around all that is neither. H x W."""
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * max(alpha.shape[0] // 180, 1) + 1,) * 2)
    sure = cv2.erode((alpha >= 0.999).astype(np.float32), around)
    possible = cv2.dilate((alpha > 0.001).astype(np.float32), around)
    return np.asarray((sure + possible) / 2, np.float32)


def _numbered(folder: Path, name: str) -> FramePath:
    return FramePath(folder / f"{name}.####.exr")


def _place(folder: Path, name: str, frame: int) -> str:
    """Where a frame lies, as the document's pattern finds it again: negative numbers too."""
    return _numbered(folder, name).path(frame)


def _clear_earlier(folder: Path, frames: FrameRange, keys: FrameRange) -> None:
    """Takes an earlier sample's files away that would pass for this one's. Every frame of a sample has its truth."""
    there = {name: _numbered(folder, name) for name in ("plate", "truth", "mask", "trimap")}
    sampled = there["truth"].frames()
    advice, document = "give the sample a folder of its own", folder / "shot.json"
    if document.exists() and not sampled:
        raise OutputError(f"the folder holds the document of another shot: {advice}", path=document)
    for name in ("plate", "mask", "trimap"):
        if others := there[name].frames() - sampled:
            raise OutputError(f"the folder holds frames {others} of another {name}: {advice}", path=there[name])
    for name, pattern in there.items():
        kept = keys if name in ("mask", "trimap") else frames
        for frame in (pattern.frames() & sampled) - kept:
            os.unlink(pattern.path(frame))


def _write_guides(folder: Path, frame: int, alpha: Pixels, header: Header) -> None:
    for kind, values in (("mask", mask_of(alpha)), ("trimap", trimap_of(alpha))):
        exr.write(_place(folder, kind, frame), Layer(values[:, :, None], ("A",), header))
