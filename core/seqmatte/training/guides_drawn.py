"""Guides as an artist draws them: coarse, a few pixels off, with a sloppy band, or pulled and noisy."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from seqmatte.networks.hstsg_compact import guide_planes
from seqmatte.training.textures import Dice


def grown(mask: Tensor, radius: int) -> Tensor:
    """The largest value within a square of `radius` pixels; a negative radius shrinks."""
    if radius < 0:
        return -grown(-mask, -radius)
    return F.max_pool2d(mask, 2 * radius + 1, 1, radius) if radius else mask


def blurred(picture: Tensor, radius: int) -> Tensor:
    """Two box blurs, so nearly a Gaussian of `radius` pixels; edges see only real pixels."""
    for _ in range(2):
        picture = F.avg_pool2d(picture, 2 * radius + 1, 1, radius, count_include_pad=False)
    return picture


def mask_of(dice: Dice, alpha: Tensor) -> Tensor:
    """A roto artist's mask [N, 1, H, W], 0/1, from the alpha: closed, straightened, shifted; each clip its own way."""
    count, size = alpha.shape[0], alpha.shape[-2:]
    half = (alpha > 0.5).float()
    reach = dice.number(1, 7)
    closed = grown(grown(half, reach), -reach)
    coarse = F.interpolate(alpha, scale_factor=1 / dice.number(2, 7), mode="area")
    straight = (F.interpolate(coarse, size=size, mode="bilinear") > dice.uniform(0.35, 0.6, count, 1, 1, 1)).float()
    sloppy = F.interpolate(dice.normal(count, 1, 9, 9), size=size, mode="bilinear") * dice.uniform(
        0, 0.2, count, 1, 1, 1
    )
    swept = (blurred(closed, dice.number(1, 5)) + sloppy > dice.uniform(0.35, 0.65, count, 1, 1, 1)).float()
    way = dice.whole(0, 4, count, 1, 1, 1)
    mask = torch.where(way == 0, half, torch.where(way == 1, closed, torch.where(way == 2, straight, swept)))
    shift = (dice.number(-2, 3), dice.number(-2, 3))
    moved = torch.where(dice.chance(0.4, count, 1, 1, 1), mask.roll(shift, (2, 3)), mask)
    return torch.where(moved.sum((1, 2, 3), keepdim=True) < 9, grown((alpha > 0.3).float(), 1), moved)


def trimap_of(dice: Dice, alpha: Tensor) -> Tensor:
    """A trimap [N, 1, H, W] of 0, 0.5 and 1: the soft rim and some pixels more, now and then far more."""
    unknown = ((alpha > 0.02) & (alpha < 0.98)).float()
    radii = (dice.number(1, 4), dice.number(3, 8), dice.number(7, 15))
    which = dice.whole(0, 3, alpha.shape[0], 1, 1, 1)
    band = torch.where(
        which == 0,
        grown(unknown, radii[0]),
        torch.where(which == 1, grown(unknown, radii[1]), grown(unknown, radii[2])),
    )
    return torch.where(band > 0.5, 0.5, alpha.round())


def pulled_of(dice: Dice, alpha: Tensor) -> Tensor:
    """An alpha from a keyer [N, 1, H, W]: right but for grain, a little blur and contrast."""
    count = alpha.shape[0]
    soft = torch.where(dice.chance(0.3, count, 1, 1, 1), blurred(alpha, 1), alpha)
    gain = dice.uniform(1.0, 1.15, count, 1, 1, 1)
    noise = dice.uniform(0, 0.04, count, 1, 1, 1) * torch.randn(
        alpha.shape, generator=dice.generator, device=dice.device
    )
    return ((soft - 0.5) * gain + 0.5 + noise * (alpha > 0).float() * (alpha < 1).float()).clamp(0, 1)


def draw(dice: Dice, alpha: Tensor) -> Tensor:
    """Guide planes [N, 4, H, W] for the network: masks three times in five, else trimaps and pulled alphas."""
    kind = dice.uniform(0, 1, alpha.shape[0], 1, 1, 1)
    mask = guide_planes(mask_of(dice, alpha), "mask")
    trimap = guide_planes(trimap_of(dice, alpha), "trimap")
    pulled = guide_planes(pulled_of(dice, alpha), "alpha")
    return torch.where(kind < 0.62, mask, torch.where(kind < 0.86, trimap, pulled))
