"""Shots made up from a seed: exact alpha, foreground and background in scene-linear light, then the network's view.

Everything is drawn in batches on the training device. The picture is a square of -1..1; time runs in frames.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from seqmatte.encoding import HIGHEST_TOP, Encoding
from seqmatte.training import guides_drawn
from seqmatte.training.subjects import Body, Curves, bodies, cages, fur
from seqmatte.training.textures import Dice, fractal, paint, places

SLOW, FAST = 3, 8  # sub-frame times a shutter is made of


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

    def encoded(self, light: Tensor) -> Tensor:
        """Other light of the same shots [B, T, 3, S, S], a clean plate say, as their plates are encoded."""
        shots = zip(light, self.constants.tolist(), strict=True)
        return torch.stack([Encoding(0.0, *constants).encode(shot) for shot, constants in shots])


@dataclass(frozen=True)
class Poses:
    """Where a layer is at each sub-frame time, [B, times] each: centre, turn in radians, scale."""

    x: Tensor
    y: Tensor
    turn: Tensor
    scale: Tensor


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
    moments = _moments(dice, count, frames, times)
    camera = _camera(dice, count, moments, quick)
    surfaces = paint(dice, 3 * count, size)
    body = bodies(dice, count, frames, size, surfaces[:count])
    poses = _subject_poses(dice, count, moments, camera, quick)
    with_curves = dice.chance(0.5, count)
    subject = _photograph(_elastic(dice, body, ~with_curves), poses, times)
    subject = _with_curves(dice, body, poses, moments, times, with_curves, subject)
    behind = _background(dice, surfaces[count : 2 * count], camera, times, size)
    behind = _shadowed(dice, behind, subject[:, :, 3:])
    behind = _with_others(dice, behind, body, surfaces[:count], moments, camera, times)
    front = _occluders(dice, body, surfaces[2 * count :], moments, times)
    gain = _light_on_subject(dice, count)
    return _developed(dice, torch.cat((subject[:, :, :3] * gain, subject[:, :, 3:]), 2), behind, front)


def _moments(dice: Dice, count: int, frames: int, times: int) -> Tensor:
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


def _camera(dice: Dice, count: int, moments: Tensor, quick: bool) -> Poses:
    speed = dice.log_uniform(0.002, 0.15, count, 1) * (~dice.chance(0.2, count, 1)).float()
    zoom = (dice.normal(count, 1) * 0.02 * moments).exp()
    return Poses(
        _swing(dice, count, moments, speed, quick),
        _swing(dice, count, moments, speed * dice.uniform(0, 1, count, 1), quick),
        dice.normal(count, 1) * 0.15 + _swing(dice, count, moments, dice.normal(count, 1) * 0.02, quick),
        zoom,
    )


def _subject_poses(dice: Dice, count: int, moments: Tensor, camera: Poses, quick: bool) -> Poses:
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


def _grids(poses: Poses, size: int) -> Tensor:
    """Where in the layer each pixel looks, [B, times, S, S, 2]."""
    x, y = places(size, poses.x.device)
    cx, cy, turn, scale = (v[:, :, None, None] for v in (poses.x, poses.y, poses.turn, poses.scale))
    dx, dy = (x - cx) / scale, (y - cy) / scale
    return torch.stack((dx * turn.cos() + dy * turn.sin(), dy * turn.cos() - dx * turn.sin()), 4)


def _photograph(canvas: Tensor, poses: Poses, times: int) -> Tensor:
    """A layer [B, T, C, S, S] seen through the poses, averaged over the open shutter: [B, T, C, S, S]."""
    count, frames, channels, size = canvas.shape[:4]
    grid = _grids(poses, size).view(count, frames, times, size, size, 2)
    total = torch.zeros(count * frames, channels, size, size, device=canvas.device)
    for time in range(times):
        total += F.grid_sample(canvas.flatten(0, 1), grid[:, :, time].flatten(0, 1), align_corners=False)
    return total.view(count, frames, channels, size, size) / times


def _elastic(dice: Dice, body: Body, soft: Tensor) -> Tensor:
    """The body's premultiplied pictures [B, T, 4, S, S]; those of the clips in `soft` bend from frame to frame."""
    count, frames, _, size = body.alpha.shape[:4]
    layer = torch.cat((body.colour.unsqueeze(1) * body.alpha, body.alpha), 2)
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
            inner = _photograph(_elastic(dice, body, ~chosen)[clips], _scaled(_picked(poses, clips), 0.45), times)
            base = inner * dice.chance(0.7, len(clips), 1, 1, 1, 1).float()
        over = strands + base * (1 - strands[:, :, 3:])
        subject = subject.index_copy(0, clips, over)
    return subject


def _picked(poses: Poses, clips: Tensor) -> Poses:
    return Poses(*(getattr(poses, f.name)[clips] for f in fields(Poses)))


def _scaled(poses: Poses, factor: float) -> Poses:
    return Poses(poses.x, poses.y, poses.turn, poses.scale * factor)


def splat(curves: Curves, poses: Poses, moments: Tensor, times: int, size: int) -> Tensor:
    """Curves drawn as rows of points with exact sub-frame motion: premultiplied [C, T, 4, S, S].

    A point covers its length of strand times its width; coverage adds up and saturates as 1 - exp(-c).
    """
    at = _picked(poses, curves.clips)
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
    grid = (_grids(camera, size) / 1.25).view(count, frames, times, size, size, 2)
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
    dice: Dice, behind: Tensor, body: Body, surface: Tensor, moments: Tensor, camera: Poses, times: int
) -> Tensor:
    """Hard negatives behind the subject: look-alikes with its own surface, and other bodies, moving on their own."""
    count = behind.shape[0]
    alike = dice.chance(0.3, count)
    other = alike | dice.chance(0.35, count)
    clips = other.nonzero()[:, 0]
    if not len(clips):
        return behind
    source = torch.where(
        alike, torch.arange(count, device=dice.device), torch.arange(count, device=dice.device).roll(1)
    )[clips]
    alpha = body.alpha[source].flip(4)
    layer = torch.cat((body.colour[source].flip(3).unsqueeze(1) * alpha, alpha), 2)
    poses = _scaled(_subject_poses(dice, len(clips), moments[clips], _picked(camera, clips), False), 0.8)
    seen = _photograph(layer, poses, times)
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
    return front.index_copy(0, clips, _photograph(layer, poses, times))


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
    grained = _grained(dice, light)
    constants = _constants(dice, grained)
    shots = zip(grained, constants.tolist(), strict=True)
    plate = _compressed(dice, torch.stack([Encoding(0.0, *c).encode(shot) for shot, c in shots]))
    first, last = guides_drawn.draw(dice, alpha[:, 0]), guides_drawn.draw(dice, alpha[:, -1])
    return Clips(plate, alpha, foreground, background, light, first, last, constants)


def _grained(dice: Dice, light: Tensor) -> Tensor:
    """Photon and read noise in scene-linear light; coarse grain in a third of the clips."""
    count = light.shape[0]
    shot = dice.log_uniform(1e-6, 1.5e-3, count, 1, 1, 1, 1)
    read = dice.log_uniform(1e-4, 8e-3, count, 1, 1, 1, 1)
    noise = torch.randn(light.shape, generator=dice.generator, device=dice.device)
    coarse = guides_drawn.blurred(noise.flatten(0, 1), 1).view_as(light) * 2.2
    noise = torch.where(dice.chance(0.3, count, 1, 1, 1, 1), coarse, noise)
    return light + noise * (shot * light.clamp_min(0) + read.square()).sqrt()


def _constants(dice: Dice, light: Tensor) -> Tensor:
    """Knee and top of each shot's encoding, [B, 2], as `encoding.choose` finds them; some shoulders are needless."""
    extreme = light.amax(2).flatten(1)[:, ::7].quantile(0.9995, dim=1)
    generous = dice.chance(0.1, len(light))
    found = []
    for top, more in zip(extreme.tolist(), generous.tolist(), strict=True):
        above = min(2.0 ** math.ceil(math.log2(max(top, 2.0))), HIGHEST_TOP)
        found.append((1.0, 1.0) if top <= 1.0 and not more else (0.5, above))
    return torch.tensor(found)


def _compressed(dice: Dice, plate: Tensor) -> Tensor:
    """A third of the clips through 8 x 8 cosine blocks with coarse steps, as a codec leaves them."""
    clips = dice.chance(0.3, len(plate)).nonzero()[:, 0]
    if not len(clips):
        return plate
    shape = plate[clips].shape
    row = torch.arange(8, device=plate.device, dtype=plate.dtype)
    basis = (math.pi / 8 * (row + 0.5) * row.unsqueeze(1)).cos() * 0.5
    basis[0] *= math.sqrt(0.5)
    blocks = plate[clips].reshape(*shape[:3], shape[3] // 8, 8, shape[4] // 8, 8).transpose(4, 5)
    step = dice.log_uniform(0.008, 0.08, len(clips), 1, 1, 1, 1, 1, 1) * (1 + 0.25 * (row + row.unsqueeze(1)))
    kept = (basis @ blocks @ basis.T / step).round() * step
    back = (basis.T @ kept @ basis).transpose(4, 5).flatten(5, 6).flatten(3, 4)
    return plate.index_copy(0, clips, back)
