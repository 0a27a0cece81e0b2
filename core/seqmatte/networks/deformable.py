"""Deformable convolution from parts that every device and runtime has."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class DeformableConv(nn.Module):
    """A 3x3 convolution whose taps move and are weighed by what a second input says (DCNv2, Zhu et al., 2019).

    groups: channels are split in so many, each with its own moves. Keys and layout are those of the public
    extension `DCNv2Pack`: offset channel 2(9g + k) is dy, the next dx, of group g and tap k, row by row.
    """

    def __init__(self, channels: int, groups: int = 8) -> None:
        super().__init__()
        self.groups = groups
        self.weight = nn.Parameter(torch.empty(channels, channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.conv_offset_mask = nn.Conv2d(channels, groups * 27, 3, padding=1)
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        # It begins as a plain convolution at half strength, as its authors begin it.
        nn.init.zeros_(self.conv_offset_mask.weight)
        nn.init.zeros_(self.conv_offset_mask.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, moves: Tensor) -> Tensor:
        """x and what decides its moves, both [N, C, H, W] -> [N, C, H, W]; outside the frame is zero."""
        batch, channels, height, width = x.shape
        rows, columns, shares = self.conv_offset_mask(moves).chunk(3, 1)
        shifts = torch.cat((rows, columns), 1).reshape(batch * self.groups, 9, 2, height, width)
        shares = torch.sigmoid(shares).reshape(batch * self.groups, 9, 1, height, width)
        split = x.reshape(batch * self.groups, channels // self.groups, height, width)
        total = self.bias.view(1, -1, 1, 1)
        for tap in range(9):
            moved = sampled(split, shifts[:, tap, 0] + (tap // 3 - 1), shifts[:, tap, 1] + (tap % 3 - 1))
            weighed = (moved * shares[:, tap]).reshape(batch, channels, height, width)
            total = total + F.conv2d(weighed, self.weight[:, :, tap // 3, tap % 3, None, None])
        return total


def sampled(x: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """x, [N, C, H, W], bilinearly at each pixel moved by down, across ([N, H, W], pixels); zero outside."""
    height, width = x.shape[-2:]
    row = torch.arange(height, device=x.device, dtype=x.dtype)[:, None] + down
    column = torch.arange(width, device=x.device, dtype=x.dtype)[None] + across
    # With corners aligned, -1..1 runs from the first pixel's centre to the last one's.
    grid = torch.stack((2 * column / (width - 1) - 1, 2 * row / (height - 1) - 1), -1)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=True)
