"""PWC-Net (Sun et al., CVPR 2018): optical flow by pyramid, warping and cost volume; the dense variant ("DC").

Keys are those of the public PyTorch checkpoint `pwc_net.pth.tar` (NVlabs, CC BY-NC-SA 4.0, non-commercial);
trained from scratch the network is free of that.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTHS = (16, 32, 64, 96, 128, 196)
DENSE = (128, 128, 96, 64, 32)
CONTEXT = ((128, 1), (128, 2), (128, 4), (96, 8), (64, 16), (32, 1))
REACH = 4  # the cost volume looks this many cells up, down, left and right


class PWCNet(nn.Module):
    """Flow from the first picture to the second, at a quarter of the size, in units of 20 full-size pixels."""

    def __init__(self) -> None:
        super().__init__()
        into = 3
        for level, width in enumerate(WIDTHS, 1):
            first, second = _pyramid_names(level)
            self.add_module(first, _conv(into, width, stride=2))
            self.add_module(second, _conv(width, width))
            self.add_module(f"conv{level}b", _conv(width, width))
            into = width
        cost = (2 * REACH + 1) ** 2
        for level in range(6, 1, -1):
            width = cost + (0 if level == 6 else WIDTHS[level - 1] + 4)
            for place, out in enumerate(DENSE):
                self.add_module(f"conv{level}_{place}", _conv(width, out))
                width += out
            self.add_module(f"predict_flow{level}", nn.Conv2d(width, 2, 3, padding=1))
            # The checkpoint holds deconv2 too; nothing reads it.
            self.add_module(f"deconv{level}", nn.ConvTranspose2d(2, 2, 4, 2, 1))
            if level > 2:
                self.add_module(f"upfeat{level}", nn.ConvTranspose2d(width, 2, 4, 2, 1))
        for place, (out, dilation) in enumerate(CONTEXT, 1):
            self.add_module(f"dc_conv{place}", _conv(width, out, dilation=dilation))
            width = out
        self.dc_conv7 = nn.Conv2d(width, 2, 3, padding=1)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """first, second: [B, 3, H, W], BGR 0..1, H and W multiples of 64 -> [B, 2, H/4, W/4], x then y."""
        ours, theirs = self._pyramid(first), self._pyramid(second)
        x = self._dense(6, F.leaky_relu(correlation(ours[5], theirs[5]), 0.1))
        flow = self._part("predict_flow6", x)
        for level in (5, 4, 3, 2):
            up, features = self._part(f"deconv{level + 1}", flow), self._part(f"upfeat{level + 1}", x)
            here, there = ours[level - 1], warped(theirs[level - 1], up * (20 / 2**level))
            costs = F.leaky_relu(correlation(here, there), 0.1)
            x = self._dense(level, torch.cat((costs, here, up, features), 1))
            flow = self._part(f"predict_flow{level}", x)
        for place in range(1, 7):
            x = self._part(f"dc_conv{place}", x)
        correction: Tensor = self.dc_conv7(x)
        return flow + correction

    def _pyramid(self, picture: Tensor) -> list[Tensor]:
        levels = []
        for level in range(1, 7):
            for name in (*_pyramid_names(level), f"conv{level}b"):
                picture = self._part(name, picture)
            levels.append(picture)
        return levels

    def _dense(self, level: int, x: Tensor) -> Tensor:
        for place in range(len(DENSE)):
            x = torch.cat((self._part(f"conv{level}_{place}", x), x), 1)
        return x

    def _part(self, name: str, x: Tensor) -> Tensor:
        out: Tensor = self.get_submodule(name)(x)
        return out


def correlation(ours: Tensor, theirs: Tensor) -> Tensor:
    """The cost volume (equation 1): mean products with the 81 cells around, rows outer, [B, 81, h, w]."""
    height, width = ours.shape[-2:]
    around = F.pad(theirs, (REACH,) * 4)
    if torch.compiler.is_exporting():
        # The same products by rows of nine: a graph of 81 pieces at each level takes minutes to write.
        across = torch.stack([around[..., column : column + width] for column in range(2 * REACH + 1)], 1)
        rows = [across[..., row : row + height, :] for row in range(2 * REACH + 1)]
        return torch.cat([(ours.unsqueeze(1) * row).mean(2) for row in rows], 1)
    costs = [
        (ours * around[..., row : row + height, column : column + width]).mean(1)
        for row in range(2 * REACH + 1)
        for column in range(2 * REACH + 1)
    ]
    return torch.stack(costs, 1)


def warped(picture: Tensor, flow: Tensor) -> Tensor:
    """picture, [B, C, h, w], fetched from where the flow (pixels, x then y) points; zero where that is outside."""
    height, width = picture.shape[-2:]
    columns = torch.arange(width, device=flow.device, dtype=flow.dtype)
    rows = torch.arange(height, device=flow.device, dtype=flow.dtype).unsqueeze(1)
    # align_corners=True is the geometry the checkpoint was trained with (the old default).
    across = 2 * (columns + flow[:, 0]) / max(width - 1, 1) - 1
    down = 2 * (rows + flow[:, 1]) / max(height - 1, 1) - 1
    grid = torch.stack((across, down), 3)
    fetched = F.grid_sample(picture, grid, align_corners=True)
    covered = F.grid_sample(torch.ones_like(picture[:, :1]), grid, align_corners=True)
    return fetched * (covered >= 0.9999)


def _pyramid_names(level: int) -> tuple[str, str]:
    # The checkpoint's own irregularity: at the last level "aa" comes first.
    return ("conv6aa", "conv6a") if level == 6 else (f"conv{level}a", f"conv{level}aa")


def _conv(into: int, out: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(into, out, 3, stride, dilation, dilation), nn.LeakyReLU(0.1))
