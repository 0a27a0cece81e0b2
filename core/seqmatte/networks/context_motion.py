"""Matting from context and motion: the features of a frame, those of the last one brought along by optical
flow, and a recurrent state; without a guide.

   plate -> encoder -> context -----------------------------------+
   plate, last plate -> PWC-Net -> flow -> last context warped -> motion -> GRU -> alpha decoder, foreground decoder

The paper was submitted anonymously and has no public code; what it leaves open is decided here (channel counts,
normalisation). The plate is RGB, display-referred, 0..1, of any size.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqmatte.networks.backbones import ImageNetNormalise, ResNet
from seqmatte.networks.blocks import conv3, resized
from seqmatte.networks.flow_pwc import PWCNet, warped
from seqmatte.networks.gru import SeparableGRU
from seqmatte.networks.mobile_backbones import MobileNetV2


class State(NamedTuple):
    """The last frame. plate: [B, 3, H, W]; context, hidden: [B, 64, h, w] at 1/16; seen: [1], frames gone by."""

    plate: Tensor
    context: Tensor
    hidden: Tensor
    seen: Tensor


class Update(nn.Module):
    """Context, its motion and the flow, into the hidden state: two GRUs, along rows, then along columns."""

    def __init__(self) -> None:
        super().__init__()
        self.corr = nn.Sequential(conv3(128, 32), nn.ReLU(inplace=True), conv3(32, 32), nn.ReLU(inplace=True))
        self.flow = nn.Sequential(
            nn.Conv2d(2, 32, 7, padding=3),
            nn.ReLU(inplace=True),
            nn.Conv2d(32, 32, 7, padding=3),
            nn.ReLU(inplace=True),
        )
        self.motion = nn.Sequential(conv3(64, 62), nn.ReLU(inplace=True))
        self.gru1 = SeparableGRU(64, 128, (1, 5))
        self.gru2 = SeparableGRU(64, 128, (5, 1))

    def forward(self, context: Tensor, brought: Tensor, flow: Tensor, hidden: Tensor) -> Tensor:
        """context, brought, hidden: [B, 64, h, w]; flow: [B, 2, h, w] in their pixels -> the next hidden state."""
        correlated = self.corr(torch.cat((context, brought), 1))
        motion = self.motion(torch.cat((correlated, self.flow(flow)), 1))
        fused = torch.cat((context, motion, flow), 1)
        following: Tensor = self.gru2(self.gru1(hidden, fused), fused)
        return following


class Decoder(nn.Module):
    """Four steps to full size, each resized to the encoder's feature that it joins."""

    def __init__(self, out: int) -> None:
        super().__init__()
        self.up3, self.up2, self.up1, self.up0 = _two(64 + 32), _two(32 + 32), _two(32 + 32), _two(32 + 32)
        self.out = nn.Sequential(conv3(32, 32), nn.ReLU(inplace=True), conv3(32, out))

    def forward(self, x: Tensor, laterals: tuple[Tensor, ...]) -> Tensor:
        """x: [B, 64, h, w]; laterals: 32 channels at 1/8, 1/4, 1/2 and 1 -> [B, out, H, W]."""
        for step, lateral in zip((self.up3, self.up2, self.up1, self.up0), laterals, strict=True):
            x = step(torch.cat((resized(x, lateral), lateral), 1))
        result: Tensor = self.out(x)
        return result


class ContextMotion(nn.Module):
    """The whole network, one frame at a time. encoder: resnet50 (the paper's), resnet18 or mobilenetv2."""

    def __init__(self, encoder: str = "resnet50") -> None:
        super().__init__()
        self.normalise = ImageNetNormalise()
        self.encoder = _encoder(encoder)
        widths = self.encoder.widths
        self.context = nn.Sequential(conv3(widths[-1], 64), nn.ReLU(inplace=True))
        self.lateral0, self.lateral1, self.lateral2, self.lateral3 = (
            nn.Sequential(conv3(width, 32), nn.ReLU(inplace=True)) for width in (3, *widths[:3])
        )
        self.flow = PWCNet()
        self.update = Update()
        self.alpha_decoder, self.fgr_decoder = Decoder(1), Decoder(3)

    def forward(self, plate: Tensor, state: State | None = None) -> tuple[Tensor, Tensor, State]:
        """Alpha [B, 1, H, W], 0..1; foreground [B, 3, H, W], not premultiplied, unclamped; the new state."""
        normal = self.normalise(plate)
        features = self.encoder(normal)
        context = self.context(features[-1])
        flow, brought, hidden = self._moved(plate, context, state)
        hidden = self.update(context, brought, flow, hidden)
        laterals = (
            self.lateral3(features[2]),
            self.lateral2(features[1]),
            self.lateral1(features[0]),
            self.lateral0(normal),
        )
        alpha = torch.sigmoid(self.alpha_decoder(hidden, laterals))
        foreground = self.fgr_decoder(hidden, laterals)
        seen = plate.new_zeros(1) if state is None else state.seen
        return alpha, foreground, State(plate, context, hidden, seen + 1)

    def blank_state(self, plate: Tensor) -> State:
        """The state before the first frame, for plates like this one: what None stands for."""
        height, width = (-(-side // 16) for side in plate.shape[-2:])
        blank = plate.new_zeros(plate.shape[0], 64, height, width)
        return State(torch.zeros_like(plate), blank, blank, plate.new_zeros(1))

    def backward_flow(self, plate: Tensor, before: Tensor) -> Tensor:
        """Where each pixel was in the last frame, [B, 2, H', W'] at a quarter, in pixels of the network's size."""
        size = tuple(-(-side // 64) * 64 for side in plate.shape[-2:])
        ours, theirs = (
            F.interpolate(picture.flip(1), size=size, mode="bilinear", align_corners=False)
            for picture in (plate, before)
        )
        flow: Tensor = self.flow(ours, theirs)
        return 20 * flow

    def _moved(self, plate: Tensor, context: Tensor, state: State | None) -> tuple[Tensor, Tensor, Tensor]:
        """The flow in pixels of the context, the last context brought along it, and the last hidden state."""
        height, width = context.shape[-2:]
        if state is None:
            return context.new_zeros(context.shape[0], 2, height, width), context, torch.zeros_like(context)
        fine = self.backward_flow(plate, state.plate)
        share = context.new_tensor([width / (4 * fine.shape[-1]), height / (4 * fine.shape[-2])])
        # Chosen by a tensor, not by a branch, so that one exported graph serves the first frame too.
        known = (state.seen > 0).to(fine.dtype)
        flow = resized(fine, context) * share.view(2, 1, 1) * known
        before = torch.where(state.seen > 0, state.context, context)
        return flow, warped(before, flow), state.hidden


def _encoder(name: str) -> ResNet | MobileNetV2:
    return MobileNetV2() if name == "mobilenetv2" else ResNet(int(name.removeprefix("resnet")), stride16=True)


def _two(into: int) -> nn.Sequential:
    return nn.Sequential(conv3(into, 32), nn.ReLU(inplace=True), conv3(32, 32), nn.ReLU(inplace=True))


def build(encoder: str = "resnet50") -> ContextMotion:
    """The context-motion network, 35.1 M parameters with resnet50, 9.4 M of them its flow network."""
    return ContextMotion(encoder)
