"""A light network that mends a coarse alpha at full resolution inside its unknown band. Trained by us.

What is sure around the band tells the colours of subject and background there; where a pixel's own colour lies
between the two is alpha already, up to texture (the compositing equation, solved in the encoded picture). The network
is shown that answer and learns when to believe it. Two scales only (1/2 and 1/4) and colours from at most 32 pixels
away, so that any tile with MARGIN pixels around it gives what the whole picture gives.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STRIDE = 4
MARGIN = 84
REACHES = (2, 6, 16)  # of the windows that colours are gathered from, in pixels at half size


class Refiner(nn.Module):
    """plate [N, 3, H, W] encoded, alpha and band [N, 1, H, W] in 0..1, H and W multiples of 4: alpha [N, 1, H, W].

    band: 1 where alpha may change. No norms: each pixel depends on its surroundings alone.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        wide = width * 2
        self.enter = nn.Sequential(_conv(6 * 4 + 9, width), _conv(width, width))
        self.down = _conv(width, wide, 2)
        self.deep = nn.ModuleList([nn.Sequential(_conv(wide, wide), _conv(wide, wide, rate=2)) for _ in range(3)])
        self.up = _conv(wide + width, width)
        last = nn.Conv2d(width, 8, 3, 1, 1)
        nn.init.normal_(last.weight, std=1e-2)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        self.leave = nn.Sequential(_conv(width, width), last)

    def forward(self, plate: Tensor, alpha: Tensor, band: Tensor) -> Tensor:
        subject, sure_subject = gathered(plate, (1 - band) * (alpha > 0.95).to(plate.dtype))
        behind, sure_behind = gathered(plate, (1 - band) * (alpha < 0.05).to(plate.dtype))
        between, contrast = placed_between(plate, subject, behind)
        pictures = torch.cat((plate * 2 - 1, alpha * 2 - 1, band, between * 2 - 1), 1)
        colours = torch.cat((subject * 2 - 1, behind * 2 - 1, sure_subject, sure_behind, contrast), 1)
        fine = self.enter(torch.cat((F.pixel_unshuffle(pictures, 2), colours), 1))
        deep = self.down(fine)
        for block in self.deep:
            deep = deep + block(deep)
        back = F.interpolate(deep, size=fine.shape[-2:], mode="bilinear", align_corners=False)
        answer = F.pixel_shuffle(self.leave(fine + self.up(torch.cat((back, fine), 1))).float(), 2)
        belief, change = answer[:, :1].sigmoid(), answer[:, 1:]
        return (alpha + band * (belief * (between.clamp(0, 1) - alpha) + change)).clamp(0, 1)


def gathered(plate: Tensor, sure: Tensor) -> tuple[Tensor, Tensor]:
    """The colour of the sure pixels near each place, and whether there are any: [N, 3, H/2, W/2], [N, 1, H/2, W/2].

    plate [N, 3, H, W], sure [N, 1, H, W], 0 or 1. The nearest window that holds enough of them counts most.
    """
    weight = F.avg_pool2d(sure, 2)
    sums = torch.cat((F.avg_pool2d(plate * sure, 2), weight), 1)
    colour, found = torch.zeros_like(sums[:, :3]), torch.zeros_like(weight)
    for reach in reversed(REACHES):
        window = _boxed(sums, reach)
        near = window[:, :3] / window[:, 3:].clamp_min(1e-4)
        believed = (window[:, 3:] * 30).clamp(0, 1)
        colour = colour + believed * (near - colour)
        found = torch.maximum(found, believed)
    return colour, found


def placed_between(plate: Tensor, subject: Tensor, behind: Tensor) -> tuple[Tensor, Tensor]:
    """Where the plate's colour lies from background (0) to subject (1), [N, 1, H, W], and their contrast at 1/2.

    (I - B).(F - B) / |F - B|^2, towards a half where F and B are alike.
    """
    apart = subject - behind
    contrast = apart.square().sum(1, keepdim=True)
    f, b, far = (F.interpolate(x, scale_factor=2.0, mode="nearest") for x in (subject, behind, contrast))
    along = ((plate - b) * (f - b)).sum(1, keepdim=True)
    return ((along + 0.5e-3) / (far + 1e-3)).clamp(-0.25, 1.25), contrast.sqrt()


def _boxed(x: Tensor, reach: int) -> Tensor:
    size = 2 * reach + 1
    x = F.avg_pool2d(x, (size, 1), 1, (reach, 0), count_include_pad=False)
    return F.avg_pool2d(x, (1, size), 1, (0, reach), count_include_pad=False)


def _conv(inside: int, outside: int, stride: int = 1, rate: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inside, outside, 3, stride, rate, rate), nn.LeakyReLU(0.1, inplace=True))


def build(width: int = 32) -> Refiner:
    """The shipped refiner, or one of another width."""
    return Refiner(width)
