"""Natural Image Matting via Guided Contextual Attention (Li and Lu, AAAI 2020): one frame and its trimap.

Keys and shapes are those of the authors' release; `state_dict` entries carry one more leading "module." there.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .guided_attention import GuidedContextualAttention
from .normalised import SpectralConv, SpectralUpConv


class Down(nn.Module):
    """Two spectral 3x3 and a shortcut; stride 2 averages the shortcut first (figure 3, encoder)."""

    def __init__(self, into: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = SpectralConv(into, out, 3, stride, 1)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = SpectralConv(out, out, 3, 1, 1)
        self.bn2 = nn.BatchNorm2d(out)
        # Sizes are even here; rounding up as the convolution does lets an exporter see that both sizes agree.
        self.downsample = None if stride == 1 else nn.Sequential(
            nn.AvgPool2d(2, 2, ceil_mode=True), SpectralConv(into, out, 1), nn.BatchNorm2d(out)
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """[N, into, H, W] -> [N, out, H/stride, W/stride]."""
        inner = F.relu(self.bn1(self.conv1(x)))
        inner = self.bn2(self.conv2(inner))
        return F.relu(inner + (x if self.downsample is None else self.downsample(x)))


class Up(nn.Module):
    """Two spectral convolutions and a shortcut, leaky; the first of a layer doubles the size."""

    def __init__(self, into: int, out: int, double: bool) -> None:
        super().__init__()
        self.conv1 = SpectralUpConv(into, into, 4, 2, 1) if double else SpectralConv(into, into, 3, 1, 1)
        self.bn1 = nn.BatchNorm2d(into)
        self.conv2 = SpectralConv(into, out, 3, 1, 1)
        self.bn2 = nn.BatchNorm2d(out)
        self.upsample = None if not double else nn.Sequential(
            nn.UpsamplingNearest2d(scale_factor=2), SpectralConv(into, out, 1), nn.BatchNorm2d(out)
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """[N, into, H, W] -> [N, out, 2H, 2W], or H, W where it does not double."""
        inner = F.leaky_relu(self.bn1(self.conv1(x)), 0.2)
        inner = self.bn2(self.conv2(inner))
        return F.leaky_relu(inner + (x if self.upsample is None else self.upsample(x)), 0.2)


def _downs(into: int, out: int, count: int, stride: int) -> nn.Sequential:
    return nn.Sequential(Down(into, out, stride), *(Down(out, out, 1) for _ in range(count - 1)))


def _ups(into: int, out: int, count: int) -> nn.Sequential:
    return nn.Sequential(Up(into, out, True), *(Up(out, out, False) for _ in range(count - 1)))


def _shortcut(into: int, out: int) -> nn.Sequential:
    first, second = SpectralConv(into, out, 3, 1, 1), SpectralConv(out, out, 3, 1, 1)
    return nn.Sequential(first, nn.ReLU(), nn.BatchNorm2d(out), second, nn.ReLU(), nn.BatchNorm2d(out))


def _guidance(into: int, out: int) -> list[nn.Module]:
    return [nn.ReflectionPad2d(1), SpectralConv(into, out, 3, 2, 0), nn.ReLU(), nn.BatchNorm2d(out)]


class Encoder(nn.Module):
    """ResNet-34 with a deeper stem, guided attention at 1/8, and a head that describes the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = SpectralConv(6, 32, 3, 2, 1)
        self.conv2 = SpectralConv(32, 32, 3, 1, 1)
        self.conv3 = SpectralConv(32, 64, 3, 2, 1)
        self.bn1, self.bn2, self.bn3 = nn.BatchNorm2d(32), nn.BatchNorm2d(32), nn.BatchNorm2d(64)
        self.layer1 = _downs(64, 64, 3, 1)
        self.layer2 = _downs(64, 128, 4, 2)
        self.layer3 = _downs(128, 256, 4, 2)
        self.layer_bottleneck = _downs(256, 512, 2, 2)
        sizes = ((6, 32), (32, 32), (64, 64), (128, 128), (256, 256))
        self.shortcut = nn.ModuleList([_shortcut(*size) for size in sizes])
        self.guidance_head = nn.Sequential(*_guidance(3, 16), *_guidance(16, 32), *_guidance(32, 128))
        self.gca = GuidedContextualAttention(128)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """x: [N, 6, H, W], picture and one-hot trimap.

        -> bottleneck at 1/32; skips at full size, 1/2, 1/4, 1/8, 1/16 (32, 32, 64, 128, 256 channels);
        guidance [N, 128, H/8, W/8]; unknown [N, 1, H/8, W/8].
        """
        guidance = self.guidance_head(x[:, :3])
        unknown = x[:, 4:5, ::8, ::8]
        half = F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))
        quarter = self.layer1(F.relu(self.bn3(self.conv3(half))))
        eighth = self.gca(guidance, self.layer2(quarter), unknown)
        sixteenth = self.layer3(eighth)
        levels = (x, half, quarter, eighth, sixteenth)
        skips = [lead(level) for lead, level in zip(self.shortcut, levels, strict=True)]
        return (self.layer_bottleneck(sixteenth), *skips, guidance, unknown)


class Decoder(nn.Module):
    """Up to 1/8, where features of neighbouring frames may be joined, and from there to the alpha."""

    def __init__(self) -> None:
        super().__init__()
        self.layer1 = _ups(512, 256, 2)
        self.layer2 = _ups(256, 128, 3)
        self.layer3 = _ups(128, 64, 3)
        self.layer4 = _ups(64, 32, 2)
        self.conv1 = SpectralUpConv(32, 32, 4, 2, 1)
        self.bn1 = nn.BatchNorm2d(32)
        self.conv2 = nn.Conv2d(32, 1, 3, 1, 1)
        self.gca = GuidedContextualAttention(128)

    def extract(self, features: tuple[Tensor, ...]) -> Tensor:
        """What the encoder gave -> [N, 128, H/8, W/8], after the second attention."""
        deep, _, _, _, eighth, sixteenth, guidance, unknown = features
        x = self.layer1(deep) + sixteenth
        x = self.layer2(x) + eighth
        attended: Tensor = self.gca(guidance, x, unknown)
        return attended

    def finish(self, x: Tensor, features: tuple[Tensor, ...]) -> Tensor:
        """The feature at 1/8 and the frame's own skips -> alpha [N, 1, H, W], 0..1."""
        _, full, half, quarter = features[:4]
        x = self.layer3(x) + quarter
        x = self.layer4(x) + half
        x = F.leaky_relu(self.bn1(self.conv1(x)), 0.2) + full
        return (torch.tanh(self.conv2(x)) + 1) / 2


class GCA(nn.Module):
    """The whole network. Heights and widths are multiples of 32."""

    multiple = 32

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.decoder = Decoder()

    def forward(self, image: Tensor, trimap: Tensor) -> Tensor:
        """image: [N, 3, H, W] RGB, ImageNet-normalised display colour; trimap: [N, 3, H, W], one-hot
        background, unknown, foreground -> alpha [N, 1, H, W], 0..1, known regions not yet set.
        """
        features = self.encoder(torch.cat((image, trimap), 1))
        alpha: Tensor = self.decoder.finish(self.decoder.extract(features), features)
        return alpha


def build() -> GCA:
    """GCA has no variants."""
    return GCA()
