"""Layers and strands seen through an open shutter, along their paths."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from seqmatte.training.motion import Poses, picked
from seqmatte.training.subjects import Curves
from seqmatte.training.textures import places


def grids(poses: Poses, size: int) -> Tensor:
    """Where in the layer each pixel looks, [B, times, S, S, 2]."""
    x, y = places(size, poses.x.device)
    cx, cy, turn, scale = (v[:, :, None, None] for v in (poses.x, poses.y, poses.turn, poses.scale))
    dx, dy = (x - cx) / scale, (y - cy) / scale
    return torch.stack((dx * turn.cos() + dy * turn.sin(), dy * turn.cos() - dx * turn.sin()), 4)


def photograph(canvas: Tensor, poses: Poses, times: int) -> Tensor:
    """A layer [B, T, C, S, S] seen through the poses, averaged over the open shutter: [B, T, C, S, S]."""
    count, frames, channels, size = canvas.shape[:4]
    grid = grids(poses, size).view(count, frames, times, size, size, 2)
    total = torch.zeros(count * frames, channels, size, size, device=canvas.device)
    for time in range(times):
        total += F.grid_sample(canvas.flatten(0, 1), grid[:, :, time].flatten(0, 1), align_corners=False)
    return total.view(count, frames, channels, size, size) / times


def splat(curves: Curves, poses: Poses, moments: Tensor, times: int, size: int) -> Tensor:
    """Curves drawn as rows of points with exact sub-frame motion: premultiplied [C, T, 4, S, S].

    A point covers its length of strand times its width; coverage adds up and saturates as 1 - exp(-c).
    """
    curves = _finer(curves, max(1, size // 40))
    at = picked(poses, curves.clips)
    count = len(curves.clips)
    frames = at.x.shape[1] // times
    sums = torch.zeros(count * frames * size * size, 4, device=curves.points.device)
    base = torch.arange(count * frames, device=sums.device).view(count, frames, 1, 1) * (size * size)
    for time in range(times):
        now = slice(time, None, times)
        px, py = _projected(curves, at, moments[curves.clips], now, size)
        long = torch.hypot(px.diff(dim=3, append=px[..., -1:]), py.diff(dim=3, append=py[..., -1:]))
        cover = (curves.width.unsqueeze(1) * (size / 160) * long).flatten(2).unsqueeze(3) * (1.7 / times)
        colour = curves.colour.unsqueeze(1).expand(-1, frames, -1, -1, -1).flatten(2, 3)
        paint_drops = torch.cat((colour * cover, cover), 3)
        _drop(sums, base, px.flatten(2).unsqueeze(3), py.flatten(2).unsqueeze(3), paint_drops, size)
    summed = sums.view(count, frames, size, size, 4).permute(0, 1, 4, 2, 3)
    alpha = 1 - torch.exp(-summed[:, :, 3:])
    return torch.cat((summed[:, :, :3] / summed[:, :, 3:].clamp_min(1e-6) * alpha, alpha), 2)


def _finer(curves: Curves, times: int) -> Curves:
    """The same curves with so many points for each one, so that in a large picture no curve falls into dots."""

    def between(x: Tensor) -> Tensor:
        count, number, points, channels = x.shape
        line = x.permute(0, 1, 3, 2).reshape(count * number, channels, points)
        fine = F.interpolate(line, (points - 1) * times + 1, mode="linear", align_corners=True)
        return fine.view(count, number, channels, -1).permute(0, 1, 3, 2)

    width = between(curves.width.unsqueeze(3)).squeeze(3)
    return replace(
        curves, points=between(curves.points), sway=between(curves.sway), colour=between(curves.colour), width=width
    )


def _projected(curves: Curves, at: Poses, moments: Tensor, now: slice, size: int) -> tuple[Tensor, Tensor]:
    """Pixel coordinates of every point at one sub-frame time of each frame, [C, T, n, P] each."""
    when = moments[:, now, None, None]
    x, y, z = (curves.points[..., axis].unsqueeze(1) for axis in range(3))
    for a, spin in enumerate(curves.spin.T):
        angle = spin.view(-1, 1, 1, 1) * when
        cos, sin = angle.cos(), angle.sin()
        if a == 0:
            y, z = y * cos - z * sin, y * sin + z * cos
        elif a == 1:
            x, z = x * cos - z * sin, x * sin + z * cos
        else:
            x, y = x * cos - y * sin, x * sin + y * cos
    wave = (1.3 * when + 0.7 * curves.points[:, None, :, :, 0]).sin()
    x, y = x + curves.sway[:, None, ..., 0] * wave, y + curves.sway[:, None, ..., 1] * wave
    turn, scale = at.turn[:, now, None, None], at.scale[:, now, None, None]
    px = (x * turn.cos() - y * turn.sin()) * scale + at.x[:, now, None, None]
    py = (x * turn.sin() + y * turn.cos()) * scale + at.y[:, now, None, None]
    return (px + 1) * (size / 2) - 0.5, (py + 1) * (size / 2) - 0.5


def _drop(sums: Tensor, base: Tensor, px: Tensor, py: Tensor, drops: Tensor, size: int) -> None:
    """Adds each drop to its four pixels, bilinearly, in place; drops outside the picture fall away."""
    left, top = px.floor(), py.floor()
    for dy in (0, 1):
        for dx in (0, 1):
            x, y = left + dx, top + dy
            weight = (1 - (px - x).abs()) * (1 - (py - y).abs())
            weight = weight * ((x >= 0) & (x < size) & (y >= 0) & (y < size))
            place = base + (y.clamp(0, size - 1) * size + x.clamp(0, size - 1)).long()
            sums.index_add_(0, place.flatten(), (drops * weight).flatten(0, 2))
