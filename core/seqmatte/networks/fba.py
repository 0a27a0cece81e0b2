"""F, B, Alpha Matting (Forte and Pitie, 2020): one frame and its trimap give alpha, foreground and background.

Keys and shapes are those of the authors' release.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqmatte.networks.imagenet import DEVIATION, MEAN

from . import trimap_coding
from .backbones import RESNET_BLOCKS, RESNET_WIDTHS
from .blocks import doubled, resized
from .normalised import StandardisedConv

Skips = tuple[Tensor, Tensor, Tensor, Tensor]


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(32, channels)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 and a shortcut, standardised weights and group norm (ResNet-50 GN-WS)."""

    def __init__(self, into: int, width: int, stride: int, dilation: int, project: bool) -> None:
        super().__init__()
        out = 4 * width
        self.conv1 = StandardisedConv(into, width, 1, bias=False)
        self.bn1 = _norm(width)
        self.conv2 = StandardisedConv(width, width, 3, stride, dilation, dilation, bias=False)
        self.bn2 = _norm(width)
        self.conv3 = StandardisedConv(width, out, 1, bias=False)
        self.bn3 = _norm(out)
        self.downsample = None if not project else nn.Sequential(
            StandardisedConv(into, out, 1, stride, bias=False), _norm(out)
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """[N, into, H, W] -> [N, 4 * width, H/stride, W/stride]."""
        inner = F.relu(self.bn1(self.conv1(x)))
        inner = F.relu(self.bn2(self.conv2(inner)))
        inner = self.bn3(self.conv3(inner))
        return F.relu(inner + (x if self.downsample is None else self.downsample(x)))


class Encoder(nn.Module):
    """ResNet-50 on 11 channels whose last two stages are dilated instead of strided: 1/8 at the end."""

    def __init__(self, channels: int = 11) -> None:
        super().__init__()
        self.conv1 = StandardisedConv(channels, 64, 7, 2, 3, bias=False)
        self.bn1 = _norm(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        into = 64
        # Per stage: stride and dilation of its first block, dilation of the later ones.
        for index, (stride, first, later) in enumerate(((1, 1, 1), (2, 1, 1), (1, 1, 2), (1, 2, 4))):
            width, count = RESNET_WIDTHS[index], RESNET_BLOCKS[50][index]
            blocks = [Bottleneck(into, width, stride, first, True)]
            blocks += [Bottleneck(4 * width, width, 1, later, False) for _ in range(count - 1)]
            self.add_module(f"layer{index + 1}", nn.Sequential(*blocks))
            into = 4 * width

    def forward(self, x: Tensor) -> Skips:
        """[N, 11, H, W] -> x itself, 64 channels at 1/2, 256 at 1/4, 2048 at 1/8."""
        half = F.relu(self.bn1(self.conv1(x)))
        quarter = self.get_submodule("layer1")(self.maxpool(half))
        deep = quarter
        for name in ("layer2", "layer3", "layer4"):
            deep = self.get_submodule(name)(deep)
        return x, half, quarter, deep


class GridMean(nn.Module):
    """Means over a grid of bins x bins cells: adaptive average pooling, as two products every runtime has."""

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.bins = bins

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, bins, bins]."""
        return self._cells(x.shape[-2], x) @ x @ self._cells(x.shape[-1], x).t()

    def _cells(self, size: int, like: Tensor) -> Tensor:
        cell = torch.arange(self.bins, device=like.device)[:, None]
        place = torch.arange(size, device=like.device)[None]
        held = (place >= cell * size // self.bins) & (place < -(-(cell + 1) * size // self.bins))
        return (held / held.sum(dim=1, keepdim=True)).to(like.dtype)


def _standardised(into: int, out: int, kernel: int = 3) -> list[nn.Module]:
    return [StandardisedConv(into, out, kernel, padding=kernel // 2), _norm(out), nn.LeakyReLU()]


class Decoder(nn.Module):
    """Pyramid pooling, then three doublings to seven channels, then the fusion of equations 5 to 9."""

    def __init__(self) -> None:
        super().__init__()
        self.ppm = nn.ModuleList([nn.Sequential(GridMean(bins), *_standardised(2048, 256, 1)) for bins in (1, 2, 3, 6)])
        self.conv_up1 = nn.Sequential(*_standardised(2048 + 4 * 256, 256), *_standardised(256, 256))
        self.conv_up2 = nn.Sequential(*_standardised(256 + 256, 256))
        self.conv_up3 = nn.Sequential(*_standardised(256 + 64, 64))
        self.conv_up4 = nn.Sequential(
            nn.Conv2d(64 + 3 + 3 + 2, 32, 3, padding=1),
            nn.LeakyReLU(),
            nn.Conv2d(32, 16, 3, padding=1),
            nn.LeakyReLU(),
            nn.Conv2d(16, 7, 1),
        )

    def extract(self, features: Skips) -> Tensor:
        """What the encoder gave -> [N, 256, H/8, W/8]; of the frame alone, so that it can be kept."""
        deep = features[3]
        pooled = [resized(level(deep), deep) for level in self.ppm]
        joined: Tensor = self.conv_up1(torch.cat((deep, *pooled), 1))
        return joined

    def finish(self, x: Tensor, features: Skips, image: Tensor | None = None) -> Tensor:
        """The feature at 1/8 and the frame's own skips -> alpha, F, B: [N, 7, H, W], 0..1, fused.

        image: RGB 0..1; without it, what the encoder was given is brought back to 0..1.
        """
        coded, half, quarter, _ = features
        if image is None:
            image = coded[:, :3] * coded.new_tensor(DEVIATION)[:, None, None] + coded.new_tensor(MEAN)[:, None, None]
        x = self.conv_up2(torch.cat((doubled(x), quarter), 1))
        x = self.conv_up3(torch.cat((doubled(x), half), 1))
        x = self.conv_up4(torch.cat((doubled(x), coded[:, :3], image, coded[:, 9:]), 1))
        return fused(x[:, :1].clamp(0, 1), torch.sigmoid(x[:, 1:4]), torch.sigmoid(x[:, 4:7]), image)


def fused(alpha: Tensor, foreground: Tensor, background: Tensor, image: Tensor) -> Tensor:
    """Alpha, F and B made to agree with the picture (FBA, section 3, "fusion"): [N, 7, H, W], 0..1.

    All inputs 0..1, alpha [N, 1, H, W], colours [N, 3, H, W]. The new F is used for B before it is clamped.
    """
    rest = alpha * (1 - alpha)
    foreground = alpha * image + (1 - alpha**2) * foreground - rest * background
    background = (1 - alpha) * image + (2 * alpha - alpha**2) * background - rest * foreground
    foreground, background = foreground.clamp(0, 1), background.clamp(0, 1)
    span = foreground - background
    above = 0.1 * alpha + ((image - background) * span).sum(1, keepdim=True)
    alpha = (above / ((span**2).sum(1, keepdim=True) + 0.1)).clamp(0, 1)
    return torch.cat((alpha, foreground, background), 1)


class FBA(nn.Module):
    """The whole network. Heights and widths are multiples of 8.

    form: how weights are standardised, see StandardisedConv.
    """

    multiple = 8

    def __init__(self, form: str = "2020") -> None:
        super().__init__()
        self.encoder = Encoder()
        self.decoder = Decoder()
        for module in self.modules():
            if isinstance(module, StandardisedConv):
                module.form = form

    def forward(self, image: Tensor, two_channel: Tensor, normalised: Tensor, distances: Tensor) -> Tensor:
        """image: [N, 3, H, W] RGB display colour, 0..1; normalised: the same, ImageNet-normalised;
        two_channel [N, 2, H, W] and distances [N, 6, H, W] as `trimap_coding` gives them
        -> [N, 7, H, W], 0..1: alpha, foreground RGB, background RGB; known regions not yet set.
        """
        features = self.encoder(torch.cat((normalised, distances, two_channel), 1))
        result: Tensor = self.decoder.finish(self.decoder.extract(features), features, image)
        return result


Picture = npt.NDArray[np.float32]


@torch.no_grad()
def matted_as_published(
    network: FBA, image: npt.NDArray[np.uint8], trimap: npt.NDArray[np.uint8]
) -> tuple[Picture, Picture, Picture]:
    """Alpha [H, W], foreground and background [H, W, 3] (0..1) of any size, as the authors' demo makes them.

    image: H x W x 3 RGB, 8 bit. Picture and trimap go up to multiples of 8 by Lanczos, which overshoots; the
    result comes back bilinearly, and what the trimap knows is set.
    """
    height, width = trimap.shape
    size = (width + -width % 8, height + -height % 8)
    large = _lanczos(image / 255.0, size)
    two = _lanczos(trimap_coding.two_channel(trimap).transpose(1, 2, 0), size).transpose(2, 0, 1)
    inputs = (*_colours(large), two, trimap_coding.distances(two))
    like = next(network.parameters())
    picture, normal, two_channel, distances = (torch.from_numpy(np.array(x))[None].to(like) for x in inputs)
    result = network(picture, two_channel, normal, distances)[0].permute(1, 2, 0).cpu().numpy()
    result = cv2.resize(result, (width, height))
    return _known_set(result, np.asarray(image / np.float32(255), np.float32), trimap)


def _lanczos(image: npt.NDArray[np.floating], size: tuple[int, int]) -> npt.NDArray[np.floating]:
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LANCZOS4), image.dtype)


def _colours(image: npt.NDArray[np.floating]) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
    normal = (image - MEAN) / DEVIATION
    return image.transpose(2, 0, 1), normal.transpose(2, 0, 1)


def _known_set(
    result: npt.NDArray[np.floating], image: Picture, trimap: npt.NDArray[np.uint8]
) -> tuple[Picture, Picture, Picture]:
    alpha, foreground, background = result[..., 0], result[..., 1:4], result[..., 4:7]
    alpha[trimap == 0], alpha[trimap == 255] = 0, 1
    foreground[alpha == 1], background[alpha == 0] = image[alpha == 1], image[alpha == 0]
    return alpha, foreground, background


def build(form: str = "2020") -> FBA:
    """form: "2020", the default, which the published weights were trained with, or "current"."""
    return FBA(form)
