"""Guided up-sampling: a coarse matte made fine by the picture it belongs to (He et al., Guided Image Filtering).

A box filter's moments of the coarse picture X and coarse result Y give, in each window, the line Y = A X + b;
A and b are resized and applied to the full picture.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqmatte.networks.blocks import resized


class DeepGuidedFilter(nn.Module):
    """The guided filter with a learnt box and a learnt slope (Wu et al., Fast End-to-End Trainable Guided Filter).

    The box filter is a parameter: released weights hold values near 1/9, not exactly 1/9.
    """

    def __init__(self, hidden: int = 16) -> None:
        super().__init__()
        self.box_filter = nn.Conv2d(4, 4, 3, padding=1, bias=False, groups=4)
        nn.init.constant_(self.box_filter.weight, 1 / 9)
        self.conv = nn.Sequential(
            nn.Conv2d(2 * 4 + hidden, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, 4, 1),
        )

    def forward(
        self, plate: Tensor, small: Tensor, residual: Tensor, alpha: Tensor, hidden: Tensor
    ) -> tuple[Tensor, Tensor]:
        """plate: [N, 3, H, W]; small, residual, alpha, hidden: 3, 3, 1 and 16 channels at the coarse size.

        Gives the foreground residual [N, 3, H, W] and alpha [N, 1, H, W], neither clamped.
        """
        x, y = _with_mean(small), torch.cat((residual, alpha), 1)
        mean_x, mean_y = self.box_filter(x), self.box_filter(y)
        covariance = self.box_filter(x * y) - mean_x * mean_y
        variance = self.box_filter(x * x) - mean_x * mean_x
        slope = self.conv(torch.cat((covariance, variance, hidden), 1))
        return _applied(slope, mean_y - slope * mean_x, plate)


class FastGuidedFilter(nn.Module):
    """The guided filter without parameters (He and Sun, Fast Guided Filter), window 3x3, epsilon 1e-5."""

    epsilon = 1e-5

    def forward(
        self, plate: Tensor, small: Tensor, residual: Tensor, alpha: Tensor, hidden: Tensor
    ) -> tuple[Tensor, Tensor]:
        """As DeepGuidedFilter; `hidden` is not read."""
        x, y = _with_mean(small), torch.cat((residual, alpha), 1)
        mean_x, mean_y = _box(x), _box(y)
        covariance = _box(x * y) - mean_x * mean_y
        variance = _box(x * x) - mean_x * mean_x
        slope = covariance / (variance + self.epsilon)
        return _applied(slope, mean_y - slope * mean_x, plate)


def _with_mean(picture: Tensor) -> Tensor:
    return torch.cat((picture, picture.mean(1, keepdim=True)), 1)


def _box(x: Tensor) -> Tensor:
    # Always by 9: pixels beyond the border count as zeros, as in the published filter.
    return F.avg_pool2d(x, 3, 1, 1, count_include_pad=True)


def _applied(slope: Tensor, offset: Tensor, plate: Tensor) -> tuple[Tensor, Tensor]:
    fine = resized(slope, plate) * _with_mean(plate) + resized(offset, plate)
    return fine[:, :3], fine[:, 3:]
