"""Guided contextual attention: unknown regions borrow features from places that look alike in the picture."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Scores above this many are made for a block of queries at a time: 2^24 floats are 64 MiB.
SCORES_AT_ONCE = 1 << 24


class GuidedContextualAttention(nn.Module):
    """Li and Lu, Natural Image Matting via Guided Contextual Attention (AAAI 2020), section 3.2.

    Keys and queries are 3x3 patches of the guidance at half of its size, values 4x4 patches of the feature.
    A patch does not attend to itself where it is unknown; known and unknown patches are weighed by how much
    of the picture is unknown. Heights and widths are even and 4 or more.
    """

    def __init__(self, channels: int = 128) -> None:
        super().__init__()
        self.guidance_conv = nn.Conv2d(channels, channels // 2, 1)
        self.W = nn.Sequential(nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, guidance: Tensor, feature: Tensor, unknown: Tensor) -> Tensor:
        """guidance, feature: [N, C, h, w]; unknown: [N, 1, h, w], 1 where the trimap is -> [N, C, h, w]."""
        borrowed = [self._borrow(*one) for one in zip(*self.keys(guidance, unknown), feature, strict=True)]
        summed: Tensor = self.W(torch.stack(borrowed)) + feature
        return summed

    def keys(self, guidance: Tensor, unknown: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries [N, 9C/2, L], normalised and weighed keys of that shape, what to take off for itself [N, L]."""
        small = self.guidance_conv(guidance)[..., ::2, ::2]
        queries = patches(small, 3, 1)
        length = torch.linalg.vector_norm(queries, dim=1, keepdim=True, dtype=_wide(queries)).clamp_min(1e-4)
        near_unknown = F.max_pool2d(F.pad(unknown[..., ::2, ::2], (1, 1, 1, 1), "reflect"), 3, 1).flatten(1) > 0
        of_unknown, of_known = self.scales(unknown)
        weight = torch.where(near_unknown, of_unknown, of_known)[:, None]
        keys = (queries / length * weight).to(queries.dtype)
        return queries, keys, 1e4 * near_unknown.to(queries.dtype)

    def scales(self, unknown: Tensor) -> tuple[Tensor, Tensor]:
        """What scores of unknown and of known patches are multiplied by, [N, 1] each, 0.1 to 10."""
        share = unknown[..., ::2, ::2].mean(dim=(1, 2, 3), dtype=_wide(unknown))[:, None]
        return (
            torch.sqrt(share / (1 - share)).clamp(0.1, 10.0),
            torch.sqrt((1 - share) / share).clamp(0.1, 10.0),
        )

    def _borrow(self, queries: Tensor, keys: Tensor, itself: Tensor, feature: Tensor) -> Tensor:
        channels, height, width = feature.shape
        values = patches(feature[None], 4, 2)[0]
        count = queries.shape[1]
        # An exported graph has one block: its sizes are open, so it cannot count blocks.
        step = count if torch.compiler.is_exporting() else max(1, SCORES_AT_ONCE // count)
        blocks = [
            values @ attention(queries, keys, itself, first, min(first + step, count))
            for first in range(0, count, step)
        ]
        mixed = torch.cat(blocks, 1).view(1, channels * 16, height // 2, width // 2)
        return overlapped(mixed)[0] / 4


def attention(queries: Tensor, keys: Tensor, itself: Tensor, first: int, last: int) -> Tensor:
    """Shares that queries first..last take of every patch: [L, last - first], each column summing to 1."""
    scores = keys.t() @ queries[:, first:last]
    places = torch.arange(keys.shape[1], device=keys.device)
    own = places[:, None] == places[None, first:last]
    return torch.softmax(scores - own * itself[:, None], dim=0)


def patches(x: Tensor, size: int, stride: int) -> Tensor:
    """Patches of size x size of x with a reflected border of one: [N, C, h, w] -> [N, C * size^2, L]."""
    return F.unfold(F.pad(x, (1, 1, 1, 1), "reflect"), size, stride=stride)


def overlapped(mixed: Tensor) -> Tensor:
    """Patches of 4x4 summed where they overlap, 2 apart, the border of one cut off.

    mixed: [N, C * 16, h, w] -> [N, C, 2h, 2w]. The same as folding, written as four shifted pixel shuffles,
    which every runtime has.
    """
    batch, deep, height, width = mixed.shape
    taps = mixed.view(batch, deep // 16, 2, 2, 2, 2, height, width)
    total = mixed.new_zeros(())
    for down in range(2):
        for across in range(2):
            quarter = taps[:, :, down, :, across].flatten(1, 3)
            spread = F.pixel_shuffle(quarter, 2)
            total = total + F.pad(spread, (2 * across, 2 - 2 * across, 2 * down, 2 - 2 * down))
    return total[..., 1:-1, 1:-1]


def _wide(x: Tensor) -> torch.dtype:
    return torch.float32 if x.dtype in (torch.float16, torch.bfloat16) else x.dtype
