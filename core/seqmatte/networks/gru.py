"""Recurrent cells over feature maps. The hidden state comes in and goes out; a missing one is zeros."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqmatte.networks.blocks import conv3


class ConvGRU(nn.Module):
    """A gated recurrent unit whose weights are 3x3 convolutions (RVM, equations 1 to 4 of section 3.2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.ih = nn.Sequential(conv3(2 * channels, 2 * channels), nn.Sigmoid())
        self.hh = nn.Sequential(conv3(2 * channels, channels), nn.Tanh())

    def step(self, x: Tensor, hidden: Tensor) -> Tensor:
        """The next hidden state, which is also the output: all [B, channels, h, w]."""
        # The gates' order in the published weights: reset first, then update.
        reset, update = self.ih(torch.cat((x, hidden), 1)).chunk(2, 1)
        candidate = self.hh(torch.cat((x, reset * hidden), 1))
        following: Tensor = (1 - update) * hidden + update * candidate
        return following

    def forward(self, clip: Tensor, hidden: Tensor | None) -> tuple[Tensor, Tensor]:
        """Outputs of all frames, [B, T, channels, h, w], and the hidden state after the last."""
        hidden = torch.zeros_like(clip[:, 0]) if hidden is None else hidden
        outputs = []
        for x in clip.unbind(1):
            hidden = self.step(x, hidden)
            outputs.append(hidden)
        return torch.stack(outputs, 1), hidden


class SeparableGRU(nn.Module):
    """A gated recurrent unit along one axis (RAFT's separable GRU): kernel (1, 5) or (5, 1)."""

    def __init__(self, hidden: int, into: int, kernel: tuple[int, int]) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2)
        self.z = nn.Conv2d(hidden + into, hidden, kernel, padding=padding)
        self.r = nn.Conv2d(hidden + into, hidden, kernel, padding=padding)
        self.h = nn.Conv2d(hidden + into, hidden, kernel, padding=padding)

    def forward(self, hidden: Tensor, x: Tensor) -> Tensor:
        """The next hidden state, [B, hidden, h, w]."""
        both = torch.cat((hidden, x), 1)
        update, reset = torch.sigmoid(self.z(both)), torch.sigmoid(self.r(both))
        candidate = torch.tanh(self.h(torch.cat((reset * hidden, x), 1)))
        following: Tensor = (1 - update) * hidden + update * candidate
        return following
