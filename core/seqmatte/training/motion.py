"""Paths of layers through a shot: where each is at every sub-frame time."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from seqmatte.training.textures import Dice


@dataclass(frozen=True)
class Poses:
    """Where a layer is at each sub-frame time, [B, times] each: centre, turn in radians, scale."""

    x: Tensor
    y: Tensor
    turn: Tensor
    scale: Tensor


def sub_frames(dice: Dice, count: int, frames: int, times: int) -> Tensor:
    """Sub-frame times [B, frames * times]; the shutter is open for up to a whole frame."""
    shutter = dice.uniform(0.1, 0.9, count, 1, 1)
    within = (torch.arange(times, device=dice.device) + 0.5) / times - 0.5
    frame = torch.arange(frames, device=dice.device).view(1, -1, 1)
    return (frame + shutter * within.view(1, 1, -1)).flatten(1)


def _swing(dice: Dice, count: int, moments: Tensor, speed: Tensor, quick: bool) -> Tensor:
    """A smooth path with acceleration, [B, times], 0 at time 0. speed [B, 1]: the most it goes in a frame."""
    rate = dice.log_uniform(0.4, 1.6, count, 1) if quick else dice.log_uniform(0.08, 0.7, count, 1)
    phase = dice.uniform(0, 2 * math.pi, count, 1)
    return speed / rate * ((rate * moments + phase).sin() - phase.sin())


def camera_poses(dice: Dice, count: int, moments: Tensor, quick: bool) -> Poses:
    """The camera's: still in one clip of five, else it pans, tilts, rolls and zooms a little."""
    speed = dice.log_uniform(0.002, 0.15, count, 1) * (~dice.chance(0.2, count, 1)).float()
    zoom = (dice.normal(count, 1) * 0.02 * moments).exp()
    return Poses(
        _swing(dice, count, moments, speed, quick),
        _swing(dice, count, moments, speed * dice.uniform(0, 1, count, 1), quick),
        dice.normal(count, 1) * 0.15 + _swing(dice, count, moments, dice.normal(count, 1) * 0.02, quick),
        zoom,
    )


def subject_poses(dice: Dice, count: int, moments: Tensor, camera: Poses, quick: bool) -> Poses:
    """Moves, turns, nears; some leave the picture and come back."""
    leaves = dice.chance(0.12, count, 1).float()
    speed = dice.log_uniform(0.1, 0.45, count, 1) if quick else dice.log_uniform(0.004, 0.12, count, 1)
    # Whole frames, so that who leaves does not smear all over the picture.
    aside = dice.uniform(0.4, 1.0, count, 1) * (math.pi * moments.round() / moments.max().round()).sin()
    side = dice.chance(0.5, count, 1).float() * 2 - 1
    with_camera = dice.uniform(0, 1, count, 1)
    spin = dice.normal(count, 1) * (0.35 if quick else 0.06) * (~dice.chance(0.4, count, 1)).float()
    x = dice.uniform(-0.45, 0.45, count, 1) + with_camera * camera.x + leaves * side * 3 * aside
    y = dice.uniform(-0.3, 0.3, count, 1) + with_camera * camera.y
    return Poses(
        x + _swing(dice, count, moments, speed, quick),
        y + _swing(dice, count, moments, speed * dice.uniform(0, 1, count, 1), quick),
        dice.normal(count, 1) * 0.6 + spin * moments,
        dice.log_uniform(0.3, 1.5, count, 1) * (dice.normal(count, 1) * 0.04 * moments).exp(),
    )


def picked(poses: Poses, clips: Tensor) -> Poses:
    """Those of some clips."""
    return Poses(*(getattr(poses, f.name)[clips] for f in fields(Poses)))


def scaled(poses: Poses, factor: float | Tensor) -> Poses:
    """The same paths, nearer or farther."""
    return Poses(poses.x, poses.y, poses.turn, poses.scale * factor)
