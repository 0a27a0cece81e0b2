"""Matting against a clean plate: Background Matting (Sengupta et al., CVPR 2020).

The network switches between what the plate, the clean plate and a rough segmentation say, at one resolution.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqmatte.networks.blocks import conv3


class ResidualBlock(nn.Module):
    """Two reflected 3x3 convolutions and a sum, without an activation after it."""

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
    # Corners are aligned here; in version 2 they are not.
    up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
    return [up, conv3(into, out), nn.BatchNorm2d(out), nn.ReLU(inplace=True)]


def _last(out: int) -> list[nn.Module]:
    return [nn.ReflectionPad2d(3), nn.Conv2d(64, out, 7)]


def build(part: str = "generator", shared: int = 7, own: int = 3) -> nn.Module:
    """Background Matting, 17.9 M parameters; part="discriminator" is for training on real footage."""
    return Discriminator() if part == "discriminator" else Generator(shared, own)
