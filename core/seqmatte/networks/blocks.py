"""Small parts that several networks share: resizing, padding, residual and up-sampling blocks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def resized(x: Tensor, like: Tensor) -> Tensor:
    """x, [N, C, H, W], bilinearly at the height and width of `like` (pixel centres, not corners, aligned)."""
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


def doubled(x: Tensor) -> Tensor:
    """x, [N, C, H, W], bilinearly at twice its height and width."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def scaled(x: Tensor, ratio: float) -> Tensor:
    """x at floor(H * ratio), floor(W * ratio), sampled with exactly that ratio.

    It differs from a resize to the same size wherever H * ratio is not whole; RVM's weights expect this one.
    """
    return F.interpolate(x, scale_factor=ratio, mode="bilinear", align_corners=False, recompute_scale_factor=False)


def as_clips(frames: Tensor, batch: Sequence[int]) -> Tensor:
    """[B * T, C, H, W] as [B, T, C, H, W], where batch is (B, T)."""
    return frames.reshape(*batch, *frames.shape[1:])


def padded(x: Tensor, multiple: int = 16) -> tuple[Tensor, tuple[int, int, int, int]]:
    """x with zeros around it, so that height and width are multiples; half of them before, the rest after.

    The second value is (left, right, top, bottom), as `unpadded` takes it.
    """
    height, width = x.shape[-2:]
    down, across = -height % multiple, -width % multiple
    around = (across // 2, across - across // 2, down // 2, down - down // 2)
    return F.pad(x, around), around


def unpadded(x: Tensor, around: tuple[int, int, int, int]) -> Tensor:
    """x without the rows and columns that `padded` put around it."""
    left, right, top, bottom = around
    return x[..., top : x.shape[-2] - bottom, left : x.shape[-1] - right]


def conv3(into: int, out: int, bias: bool = True, stride: int = 1) -> nn.Conv2d:
    """A 3x3 convolution that keeps the size (or halves it, stride 2)."""
    return nn.Conv2d(into, out, 3, stride, 1, bias=bias)


class ResBlock(nn.Module):
    """Two pre-activated 3x3 convolutions without norm, as the mask networks of the STM line use them."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.downsample = conv3(into, out) if into != out else None
        self.conv1 = conv3(into, out)
        self.conv2 = conv3(out, out)

    def forward(self, x: Tensor) -> Tensor:
        """[N, into, H, W] -> [N, out, H, W]."""
        inner: Tensor = self.conv2(F.relu(self.conv1(F.relu(x))))
        return inner + (x if self.downsample is None else self.downsample(x))


class UpsampleBlock(nn.Module):
    """A skip feature, plus what came from below at twice its size, through a residual block (STM, figure 3)."""

    def __init__(self, skip: int, up: int, out: int) -> None:
        super().__init__()
        self.skip_conv = conv3(skip, up)
        self.out_conv = ResBlock(up, out)

    def forward(self, skip: Tensor, x: Tensor, readout: Tensor | None = None) -> Tensor:
        """skip: [N, skip, 2h, 2w]; x: [N, up, h, w]; readout, added to the skip: [N, up, 2h, 2w]."""
        fine = self.skip_conv(skip)
        if readout is not None:
            fine = fine + readout
        merged: Tensor = self.out_conv(fine + doubled(x))
        return merged


def aggregated(objects: Tensor) -> Tensor:
    """Logits over background and K objects, from the objects' own probabilities (STM, equation 1 of 3.4).

    objects: [K, 1, H, W], 0..1 -> [K + 1, 1, H, W]; a softmax over the first axis gives the shares.
    """
    background = torch.prod(1 - objects, dim=0, keepdim=True)
    chance = torch.cat((background, objects)).clamp(1e-7, 1 - 1e-7)
    return torch.log(chance / (1 - chance))


def shares(objects: Tensor) -> Tensor:
    """What each of K objects keeps of a pixel that several claim: [K, 1, H, W], the background left out."""
    return torch.softmax(aggregated(objects), dim=0)[1:]
