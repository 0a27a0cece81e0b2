"""Feature extractors, named as torchvision names them, so that its weights load unchanged.

Each gives its features from fine to coarse and lists their channels in `widths`. All take [N, C, H, W] of any
size; a feature at 1/2^n has sizes halved n times, rounded up.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqmatte.networks.imagenet import DEVIATION, MEAN

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


class ImageNetNormalise(nn.Module):
    """RGB 0..1 to ImageNet's zero mean and unit deviation. Its constants are no part of the weights."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(3, 1, 1), persistent=False)
        self.mean: Tensor
        self.deviation: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """x: [N, 3, H, W], 0..1."""
        return (x - self.mean) / self.deviation
