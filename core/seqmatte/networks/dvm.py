"""Deep Video Matting via Spatio-Temporal Alignment and Aggregation (Sun et al., CVPR 2021), its aggregation.

A few consecutive frames, each with a trimap, give the mattes of the last ones. The interactive propagation of
trimaps that the paper describes is not in the authors' release and is not here.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .backbones import ResNet
from .deformable import DeformableConv


class Unit(nn.Module):
    """Convolution without bias, norm, ReLU."""

    def __init__(self, into: int, out: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(into, out, kernel, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(out)

    def forward(self, x: Tensor) -> Tensor:
        """[N, into, H, W] -> [N, out, H, W]."""
        return F.relu(self.norm(self.conv(x)))


class Align(nn.Module):
    """A neighbour's feature brought onto the reference frame's (section 3.2, temporal feature alignment)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.off_conv1 = nn.Conv2d(2 * channels, channels, 3, padding=1)
        self.off_conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.dcnpack = DeformableConv(channels)

    def forward(self, neighbour: Tensor, reference: Tensor) -> Tensor:
        """[N, C, H, W] each -> [N, C, H, W]."""
        moves = F.leaky_relu(self.off_conv1(torch.cat((neighbour, reference), 1)), 0.1)
        moves = F.leaky_relu(self.off_conv2(moves), 0.1)
        aligned: Tensor = self.dcnpack(neighbour, moves)
        return aligned


class ChannelAttention(nn.Module):
    """Channels weighed by their means over the picture."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeeze = nn.Linear(channels, channels // 3, bias=False)
        self.fc = nn.Sequential(squeeze, nn.ReLU(), nn.Linear(channels // 3, channels, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> the same, weighed."""
        return x * torch.sigmoid(self.fc(x.mean((2, 3))))[:, :, None, None]


class SpatialAttention(nn.Module):
    """Pixels weighed by mean and maximum over their channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> the same, weighed."""
        seen = torch.cat((x.mean(1, keepdim=True), x.amax(1, keepdim=True)), 1)
        return x * torch.sigmoid(self.conv(seen))


class Attention(nn.Module):
    """Channel attention, then spatial attention (section 3.2, temporal feature fusion)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.ca = ChannelAttention(channels)
        self.sa = SpatialAttention()

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> the same, weighed."""
        weighed: Tensor = self.sa(self.ca(x))
        return weighed


class Fusion(nn.Module):
    """Per level: neighbours aligned to each reference frame, weighed, brought back to one feature's channels."""

    def __init__(self, widths: Sequence[int], shift: int, step: int) -> None:
        super().__init__()
        self.shift, self.step = shift, step
        for level, width in enumerate(widths):
            # The coarsest level sees enough around each pixel to do without alignment.
            if level < len(widths) - 1:
                self.add_module(f"flow{level}", Align(width))
            self.add_module(f"attn{level}", Attention(width * (shift + 1)))
            self.add_module(f"fuse{level}", Unit(width * (shift + 1), width, 1))

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Features of shift + step frames, fine to coarse -> of the last `step` frames."""
        return [self._level(level, feature) for level, feature in enumerate(features)]

    def _level(self, level: int, feature: Tensor) -> Tensor:
        neighbours = [feature[i : i + self.step] for i in range(self.shift + 1)]
        aligning = dict(self.named_children()).get(f"flow{level}")
        if aligning is not None:
            neighbours = [aligning(neighbour, neighbours[-1]) for neighbour in neighbours]
        x = self.get_submodule(f"attn{level}")(torch.cat(neighbours, 1))
        fused: Tensor = self.get_submodule(f"fuse{level}")(x)
        return fused


class GlobalConv(nn.Module):
    """A large kernel as two pairs of strips (Peng et al., "Large Kernel Matters").

    The right pair's paddings are swapped, as in the release: it grows by six one way and shrinks the other
    in between, so a side of the feature must be 7 or more.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_l1 = nn.Conv2d(channels, channels, (7, 1), padding=(3, 0))
        self.conv_l2 = nn.Conv2d(channels, channels, (1, 7), padding=(0, 3))
        self.conv_r1 = nn.Conv2d(channels, channels, (1, 7), padding=(3, 0))
        self.conv_r2 = nn.Conv2d(channels, channels, (7, 1), padding=(0, 3))

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, H, W]."""
        summed: Tensor = self.conv_l2(self.conv_l1(x)) + self.conv_r2(self.conv_r1(x))
        return summed


class Rise(nn.Module):
    """Twice the size by pixel shuffle, joined with the skip."""

    def __init__(self, into: int, skip: int, out: int) -> None:
        super().__init__()
        self.rs = Unit(into, 4 * out, 1)
        self.deconv = Unit(out + skip, out, 3)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """[N, into, h, w] and [N, skip, 2h, 2w] -> [N, out, 2h, 2w]."""
        joined: Tensor = self.deconv(torch.cat((F.pixel_shuffle(self.rs(x), 2), skip), 1))
        return joined


class Decoder(nn.Module):
    """Five steps from 1/32 to full size, the last beside the picture and its trimap."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        for level, width in enumerate(widths):
            self.add_module(f"skip{level}", GlobalConv(width))
        into = widths[-1]
        for level in range(len(widths) - 1, -1, -1):
            skip = widths[level - 1] if level else 4
            out = widths[level - 1] if level else 64
            self.add_module(f"deconv{level}", Rise(into, skip, out))
            into = out

    def forward(self, x: Tensor, features: Sequence[Tensor]) -> Tensor:
        """x: [N, 4, H, W]; features fine to coarse -> [N, 64, H, W]."""
        skips = [self.get_submodule(f"skip{level}")(feature) for level, feature in enumerate(features)]
        y: Tensor = skips[-1]
        for level in range(len(features) - 1, -1, -1):
            y = self.get_submodule(f"deconv{level}")(y, skips[level - 1] if level else x)
        return y


class DVM(nn.Module):
    """The whole network: shift + step frames in, the mattes of the last `step` out.

    Heights and widths are multiples of 32; the width is 224 or more.
    """

    multiple = 32

    def __init__(self, shift: int = 2, step: int = 2) -> None:
        super().__init__()
        self.step = step
        self.encoder = ResNet(50, channels=4)
        self.fusion = Fusion(self.encoder.widths, shift, step)
        self.decoder = Decoder(self.encoder.widths)
        self.pred_head = nn.Conv2d(64, 1, 3, padding=1)
        self.refine = nn.Sequential()
        for index in (1, 2, 3):
            self.refine.add_module(f"conv{index}", Unit(4 if index == 1 else 64, 64, 3))
        self.refine_head = nn.Conv2d(64, 1, 3, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x: [shift + step, 4, H, W], consecutive frames: RGB display colour, ImageNet-normalised, and the
        trimap as 0, 128/255, 1 -> alphas [step, 1, H, W], 0..1, before and after refinement.
        """
        last = x[-self.step :]
        raw = self.pred_head(self.decoder(last, self.fusion(self.encoder(x))))
        coarse = torch.sigmoid(raw)
        detail = self.refine_head(self.refine(torch.cat((last[:, :3], coarse), 1)))
        return coarse, torch.sigmoid(raw + detail)


def build(shift: int = 2, step: int = 2) -> DVM:
    """shift: how many frames before the wanted ones are seen. step: how many are wanted at once."""
    return DVM(shift, step)
