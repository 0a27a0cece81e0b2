"""Indices Matter (Lu et al., ICCV 2019): MobileNetV2 that learns where to pool; the third base of TCVOM.

Indices are depthwise, many to one, with context and nonlinearity: each channel's own four weights per 2x2
window, from 4x4 neighbourhoods of all channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Table 2 of MobileNetV2 (Sandler et al.): expansion, in, out, repeats. Every stride is 1; indices pool.
LAYERS = (
    (1, 32, 16, 1),
    (6, 16, 24, 2),
    (6, 24, 32, 3),
    (6, 32, 64, 4),
    (6, 64, 96, 3),
    (6, 96, 160, 3),
    (6, 160, 320, 1),
)
# The layers after which an index block pools, and their channels.
INDEXED = {0: 32, 2: 24, 3: 32, 4: 64, 6: 160}

# The deepest feature; the features of layers 0 to 6, indexed where they are; decoder's indices by layer.
Coded = tuple[Tensor, list[Tensor], dict[int, Tensor]]


def _unit(into: int, out: int, kernel: int, groups: int = 1, padding: int = 0, dilation: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(into, out, kernel, 1, padding, dilation, groups, bias=False)
    return [conv, nn.BatchNorm2d(out), nn.ReLU6()]


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project. Padding comes before the expansion, as the weights expect."""

    def __init__(self, expansion: int, into: int, out: int) -> None:
        super().__init__()
        wide = into * expansion
        layers = [] if expansion == 1 else _unit(into, wide, 1)
        layers += [*_unit(wide, wide, 3, wide), nn.Conv2d(wide, out, 1, bias=False), nn.BatchNorm2d(out)]
        self.conv = nn.Sequential(*layers)
        self.shortcut = into == out

    def forward(self, x: Tensor) -> Tensor:
        """[N, into, H, W] -> [N, out, H, W]."""
        y: Tensor = self.conv(F.pad(x, (1, 1, 1, 1)))
        return x + y if self.shortcut else y


class Indices(nn.Module):
    """Weights with which 2x2 windows are pooled (softmax over the four) and unpooled (sigmoid); section 3.3."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        for corner in range(1, 5):
            context = nn.Conv2d(channels, channels, 4, 2, 1, bias=False)
            layers = (context, nn.BatchNorm2d(channels), nn.ReLU6(), nn.Conv2d(channels, channels, 1, bias=False))
            self.add_module(f"indexnet{corner}", nn.Sequential(*layers))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[N, C, H, W] -> weights for the encoder and for the decoder, of that shape, 0..1."""
        gates = torch.sigmoid(torch.stack([corner(x) for corner in self.children()], 2))
        return (
            F.pixel_shuffle(torch.softmax(gates, 2).flatten(1, 2), 2),
            F.pixel_shuffle(gates.flatten(1, 2), 2),
        )


class Branch(nn.Module):
    """One branch of the pyramid: 1x1, or a dilated filter per channel and then 1x1."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        spread = _unit(320, 320, 3, 320, dilation, dilation) if dilation > 1 else []
        self.atrous_conv = nn.Sequential(*spread, *_unit(320, 256, 1))

    def forward(self, x: Tensor) -> Tensor:
        """[N, 320, H, W] -> [N, 256, H, W]."""
        y: Tensor = self.atrous_conv(x)
        return y


class Pyramid(nn.Module):
    """Atrous spatial pyramid pooling with rates 1, 2, 4, 8 and the picture's mean."""

    def __init__(self) -> None:
        super().__init__()
        for index, dilation in enumerate((1, 2, 4, 8), 1):
            self.add_module(f"aspp{index}", Branch(dilation))
        self.global_avg_pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), *_unit(320, 256, 1))
        self.bottleneck_conv = nn.Sequential(*_unit(5 * 256, 160, 1))
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        """[N, 320, H, W] -> [N, 160, H, W]."""
        branches = [self.get_submodule(f"aspp{index}")(x) for index in range(1, 5)]
        branches.append(self.global_avg_pool(x).expand_as(branches[0]))
        y: Tensor = self.dropout(self.bottleneck_conv(torch.cat(branches, 1)))
        return y


class Encoder(nn.Module):
    """Eight layers, five of which pool by their indices, and the pyramid at 1/32."""

    def __init__(self) -> None:
        super().__init__()
        self.layer0 = nn.Sequential(*_unit(4, 32, 3, padding=1))
        for layer, (expansion, into, out, repeats) in enumerate(LAYERS, 1):
            blocks = [InvertedResidual(expansion, into if i == 0 else out, out) for i in range(repeats)]
            self.add_module(f"layer{layer}", nn.Sequential(*blocks))
        for layer, channels in INDEXED.items():
            self.add_module(f"index{layer}", Indices(channels))
        self.dconv_pp = Pyramid()

    def forward(self, x: Tensor) -> Coded:
        """x: [N, 4, H, W], RGB ImageNet-normalised and the trimap as 0, 128/255, 1."""
        features: list[Tensor] = []
        unpooling: dict[int, Tensor] = {}
        for layer in range(7):
            x = self.get_submodule(f"layer{layer}")(x)
            if layer in INDEXED:
                pooling, unpooling[layer] = self.get_submodule(f"index{layer}")(x)
                x = pooling * x
            features.append(x)
            if layer in INDEXED:
                # The mean times four: the softmax weights of a window already add up to one.
                x = 4 * F.avg_pool2d(x, 2, 2)
        return self.dconv_pp(self.get_submodule("layer7")(x)), features, unpooling


class Rise(nn.Module):
    """Spread by the indices where there are any, join the skip, convolve."""

    def __init__(self, into: int, skip: int, out: int) -> None:
        super().__init__()
        self.dconv = nn.Sequential(*_unit(into + skip, out, 5, padding=2))

    def forward(self, x: Tensor, skip: Tensor, indices: Tensor | None) -> Tensor:
        """[N, into, h, w] and the skip [N, skip, H, W] -> [N, out, H, W]."""
        if indices is not None:
            x = indices * F.interpolate(x, scale_factor=2.0, mode="nearest")
        y: Tensor = self.dconv(torch.cat((x, skip), 1))
        return y


class Decoder(nn.Module):
    """Seven steps back up, stopping at 1/8 to let features of neighbouring frames in."""

    def __init__(self) -> None:
        super().__init__()
        widths = (160, 96, 64, 32, 24, 16, 32, 32)
        skips = (160, 96, 64, 32, 24, 16, 32)
        for step, layer in enumerate(range(6, -1, -1)):
            self.add_module(f"decoder_layer{layer}", Rise(widths[step], skips[step], widths[step + 1]))
        self.pred = nn.Sequential(nn.Sequential(*_unit(32, 1, 5, padding=2)), nn.Conv2d(1, 1, 5, padding=2, bias=False))

    def extract(self, features: Coded) -> Tensor:
        """What the encoder gave -> [N, 32, H/8, W/8]."""
        return self._up(features[0], features, (6, 5, 4))

    def finish(self, x: Tensor, features: Coded) -> Tensor:
        """The feature at 1/8 and the frame's own skips -> alpha [N, 1, H, W], not clamped."""
        alpha: Tensor = self.pred(self._up(x, features, (3, 2, 1, 0)))
        return alpha

    def _up(self, x: Tensor, features: Coded, layers: tuple[int, ...]) -> Tensor:
        _, skips, unpooling = features
        for layer in layers:
            x = self.get_submodule(f"decoder_layer{layer}")(x, skips[layer], unpooling.get(layer))
        return x
