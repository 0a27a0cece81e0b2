"""Surfaces with the statistics of nature, in scene-linear light, drawn in batches from a seed."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


class Dice:
    """All chance of a batch of scenes: one generator on one device, so that a seed is a batch."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self.device = device
        self.generator = torch.Generator(device).manual_seed(seed)

    def apart(self, number: int) -> Dice:
        """Other dice of the same seed: what is drawn from them changes nothing of what is drawn from these."""
        # A CPU's generator heeds the lowest 32 bits of a seed alone.
        return Dice((self.generator.initial_seed() + (1 + number) * 1_000_000_007) % 2**32, self.device)

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=self.generator, device=self.device)

    def log_uniform(self, low: float, high: float, *shape: int) -> Tensor:
        return self.uniform(math.log(low), math.log(high), *shape).exp()

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.generator, device=self.device)

    def chance(self, probability: float, *shape: int) -> Tensor:
        """True with the probability given."""
        return torch.rand(shape, generator=self.generator, device=self.device) < probability

    def whole(self, low: int, high: int, *shape: int) -> Tensor:
        """Whole numbers from low to high - 1."""
        return torch.randint(low, high, shape, generator=self.generator, device=self.device)

    def number(self, low: int, high: int) -> int:
        return int(self.whole(low, high, 1).item())


def fractal(dice: Dice, count: int, channels: int, size: int, roughness: Tensor) -> Tensor:
    """Noise of several octaves, about -1..1, [count, channels, size, size].

    roughness [count], 0..1: how much of an octave's strength the next finer one has (0.5 is nature's 1/f).
    """
    total = torch.zeros(count, channels, size, size, device=dice.device)
    weight = torch.ones(count, 1, 1, 1, device=dice.device)
    norm = torch.zeros_like(weight)
    grid = dice.number(2, 5)
    while grid < size:
        octave = F.interpolate(dice.normal(count, channels, grid, grid), size=(size, size), mode="bilinear")
        total += weight * octave
        norm += weight.square()
        weight = weight * roughness.view(-1, 1, 1, 1)
        grid = grid * 2 + 1
    return total / norm.sqrt()


def places(size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """x and y of pixel centres, -1..1, [1, size, size] each."""
    line = (torch.arange(size, device=device) + 0.5) * (2 / size) - 1
    y, x = torch.meshgrid(line, line, indexing="ij")
    return x.unsqueeze(0), y.unsqueeze(0)


def palette(dice: Dice, count: int, colours: int) -> Tensor:
    """Colours that belong together, scene-linear, [count, colours, 3]: one hue or several, from dark to light."""
    own = dice.uniform(0, 1, count, colours, 3)
    shared = dice.uniform(0, 1, count, 1, 3)
    kinship = dice.uniform(0, 1, count, 1, 1)
    hue = shared * kinship + own * (1 - kinship)
    saturation = dice.uniform(0, 1, count, 1, 1)
    hue = hue * saturation + hue.mean(2, keepdim=True) * (1 - saturation)
    level = dice.log_uniform(0.05, 0.8, count, 1, 1) * dice.log_uniform(0.35, 2.5, count, colours, 1)
    return (hue / hue.amax(2, keepdim=True).clamp_min(1e-3) * level).clamp(0.003, 1.0)


def _turned(dice: Dice, count: int, size: int, wobble: Tensor) -> tuple[Tensor, Tensor]:
    """Coordinates turned at random and pushed about by noise, [count, size, size] each."""
    x, y = places(size, dice.device)
    angle = dice.uniform(0, 2 * math.pi, count, 1, 1)
    push = fractal(dice, count, 2, size, torch.full((count,), 0.45, device=dice.device)) * wobble.view(-1, 1, 1, 1)
    u = x * angle.cos() - y * angle.sin() + push[:, 0]
    v = x * angle.sin() + y * angle.cos() + push[:, 1]
    return u, v


def _graded(value: Tensor, colours: Tensor) -> Tensor:
    """Colours along a value 0..1: [n, H, W] and [n, K, 3] to [n, 3, H, W], straight lines between colours."""
    steps = colours.shape[1] - 1
    place = value.clamp(0, 1) * steps
    weights = (
        1 - (place.unsqueeze(1) - torch.arange(steps + 1, device=value.device).view(1, -1, 1, 1)).abs()
    ).clamp_min(0)
    return torch.einsum("nkhw,nkc->nchw", weights, colours)


def clouds(dice: Dice, count: int, size: int) -> Tensor:
    """Fractal noise through a palette: stone, foliage, skin, cloth."""
    noise = fractal(dice, count, 1, size, dice.uniform(0.35, 0.85, count))[:, 0]
    sharp = dice.log_uniform(0.3, 3.0, count, 1, 1)
    return _graded(0.5 + 0.4 * torch.tanh(noise * sharp), palette(dice, count, 4))


def leaves(dice: Dice, count: int, size: int, number: int = 28) -> Tensor:
    """Dead leaves: opaque shapes that cover each other, each with its colour and its shade."""
    x, y = places(size, dice.device)
    picture = palette(dice, count, 1)[:, 0, :, None, None].expand(-1, -1, size, size)
    colours = palette(dice, count, number)
    radius = dice.log_uniform(0.08, 0.8, count, number)
    for leaf in range(number):
        angle = dice.uniform(0, math.pi, count, 1, 1)
        u, v = x - dice.uniform(-1.1, 1.1, count, 1, 1), y - dice.uniform(-1.1, 1.1, count, 1, 1)
        u, v = u * angle.cos() - v * angle.sin(), u * angle.sin() + v * angle.cos()
        stretch = dice.log_uniform(0.3, 1.0, count, 1, 1)
        power = 2.0 if leaf % 2 else 8.0  # discs and boxes
        inside = ((u.abs()) ** power + (v.abs() / stretch) ** power) ** (1 / power)
        edge = ((radius[:, leaf, None, None] - inside) * size / 3).clamp(0, 1).unsqueeze(1)
        shade = (1 + dice.uniform(-0.6, 0.6, count, 1, 1) * u / radius[:, leaf, None, None]).clamp(0.3, 1.7)
        picture = picture + edge * (colours[:, leaf, :, None, None] * shade.unsqueeze(1) - picture)
    return picture


def stripes(dice: Dice, count: int, size: int) -> Tensor:
    """Stripes and checks on cloth that is not flat."""
    u, v = _turned(dice, count, size, dice.log_uniform(0.01, 0.2, count))
    rate = dice.log_uniform(4, 40, count, 1, 1)
    hard = dice.log_uniform(1, 12, count, 1, 1)
    wave = torch.tanh((u * rate).sin() * hard)
    across = torch.tanh((v * rate * dice.log_uniform(0.5, 2, count, 1, 1)).sin() * hard)
    checked = dice.chance(0.4, count, 1, 1).float()
    return _graded(0.5 + 0.25 * wave + 0.25 * (checked * across + (1 - checked) * wave), palette(dice, count, 3))


def prints(dice: Dice, count: int, size: int) -> Tensor:
    """Dots, bricks and glyph-like marks in a grid."""
    u, v = _turned(dice, count, size, dice.log_uniform(0.005, 0.1, count))
    rate = dice.log_uniform(2, 12, count, 1, 1)
    row = (v * rate).floor()
    a, b = (u * rate + 0.5 * (row % 2)) % 1 - 0.5, (v * rate) % 1 - 0.5
    chaos = ((u * rate).floor() * 12.9898 + row * 78.233).sin() * 43758.5453 % 1
    box = torch.maximum(a.abs(), b.abs() * 1.5)
    ring = ((a.square() + b.square()).sqrt() - 0.25).abs() + 0.2
    mark = torch.where(chaos > 0.5, box, ring)
    ink = ((0.36 - mark) * size / rate / 2).clamp(0, 1)
    return _graded(ink * (0.4 + 0.6 * chaos), palette(dice, count, 4))


def gradients(dice: Dice, count: int, size: int) -> Tensor:
    """Skies, walls, studio backings: next to nothing on them."""
    u, v = _turned(dice, count, size, dice.log_uniform(0.005, 0.15, count))
    return _graded(0.5 + 0.35 * u + 0.1 * v.square(), palette(dice, count, 3))


def cells(dice: Dice, count: int, size: int, number: int = 24) -> Tensor:
    """Pebbles and cracks: the nearest of scattered points, darker towards the seams."""
    u, v = _turned(dice, count, size, dice.log_uniform(0.02, 0.15, count))
    first = torch.full_like(u, 9.0)
    second, owner = first.clone(), torch.zeros_like(u, dtype=torch.long)
    points = dice.uniform(-1.4, 1.4, count, number, 2)
    for point in range(number):
        far = (u - points[:, point, 0, None, None]).square() + (v - points[:, point, 1, None, None]).square()
        nearer = far < first
        second = torch.where(nearer, first, torch.minimum(second, far))
        owner = torch.where(nearer, point, owner)
        first = torch.minimum(first, far)
    colours = palette(dice, count, number)
    picked = colours.gather(1, owner.flatten(1).unsqueeze(2).expand(-1, -1, 3))
    filled = picked.transpose(1, 2).reshape(count, 3, size, size)
    seam = ((second.sqrt() - first.sqrt()) * 8).clamp(0.15, 1).unsqueeze(1)
    return filled * seam


Painter = Callable[[Dice, int, int], Tensor]
PAINTERS: tuple[Painter, ...] = (clouds, leaves, stripes, prints, gradients, cells)
_SHARES = (0.34, 0.24, 0.1, 0.1, 0.12, 0.1)


def paint(dice: Dice, count: int, size: int) -> Tensor:
    """`count` surfaces [count, 3, size, size], scene-linear, 0..1, of all kinds and of blends of two."""
    bounds = torch.tensor(_SHARES, device=dice.device).cumsum(0)
    kind = (dice.uniform(0, 1, count, 1) > bounds[:-1]).sum(1)
    picture = torch.empty(count, 3, size, size, device=dice.device)
    for number, painter in enumerate(PAINTERS):
        chosen = (kind == number).nonzero()[:, 0]
        if len(chosen):
            picture[chosen] = painter(dice, len(chosen), size)
    where = fractal(dice, count, 2, size, dice.uniform(0.3, 0.7, count))
    other = picture.roll(1, 0).flip(3)
    blend = ((where[:, :1] - 0.3) * 6).clamp(0, 1) * dice.chance(0.25, count, 1, 1, 1).float()
    detail = (0.25 * where[:, 1:] * dice.uniform(0, 1, count, 1, 1, 1)).exp()
    return (torch.lerp(picture, other, blend) * detail).clamp(0.001, 1.2)
