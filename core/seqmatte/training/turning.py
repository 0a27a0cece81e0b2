"""Bodies that turn in depth, as a head or a rolling ball does: new surface and new hair come round one side.

Neither was to be seen on the guided frame, so a memory has to know them by what they belong to. The surface is that of
a round body: it slides along its axis' circle, slowly seen at the rim and quickly at the middle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from seqmatte.training.textures import Dice, places

_SHARE = 0.3
# Where a round body's rim is; what lies outside is seen as the rim is.
_ROUND, _RIM = 0.8, 0.97


@dataclass(frozen=True)
class Turns:
    """angle [B, T]: radians that each body has turned by at each frame, 0 for good where it does not. axis [B]:
    direction of the axis in the picture, radians."""

    angle: Tensor
    axis: Tensor


def turns(dice: Dice, count: int, frames: int) -> Turns:
    """Three bodies in ten turn, up to a fourth of a radian a frame, evenly or to and fro."""
    speed = dice.log_uniform(0.02, 0.25, count, 1) * (dice.whole(0, 2, count, 1) * 2 - 1)
    time = torch.arange(frames, device=dice.device).view(1, -1)
    rate = dice.uniform(0.2, 0.8, count, 1)
    angle = torch.where(dice.chance(0.7, count, 1), speed * time, speed / rate * (rate * time).sin())
    return Turns(angle * dice.chance(_SHARE, count, 1), dice.uniform(0, 2 * math.pi, count))


def turned(surface: Tensor, by: Turns) -> Tensor:
    """Surfaces [B, 3, S, S] of bodies as they turn, [B, T, 3, S, S]."""
    frames, size = by.angle.shape[1], surface.shape[-1]
    shown = surface.unsqueeze(1).repeat(1, frames, 1, 1, 1)
    clips = by.angle.abs().sum(1).nonzero()[:, 0]
    if not len(clips):
        return shown
    x, y = places(size, surface.device)
    cos, sin = (f(by.axis[clips]).view(-1, 1, 1) for f in (torch.cos, torch.sin))
    along, across = x * cos + y * sin, y * cos - x * sin
    width = (_ROUND**2 - along.square()).clamp_min(0.15).sqrt()
    place = (across / width).clamp(-_RIM, _RIM).asin().unsqueeze(1) + by.angle[clips, :, None, None]
    here, there = along.unsqueeze(1), place * width.unsqueeze(1)
    cos, sin = cos.unsqueeze(1), sin.unsqueeze(1)
    grid = torch.stack((here * cos - there * sin, here * sin + there * cos), 4).flatten(0, 1)
    look = F.grid_sample(shown[clips].flatten(0, 1), grid, padding_mode="reflection", align_corners=False)
    return shown.index_copy(0, clips, look.view(len(clips), frames, 3, size, size))


def renewed(noise: Tensor, other: Tensor, angle: Tensor) -> Tensor:
    """Noise [N, C, S, S] that another takes the place of as a body turns by `angle` [N, T]: [N, T, C, S, S].

    As strong at all times; a new strand stands in a place after about a fourth of a radian.
    """
    phase = (6 * angle)[:, :, None, None, None]
    return noise.unsqueeze(1) * phase.cos() + other.unsqueeze(1) * phase.sin()
