"""What follows a backbone: pyramids that look at several scales at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling (Chen et al., DeepLabV3, section 3.3), as torchvision lays it out.

    Five branches of 256 channels: 1x1, three dilated 3x3 at `rates`, and the whole picture's mean.
    """

    def __init__(self, into: int, rates: Sequence[int]) -> None:
        super().__init__()
        branches = [_branch(into, 1, 1), *(_branch(into, 3, rate) for rate in rates)]
        pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), *_branch(into, 1, 1))
        self.convs = nn.ModuleList([*branches, pooled])
        self.project = nn.Sequential(*_branch(256 * len(self.convs), 1, 1), nn.Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        """x: [N, into, H, W] -> [N, 256, H, W]."""
        branches = [branch(x) for branch in self.convs]
        branches[-1] = branches[-1].expand(-1, -1, *x.shape[-2:])
        projected: Tensor = self.project(torch.cat(branches, 1))
        return projected


class LRASPP(nn.Module):
    """The light pyramid of MobileNetV3 (Howard et al., section 6.4): features weighed by their mean."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.aspp1 = nn.Sequential(nn.Conv2d(into, out, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True))
        self.aspp2 = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(into, out, 1, bias=False), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """x: [N, into, H, W] -> [N, out, H, W]."""
        weighed: Tensor = self.aspp1(x) * self.aspp2(x)
        return weighed


def _branch(into: int, kernel: int, rate: int) -> nn.Sequential:
    padding = rate if kernel == 3 else 0
    conv = nn.Conv2d(into, 256, kernel, padding=padding, dilation=rate if kernel == 3 else 1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(256), nn.ReLU(inplace=True))
