"""Pictures of a training run: pages of samples, sheets of validation mattes, the curve."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from torch import Tensor

from seqmatte.file_faults import write_whole
from seqmatte.training.scenes import Clips

Picture = npt.NDArray[np.uint8]


def tile(picture: Tensor) -> Picture:
    """[C, H, W] in 0..1, one or three channels, to H x W x 3 bytes, blue first as cv2 writes them."""
    shown = (picture.detach().float().clamp(0, 1) * 255).round().byte().cpu().numpy().transpose(1, 2, 0)
    return np.repeat(shown, 3, 2) if shown.shape[2] == 1 else np.ascontiguousarray(shown[..., ::-1])


def samples(clips: Clips, path: Path, columns: int = 2) -> None:
    """A page: each shot's plates, its alpha on three frames and the guide of the first."""
    frames = clips.plate.shape[1]
    rows = []
    for shot in range(len(clips.plate)):
        shown = [tile(clips.plate[shot, t]) for t in range(frames)]
        shown += [tile(clips.alpha[shot, t]) for t in (0, frames // 2, frames - 1)]
        rows.append(np.hstack([*shown, tile(clips.guide[shot, :1])]))
    _write(path, _in_columns(rows, columns))


def validation(clips: Clips, alphas: Tensor, path: Path, shots: int = 12, columns: int = 2) -> None:
    """A sheet: plate, true alpha and found alpha of the first and last frame of some shots; alphas [B, T, 1, H, W]."""
    last = clips.plate.shape[1] - 1
    rows = []
    for shot in range(min(shots, len(clips.plate))):
        shown = [tile(clips.guide[shot, :1])]
        for t in (0, last // 2, last):
            shown += [tile(clips.plate[shot, t]), tile(clips.alpha[shot, t]), tile(alphas[shot, t])]
        rows.append(np.hstack(shown))
    _write(path, _in_columns(rows, columns))


def curve(records: Sequence[dict[str, float]], path: Path) -> None:
    """The loss of every step (grey, smoothed in white) and the validation's MAD (orange), both logarithmic."""
    height, width = 480, 960
    page = np.zeros((height, width, 3), np.uint8)
    losses = [(r["step"], r["loss"]) for r in records if "loss" in r]
    checks = [(r["step"], r["MAD"]) for r in records if "MAD" in r]
    if not losses:
        return
    end = max(step for step, _ in losses)
    smooth = _smoothed([value for _, value in losses])
    series = [
        (losses, (90, 90, 90)),
        (list(zip([s for s, _ in losses], smooth, strict=True)), (255, 255, 255)),
        (checks, (0, 160, 255)),
    ]
    for number, (points, ink) in enumerate(series):
        if points:
            _draw(page, points, end, ink)
            _label(page, f"{('loss', 'smoothed', 'MAD')[number]} {points[-1][1]:.4g}", 20 + 18 * number, ink)
    _write(path, page)


def read_curve(path: Path) -> list[dict[str, float]]:
    """The records of a run, one JSON line each."""
    return [json.loads(line) for line in path.read_text().splitlines() if line] if path.is_file() else []


def _smoothed(values: Sequence[float], keep: float = 0.97) -> list[float]:
    mean, out = values[0], []
    for value in values:
        mean = keep * mean + (1 - keep) * value
        out.append(mean)
    return out


def _draw(page: Picture, points: Sequence[tuple[float, float]], end: float, ink: tuple[int, int, int]) -> None:
    values = np.log(np.maximum([v for _, v in points], 1e-6))
    low, high = float(values.min()), float(values.max())
    x = np.array([s for s, _ in points]) / max(end, 1) * (page.shape[1] - 20) + 10
    y = page.shape[0] - 10 - (values - low) / max(high - low, 1e-6) * (page.shape[0] - 20)
    line = np.stack([x, y], 1).round().astype(np.int32).reshape(-1, 1, 2)
    cv2.polylines(page, [line], False, ink, 1, cv2.LINE_AA)


def _label(page: Picture, text: str, y: int, ink: tuple[int, int, int]) -> None:
    cv2.putText(page, text, (page.shape[1] - 220, y), cv2.FONT_HERSHEY_SIMPLEX, 0.45, ink, 1, cv2.LINE_AA)


def _in_columns(rows: list[Picture], columns: int) -> Picture:
    tall = -(-len(rows) // columns)
    rows = rows + [np.zeros_like(rows[0])] * (tall * columns - len(rows))
    return np.hstack([np.vstack(rows[c * tall : (c + 1) * tall]) for c in range(columns)])


def _write(path: Path, page: Picture) -> None:
    _, data = cv2.imencode(path.suffix, page)
    write_whole(path, data.tobytes())
