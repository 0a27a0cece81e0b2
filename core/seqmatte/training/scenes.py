"""Shots made up from a seed: exact alpha, foreground and background in scene-linear light, then the network's view.

Everything is drawn in batches on the training device. The picture is a square of -1..1; time runs in frames.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from seqmatte.encoding import Encoding
from seqmatte.training import guides_drawn
from seqmatte.training.camera import compressed, encoding_constants, with_grain
from seqmatte.training.motion import Poses, camera_poses, picked, scaled, sub_frames, subject_poses
from seqmatte.training.pelts import pelted
from seqmatte.training.shutter import grids, photograph, splat
from seqmatte.training.subjects import Body, bodies, cages, fur
from seqmatte.training.textures import Dice, fractal, paint, places
from seqmatte.training.turning import turned, turns

SLOW, FAST = 8, 16  # sub-frame times a shutter is made of
# Dice of their own, of slow shots and of quick ones: numbers by which every seed keeps the shots that it had.
_PELTS, _TURNING = (3, 8), (103, 108)


@dataclass(frozen=True)
class Clips:
    """A batch of shots of T frames.

    plate [B, T, 3, S, S]: encoded, with grain and compression, what a network sees. alpha [B, T, 1, S, S].
    foreground, background [B, T, 3, S, S]: scene-linear, without grain; light = alpha F + (1 - alpha) B exactly.
    light: that composite. guide [B, 4, S, S]: drawn on the first frame; last_guide on the last frame. constants
    [B, 2]: knee and top of the shot's encoding.
    """

    plate: Tensor
    alpha: Tensor
    foreground: Tensor
    background: Tensor
    light: Tensor
    guide: Tensor
    last_guide: Tensor
    constants: Tensor

    def each(self, change: Callable[[Tensor], Tensor]) -> Self:
        """The same shots with every tensor changed in the same way."""
        return replace(self, **{f.name: change(getattr(self, f.name)) for f in fields(Clips)})

    def backwards(self, shots: Tensor) -> Self:
        """Told that these of the shots ([B, 1, 1, 1], booleans) were turned round in time."""
        return self

    def encoded(self, light: Tensor) -> Tensor:
        """Other light of the same shots [B, T, 3, S, S], a clean plate say, as their plates are encoded."""
        shots = zip(light, self.constants.tolist(), strict=True)
        return torch.stack([Encoding(0.0, *constants).encode(shot) for shot, constants in shots])


def shoot(seed: int, count: int, frames: int, size: int, device: torch.device | None = None) -> Clips:
    """`count` shots of `frames` frames, `size` pixels square (a multiple of 16): the same for the same arguments.

    A quarter of them move fast and are drawn with more sub-frames.
    """
    dice = Dice(seed, device or torch.device("cpu"))
    fast = (count + dice.number(0, 4)) // 4
    groups = [(count - fast, SLOW, False), (fast, FAST, True)]
    parts = [_shoot(dice, n, frames, size, times, quick) for n, times, quick in groups if n]
    return Clips(*(torch.cat([getattr(part, f.name) for part in parts]) for f in fields(Clips)))


def _shoot(dice: Dice, count: int, frames: int, size: int, times: int, quick: bool) -> Clips:
    moments = sub_frames(dice, count, frames, times)
    camera = camera_poses(dice, count, moments, quick)
    surfaces = paint(dice, 3 * count, size)
    turning = turns(dice.apart(_TURNING[quick]), count, frames)
    bare = bodies(dice, count, frames, size, turned(surfaces[:count], turning))
    body = pelted(dice.apart(_PELTS[quick]), bare, turning.angle)
    poses = subject_poses(dice, count, moments, camera, quick)
    with_curves = dice.chance(0.5, count)
    subject = photograph(_elastic(dice, body, ~with_curves), poses, times)
    subject = _with_curves(dice, body, poses, moments, times, with_curves, subject)
    behind = _background(dice, surfaces[count : 2 * count], camera, times, size)
    behind = _shadowed(dice, behind, subject[:, :, 3:])
    gain = _light_on_subject(dice, count)
    behind = _with_others(dice, behind, body, gain, moments, camera, times)
    front = _occluders(dice, body, surfaces[2 * count :], moments, times)
    return _developed(dice, torch.cat((subject[:, :, :3] * gain, subject[:, :, 3:]), 2), behind, front)


def _elastic(dice: Dice, body: Body, soft: Tensor) -> Tensor:
    """The body's premultiplied pictures [B, T, 4, S, S]; those of the clips in `soft` bend from frame to frame."""
    count, frames, _, size = body.alpha.shape[:4]
    layer = torch.cat((body.colour * body.alpha, body.alpha), 2)
    chosen = (soft & dice.chance(0.5, count)).nonzero()[:, 0]
    if not len(chosen):
        return layer
    push = F.interpolate(dice.normal(len(chosen), 2, 5, 5), size=(size, size), mode="bilinear")
    time = torch.arange(frames, device=dice.device).view(1, -1) * dice.uniform(0.2, 1.2, len(chosen), 1)
    amount = dice.log_uniform(0.01, 0.09, len(chosen), 1) * (time + dice.uniform(0, 6, len(chosen), 1)).sin()
    x, y = places(size, dice.device)
    grid = torch.stack((x, y), 3).unsqueeze(1) + (
        push.permute(0, 2, 3, 1).unsqueeze(1) * amount[:, :, None, None, None]
    )
    bent = F.grid_sample(layer[chosen].flatten(0, 1), grid.flatten(0, 1), align_corners=False)
    return layer.index_copy(0, chosen, bent.view(layer[chosen].shape))


def _with_curves(
    dice: Dice, body: Body, poses: Poses, moments: Tensor, times: int, chosen: Tensor, subject: Tensor
) -> Tensor:
    """Fur over the bodies of the chosen clips; one in four has a wire cage around a small body instead."""
    caged = chosen & dice.chance(0.25, len(chosen))
    for clips, grow in (((chosen & ~caged).nonzero()[:, 0], fur), (caged.nonzero()[:, 0], None)):
        if not len(clips):
            continue
        curves = grow(dice, body, clips) if grow else cages(dice, clips)
        strands = splat(curves, poses, moments, times, subject.shape[-1])
        base = subject[clips]
        if grow is None:
            inner = photograph(_elastic(dice, body, ~chosen)[clips], scaled(picked(poses, clips), 0.45), times)
            base = inner * dice.chance(0.7, len(clips), 1, 1, 1, 1).float()
        over = strands + base * (1 - strands[:, :, 3:])
        subject = subject.index_copy(0, clips, over)
    return subject


def _background(dice: Dice, surface: Tensor, camera: Poses, times: int, size: int) -> Tensor:
    """The set behind, [B, T, 3, S, S]: two depths of surface, some out of focus, some with lights far above 1."""
    count = surface.shape[0]
    deep = surface.roll(1, 0).flip(2)
    edge = ((fractal(dice, count, 1, size, torch.full((count,), 0.4, device=dice.device)) - 0.4) * 12).clamp(0, 1)
    wall = torch.where(dice.chance(0.4, count, 1, 1, 1), torch.lerp(surface, deep, edge), surface)
    small = F.interpolate(F.avg_pool2d(wall, 8, 8), size=(size, size), mode="bicubic").clamp_min(0)
    middle = F.interpolate(F.avg_pool2d(wall, 3, 3, ceil_mode=True), size=(size, size), mode="bilinear")
    focus = dice.uniform(0, 1, count, 1, 1, 1)
    wall = torch.where(focus < 0.2, small, torch.where(focus < 0.4, middle, wall)) + _lamps(dice, count, size)
    shade = (0.7 * fractal(dice, count, 1, size, torch.full((count,), 0.3, device=dice.device))).exp()
    wall = wall * torch.where(dice.chance(0.5, count, 1, 1, 1), shade, 1.0)
    frames = camera.x.shape[1] // times
    grid = (grids(camera, size) / 1.25).view(count, frames, times, size, size, 2)
    total = torch.zeros(count, frames, 3, size, size, device=dice.device)
    for time in range(0, times, 2 if times > SLOW else 1):
        looked = [
            F.grid_sample(wall, grid[:, t, time], padding_mode="reflection", align_corners=False) for t in range(frames)
        ]
        total += torch.stack(looked, 1)
    return total / len(range(0, times, 2 if times > SLOW else 1))


def _lamps(dice: Dice, count: int, size: int) -> Tensor:
    """Lights, windows and highlights, up to 60 times white, in one clip of four: [B, 3, S, S]."""
    x, y = places(size, dice.device)
    glow = torch.zeros(count, 1, size, size, device=dice.device)
    for _ in range(5):
        far = torch.hypot(x - dice.uniform(-1, 1, count, 1, 1), y - dice.uniform(-1, 1, count, 1, 1))
        disc = ((dice.log_uniform(0.03, 0.35, count, 1, 1) - far) * size / 4).clamp(0, 1)
        glow += (disc * dice.log_uniform(0.5, 60, count, 1, 1)).unsqueeze(1)
    tint = dice.uniform(0.6, 1, count, 3, 1, 1)
    return glow * tint * dice.chance(0.22, count, 1, 1, 1).float()


def _shadowed(dice: Dice, behind: Tensor, alpha: Tensor) -> Tensor:
    """The subject's shadow on what is behind, moved aside and soft, in a third of the clips."""
    count, size = alpha.shape[0], alpha.shape[-1]
    aside = (dice.number(-size // 6, size // 6), dice.number(-size // 6, size // 6))
    cast = guides_drawn.blurred(alpha.flatten(0, 1), dice.number(2, 9)).view_as(alpha).roll(aside, (3, 4))
    depth = dice.uniform(0.2, 0.85, count, 1, 1, 1, 1) * dice.chance(0.35, count, 1, 1, 1, 1).float()
    return behind * (1 - depth * cast)


def _with_others(
    dice: Dice, behind: Tensor, body: Body, gain: Tensor, moments: Tensor, camera: Poses, times: int
) -> Tensor:
    """Hard negatives behind the subject: look-alikes with its own surface, and other bodies, moving on their own.

    Of look-alikes half are the subject's very copies, half mirrored; half stand in the subject's light. gain: that
    light, [B, 1, 3, 1, 1].
    """
    count = behind.shape[0]
    alike = dice.chance(0.45, count)
    other = alike | dice.chance(0.35, count)
    clips = other.nonzero()[:, 0]
    if not len(clips):
        return behind
    source = torch.where(
        alike, torch.arange(count, device=dice.device), torch.arange(count, device=dice.device).roll(1)
    )[clips]
    lit = torch.where(dice.chance(0.5, len(clips), 1, 1, 1, 1), gain[source], 1.0)
    layer = torch.cat((body.colour[source] * body.alpha[source] * lit, body.alpha[source]), 2)
    layer = torch.where(dice.chance(0.5, len(clips), 1, 1, 1, 1), layer, layer.flip(4))
    poses = subject_poses(dice, len(clips), moments[clips], picked(camera, clips), False)
    seen = photograph(layer, scaled(poses, dice.uniform(0.7, 1.1, len(clips), 1)), times)
    return behind.index_copy(0, clips, seen[:, :, :3] + behind[clips] * (1 - seen[:, :, 3:]))


def _occluders(dice: Dice, body: Body, surface: Tensor, moments: Tensor, times: int) -> Tensor:
    """Things that pass in front in a third of the clips: premultiplied [B, T, 4, S, S]."""
    count, frames, _, size = body.alpha.shape[:4]
    front = torch.zeros(count, frames, 4, size, size, device=dice.device)
    clips = dice.chance(0.33, count).nonzero()[:, 0]
    if not len(clips):
        return front
    source = (clips + 1) % count
    alpha = body.alpha[source]
    alpha = torch.where(dice.chance(0.5, len(clips), 1, 1, 1, 1), alpha, _bars(dice, len(clips), size).unsqueeze(1))
    layer = torch.cat((surface[clips].unsqueeze(1) * alpha, alpha), 2)
    way = dice.uniform(0, 2 * math.pi, len(clips), 1)
    speed, when = dice.log_uniform(0.15, 1.0, len(clips), 1), dice.uniform(0.5, 1.0, len(clips), 1) * (frames - 1)
    far = speed * (moments[clips] - when)
    off = dice.uniform(-0.3, 0.3, len(clips), 1)
    turn = dice.uniform(-3, 3, len(clips), 1) + 0 * far
    scale = dice.log_uniform(0.4, 1.1, len(clips), 1) + 0 * far
    poses = Poses(way.cos() * far - way.sin() * off, way.sin() * far + way.cos() * off, turn, scale)
    return front.index_copy(0, clips, photograph(layer, poses, times))


def _bars(dice: Dice, count: int, size: int) -> Tensor:
    """Posts, a fence or a door frame: [N, 1, S, S]."""
    x, _ = places(size, dice.device)
    wave = (x * dice.log_uniform(1.2, 12, count, 1, 1)).cos() - dice.uniform(-0.2, 0.8, count, 1, 1)
    return (wave * size / 12).clamp(0, 1).expand(-1, size, size).unsqueeze(1)


def _light_on_subject(dice: Dice, count: int) -> Tensor:
    """The subject's own light against the set's, [B, 1, 3, 1, 1]: back-lit, key-lit, tinted, rarely glowing."""
    gain = dice.log_uniform(0.4, 2.2, count, 1, 1, 1, 1) * dice.uniform(0.75, 1.25, count, 1, 3, 1, 1)
    return gain * torch.where(dice.chance(0.06, count, 1, 1, 1, 1), dice.log_uniform(2, 12, count, 1, 1, 1, 1), 1.0)


def _developed(dice: Dice, subject: Tensor, behind: Tensor, front: Tensor) -> Clips:
    """Composited, exposed, with grain, encoded and compressed; guides drawn; time turned so that a guide can be."""
    clear = 1 - front[:, :, 3:]
    alpha = (subject[:, :, 3:] * clear).clamp(0, 1)
    foreground = subject[:, :, :3] / subject[:, :, 3:].clamp_min(1e-4)
    rest = front[:, :, :3] + behind * clear * (1 - subject[:, :, 3:])
    background = torch.where(alpha < 0.999, rest / (1 - alpha).clamp_min(1e-3), behind)
    light = alpha * foreground + (1 - alpha) * background
    exposure = dice.log_uniform(0.1, 0.4, len(light), 1, 1, 1, 1) / light.clamp(0, 1).mean(
        (1, 2, 3, 4), keepdim=True
    ).clamp_min(0.01)
    foreground, background, light = foreground * exposure, background * exposure, light * exposure
    area = alpha.mean((2, 3, 4))
    turned = (area[:, -1] > area[:, 0]).view(-1, 1, 1, 1, 1)
    alpha, foreground, background, light = (
        torch.where(turned, x.flip(1), x) for x in (alpha, foreground, background, light)
    )
    grained = with_grain(dice, light)
    constants = encoding_constants(dice, grained)
    shots = zip(grained, constants.tolist(), strict=True)
    plate = compressed(dice, torch.stack([Encoding(0.0, *c).encode(shot) for shot, c in shots]))
    first, last = guides_drawn.draw(dice, alpha[:, 0]), guides_drawn.draw(dice, alpha[:, -1])
    return Clips(plate, alpha, foreground, background, light, first, last, constants)
