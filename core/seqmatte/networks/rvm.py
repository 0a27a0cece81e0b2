"""Robust Video Matting (Lin et al., WACV 2022): people without a guide, memory in four recurrent maps.

   plate -> coarse plate -> backbone -> LR-ASPP -> decoder with ConvGRUs -> foreground, alpha -> guided filter

The plate is RGB, display-referred, 0..1, of any size; a frame [B, 3, H, W] or a clip [B, T, 3, H, W].
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqmatte.networks.aspp import LRASPP
from seqmatte.networks.backbones import ImageNetNormalise, ResNet
from seqmatte.networks.blocks import as_clips, conv3, doubled, scaled
from seqmatte.networks.gru import ConvGRU
from seqmatte.networks.guided_filter import DeepGuidedFilter, FastGuidedFilter
from seqmatte.networks.mobile_backbones import MobileNetV3Large

# Hidden maps at 1/2, 1/4, 1/8 and 1/16 of the coarse plate; None before the first frame.
State = tuple[Tensor, ...]

REFINERS = {"deep_guided_filter": DeepGuidedFilter, "fast_guided_filter": FastGuidedFilter}


class BottleneckBlock(nn.Module):
    """Half of the channels remember, half pass by (section 3.2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gru = ConvGRU(channels // 2)

    def forward(self, clip: Tensor, hidden: Tensor | None) -> tuple[Tensor, Tensor]:
        """clip: [B, T, channels, h, w], the same out; and the hidden state of channels / 2."""
        passing, remembered = clip.chunk(2, 2)
        remembered, hidden = self.gru(remembered, hidden)
        return torch.cat((passing, remembered), 2), hidden


class RecurrentUpsampling(nn.Module):
    """Up by two, joined with the encoder's feature and the pooled plate, then a recurrent bottleneck."""

    def __init__(self, into: int, skip: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(conv3(into + skip + 3, out, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True))
        self.gru = ConvGRU(out // 2)

    def forward(self, clip: Tensor, skip: Tensor, pooled: Tensor, hidden: Tensor | None) -> tuple[Tensor, Tensor]:
        """clip: [B, T, into, h, w]; skip, pooled: [B, T, ., 2h, 2w] or one less at an odd edge."""
        frames = clip.shape[:2]
        x = self.conv(joined(clip.flatten(0, 1), skip.flatten(0, 1), pooled.flatten(0, 1)))
        passing, remembered = as_clips(x, frames).chunk(2, 2)
        remembered, hidden = self.gru(remembered, hidden)
        return torch.cat((passing, remembered), 2), hidden


class Output(nn.Module):
    """The last up-sampling, joined with the coarse plate only; no memory."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            conv3(into + 3, out, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(inplace=True),
            conv3(out, out, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor, plate: Tensor) -> Tensor:
        """x: [N, into, h/2, w/2]; plate: [N, 3, h, w] -> [N, out, h, w]."""
        features: Tensor = self.conv(joined(x, plate))
        return features


class Decoder(nn.Module):
    """From 1/16 to the coarse plate's size, with a memory at each step (figure 2)."""

    def __init__(self, skips: Sequence[int], widths: Sequence[int]) -> None:
        super().__init__()
        self.decode4 = BottleneckBlock(skips[3])
        self.decode3 = RecurrentUpsampling(skips[3], skips[2], widths[0])
        self.decode2 = RecurrentUpsampling(widths[0], skips[1], widths[1])
        self.decode1 = RecurrentUpsampling(widths[1], skips[0], widths[2])
        self.decode0 = Output(widths[2], widths[3])

    def forward(
        self, plate: Tensor, features: Sequence[Tensor], state: Sequence[Tensor | None]
    ) -> tuple[Tensor, State]:
        """plate: [B, T, 3, h, w]; features: [B, T, ...] at 1/2 to 1/16. Gives [B * T, 16, h, w] and the state."""
        half, quarter, eighth = pooled(plate)
        f1, f2, f3, f4 = features
        r1, r2, r3, r4 = state
        x, r4 = self.decode4(f4, r4)
        x, r3 = self.decode3(x, f3, eighth, r3)
        x, r2 = self.decode2(x, f2, quarter, r2)
        x, r1 = self.decode1(x, f1, half, r1)
        return self.decode0(x.flatten(0, 1), plate.flatten(0, 1)), (r1, r2, r3, r4)


class Projection(nn.Module):
    """One 1x1 convolution (a module of its own because the published weights name it so)."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(into, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[N, into, h, w] -> [N, out, h, w]."""
        projected: Tensor = self.conv(x)
        return projected


class RVM(nn.Module):
    """The whole network. `backbone`: mobilenetv3 or resnet50; `refiner`: deep_ or fast_guided_filter."""

    def __init__(self, backbone: str = "mobilenetv3", refiner: str = "deep_guided_filter") -> None:
        super().__init__()
        small = backbone == "mobilenetv3"
        self.backbone = MobileNetV3Large() if small else ResNet(50, stride16=True)
        # The ResNet variant was trained on plain 0..1 pictures.
        self.normalise = ImageNetNormalise() if small else nn.Identity()
        self.aspp = LRASPP(960, 128) if small else LRASPP(2048, 256)
        skips, widths = ((16, 24, 40, 128), (80, 40, 32, 16)) if small else ((64, 256, 512, 256), (128, 64, 32, 16))
        self.decoder = Decoder(skips, widths)
        self.state_widths = (widths[2] // 2, widths[1] // 2, widths[0] // 2, skips[3] // 2)
        self.project_mat = Projection(16, 4)
        self.project_seg = Projection(16, 1)
        self.refiner = REFINERS[refiner]()

    def forward(self, plate: Tensor, state: State | None = None, detail: float = 1.0) -> tuple[Tensor, Tensor, State]:
        """Foreground [.., 3, H, W] (not premultiplied) and alpha [.., 1, H, W], both 0..1, and the new state.

        detail: the share of the resolution at which the network looks, 0 < detail <= 1; at 1 no filter follows.
        The state belongs to one size of plate and one detail; begin anew (None) when either changes.
        """
        clip = plate if plate.ndim == 5 else plate.unsqueeze(1)
        hidden, small, state = self._features(clip, state, detail)
        full = clip.flatten(0, 1)
        residual, alpha = self.project_mat(hidden).split((3, 1), 1)
        if detail != 1:
            residual, alpha = self.refiner(full, small, residual, alpha, hidden)
        foreground, alpha = (residual + full).clamp(0, 1), alpha.clamp(0, 1)
        return _like(plate, foreground), _like(plate, alpha), state

    def segment(self, plate: Tensor, state: State | None = None, detail: float = 1.0) -> tuple[Tensor, State]:
        """Logits that a pixel is a person, [.., 1, h, w] at the coarse size, and the new state (section 4.2)."""
        clip = plate if plate.ndim == 5 else plate.unsqueeze(1)
        hidden, _, state = self._features(clip, state, detail)
        return _like(plate, self.project_seg(hidden)), state

    def blank_state(self, plate: Tensor, detail: float = 1.0) -> State:
        """Zeros of the state's shapes for plates like this one: what None stands for."""
        height, width = (int(side * detail) for side in plate.shape[-2:])
        zeros = []
        for channels in self.state_widths:
            height, width = -(-height // 2), -(-width // 2)
            zeros.append(plate.new_zeros(plate.shape[0], channels, height, width))
        return tuple(zeros)

    def _features(self, clip: Tensor, state: State | None, detail: float) -> tuple[Tensor, Tensor, State]:
        full = clip.flatten(0, 1)
        small = full if detail == 1 else scaled(full, detail)
        *fine, coarse = self._taps(self.backbone(self.normalise(small)))
        features = [as_clips(feature, clip.shape[:2]) for feature in (*fine, self.aspp(coarse))]
        before = (None, None, None, None) if state is None else state
        hidden, after = self.decoder(as_clips(small, clip.shape[:2]), features, before)
        return hidden, small, after

    def _taps(self, features: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        # The ResNet's third stage is at 1/16 too; the decoder wants one feature a size.
        return features if len(features) == 4 else (*features[:3], features[4])


def pooled(plate: Tensor) -> list[Tensor]:
    """The plate, [B, T, 3, h, w], at 1/2, 1/4 and 1/8; a window at an odd edge is the mean of what it holds."""
    frames, pictures = plate.shape[:2], plate.flatten(0, 1)
    sizes = []
    for _ in range(3):
        pictures = F.avg_pool2d(pictures, 2, 2, ceil_mode=True, count_include_pad=False)
        sizes.append(as_clips(pictures, frames))
    return sizes


def joined(x: Tensor, *fine: Tensor) -> Tensor:
    """x, [N, C, h, w], at twice its size, cut to the fine features' size, and those beside it."""
    height, width = fine[0].shape[-2:]
    return torch.cat((doubled(x)[..., :height, :width], *fine), 1)


def _like(plate: Tensor, frames: Tensor) -> Tensor:
    return as_clips(frames, plate.shape[:2]) if plate.ndim == 5 else frames


def build(backbone: str = "mobilenetv3", refiner: str = "deep_guided_filter") -> RVM:
    """RVM: 3.75 M parameters with mobilenetv3, 26.9 M with resnet50. Checkpoints carry the deep guided filter."""
    return RVM(backbone, refiner)
