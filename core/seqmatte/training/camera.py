"""What a camera and a codec make of light: grain, the shot's encoding, compression."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from seqmatte.encoding import HIGHEST_TOP
from seqmatte.training.guides_drawn import blurred
from seqmatte.training.textures import Dice


def with_grain(dice: Dice, light: Tensor) -> Tensor:
    """Photon and read noise in scene-linear light; coarse grain in a third of the clips."""
    count = light.shape[0]
    shot = dice.log_uniform(1e-6, 1.5e-3, count, 1, 1, 1, 1)
    read = dice.log_uniform(1e-4, 8e-3, count, 1, 1, 1, 1)
    noise = torch.randn(light.shape, generator=dice.generator, device=dice.device)
    coarse = blurred(noise.flatten(0, 1), 1).view_as(light) * 2.2
    noise = torch.where(dice.chance(0.3, count, 1, 1, 1, 1), coarse, noise)
    return light + noise * (shot * light.clamp_min(0) + read.square()).sqrt()


def encoding_constants(dice: Dice, light: Tensor) -> Tensor:
    """Knee and top of each shot's encoding, [B, 2], as `encoding.choose` finds them; some shoulders are needless."""
    extreme = light.amax(2).flatten(1)[:, ::7].quantile(0.9995, dim=1)
    generous = dice.chance(0.1, len(light))
    found = []
    for top, more in zip(extreme.tolist(), generous.tolist(), strict=True):
        above = min(2.0 ** math.ceil(math.log2(max(top, 2.0))), HIGHEST_TOP)
        found.append((1.0, 1.0) if top <= 1.0 and not more else (0.5, above))
    return torch.tensor(found)


def compressed(dice: Dice, plate: Tensor) -> Tensor:
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
