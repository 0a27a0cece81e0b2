"""Matting against a clean plate: Background Matting (Sengupta et al., CVPR 2020) and BackgroundMattingV2
(Lin et al., CVPR 2021).

Version 1 switches between what the plate, the clean plate and a rough segmentation say, at one resolution.
Version 2 mattes a coarse plate, guesses where it was wrong, and mends only those 4x4 patches at full size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqmatte.errors import PlateError, ShotError
from seqmatte.networks.aspp import ASPP
from seqmatte.networks.backbones import MobileNetV2, ResNet
from seqmatte.networks.blocks import conv3, resized


class ResidualBlock(nn.Module):
    """Two reflected 3x3 convolutions and a sum, without an activation after it (version 1)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """[N, channels, h, w], the same out."""
        changed: Tensor = x + self.conv_block(x)
        return changed


class Generator(nn.Module):
    """Background Matting's context switching network (figure 2 of the paper).

    shared, own: residual blocks before and after the branches for alpha and foreground part.
    """

    multiple = 4

    def __init__(self, shared: int = 7, own: int = 3) -> None:
        super().__init__()
        encoder = _encoder(3)
        self.model_enc1, self.model_enc2 = nn.Sequential(*encoder[:7]), nn.Sequential(*encoder[7:])
        self.model_enc_back = nn.Sequential(*_encoder(3))
        self.model_enc_seg = nn.Sequential(*_encoder(1))
        self.model_enc_multi = nn.Sequential(*_encoder(4))
        self.comb_back, self.comb_seg, self.comb_multi = (_narrowed(512, 64) for _ in range(3))
        self.model_res_dec = nn.Sequential(*_narrowed(256 + 3 * 64, 256), *(ResidualBlock(256) for _ in range(shared)))
        self.model_res_dec_al = nn.Sequential(*(ResidualBlock(256) for _ in range(own)))
        self.model_res_dec_fg = nn.Sequential(*(ResidualBlock(256) for _ in range(own)))
        self.model_al_out = nn.Sequential(*_up(256, 128), *_up(128, 64), *_last(1), nn.Tanh())
        self.model_dec_fg1 = nn.Sequential(*_up(256, 128))
        self.model_fg_out = nn.Sequential(*_up(256, 64), *_last(3))

    def forward(
        self, plate: Tensor, clean: Tensor, person: Tensor, neighbours: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Alpha [B, 1, H, W] in -1..1 and foreground [B, 3, H, W], -1..1 in scale but unbounded.

        plate, clean: [B, 3, H, W] RGB; person: [B, 1, H, W] soft segmentation; neighbours: [B, 4, H, W], gray
        frames around; all -1..1, H and W multiples of 4. The published weights never read the neighbours: their
        third combination takes the clean plate's features (confirmed by the authors), and so does this one.
        """
        fine = self.model_enc1(plate)
        picture, back, rough = self.model_enc2(fine), self.model_enc_back(clean), self.model_enc_seg(person)
        switched = (
            picture,
            self.comb_back(torch.cat((picture, back), 1)),
            self.comb_seg(torch.cat((picture, rough), 1)),
            self.comb_multi(torch.cat((picture, back), 1)),
        )
        x = self.model_res_dec(torch.cat(switched, 1))
        alpha: Tensor = self.model_al_out(self.model_res_dec_al(x))
        colour = self.model_dec_fg1(self.model_res_dec_fg(x))
        foreground: Tensor = self.model_fg_out(torch.cat((colour, fine), 1))
        return alpha, foreground


class Discriminator(nn.Module):
    """Tells composites from photographs, patch by patch (least squares, training on real footage only)."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, 64, 4, 2, 2), nn.LeakyReLU(0.2)]
        for into, out, stride in ((64, 128, 2), (128, 256, 2), (256, 512, 1)):
            layers += [nn.Conv2d(into, out, 4, stride, 2), nn.InstanceNorm2d(out), nn.LeakyReLU(0.2)]
        self.layer0 = nn.Sequential(*layers, nn.Conv2d(512, 1, 4, 1, 2))

    def forward(self, composite: Tensor) -> Tensor:
        """composite: [B, 3, H, W], -1..1 -> a score a patch, [B, 1, about H/8, about W/8]."""
        score: Tensor = self.layer0(composite)
        return score


def _encoder(channels: int) -> list[nn.Module]:
    layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(channels, 64, 7)]
    layers += [nn.BatchNorm2d(64), nn.ReLU(inplace=True)]
    for width in (64, 128):
        layers += [conv3(width, 2 * width, stride=2), nn.BatchNorm2d(2 * width), nn.ReLU(inplace=True)]
    return layers


def _narrowed(into: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(into, out, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True))


def _up(into: int, out: int) -> list[nn.Module]:
    # Version 1 aligns corners; version 2 does not.
    up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
    return [up, conv3(into, out), nn.BatchNorm2d(out), nn.ReLU(inplace=True)]


def _last(out: int) -> list[nn.Module]:
    return [nn.ReflectionPad2d(3), nn.Conv2d(64, out, 7)]


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


def build_bgm1(part: str = "generator", shared: int = 7, own: int = 3) -> nn.Module:
    """Background Matting, 17.9 M parameters; part="discriminator" is for training on real footage."""
    return Discriminator() if part == "discriminator" else Generator(shared, own)


def build_bgm2(backbone: str = "mobilenetv2", part: str = "refine", kernel: int = 3) -> nn.Module:
    """BackgroundMattingV2 on mobilenetv2, resnet50 or resnet101; part="base" is the coarse network alone."""
    return BaseNetwork(backbone) if part == "base" else RefineNetwork(backbone, kernel)
