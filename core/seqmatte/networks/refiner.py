"""A light network that mends a coarse alpha at full resolution inside its unknown band. Trained by us.

Two scales only (1/2 and 1/4), so that any tile with MARGIN pixels around it gives what the whole picture gives. The
output is the coarse alpha plus a correction, and outside the band the coarse alpha itself.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STRIDE = 4
MARGIN = 56


class Refiner(nn.Module):
    """plate [N, 3, H, W] encoded, alpha and band [N, 1, H, W] in 0..1, H and W multiples of 4: alpha [N, 1, H, W].

    band: 1 where alpha may change. No norms: each pixel depends on its surroundings alone.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        wide = width * 2
        self.enter = nn.Sequential(_conv(20, width), _conv(width, width))
        self.down = _conv(width, wide, 2)
        self.deep = nn.ModuleList([nn.Sequential(_conv(wide, wide), _conv(wide, wide, rate=2)) for _ in range(3)])
        self.up = _conv(wide + width, width)
        self.leave = nn.Sequential(_conv(width, width), nn.Conv2d(width, 4, 3, 1, 1))
        last = self.leave[1]
        assert isinstance(last, nn.Conv2d) and last.bias is not None
        nn.init.normal_(last.weight, std=1e-3)
        nn.init.zeros_(last.bias)

    def forward(self, plate: Tensor, alpha: Tensor, band: Tensor) -> Tensor:
        inputs = torch.cat((plate * 2 - 1, alpha * 2 - 1, band), 1)
        fine = self.enter(F.pixel_unshuffle(inputs, 2))
        deep = self.down(fine)
        for block in self.deep:
            deep = deep + block(deep)
        back = F.interpolate(deep, size=fine.shape[-2:], mode="bilinear", align_corners=False)
        change = F.pixel_shuffle(self.leave(fine + self.up(torch.cat((back, fine), 1))), 2)
        return (alpha + band * change.float()).clamp(0, 1)


def _conv(inside: int, outside: int, stride: int = 1, rate: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inside, outside, 3, stride, rate, rate), nn.LeakyReLU(0.1, inplace=True))


def build(width: int = 32) -> Refiner:
    """The shipped refiner, or one of another width."""
    return Refiner(width)
