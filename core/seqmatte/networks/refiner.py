"""A light network that weighs what several methods found of one matte, and mends it at full size. Trained by us.

Two opinions of a frame's alpha come in, each with how sure it is: one worked out from the plate (closed form over a
carried guide), one from a network's memory; and the alphas of both neighbours, carried here along optical flow. Where
both opinions are sure and agree, the colours of subject and background are known; where a pixel's own colour lies
between the two is an opinion too (the compositing equation, solved in the encoded picture). The network decides pixel
by pixel whom to believe, and adds what all of them miss.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STRIDE = 16
MARGIN = 256
REACHES = (2, 6, 16)  # of the windows that colours are gathered from, in pixels at half size
CANDIDATES = 5  # alpha, guess, between, before, after
_TRUSTED = 3.0  # how much more the first candidate counts at the start of training, before softmax


class Refiner(nn.Module):
    """All at one size, H and W multiples of 16; opacities and trusts 0..1.

    plate [N, 3, H, W]: encoded. alpha [N, 1, H, W]: the first opinion. band [N, 2, H, W]: its unknown band (0 or 1)
    and the carried guide's confidence. guess [N, 2, H, W]: the second opinion and its confidence. around
    [N, 4, H, W]: the first opinion of the frame before, carried here, and the trust in that; the same of the frame
    after. likeness [N, 2, H, W]: whether the colour is rather the subject's than the background's on the guided
    frames, and whether the subject had it there at all. free [N, 1, H, W]: 1 where alpha may change. Gives alpha
    [N, 1, H, W]. No norms: a pixel depends on what is near it alone.
    """

    def __init__(self, widths: tuple[int, int, int, int] = (32, 48, 64, 96)) -> None:
        super().__init__()
        w2, w4, w8, w16 = widths
        self.at2 = nn.Sequential(_conv(15 * 4 + 9, w2), _conv(w2, w2))
        self.at4 = nn.Sequential(_conv(w2, w4, 2), Residual(w4))
        self.at8 = nn.Sequential(_conv(w4, w8, 2), Residual(w8))
        self.at16 = nn.Sequential(_conv(w8, w16, 2), Residual(w16), Residual(w16), Residual(w16))
        self.to8 = nn.Sequential(_conv(w16 + w8, w8), Residual(w8))
        self.to4 = nn.Sequential(_conv(w8 + w4, w4), Residual(w4))
        self.to2 = nn.Sequential(_conv(w4 + w2, w2), _conv(w2, w2))
        self.leave = nn.Conv2d(w2, 4 * (CANDIDATES + 1), 3, 1, 1)
        nn.init.normal_(self.leave.weight, std=1e-2)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(
        self, plate: Tensor, alpha: Tensor, band: Tensor, guess: Tensor, around: Tensor, likeness: Tensor, free: Tensor
    ) -> Tensor:
        subject, sure_subject = gathered(plate, agreed(alpha, band, guess))
        behind, sure_behind = gathered(plate, agreed(1 - alpha, band, torch.cat((1 - guess[:, :1], guess[:, 1:]), 1)))
        between, contrast = placed_between(plate, subject, behind)
        pictures = torch.cat((plate, alpha, band, guess, around, between, likeness), 1) * 2 - 1
        colours = torch.cat((subject * 2 - 1, behind * 2 - 1, sure_subject, sure_behind, contrast), 1)
        at2 = self.at2(torch.cat((F.pixel_unshuffle(pictures, 2), colours), 1))
        at4 = self.at4(at2)
        at8 = self.at8(at4)
        x = self.to8(torch.cat((_enlarged(self.at16(at8), at8), at8), 1))
        x = self.to4(torch.cat((_enlarged(x, at4), at4), 1))
        x = self.to2(torch.cat((_enlarged(x, at2), at2), 1))
        answer = F.pixel_shuffle(self.leave(x).float(), 2)
        candidates = torch.cat((alpha, guess[:, :1], between.clamp(0, 1), around[:, :1], around[:, 2:3]), 1).float()
        trusted = answer.new_tensor([_TRUSTED] + [0.0] * (CANDIDATES - 1)).view(1, -1, 1, 1)
        belief = (answer[:, :CANDIDATES] + trusted).softmax(1)
        found = ((belief * candidates).sum(1, keepdim=True) + answer[:, CANDIDATES:]).clamp(0, 1)
        return alpha + free * (found - alpha)


class Residual(nn.Module):
    """x + two convolutions of it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        second = nn.Conv2d(channels, channels, 3, 1, 1)
        nn.init.normal_(second.weight, std=1e-2)
        self.both = nn.Sequential(_conv(channels, channels), second)

    def forward(self, x: Tensor) -> Tensor:
        mended: Tensor = x + self.both(x)
        return mended


def agreed(alpha: Tensor, band: Tensor, guess: Tensor) -> Tensor:
    """1 where both opinions are opaque and outside the band, 0 elsewhere, [N, 1, H, W]."""
    return ((1 - band[:, :1]) * (alpha > 0.95) * (guess[:, :1] > 0.8)).to(alpha.dtype)


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


def build(widths: tuple[int, int, int, int] = (32, 48, 64, 96)) -> Refiner:
    """The shipped refiner, or one of other widths."""
    return Refiner(widths)


def _boxed(x: Tensor, reach: int) -> Tensor:
    size = 2 * reach + 1
    x = F.avg_pool2d(x, (size, 1), 1, (reach, 0), count_include_pad=False)
    return F.avg_pool2d(x, (1, size), 1, (0, reach), count_include_pad=False)


def _enlarged(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


def _conv(inside: int, outside: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inside, outside, 3, stride, 1), nn.LeakyReLU(0.1, inplace=True))
