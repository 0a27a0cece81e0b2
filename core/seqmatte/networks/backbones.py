"""Feature extractors, named as torchvision names them, so that its weights load unchanged.

Each gives its features from fine to coarse and lists their channels in `widths`. All take [N, C, H, W] of any
size; a feature at 1/2^n has sizes halved n times, rounded up.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Features = tuple[Tensor, ...]

RESNET_BLOCKS = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
RESNET_WIDTHS = (64, 128, 256, 512)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al., Deep Residual Learning, figure 5 left)."""

    expansion = 1

    def __init__(
        self, into: int, width: int, stride: int, dilations: tuple[int, int], bias: bool, project: bool
    ) -> None:
        super().__init__()
        first, second = dilations
        self.conv1 = nn.Conv2d(into, width, 3, stride, padding=first, dilation=first, bias=bias)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, padding=second, dilation=second, bias=bias)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(into, width, stride, bias) if project else None

    def forward(self, x: Tensor) -> Tensor:
        """The block's features: [N, width, H/stride, W/stride]."""
        inner = F.relu(self.bn1(self.conv1(x)))
        inner = self.bn2(self.conv2(inner))
        return F.relu(inner + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 and a shortcut; the 3x3 carries stride and dilation (torchvision's "v1.5")."""

    expansion = 4

    def __init__(
        self, into: int, width: int, stride: int, dilations: tuple[int, int], bias: bool, project: bool
    ) -> None:
        super().__init__()
        dilation = dilations[0]
        self.conv1 = nn.Conv2d(into, width, 1, bias=bias)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=dilation, dilation=dilation, bias=bias)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=bias)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample = _shortcut(into, 4 * width, stride, bias) if project else None

    def forward(self, x: Tensor) -> Tensor:
        """The block's features: [N, 4 * width, H/stride, W/stride]."""
        inner = F.relu(self.bn1(self.conv1(x)))
        inner = F.relu(self.bn2(self.conv2(inner)))
        inner = self.bn3(self.conv3(inner))
        return F.relu(inner + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """A residual network without its classifier; gives the stem at 1/2, then one feature a stage.

    depth: 18, 50 or 101. channels: of the picture. stages: what the stages are called in the weights; fewer
    than four names leave the last stages out. stride16: the fourth stage keeps the third's resolution and is
    dilated instead. bias: whether convolutions carry one.
    """

    def __init__(
        self,
        depth: int = 50,
        channels: int = 3,
        stages: Sequence[str] = ("layer1", "layer2", "layer3", "layer4"),
        stride16: bool = False,
        bias: bool = False,
    ) -> None:
        super().__init__()
        block = BasicBlock if depth == 18 else Bottleneck
        self.conv1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=bias)
        self.bn1 = nn.BatchNorm2d(64)
        self.stages = tuple(stages)
        into, widths = 64, [64]
        for index, name in enumerate(self.stages):
            dilated = stride16 and index == 3
            stride = 1 if index == 0 or dilated else 2
            count, width = RESNET_BLOCKS[depth][index], RESNET_WIDTHS[index]
            self.add_module(name, _stage(block, into, width, count, stride, dilated, bias))
            into = block.expansion * width
            widths.append(into)
        self.widths = tuple(widths)

    def stem(self, x: Tensor) -> Tensor:
        """The first activation, [N, 64, H/2, W/2], before the pooling."""
        return F.relu(self.bn1(self.conv1(x)))

    def forward(self, x: Tensor) -> Features:
        """Features at 1/2 (stem), 1/4, 1/8, 1/16 and 1/32 (or 1/16 again, dilated)."""
        features = [self.stem(x)]
        x = F.max_pool2d(features[0], 3, 2, 1)
        for name in self.stages:
            x = self.get_submodule(name)(x)
            features.append(x)
        return tuple(features)


def _shortcut(into: int, out: int, stride: int, bias: bool) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(into, out, 1, stride, bias=bias), nn.BatchNorm2d(out))


def _stage(
    block: type[BasicBlock] | type[Bottleneck],
    into: int,
    width: int,
    count: int,
    stride: int,
    dilated: bool,
    bias: bool,
) -> nn.Sequential:
    out = block.expansion * width
    later = 2 if dilated else 1
    # Block 0 of a dilated stage begins undilated, as torchvision builds it.
    blocks = [block(into, width, stride, (1, later), bias, project=stride != 1 or into != out or dilated)]
    blocks += [block(out, width, 1, (later, later), bias, project=False) for _ in range(count - 1)]
    return nn.Sequential(*blocks)


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


class ImageNetNormalise(nn.Module):
    """RGB 0..1 to ImageNet's zero mean and unit deviation. Its constants are no part of the weights."""

    def __init__(self) -> None:
        super().__init__()
        mean, deviation = torch.tensor((0.485, 0.456, 0.406)), torch.tensor((0.229, 0.224, 0.225))
        self.register_buffer("mean", mean.view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", deviation.view(3, 1, 1), persistent=False)
        self.mean: Tensor
        self.deviation: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """x: [N, 3, H, W], 0..1."""
        return (x - self.mean) / self.deviation
