"""Attention-based memory for video portrait matting (Song, "Attention-based Memory video portrait matting").

   plate -> coarse plate -> MobileNetV3 -> LR-ASPP -> key, value -> attention over t-1 and t-2
         -> residual up-sampling -> foreground, alpha -> guided filter

There is no public code: backbone, pyramid and filter are RVM's, by the same names, so that RVM's weights can
begin it; the widths meet the paper's 3.89 M parameters and 9.69 GMACs at 512 x 512. The plate is RGB,
display-referred, 0..1, of any size.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqmatte.networks.aspp import LRASPP
from seqmatte.networks.backbones import ImageNetNormalise
from seqmatte.networks.blocks import conv3, scaled
from seqmatte.networks.guided_filter import DeepGuidedFilter
from seqmatte.networks.mobile_backbones import MobileNetV3Large
from seqmatte.networks.rvm import Projection, joined, pooled


class State(NamedTuple):
    """Frames t-1 and t-2 as the memory holds them, newest first.

    keys: [B, 2, 16, h, w]; values: [B, 2, 64, h, w], at 1/16; seen: [1], how many frames went by, as a float.
    """

    keys: Tensor
    values: Tensor
    seen: Tensor


class MemoryGenerator(nn.Module):
    """Key and value of a frame, C/8 and C/2 channels of the pyramid's C (section 3.2 of the paper)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.key = conv3(channels, channels // 8)
        self.value = conv3(channels, channels // 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[B, C, h, w] -> [B, C/8, h, w] and [B, C/2, h, w]."""
        return F.relu(self.key(x)), F.relu(self.value(x))


class ResidualUpsampling(nn.Module):
    """Two 3x3 convolutions beside a 1x1 shortcut, over what `joined` has brought together."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv3(into, out, bias=False), nn.BatchNorm2d(out)
        self.conv2, self.bn2 = conv3(out, out, bias=False), nn.BatchNorm2d(out)
        self.skip = nn.Sequential(nn.Conv2d(into, out, 1, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor, *fine: Tensor) -> Tensor:
        """x: [B, ., h, w]; fine: features of the size to come, [B, ., 2h, 2w] -> [B, out, 2h, 2w]."""
        both = joined(x, *fine)
        inner = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(both)))))
        return F.relu(self.skip(both) + inner)


class Decoder(nn.Module):
    """From 1/16 to the coarse plate's size, each step with the encoder's feature and the pooled plate."""

    def __init__(self) -> None:
        super().__init__()
        self.decode3 = ResidualUpsampling(128 + 40 + 3, 150)
        self.decode2 = ResidualUpsampling(150 + 24 + 3, 40)
        self.decode1 = ResidualUpsampling(40 + 16 + 3, 28)
        self.decode0 = ResidualUpsampling(28 + 3, 16)

    def forward(self, x: Tensor, plate: Tensor, features: tuple[Tensor, ...]) -> Tensor:
        """x: [B, 128, h/16, w/16]; features at 1/2, 1/4, 1/8 -> [B, 16, h, w]."""
        half, quarter, eighth = (picture[:, 0] for picture in pooled(plate.unsqueeze(1)))
        f1, f2, f3 = features
        x = self.decode3(x, f3, eighth)
        x = self.decode2(x, f2, quarter)
        x = self.decode1(x, f1, half)
        fine: Tensor = self.decode0(x, plate)
        return fine


class AMM(nn.Module):
    """The whole network, one frame at a time: [B, 3, H, W]."""

    def __init__(self) -> None:
        super().__init__()
        self.normalise = ImageNetNormalise()
        self.backbone = MobileNetV3Large()
        self.aspp = LRASPP(960, 128)
        self.memory = MemoryGenerator(128)
        self.decoder = Decoder()
        self.output = nn.Sequential(conv3(16, 16, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True), conv3(16, 4))
        self.project_seg = Projection(16, 1)
        self.project_low = Projection(128, 4)
        self.refiner = DeepGuidedFilter(16)

    def forward(self, plate: Tensor, state: State | None = None, detail: float = 1.0) -> tuple[Tensor, Tensor, State]:
        """Foreground [B, 3, H, W] (not premultiplied) and alpha [B, 1, H, W], both 0..1, and the new state.

        detail: the share of the resolution at which the network looks; at 1 no filter follows. The state
        belongs to one size and one detail; begin anew (None) when either changes.
        """
        small, hidden, _, state = self._features(plate, state, detail)
        residual, alpha = self.output[3](hidden).split((3, 1), 1)
        if detail != 1:
            residual, alpha = self.refiner(plate, small, residual, alpha, hidden)
        return (residual + plate).clamp(0, 1), alpha.clamp(0, 1), state

    def segment(self, plate: Tensor, state: State | None = None, detail: float = 1.0) -> tuple[Tensor, State]:
        """Logits that a pixel is a person, [B, 1, h, w] at the coarse size, and the new state."""
        _, hidden, _, state = self._features(plate, state, detail)
        return self.project_seg(hidden), state

    def low(self, plate: Tensor, state: State | None = None, detail: float = 1.0) -> tuple[Tensor, Tensor, State]:
        """Foreground and alpha at 1/16 of the coarse plate, unclamped (supervised in training only)."""
        small, _, read, state = self._features(plate, state, detail)
        residual, alpha = self.project_low(read).split((3, 1), 1)
        sixteenth = F.avg_pool2d(pooled(small.unsqueeze(1))[2][:, 0], 2, 2, ceil_mode=True, count_include_pad=False)
        return residual + sixteenth, alpha, state

    def blank_state(self, plate: Tensor, detail: float = 1.0) -> State:
        """The state before the first frame, for plates like this one: what None stands for."""
        height, width = (-(-int(side * detail) // 16) for side in plate.shape[-2:])
        blank = plate.new_zeros(plate.shape[0], 2, 1, height, width)
        return State(blank.repeat(1, 1, 16, 1, 1), blank.repeat(1, 1, 64, 1, 1), plate.new_zeros(1))

    def _features(self, plate: Tensor, state: State | None, detail: float) -> tuple[Tensor, Tensor, Tensor, State]:
        small = plate if detail == 1 else scaled(plate, detail)
        *fine, coarse = self.backbone(self.normalise(small))
        key, value = self.memory(self.aspp(coarse))
        read = torch.cat((_attended(key, *_completed(key, value, state)), value), 1)
        hidden = self.output[:3](self.decoder(read, small, tuple(fine)))
        return small, hidden, read, _followed(key, value, state)


def _completed(key: Tensor, value: Tensor, state: State | None) -> tuple[Tensor, Tensor]:
    """The memory to read: until two frames went by, the frame itself, twice (our reading of frames 0 and 1)."""
    keys, values = (x.unsqueeze(1).expand(-1, 2, -1, -1, -1) for x in (key, value))
    if state is None:
        return keys, values
    # Chosen by a tensor, not by a branch, so that one exported graph serves every frame.
    full = state.seen >= 2
    return torch.where(full, state.keys, keys), torch.where(full, state.values, values)


def _followed(key: Tensor, value: Tensor, state: State | None) -> State:
    if state is None:
        keys, values, seen = torch.zeros_like(key), torch.zeros_like(value), key.new_zeros(1)
    else:
        keys, values, seen = state.keys[:, 0], state.values[:, 0], state.seen
    return State(torch.stack((key, keys), 1), torch.stack((value, values), 1), seen + 1)


def _attended(key: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """What the memory holds for each position: softmax of plain dot products (equation 2 of the paper)."""
    scores = keys.transpose(1, 2).flatten(2).transpose(1, 2) @ key.flatten(2)
    read = values.transpose(1, 2).flatten(2) @ scores.softmax(1)
    return read.reshape(*read.shape[:2], *key.shape[-2:])


def build() -> AMM:
    """AMM, 3.89 M parameters."""
    return AMM()
