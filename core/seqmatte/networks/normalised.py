"""Convolutions whose weight is normalised each time it is used: by its largest singular value, or by its spread."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class _Spectrum(nn.Module):
    """A raw weight and the pair of vectors that estimate its largest singular value.

    The vectors are parameters without gradient, so that a state_dict holds them under the published names.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        rows = weight.flatten(1)
        self.weight_u = nn.Parameter(F.normalize(torch.randn(rows.shape[0]), dim=0), requires_grad=False)
        self.weight_v = nn.Parameter(F.normalize(torch.randn(rows.shape[1]), dim=0), requires_grad=False)
        self.weight_bar = nn.Parameter(weight)
        for _ in range(5):
            self.turn()

    @torch.no_grad()
    def turn(self) -> None:
        """One power iteration, which turns both vectors towards the largest singular value's."""
        rows = self.weight_bar.flatten(1)
        v = rows.t() @ self.weight_u
        self.weight_v.copy_(v / (v.norm() + 1e-12))
        u = rows @ self.weight_v
        self.weight_u.copy_(u / (u.norm() + 1e-12))

    def forward(self) -> Tensor:
        """The weight over its estimated largest singular value; gradient through the raw weight only."""
        if self.training:
            self.turn()
        # Copies, because a later call of the same pass turns the vectors in place.
        u, v = self.weight_u.clone(), self.weight_v.clone()
        # Written as sums, which autocast leaves in float32, as the estimate needs.
        return self.weight_bar / (u * (self.weight_bar.flatten(1) * v).sum(1)).sum()


class SpectralConv(nn.Module):
    """A convolution without bias under spectral norm (Miyato et al., ICLR 2018, algorithm 1).

    In training each forward takes one power iteration; in evaluation the stored vectors are used as they are.
    The estimate flattens a transposed convolution's weight by its input channels, as the public weights do.
    """

    def __init__(self, into: int, out: int, kernel: int, stride: int = 1, padding: int = 0) -> None:
        super().__init__()
        self.stride, self.padding = stride, padding
        self.module = _Spectrum(_fresh(self._shape(into, out, kernel)))

    @staticmethod
    def _shape(into: int, out: int, kernel: int) -> tuple[int, int, int, int]:
        return out, into, kernel, kernel

    def forward(self, x: Tensor) -> Tensor:
        """[N, into, H, W] -> [N, out, H', W'] as a convolution gives it."""
        return F.conv2d(x, self.module(), stride=self.stride, padding=self.padding)


class SpectralUpConv(SpectralConv):
    """The same for a transposed convolution."""

    @staticmethod
    def _shape(into: int, out: int, kernel: int) -> tuple[int, int, int, int]:
        return into, out, kernel, kernel

    def forward(self, x: Tensor) -> Tensor:
        """[N, into, H, W] -> [N, out, H', W'] as a transposed convolution gives it."""
        return F.conv_transpose2d(x, self.module(), stride=self.stride, padding=self.padding)


def _fresh(shape: tuple[int, int, int, int]) -> Tensor:
    weight = torch.empty(shape)
    nn.init.kaiming_uniform_(weight, a=math.sqrt(5))
    return weight


class StandardisedConv(nn.Conv2d):
    """A convolution whose weight has zero mean and unit deviation per output channel (Qiao et al., 2019).

    Two published forms load the same weights. "2020", which FBA's were trained with, divides by the unbiased
    deviation plus 1e-5; "current" by the root of the biased variance plus 1e-5. Neither touches the parameter.
    """

    form = "2020"

    def standardised(self) -> Tensor:
        """The weight as it is used: shape of the parameter; worked out in float32 at least."""
        wide = self.weight.float() if self.weight.dtype in (torch.float16, torch.bfloat16) else self.weight
        flat = wide.flatten(1)
        flat = flat - flat.mean(dim=1, keepdim=True)
        if self.form == "2020":
            deviation = torch.sqrt(flat.var(dim=1, keepdim=True) + 1e-12) + 1e-5
        else:
            deviation = torch.sqrt(flat.var(dim=1, keepdim=True, unbiased=False) + 1e-5)
        return (flat / deviation).view_as(wide).to(self.weight.dtype)

    def forward(self, x: Tensor) -> Tensor:
        """[N, into, H, W] -> [N, out, H', W']."""
        return F.conv2d(x, self.standardised(), self.bias, self.stride, self.padding, self.dilation, self.groups)
