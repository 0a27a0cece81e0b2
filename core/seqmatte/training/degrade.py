"""True alphas spoilt the way our own coarse methods spoil them, so that the refiner learns what it will meet."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from seqmatte.training.guides_drawn import blurred, grown
from seqmatte.training.textures import Dice


def coarse_alpha(truth: Tensor, plate: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """A coarse alpha and the band it may be changed in, [N, 1, H, W] each, from the truth and the encoded plate.

    One of: pushed about and smeared as flow does; low in resolution as a small network's output; grown, shrunk and
    ramped as a mask's soft edge; leaking along the plate's own tones as closed form does. The band is where the
    coarse alpha or the truth is soft or they differ, grown at random; a few bands cover everything, and in some the
    coarse alpha is 0.5 throughout.
    """
    dice = Dice(seed + 77_000_000, truth.device)
    count = truth.shape[0]
    ways = torch.stack([_pushed(dice, truth), _small(dice, truth), _ramped(dice, truth), _leaking(dice, truth, plate)])
    coarse = ways[dice.whole(0, len(ways), count), torch.arange(count, device=truth.device)]
    mixed = torch.where(dice.chance(0.3, count, 1, 1, 1), _small(dice, coarse), coarse)
    flat = dice.chance(0.1, count, 1, 1, 1)  # a trimap and nothing more
    soft = ((truth > 0.01) & (truth < 0.99) | ((mixed - truth).abs() > 0.03)).float()
    rim = ((mixed > 0.03) & (mixed < 0.97)).float()
    radii = (dice.number(1, 4), dice.number(3, 9))
    band = torch.where(
        dice.chance(0.5, count, 1, 1, 1), grown(soft, radii[0]), grown(torch.maximum(soft, rim), radii[1])
    )
    # Most bands are closed, or their outline would tell where the strands are.
    band = torch.where(dice.chance(0.7, count, 1, 1, 1), grown(grown(band, 6), -6), band)
    # A band that covers everything says nothing of the subject, so the guess must.
    band = torch.where(dice.chance(0.05, count, 1, 1, 1) & ~flat, 1.0, band)
    mixed = torch.where(flat, 0.5, mixed)
    return mixed * band + truth * (1 - band), band


def _pushed(dice: Dice, truth: Tensor) -> Tensor:
    """Moved by up to a few pixels of smooth error and sampled again, twice."""
    count, _, height, width = truth.shape
    line_y = (torch.arange(height, device=truth.device) + 0.5) * (2 / height) - 1
    line_x = (torch.arange(width, device=truth.device) + 0.5) * (2 / width) - 1
    grid = torch.stack(torch.meshgrid(line_y, line_x, indexing="ij")[::-1], 2).unsqueeze(0)
    for _ in range(2):
        push = F.interpolate(dice.normal(count, 2, 12, 12), size=(height, width), mode="bilinear")
        amount = dice.log_uniform(0.1, 1.5, count, 1, 1, 1) * (2 / width)
        truth = F.grid_sample(
            truth, grid + push.permute(0, 2, 3, 1) * amount, padding_mode="border", align_corners=False
        )
    return truth


def _small(dice: Dice, truth: Tensor) -> Tensor:
    """Through a resolution of a half to a sixth."""
    factor = dice.number(2, 7)
    small = F.interpolate(truth, scale_factor=1 / factor, mode="area")
    return F.interpolate(small, size=truth.shape[-2:], mode="bilinear")


def _ramped(dice: Dice, truth: Tensor) -> Tensor:
    """Fine structure lost: half opacity's outline, blurred to a ramp."""
    reach = dice.number(0, 10)
    half = grown(grown((truth > 0.5).float(), reach), -max(reach + dice.number(-3, 4), 0))
    return blurred(half, dice.number(1, 6))


def _leaking(dice: Dice, truth: Tensor, plate: Tensor) -> Tensor:
    """Pulled towards what the plate's brightness would say, in places."""
    tone = plate.mean(1, keepdim=True)
    local = ((tone - blurred(tone, 8)) * dice.uniform(-4, 4, truth.shape[0], 1, 1, 1)).clamp(-0.5, 0.5)
    soft = blurred(((truth > 0.02) & (truth < 0.98)).float(), 2)
    return (truth + local * soft).clamp(0, 1)
