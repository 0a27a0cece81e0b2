"""Matting against a clean plate: BackgroundMattingV2 (Lin et al., CVPR 2021).

It mattes a coarse plate, guesses where it was wrong, and mends only those 4x4 patches at full size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqmatte.errors import PlateError, ShotError
from seqmatte.networks.aspp import ASPP
from seqmatte.networks.backbones import ResNet
from seqmatte.networks.blocks import conv3, resized
from seqmatte.networks.mobile_backbones import MobileNetV2

BACKBONES = {"mobilenetv2": (320, (32, 24, 16, 6)), "resnet50": (2048, (512, 256, 64, 6))}
BACKBONES["resnet101"] = BACKBONES["resnet50"]


class Coarse(NamedTuple):
    """alpha, error: [B, 1, h, w], 0..1. residual: foreground minus plate, [B, 3, h, w]. hidden: [B, 32, h, w]."""

    alpha: Tensor
    residual: Tensor
    error: Tensor
    hidden: Tensor


class Matte(NamedTuple):
    """Full size: alpha [B, 1, H, W], foreground [B, 3, H, W]; the coarse ones; refined: [B, 1, H/4, W/4], 0 or 1."""

    alpha: Tensor
    foreground: Tensor
    coarse_alpha: Tensor
    coarse_foreground: Tensor
    coarse_error: Tensor
    refined: Tensor


class Decoder(nn.Module):
    """Four up-samplings, each to the size of the skip feature that it joins (version 2, section 4.1)."""

    def __init__(self, skips: Sequence[int]) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv3(256 + skips[0], 128, bias=False), nn.BatchNorm2d(128)
        self.conv2, self.bn2 = conv3(128 + skips[1], 64, bias=False), nn.BatchNorm2d(64)
        self.conv3, self.bn3 = conv3(64 + skips[2], 48, bias=False), nn.BatchNorm2d(48)
        self.conv4 = conv3(48 + skips[3], 37)

    def forward(self, x: Tensor, eighth: Tensor, quarter: Tensor, half: Tensor, whole: Tensor) -> Tensor:
        """x: [B, 256, h/16, w/16]; the skips from coarse to fine -> [B, 37, h, w]."""
        x = F.relu(self.bn1(self.conv1(torch.cat((resized(x, eighth), eighth), 1))))
        x = F.relu(self.bn2(self.conv2(torch.cat((resized(x, quarter), quarter), 1))))
        x = F.relu(self.bn3(self.conv3(torch.cat((resized(x, half), half), 1))))
        heads: Tensor = self.conv4(torch.cat((resized(x, whole), whole), 1))
        return heads


class BaseNetwork(nn.Module):
    """Version 2's coarse network: alpha, foreground, and where it expects to be wrong (section 4.1)."""

    multiple = 1

    def __init__(self, backbone: str = "mobilenetv2") -> None:
        super().__init__()
        coarsest, skips = BACKBONES[backbone]
        if backbone == "mobilenetv2":
            self.backbone: nn.Module = MobileNetV2(6)
        else:
            self.backbone = ResNet(int(backbone.removeprefix("resnet")), channels=6, stride16=True)
        self.aspp = ASPP(coarsest, (3, 6, 9))
        self.decoder = Decoder(skips)

    def coarse(self, plate: Tensor, clean: Tensor) -> Coarse:
        """The heads before the residual meets the plate; plate, clean: [B, 3, h, w] RGB, display, 0..1."""
        both = torch.cat((plate, clean), 1)
        features = self.backbone(both)
        half, quarter, eighth, coarsest = features[0], features[1], features[2], features[-1]
        heads = self.decoder(self.aspp(coarsest), eighth, quarter, half, both)
        alpha, residual, error, hidden = heads.split((1, 3, 1, 32), 1)
        return Coarse(alpha.clamp(0, 1), residual, error.clamp(0, 1), F.relu(hidden))

    def forward(self, plate: Tensor, clean: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Alpha, foreground (not premultiplied), expected error, all 0..1, and 32 hidden channels; any size."""
        alpha, residual, error, hidden = self.coarse(plate, clean)
        return alpha, (residual + plate).clamp(0, 1), error, hidden


class RefineNetwork(BaseNetwork):
    """Version 2 whole: the coarse network at `detail` of the size, then patches mended at full size."""

    multiple = 4

    def __init__(self, backbone: str = "mobilenetv2", kernel: int = 3) -> None:
        super().__init__(backbone)
        self.refiner = Refiner(kernel)

    def forward(  # type: ignore[override]
        self,
        plate: Tensor,
        clean: Tensor,
        detail: float = 0.25,
        mode: str = "sampling",
        sample_pixels: int = 80_000,
        threshold: float = 0.1,
    ) -> Matte:
        """plate, clean: [B, 3, H, W] RGB, display, 0..1; H and W multiples of 4.

        detail: the coarse network's share of the size, at most 1/2. mode: full, sampling (the sample_pixels
        most doubtful pixels) or thresholding (where the expected error exceeds threshold).
        """
        height, width = plate.shape[-2:]
        if height % 4 or width % 4:
            raise PlateError(f"bgm2 needs width and height in multiples of 4, not {width} x {height}")
        # sym_int is int, but leaves an exported size open.
        size = tuple(torch.sym_int(side * detail) for side in (height, width))  # type: ignore[no-untyped-call]
        small_plate, small_clean = (
            F.interpolate(picture, size=size, mode="bilinear", align_corners=False) for picture in (plate, clean)
        )
        coarse = self.coarse(small_plate, small_clean)
        chosen = _chosen(coarse.error, (height // 4, width // 4), mode, sample_pixels, threshold)
        most = min(sample_pixels // 16, chosen[0].numel()) if mode == "sampling" else None
        alpha, residual = self.refiner(plate, clean, coarse, None if mode == "full" else chosen, most)
        return Matte(
            alpha.clamp(0, 1),
            (residual + plate).clamp(0, 1),
            coarse.alpha,
            (coarse.residual + small_plate).clamp(0, 1),
            coarse.error,
            chosen,
        )


class Refiner(nn.Module):
    """Mends alpha and foreground in 4x4 patches (section 4.2): two convolutions at 1/2, two at full size.

    kernel: 3, or 1 for a patch that sees nothing around itself.
    """

    def __init__(self, kernel: int = 3) -> None:
        super().__init__()
        # What four unpadded convolutions eat: two at half the size, two more at the full one.
        self.border_half, self.border_full = (3, 2) if kernel == 3 else (0, 0)
        self.conv1, self.bn1 = nn.Conv2d(32 + 4 + 6, 24, kernel, bias=False), nn.BatchNorm2d(24)
        self.conv2, self.bn2 = nn.Conv2d(24, 16, kernel, bias=False), nn.BatchNorm2d(16)
        self.conv3, self.bn3 = nn.Conv2d(16 + 6, 12, kernel, bias=False), nn.BatchNorm2d(12)
        self.conv4 = nn.Conv2d(12, 4, kernel)

    def forward(
        self, plate: Tensor, clean: Tensor, coarse: Coarse, chosen: Tensor | None, most: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Alpha [B, 1, H, W] and residual [B, 3, H, W], unclamped.

        chosen: [B, 1, H/4, W/4], 1 or 0; None: everywhere. most: how many are chosen in a picture at most, where
        that is known.
        """
        pictures = torch.cat((plate, clean), 1)
        guesses = torch.cat((coarse.alpha, coarse.residual), 1)
        half = (plate.shape[-2] // 2, plate.shape[-1] // 2)
        halves = torch.cat([_sized(part, half) for part in (coarse.hidden, guesses, pictures)], 1)
        halves, wholes = F.pad(halves, (self.border_half,) * 4), F.pad(pictures, (self.border_full,) * 4)
        if chosen is None:
            mended = self.mended(halves, wholes)
        elif most is None and torch.compiler.is_exporting():
            # A graph must know how many patches there are; without a bound it mends all and takes the chosen.
            wanted = F.interpolate(chosen, scale_factor=4.0, mode="nearest") > 0
            mended = torch.where(wanted, self.mended(halves, wholes), resized(guesses, plate))
        else:
            cells = _cells(chosen[:, 0], most)
            small = _windows(halves, cells, 2, 2 + 2 * self.border_half)
            large = _windows(wholes, cells, 4, 4 + 2 * self.border_full)
            mended = _replaced(resized(guesses, plate), cells, self.mended(small, large), chosen)
        return mended[:, :1], mended[:, 1:]

    def mended(self, halves: Tensor, wholes: Tensor) -> Tensor:
        """halves: [P, 42, ., .] at half size; wholes: [P, 6, ., .] -> alpha and residual, [P, 4, ., .]."""
        x = F.relu(self.bn1(self.conv1(halves)))
        x = F.relu(self.bn2(self.conv2(x)))
        x = torch.cat((F.interpolate(x, scale_factor=2.0, mode="nearest"), wholes), 1)
        x = F.relu(self.bn3(self.conv3(x)))
        mended: Tensor = self.conv4(x)
        return mended


def _sized(x: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


def _chosen(error: Tensor, cells: tuple[int, int], mode: str, sample_pixels: int, threshold: float) -> Tensor:
    """Which 4x4 cells to mend: [B, 1, H/4, W/4], 1 or 0."""
    if mode == "full":
        return error.new_ones(error.shape[0], 1, *cells)
    error = _sized(error, cells)
    if mode == "thresholding":
        return (error > threshold).to(error.dtype)
    if mode != "sampling":
        raise ShotError(f"unknown mode {mode!r}; known: full, sampling, thresholding", field="mode")
    flat = error.flatten(1)
    worst = flat.topk(min(sample_pixels // 16, flat.shape[1]), dim=1, sorted=False).indices
    picked = torch.zeros_like(flat).scatter(1, worst, 1.0)
    return (picked * (flat > 0)).reshape(error.shape)


Cells = tuple[Tensor, ...]


def _windows(x: Tensor, cells: Cells, step: int, size: int) -> Tensor:
    """The square of `size` pixels that begins at `step` times each cell: [P, C, size, size]."""
    picture, row, column = cells
    within = torch.arange(size, device=x.device)
    rows, columns = row[:, None] * step + within, column[:, None] * step + within
    windows = x.permute(0, 2, 3, 1)[picture[:, None, None], rows[:, :, None], columns[:, None, :]]
    return windows.permute(0, 3, 1, 2)


def _cells(chosen: Tensor, most: int | None) -> Cells:
    """The chosen cells of [B, h, w], at most `most` a picture, as picture, row, column: [P] each."""
    if most is None or not torch.compiler.is_exporting():
        return torch.nonzero(chosen, as_tuple=True)
    # A graph must know how many there are: some unchosen ones fill up, and `_replaced` leaves those alone.
    best = chosen.flatten(1).topk(most, dim=1).indices
    axes = torch.meshgrid(*(torch.arange(side, device=chosen.device) for side in chosen.shape), indexing="ij")
    return tuple(axis.flatten(1).gather(1, best).flatten() for axis in axes)


def _replaced(x: Tensor, cells: Cells, patches: Tensor, chosen: Tensor) -> Tensor:
    """x, [B, C, H, W], with its chosen 4x4 cells replaced by patches [P, C, 4, 4]."""
    batch, channels, height, width = x.shape
    blocks = x.reshape(batch, channels, height // 4, 4, width // 4, 4).permute(0, 2, 4, 1, 3, 5)
    wanted = chosen[:, 0][cells].view(-1, 1, 1, 1) > 0
    blocks = blocks.index_put(cells, torch.where(wanted, patches, blocks[cells]))
    return blocks.permute(0, 3, 1, 4, 2, 5).reshape(x.shape)


def build(backbone: str = "mobilenetv2", part: str = "refine", kernel: int = 3) -> nn.Module:
    """BackgroundMattingV2 on mobilenetv2, resnet50 or resnet101; part="base" is the coarse network alone."""
    return BaseNetwork(backbone) if part == "base" else RefineNetwork(backbone, kernel)
