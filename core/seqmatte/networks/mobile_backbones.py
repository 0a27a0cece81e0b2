"""MobileNets as feature extractors, named as torchvision names them, so that its weights load unchanged.

Each gives its features from fine to coarse and lists their channels in `widths`, as `backbones` does.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from seqmatte.networks.backbones import Features

# Table 1 of Searching for MobileNetV3 (Howard et al.), with the dilated end that matting uses:
# kernel, expanded, out, squeezed (0: none), hard-swish, stride, dilation.
MOBILENET_V3 = (
    (3, 16, 16, 0, False, 1, 1),
    (3, 64, 24, 0, False, 2, 1),
    (3, 72, 24, 0, False, 1, 1),
    (5, 72, 40, 24, False, 2, 1),
    (5, 120, 40, 32, False, 1, 1),
    (5, 120, 40, 32, False, 1, 1),
    (3, 240, 80, 0, True, 2, 1),
    (3, 200, 80, 0, True, 1, 1),
    (3, 184, 80, 0, True, 1, 1),
    (3, 184, 80, 0, True, 1, 1),
    (3, 480, 112, 120, True, 1, 1),
    (3, 672, 112, 168, True, 1, 1),
    (5, 672, 160, 168, True, 2, 2),
    (5, 960, 160, 240, True, 1, 2),
    (5, 960, 160, 240, True, 1, 2),
)


class SqueezeExcitation(nn.Module):
    """Weighs channels by what the whole picture holds (Hu et al.; hard sigmoid as in MobileNetV3)."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """x with each channel multiplied by a number in 0..1."""
        scale = self.fc2(F.relu(self.fc1(self.avgpool(x))))
        scaled: Tensor = F.hardsigmoid(scale) * x
        return scaled


class InvertedResidualV3(nn.Module):
    """Expand, filter each channel, weigh channels, project; a shortcut where the shapes agree."""

    def __init__(
        self, into: int, kernel: int, wide: int, out: int, squeezed: int, swish: bool, stride: int, dilation: int
    ) -> None:
        super().__init__()
        self.shortcut = stride == 1 and into == out
        act: type[nn.Module] = nn.Hardswish if swish else nn.ReLU
        layers: list[nn.Module] = [] if wide == into else [_v3(into, wide, 1, act=act)]
        # A dilated filter replaces the stride that the table lists.
        stride = 1 if dilation > 1 else stride
        layers.append(_v3(wide, wide, kernel, stride, dilation, groups=wide, act=act))
        if squeezed:
            layers.append(SqueezeExcitation(wide, squeezed))
        layers.append(_v3(wide, out, 1))
        self.block = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """[N, out, H/stride, W/stride]."""
        inner: Tensor = self.block(x)
        return x + inner if self.shortcut else inner


class MobileNetV3Large(nn.Module):
    """MobileNetV3-Large with a dilated end; features at 1/2, 1/4, 1/8, 1/16 of 16, 24, 40, 960 channels."""

    widths = (16, 24, 40, 960)

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [_v3(3, 16, 3, 2, act=nn.Hardswish)]
        into = 16
        for row in MOBILENET_V3:
            layers.append(InvertedResidualV3(into, *row))
            into = row[2]
        layers.append(_v3(into, 960, 1, act=nn.Hardswish))
        self.features = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Features:
        """Features at 1/2, 1/4, 1/8 and 1/16."""
        return _tapped(self.features, x, (1, 3, 6, 16))


def _v3(
    into: int,
    out: int,
    kernel: int,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    act: type[nn.Module] | None = None,
) -> nn.Sequential:
    padding = (kernel - 1) // 2 * dilation
    layers: list[nn.Module] = [
        nn.Conv2d(into, out, kernel, stride, padding, dilation, groups, bias=False),
        nn.BatchNorm2d(out, eps=1e-3, momentum=0.01),
    ]
    return nn.Sequential(*layers, *([] if act is None else [act(inplace=True)]))


# Table 2 of MobileNetV2 (Sandler et al.): expansion, out, repeats, stride of the first. The stride of the
# sixth row becomes 1 and its later blocks are dilated, for features at 1/16.
MOBILENET_V2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 1),
    (6, 320, 1, 1),
)


class InvertedResidualV2(nn.Module):
    """Expand, filter each channel, project without activation; a shortcut where the shapes agree."""

    def __init__(self, into: int, out: int, expansion: int, stride: int, dilation: int) -> None:
        super().__init__()
        wide = into * expansion
        self.shortcut = stride == 1 and into == out
        layers: list[nn.Module] = [] if expansion == 1 else [_v2(into, wide, 1)]
        layers += [_v2(wide, wide, 3, stride, dilation, groups=wide)]
        layers += [nn.Conv2d(wide, out, 1, bias=False), nn.BatchNorm2d(out)]
        self.conv = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """[N, out, H/stride, W/stride]."""
        inner: Tensor = self.conv(x)
        return x + inner if self.shortcut else inner


class MobileNetV2(nn.Module):
    """MobileNetV2 without its last layer, dilated end; features at 1/2, 1/4, 1/8, 1/16: 16, 24, 32, 320."""

    widths = (16, 24, 32, 320)

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        layers: list[nn.Module] = [_v2(channels, 32, 3, 2)]
        into = 32
        for expansion, out, repeats, first in MOBILENET_V2:
            for repeat in range(repeats):
                dilation = 2 if len(layers) >= 15 else 1
                layers.append(InvertedResidualV2(into, out, expansion, first if repeat == 0 else 1, dilation))
                into = out
        self.features = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Features:
        """Features at 1/2, 1/4, 1/8 and 1/16."""
        return _tapped(self.features, x, (1, 3, 6, 17))


def _v2(into: int, out: int, kernel: int, stride: int = 1, dilation: int = 1, groups: int = 1) -> nn.Sequential:
    padding = (kernel - 1) // 2 * dilation
    return nn.Sequential(
        nn.Conv2d(into, out, kernel, stride, padding, dilation, groups, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU6(inplace=True),
    )


def _tapped(layers: nn.Sequential, x: Tensor, taps: Sequence[int]) -> Features:
    features = []
    for index, layer in enumerate(layers):
        x = layer(x)
        if index in taps:
            features.append(x)
    return tuple(features)
