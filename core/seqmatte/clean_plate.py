"""Foreground and background of a soft edge where the set without the subject is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqmatte.foreground import least_light

if TYPE_CHECKING:
    from torch import Tensor

# Relative difference at which a clean plate is believed to a third.
_CLEAN_OFF = 0.1


def with_clean_plate(
    plate: Tensor, alpha: Tensor, foreground: Tensor, background: Tensor, clean: Tensor, trust: float
) -> tuple[Tensor, Tensor]:
    """F and B when the background is known, each 3 x H x W.

    clean: 3 x H x W, the set without the subject, in the plate's light. It is believed as far as it agrees with the
    plate where alpha is 0 near by: a clean plate shot a little brighter or from beside would tint the edge.
    """
    import torch

    belief = trust * _agreement(plate, alpha, clean)
    soft = (alpha > 0) & (alpha < 1)
    background = torch.where(soft, torch.lerp(background, clean, belief.expand_as(clean)), background)
    # F follows from the equation where alpha is large enough to divide by.
    divisor = alpha.clamp_min(1e-3)
    direct = torch.maximum((plate - (1 - alpha) * background) / divisor, least_light(plate))
    sure = belief * ((alpha - 0.1) / 0.4).clamp(0, 1)
    foreground = torch.where(soft, torch.lerp(foreground, direct, sure.expand_as(direct)), foreground)
    return foreground, background


def _agreement(plate: Tensor, alpha: Tensor, clean: Tensor) -> Tensor:
    """1 x H x W, 0..1: how alike plate and clean plate are where alpha is 0, within about 30 pixels."""
    import torch
    import torch.nn.functional as F

    def near(x: Tensor, reach: int) -> Tensor:
        return F.avg_pool2d(x[None], 2 * reach + 1, 1, reach, count_include_pad=False)[0]

    bare = (alpha <= 0).to(plate.dtype)[None]
    # Means of a few pixels, so that grain does not count as a difference.
    off = near((plate - clean) * bare, 2).abs().mean(0, keepdim=True)
    level = near(clean.abs().mean(0, keepdim=True) * bare, 2) + 0.02 * near(bare, 2)
    small = [F.avg_pool2d(x[None], 4, ceil_mode=True)[0] for x in (off, level)]
    off, level = (F.interpolate(near(x, 7)[None], alpha.shape, mode="nearest")[0] for x in small)
    return torch.exp(-((off / (_CLEAN_OFF * level).clamp_min(1e-9)) ** 2)) * (level > 0)
