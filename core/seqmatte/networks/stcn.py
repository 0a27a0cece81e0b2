"""Space-Time Correspondence Networks (Cheng et al., NeurIPS 2021): masks of several targets through a clip.

   frame -> key encoder -> key, features          frame + one target's mask -> value encoder -> value
   memory's keys x this frame's key -> the best matches -> their values -> decoder -> mask

Frames are RGB 0..1, normalised by ImageNet's statistics and only then padded with zeros to multiples of 16
(`prepared`). Masks are [K, 1, H, W], 0..1, one row a target.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqmatte.networks.backbones import Features, ResNet
from seqmatte.networks.blocks import ResBlock, UpsampleBlock, conv3, shares
from seqmatte.networks.memory import affinity, read_best


class Look(NamedTuple):
    """A frame as the key encoder sees it. key: [1, 64, h, w]; thin: [1, 512, h, w], both at 1/16."""

    key: Tensor
    thin: Tensor
    features: Features  # at 1/2, 1/4, 1/8, 1/16: 64, 256, 512, 1024 channels


@dataclass(frozen=True)
class Bank:
    """What is remembered of the targets that came in together.

    keys: [1, 64, M]; values: [1, targets * 512, M]; the last `fleeting` positions go at the next addition.
    """

    targets: tuple[int, ...]
    keys: Tensor
    values: Tensor
    fleeting: int = 0

    def with_frame(self, key: Tensor, values: Tensor, keep: bool = True) -> Bank:
        """The bank with one more frame: key [1, 64, h, w], values [targets, 512, h, w]."""
        length = self.keys.shape[2] - self.fleeting
        key, values = key.flatten(2), values.flatten(0, 1).flatten(1).unsqueeze(0)
        return Bank(
            self.targets,
            torch.cat((self.keys[..., :length], key), 2),
            torch.cat((self.values[..., :length], values), 2),
            0 if keep else key.shape[2],
        )


class KeyProjection(nn.Module):
    """One 3x3 convolution to the space in which frames are compared."""

    def __init__(self, into: int, channels: int = 64) -> None:
        super().__init__()
        self.key_proj = conv3(into, channels)
        nn.init.orthogonal_(self.key_proj.weight)
        nn.init.zeros_(self.key_proj.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """[N, into, h, w] -> [N, channels, h, w]."""
        key: Tensor = self.key_proj(x)
        return key


class Flatten(nn.Module):
    """[N, C, 1, 1] to [N, C]; the first of the channel gate's numbered layers."""

    def forward(self, x: Tensor) -> Tensor:
        """x without its one-pixel axes."""
        return x.flatten(1)


class ChannelGate(nn.Module):
    """Weighs channels by their mean and their largest value (Woo et al., CBAM, section 3)."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            Flatten(), nn.Linear(channels, squeezed), nn.ReLU(inplace=True), nn.Linear(squeezed, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """x with every channel multiplied by a number in 0..1."""
        mean, largest = x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
        weight = torch.sigmoid(self.mlp(mean) + self.mlp(largest))
        return x * weight[:, :, None, None]


class SpatialGate(nn.Module):
    """Weighs pixels by their channels' largest value and mean (CBAM, section 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.spatial = nn.Sequential()
        self.spatial.add_module("conv", nn.Conv2d(2, 1, 7, padding=3))

    def forward(self, x: Tensor) -> Tensor:
        """x with every pixel multiplied by a number in 0..1."""
        seen = torch.cat((x.amax(1, keepdim=True), x.mean(1, keepdim=True)), 1)
        return x * torch.sigmoid(self.spatial(seen))


class CBAM(nn.Module):
    """The convolutional block attention module: channels first, then pixels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.ChannelGate = ChannelGate(channels, channels // 16)
        self.SpatialGate = SpatialGate()

    def forward(self, x: Tensor) -> Tensor:
        """x weighed, the same shape."""
        weighed: Tensor = self.SpatialGate(self.ChannelGate(x))
        return weighed


class Fuser(nn.Module):
    """Joins what the value encoder saw with the key encoder's view of the frame (section 3.2)."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.block1 = ResBlock(into, out)
        self.attention = CBAM(out)
        self.block2 = ResBlock(out, out)

    def forward(self, x: Tensor, f16: Tensor) -> Tensor:
        """x, f16 at 1/16 -> [N, out, h, w]."""
        x = self.block1(torch.cat((x, f16), 1))
        fused: Tensor = self.block2(x + self.attention(x))
        return fused


class ValueEncoder(ResNet):
    """ResNet-18 over the frame and a target's masks, joined with the key encoder's features at 1/16."""

    def __init__(self, channels: int = 5) -> None:
        super().__init__(18, channels, stages=("layer1", "layer2", "layer3"), bias=True)
        self.fuser = Fuser(256 + 1024, 512)


class Decoder(nn.Module):
    """From a readout at 1/16 to mask logits at full size (STM, section 3.3)."""

    def __init__(self) -> None:
        super().__init__()
        self.compress = ResBlock(1024, 512)
        self.up_16_8 = UpsampleBlock(512, 512, 256)
        self.up_8_4 = UpsampleBlock(256, 256, 256)
        self.pred = conv3(256, 1)

    def forward(self, readout: Tensor, thin: Tensor, f8: Tensor, f4: Tensor) -> Tensor:
        """readout: [K, 512, h, w]; thin, f8, f4 of one frame -> logits [K, 1, 16h, 16w]."""
        x = self.compress(torch.cat((readout, thin.expand(readout.shape[0], -1, -1, -1)), 1))
        x = self.up_8_4(f4, self.up_16_8(f8, x))
        return fourfold(self.pred(F.relu(x)))


class STCN(nn.Module):
    """The network's parts; `propagate` walks a clip with them. others=False: the single-target stage-0 form."""

    multiple = 16

    def __init__(self, others: bool = True) -> None:
        super().__init__()
        self.others = others
        self.key_encoder = ResNet(50, stages=("res2", "layer2", "layer3"))
        self.value_encoder = ValueEncoder(5 if others else 4)
        self.key_proj = KeyProjection(1024)
        self.key_comp = conv3(1024, 512)
        self.decoder = Decoder()

    def look(self, frame: Tensor) -> Look:
        """frame: [1, 3, H, W], normalised, H and W multiples of 16."""
        features = self.key_encoder(frame)
        return Look(self.key_proj(features[-1]), self.key_comp(features[-1]), features)

    def values(self, frame: Tensor, look: Look, masks: Tensor) -> Tensor:
        """What to remember of K targets: masks [K, 1, H, W] -> [K, 512, H/16, W/16]."""
        count = masks.shape[0]
        planes = [frame.expand(count, -1, -1, -1), masks]
        if self.others:
            planes.append(masks.sum(0, keepdim=True) - masks)
        seen = self.value_encoder(torch.cat(planes, 1))[-1]
        fused: Tensor = self.value_encoder.fuser(seen, look.features[-1].expand(count, -1, -1, -1))
        return fused

    def segment(self, look: Look, bank: Bank, top_k: int = 20) -> Tensor:
        """The bank's targets in this frame, each for itself: [targets, 1, H, W], 0..1."""
        return self.found(look, bank.keys, bank.values, len(bank.targets), top_k)

    def found(self, look: Look, keys: Tensor, values: Tensor, targets: int, top_k: int = 20) -> Tensor:
        """`segment` from a bank's own tensors, keys [1, 64, M] and values [1, targets * 512, M]."""
        scores = affinity(keys, look.key.flatten(2), "l2")
        readout, _ = read_best(scores, values, top_k)
        readout = readout.reshape(targets, -1, *look.key.shape[-2:])
        _, f4, f8, _ = look.features
        return torch.sigmoid(self.decoder(readout, look.thin, f8, f4))

    def forward(self, frame: Tensor, banks: Sequence[Bank], top_k: int = 20) -> tuple[Tensor, Look]:
        """The banks' targets, in the order of their numbers, sharing each pixel: [K, 1, H, W]; and the look."""
        look = self.look(frame)
        chances = torch.cat([self.segment(look, bank, top_k) for bank in banks])
        order = [target for bank in banks for target in bank.targets]
        return shares(chances[sorted(range(len(order)), key=order.__getitem__)]), look


def fourfold(x: Tensor) -> Tensor:
    """[N, C, h, w] bilinearly at four times its size."""
    return F.interpolate(x, scale_factor=4.0, mode="bilinear", align_corners=False)


def propagate(
    network: STCN,
    frames: Sequence[Tensor],
    given: Mapping[int, Mapping[int, Tensor]],
    *,
    top_k: int = 20,
    every: int = 5,
    include_last: bool = False,
) -> Iterator[Tensor]:
    """Each frame's masks, [K, 1, H, W], 0..1; a target not yet given is zeros (section 3.4 and appendix).

    frames: normalised, padded, [1, 3, H, W]. given: frame number -> target number -> mask [1, 1, H, W]; targets
    are numbered from 0. A frame is remembered where masks are given and `every` frames after the last one; with
    include_last the previous frame is remembered too, for one step.
    """
    count = 1 + max(target for masks in given.values() for target in masks)
    banks: tuple[Bank, ...] = ()
    remembered = 0
    for t, frame in enumerate(frames):
        if banks:
            known, look = network(frame, banks, top_k)
            rows = _placed(known, banks, count)
        else:
            look, rows = network.look(frame), frame.new_zeros(count, 1, *frame.shape[-2:])
        if t in given:
            rows = _with_given(rows, given[t])
        yield rows
        keep = t in given or t - remembered >= every
        if keep or include_last:
            banks = _remembering(network, frame, look, rows, banks, given.get(t, {}), keep)
            remembered = t if keep else remembered


def _placed(known: Tensor, banks: Sequence[Bank], count: int) -> Tensor:
    targets = sorted(target for bank in banks for target in bank.targets)
    return known.new_zeros(count, *known.shape[1:]).index_copy(0, torch.tensor(targets, device=known.device), known)


def _with_given(rows: Tensor, masks: Mapping[int, Tensor]) -> Tensor:
    """The rows of a frame whose new masks take what they cover from the older targets."""
    covered = torch.stack([mask[0] for mask in masks.values()]).amax(0) > 0.5
    rows = torch.where(covered, 0, rows)
    for target, mask in masks.items():
        rows = rows.index_copy(0, torch.tensor([target], device=rows.device), mask)
    return shares(rows)


def _remembering(
    network: STCN,
    frame: Tensor,
    look: Look,
    rows: Tensor,
    banks: tuple[Bank, ...],
    new: Mapping[int, Tensor],
    keep: bool,
) -> tuple[Bank, ...]:
    known = [target for bank in banks for target in bank.targets]
    fresh = tuple(target for target in new if target not in known)
    if fresh:
        blank = look.key.new_zeros(1, look.key.shape[1], 0), look.key.new_zeros(1, 512 * len(fresh), 0)
        banks = (*banks, Bank(fresh, *blank))
    enabled = sorted((*known, *fresh))
    values = dict(zip(enabled, network.values(frame, look, rows[enabled]), strict=True))
    return tuple(
        bank.with_frame(look.key, torch.stack([values[target] for target in bank.targets]), keep) for bank in banks
    )


def build(others: bool = True) -> STCN:
    """STCN, 54.4 M parameters; others=False is the single-target network of its first training stage."""
    return STCN(others)
