"""Dense fur: thousands of strands finer than a pixel, too many to draw one by one, so grown out of combed noise.

Noise smeared along the way that the fur lies gives strands (a line integral convolution: Cabral and Leedom, "Imaging
Vector Fields Using Line Integral Convolution", 1993); how bright a smear is says how long its strand has grown.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from seqmatte.training.subjects import Body
from seqmatte.training.textures import Dice, fractal, places
from seqmatte.training.turning import renewed

_SHARE = 0.2
_COATS = 3


def pelted(dice: Dice, body: Body, angle: Tensor) -> Body:
    """The bodies, a fifth of them with a pelt: alpha falls in strands from the skin outwards.

    angle [B, T]: how far each has turned; other strands come round as it does.
    """
    clips = dice.chance(_SHARE, body.alpha.shape[0]).nonzero()[:, 0]
    if not len(clips):
        return body
    alpha, colour = _grown(dice, body.distance[clips], body.colour[clips], angle[clips])
    return replace(body, alpha=body.alpha.index_copy(0, clips, alpha), colour=body.colour.index_copy(0, clips, colour))


def _grown(dice: Dice, distance: Tensor, surface: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    """Alpha [N, T, 1, S, S] and colour [N, T, 3, S, S] of fur over bodies of such a distance [N, T, S, S].

    A strand of length h covers a place as far from the skin as s where h > s; lengths are even over 0..depth, so that
    a coat's mean coverage falls in a straight line.
    """
    count, _, size, _ = distance.shape
    depth = dice.log_uniform(0.06, 0.4, count, 1, 1, 1) * _patches(dice, count, size)
    length = (depth.amax((1, 2, 3)) * size / 2).clamp_min(2)
    lie = _lie(dice, distance[:, :1])
    strands = combed(dice.normal(count, _COATS + 1, size, size), lie, length).unsqueeze(1)
    if angle.any():
        other = combed(dice.apart(0).normal(count, _COATS + 1, size, size), lie, length)
        strands = renewed(strands[:, 0], other, angle)
    long = 0.5 * (1 + torch.erf(strands / math.sqrt(2)))
    fine = dice.uniform(0.15, 1.0, count, 1, 1, 1)  # many strands in a pixel come near to their mean
    far = 1 + distance / depth  # 0 at the skin, 1 at the tips
    bare = torch.ones_like(far)
    for coat in range(_COATS):
        sharp = (0.5 + (long[:, :, coat] - far) * (3 + 12 * fine)).clamp(0, 1)
        bare = bare * (1 - torch.lerp((1 - far).clamp(0, 1), sharp, fine)).pow(2 / _COATS)
    tips = dice.uniform(-0.5, 1.0, count, 1, 1, 1) * far[:, :1].clamp(0, 1)
    shade = (strands[:, :, _COATS:] * dice.uniform(0.1, 0.7, count, 1, 1, 1, 1)).exp()
    own = dice.log_uniform(0.02, 0.8, count, 1, 3, 1, 1) * torch.ones_like(surface)
    coloured = torch.where(dice.chance(0.5, count, 1, 1, 1, 1), own, surface)
    return (1 - bare).unsqueeze(2), (coloured * shade * (1 + tips).unsqueeze(2)).clamp(0.001, 2.5)


def _patches(dice: Dice, count: int, size: int) -> Tensor:
    """How long the fur is over the body, [N, 1, S, S], 0.1..1: the same all over, or long here and short there."""
    noise = fractal(dice, count, 1, size, torch.full((count,), 0.3, device=dice.device))
    uneven = dice.chance(0.6, count, 1, 1, 1).float() * dice.uniform(0.2, 1.0, count, 1, 1, 1)
    return 1 - uneven * (0.5 + 0.5 * noise).clamp(0, 0.9)


def _lie(dice: Dice, distance: Tensor) -> Tensor:
    """Which way the fur lies, unit vectors [N, 2, S, S]: out of the skin, combed aside here and there."""
    count, _, size, _ = distance.shape
    smooth = F.interpolate(F.avg_pool2d(distance, 4), size=(size, size), mode="bilinear")
    out = F.normalize(torch.cat(torch.gradient(smooth, dim=(3, 2)), 1) + 1e-6, dim=1)
    aside = fractal(dice, count, 1, size, torch.full((count,), 0.35, device=dice.device))
    angle = aside * dice.uniform(0, 0.9, count, 1, 1, 1) + dice.normal(count, 1, 1, 1) * 0.3
    cos, sin = angle.cos(), angle.sin()
    return torch.cat((out[:, :1] * cos - out[:, 1:] * sin, out[:, :1] * sin + out[:, 1:] * cos), 1)


def combed(noise: Tensor, lie: Tensor, length: Tensor) -> Tensor:
    """Noise [N, C, S, S] smeared along `lie` [N, 2, S, S] over `length` [N] pixels; mean 0, deviation 1 again.

    Each pass joins every place with the one as far off as was joined before: the way doubles with each.
    """
    size = noise.shape[-1]
    x, y = places(size, noise.device)
    here = torch.stack((x, y), 3)
    passes = max(1, math.ceil(math.log2(float(length.max()))))
    way = lie * (length * 2.0**-passes).view(-1, 1, 1, 1) * (2 / size)
    for _ in range(passes):
        grid = here + way.permute(0, 2, 3, 1)
        look = F.grid_sample(torch.cat((noise, way), 1), grid, padding_mode="reflection", align_corners=False)
        noise, way = 0.5 * (noise + look[:, :-2]), way + look[:, -2:]
    return (noise - noise.mean((2, 3), keepdim=True)) / noise.std((2, 3), keepdim=True).clamp_min(1e-6)
