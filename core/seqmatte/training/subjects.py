"""Things to be matted: bodies with all kinds of rims, strands and fur, wire cages; each in its own coordinates.

A subject lives in a square of -1..1. Times are frames; a body is drawn once a frame, strands at every sub-frame time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from seqmatte.training.textures import Dice, fractal, places


@dataclass(frozen=True)
class Body:
    """distance [B, T, S, S]: signed, in the subject's units, negative inside. alpha [B, T, 1, S, S].

    colour [B, T, 3, S, S]: the surface, scene-linear, not premultiplied.
    """

    distance: Tensor
    alpha: Tensor
    colour: Tensor


@dataclass(frozen=True)
class Curves:
    """Thin things of `clips` (indices into the batch): points [C, n, P, 3] in the subject's coordinates.

    sway [C, n, P, 2]: how far the hair's wave moves a point; colour [C, n, P, 3]; width [C, n, P] in pixels of a
    picture 160 across. spin [C, 3]: turning about x, y and z in radians a frame.
    """

    clips: Tensor
    points: Tensor
    sway: Tensor
    colour: Tensor
    width: Tensor
    spin: Tensor


def blob(dice: Dice, count: int, frames: int, x: Tensor, y: Tensor) -> Tensor:
    """Signed distance of a star-shaped outline that breathes: [count, frames, S, S]."""
    angle, radius = torch.atan2(y, x), (x.square() + y.square()).sqrt()
    time = torch.arange(frames, device=x.device).view(1, -1, 1, 1)
    outline = dice.uniform(0.45, 0.75, count, 1, 1, 1).expand(-1, frames, -1, -1)
    for wave in range(2, 7):
        size = dice.uniform(0, 0.28, count, 1, 1, 1) / wave
        phase = dice.uniform(0, 6.3, count, 1, 1, 1) + dice.uniform(-0.4, 0.4, count, 1, 1, 1) * time
        outline = outline + size * (wave * angle + phase).cos()
    return radius - outline


def polygon(dice: Dice, count: int, frames: int, x: Tensor, y: Tensor) -> Tensor:
    """A convex polygon with some of its corners rounded, as boxes, signs and furniture have."""
    distance = torch.full((count, 1, *x.shape[-2:]), -9.0, device=x.device)
    sides = dice.number(3, 7)
    for side in range(sides):
        angle = (side + dice.uniform(-0.3, 0.3, count, 1, 1, 1)) * (2 * math.pi / sides)
        plane = x * angle.cos() + y * angle.sin() - dice.uniform(0.35, 0.75, count, 1, 1, 1)
        distance = torch.maximum(distance, plane)
    return distance.expand(-1, frames, -1, -1)


def figure(dice: Dice, count: int, frames: int, x: Tensor, y: Tensor) -> Tensor:
    """A body of limbs with joints that move: head, trunk, arms and legs, more or less like a person."""
    time = torch.arange(frames, device=x.device).view(1, -1)
    distance = ((x / 0.9).square() + (y + 0.62).square()).sqrt() - dice.uniform(0.13, 0.24, count, 1, 1, 1)
    distance = distance.expand(-1, frames, -1, -1)
    limbs = [((0.0, -0.4), 1.57, 0.55, 0.2)]
    limbs += [((side * 0.18, -0.3), 1.57 + side * -0.7, 0.32, 0.085) for side in (-1, 1)]
    limbs += [((side * 0.12, 0.2), 1.57 + side * -0.15, 0.4, 0.1) for side in (-1, 1)]
    for start, lean, length, thick in limbs:
        swing = (
            dice.uniform(-0.5, 0.5, count, 1)
            * (time * dice.uniform(0.2, 1.2, count, 1) + dice.uniform(0, 6, count, 1)).sin()
        )
        angle = lean + dice.uniform(-0.6, 0.6, count, 1) * (length < 0.5) + swing * (length < 0.5)
        thickness = thick * dice.uniform(0.7, 1.5, count, 1)
        at = (torch.full_like(angle, start[0]), torch.full_like(angle, start[1]))
        for bend in (0.0, 1.0):
            angle = angle + bend * (dice.uniform(-1, 1, count, 1) + swing) * (length < 0.5)
            end = (at[0] + length * angle.cos(), at[1] + length * angle.sin())
            if bend == 0.0 or length < 0.5:
                distance = _smooth_min(distance, _capsule(x, y, at, end) - thickness[:, :, None, None])
            at = end
    return distance


def _capsule(x: Tensor, y: Tensor, a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]) -> Tensor:
    ax, ay, bx, by = (v[:, :, None, None] for v in (*a, *b))
    along = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / ((bx - ax).square() + (by - ay).square()).clamp_min(1e-6)
    along = along.clamp(0, 1)
    return ((x - ax - along * (bx - ax)).square() + (y - ay - along * (by - ay)).square()).sqrt()


def _smooth_min(a: Tensor, b: Tensor, width: float = 0.06) -> Tensor:
    mix = (0.5 + 0.5 * (b - a) / width).clamp(0, 1)
    return b + (a - b) * mix - width * mix * (1 - mix)


def bodies(dice: Dice, count: int, frames: int, size: int, surface: Tensor) -> Body:
    """Bodies of all kinds with hard, ragged, soft and holed rims, veils and shading. surface [count, T, 3, S, S]."""
    coarse = size // 2
    x, y = (c.unsqueeze(0) for c in places(coarse, dice.device))
    kinds = (blob, polygon, figure)
    kind = dice.whole(0, len(kinds), count)
    distance = torch.empty(count, frames, coarse, coarse, device=dice.device)
    for number, shape in enumerate(kinds):
        chosen = (kind == number).nonzero()[:, 0]
        if len(chosen):
            distance[chosen] = shape(dice, len(chosen), frames, x, y)
    distance = F.interpolate(distance, size=(size, size), mode="bilinear", align_corners=False)
    noise = fractal(dice, count, 4, size, dice.uniform(0.4, 0.9, count))
    ragged = dice.log_uniform(0.004, 0.09, count, 1, 1, 1) * dice.chance(0.6, count, 1, 1, 1).float()
    rough = distance + ragged * noise[:, :1]
    soft = dice.log_uniform(1.2, 9.0, count, 1, 1, 1) * (
        1 + dice.uniform(0, 3, count, 1, 1, 1) * noise[:, 1:2].clamp_min(0)
    )
    soft = torch.where(dice.chance(0.55, count, 1, 1, 1), 1.5, soft)
    ramp = (0.5 - rough * (size / 2) / soft).clamp(0, 1)
    alpha = ramp * ramp * (3 - 2 * ramp)
    alpha = alpha * _holes(dice, noise[:, 2:3]) * _veil(dice, noise[:, 3:4])
    return Body(distance, alpha.unsqueeze(2), surface * _shading(dice, distance[:, 0], noise[:, 0]).unsqueeze(1))


def _holes(dice: Dice, noise: Tensor) -> Tensor:
    """1, or for some clips 0 where the noise is high: openings through the body, hard or soft."""
    steep = dice.log_uniform(2, 40, noise.shape[0], 1, 1, 1)
    solid = (0.5 + (dice.uniform(0.7, 1.6, noise.shape[0], 1, 1, 1) - noise) * steep).clamp(0, 1)
    return torch.where(dice.chance(0.22, noise.shape[0], 1, 1, 1), solid, 1.0)


def _veil(dice: Dice, noise: Tensor) -> Tensor:
    """1, or for some clips a cloth that lets light through, in folds."""
    cloth = (
        dice.uniform(0.3, 0.9, noise.shape[0], 1, 1, 1) + dice.uniform(0, 0.35, noise.shape[0], 1, 1, 1) * noise
    ).clamp(0.1, 1)
    return torch.where(dice.chance(0.14, noise.shape[0], 1, 1, 1), cloth, 1.0)


def _shading(dice: Dice, distance: Tensor, noise: Tensor) -> Tensor:
    """Light from one side on a rounded, bumpy body: [B, 1, S, S], about 0.2..2."""
    count = distance.shape[0]
    height = (-distance).clamp_min(0).sqrt() + 0.05 * dice.uniform(0, 1, count, 1, 1) * noise
    slope = torch.stack(torch.gradient(height, dim=(1, 2)), 1) * (distance.shape[-1] / 2)
    angle = dice.uniform(0, 2 * math.pi, count, 1)
    light = torch.cat((angle.cos(), angle.sin()), 1)[:, :, None, None]
    strength = dice.uniform(0, 0.6, count, 1, 1, 1)
    return (1 + strength * (slope.clamp(-2, 2) * light).sum(1, keepdim=True)).clamp(0.15, 2.5)


def fur(dice: Dice, body: Body, clips: Tensor) -> Curves:
    """Strands that grow from the rims of the bodies of `clips`: fur, long hair or twigs, curled and clumped."""
    count, number, steps = len(clips), 420, 18
    size = body.distance.shape[-1]
    distance = body.distance[clips, 0]
    depth = dice.log_uniform(0.03, 0.3, count, 1, 1)
    likely = torch.exp(-(distance / depth).square()) * (distance < 0.02) + 1e-9
    root = torch.multinomial(likely.flatten(1), number, replacement=True, generator=dice.generator)
    slope = torch.stack(torch.gradient(distance, dim=(2, 1)), 1).flatten(2)
    out = F.normalize(slope.gather(2, root.unsqueeze(1).expand(-1, 2, -1)), dim=1).transpose(1, 2)
    start = torch.stack((root % size, torch.div(root, size, rounding_mode="floor")), 2) * (2 / size) - 1 + 1 / size
    start = start + dice.uniform(-1, 1, count, number, 2) / size
    twig = dice.chance(0.2, count, 1, 1).float()
    length = dice.log_uniform(0.08, 0.6, count, 1, 1) * dice.uniform(0.5, 1.2, count, number, 1)
    way = torch.linspace(0, 1, steps, device=dice.device).view(1, 1, -1)
    lean = dice.normal(count, 1, 1) * 0.4 + dice.normal(count, number, 1) * dice.uniform(0.05, 0.6, count, 1, 1)
    curl = dice.normal(count, 1, 1) * 0.6 + dice.normal(count, number, 1) * dice.uniform(0, 0.8, count, 1, 1)
    ripple = (
        dice.uniform(0, 0.25, count, 1, 1)
        * (way * dice.uniform(4, 14, count, 1, 1) + dice.uniform(0, 6, count, number, 1)).sin()
    )
    turn = (lean + curl * way) * (1 - 0.5 * twig) + ripple
    step = length / steps
    across = torch.stack((-out[..., 1], out[..., 0]), 2)
    path = (
        turn.cos().unsqueeze(3) * out.unsqueeze(2) + turn.sin().unsqueeze(3) * across.unsqueeze(2)
    ) * step.unsqueeze(3)
    gravity = dice.uniform(0, 0.5, count, 1, 1) * dice.chance(0.4, count, 1, 1).float()
    path = path + torch.stack((0 * way, way), 3) * (gravity * step).unsqueeze(3)
    points = start.unsqueeze(2) + path.cumsum(2)
    points = _clumped(dice, points, way)
    colour = _strand_colours(dice, body.colour[clips, 0], root, way)
    thick = torch.where(twig > 0, dice.uniform(1.5, 4.0, count, 1, 1), dice.log_uniform(0.35, 1.2, count, 1, 1))
    kept = dice.chance(1, count, number, 1) & ((twig == 0) | dice.chance(0.07, count, number, 1))
    kept = kept & (dice.uniform(0, 1, count, number, 1) < dice.log_uniform(0.15, 1.0, count, 1, 1))
    width = thick * kept * (1 - way * dice.uniform(0.3, 0.95, count, 1, 1))
    sway = (way.square() * dice.uniform(0, 0.12, count, 1, 1)).unsqueeze(3) * dice.normal(count, 1, 1, 2)
    sway = sway * (1 + 0.4 * dice.normal(count, number, 1, 1))
    flat = torch.cat((points, torch.zeros_like(points[..., :1])), 3)
    return Curves(clips, flat, sway, colour, width, torch.zeros(count, 3, device=dice.device))


def _clumped(dice: Dice, points: Tensor, way: Tensor) -> Tensor:
    """Tips drawn towards those of a neighbour, as wet or combed fur is."""
    count, number = points.shape[:2]
    leaders = points[:, :: max(number // 40, 1)]
    near = torch.cdist(points[:, :, 0], leaders[:, :, 0]).argmin(2)
    led = leaders.gather(1, near[:, :, None, None].expand(-1, -1, *points.shape[2:]))
    pull = dice.uniform(0, 0.9, count, 1, 1) * dice.chance(0.5, count, 1, 1).float() * way
    return torch.lerp(points, led, pull.unsqueeze(3).expand_as(points))


def _strand_colours(dice: Dice, surface: Tensor, root: Tensor, way: Tensor) -> Tensor:
    """The skin's colour at the root, or the clip's own hair colour, lighter or darker towards the tip."""
    count, number = root.shape
    skin = surface.flatten(2).gather(2, root.unsqueeze(1).expand(-1, 3, -1)).transpose(1, 2)
    own = dice.log_uniform(0.02, 0.8, count, 1, 3) * torch.ones_like(skin)
    mixed = torch.where(dice.chance(0.3, count, 1, 1), own, skin) * dice.log_uniform(0.6, 1.6, count, number, 1)
    ramp = 1 + way * dice.uniform(-0.5, 0.8, count, 1, 1)
    return mixed.unsqueeze(2) * ramp.unsqueeze(3).expand(-1, number, -1, -1)


def cages(dice: Dice, clips: Tensor) -> Curves:
    """Wire cages, nets and lattices in space that turn: edges between near points on an ellipsoid or a plane."""
    count, corners, degree, steps = len(clips), 24, 3, 40
    points = F.normalize(dice.normal(count, corners, 3), dim=2) * dice.uniform(0.6, 0.95, count, 1, 1)
    for _ in range(8):  # corners push each other apart, until they are spread evenly
        away = points.unsqueeze(2) - points.unsqueeze(1)
        points = F.normalize(
            points + 0.05 * (away / (away.square().sum(3, keepdim=True) + 0.05)).sum(2), dim=2
        ) * points.norm(dim=2, keepdim=True)
    flat = dice.chance(0.25, count, 1).float()
    points = points * torch.stack((1 + 0 * flat, 1 + 0 * flat, 1 - flat), 2) * dice.uniform(0.5, 1, count, 1, 3)
    near = torch.cdist(points, points).topk(degree + 1, dim=2, largest=False).indices[:, :, 1:]
    a = points.unsqueeze(2).expand(-1, -1, degree, -1).flatten(1, 2)
    b = points.gather(1, near.flatten(1).unsqueeze(2).expand(-1, -1, 3))
    way = torch.linspace(0, 1, steps, device=dice.device).view(1, 1, -1, 1)
    edges = torch.lerp(a.unsqueeze(2), b.unsqueeze(2), way.expand(count, a.shape[1], -1, 3))
    width = dice.log_uniform(1.0, 4.0, count, 1, 1).expand(-1, a.shape[1], steps)
    base = dice.log_uniform(0.03, 0.9, count, 1, 1, 1) * (0.7 + 0.3 * dice.uniform(0, 1, count, 1, 1, 3))
    colour = base * dice.log_uniform(0.5, 2.0, count, a.shape[1], 1, 1) * (1 + 0.5 * edges[..., 2:3])
    colour = colour.expand(-1, -1, steps, -1)
    spin = dice.normal(count, 3) * dice.log_uniform(0.02, 0.2, count, 1)
    return Curves(clips, edges, torch.zeros_like(edges[..., :2]), colour, width, spin)
