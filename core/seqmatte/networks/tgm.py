"""TCVOM's trimap propagation: a Space-Time Memory network (Oh et al., ICCV 2019) with two objects.

   frame + object's mask -> memory encoder -> key, value        frame -> query encoder -> key, value
   query's key x memory's keys -> memory's values, beside the query's -> decoder -> unknown or not, fg or not

Frames are RGB display colour and ImageNet-normalised by the caller; the encoders normalise once more, because
the public weights were trained so. Objects are the unknown region and the foreground. Shares are
[1, 3, H, W]: background, unknown, foreground, adding up to 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqmatte.networks.imagenet import DEVIATION, MEAN

from .backbones import Features, ResNet
from .blocks import ResBlock, aggregated, conv3, doubled, padded, unpadded
from .memory import affinity, read_all

# The last frame is always remembered; every fifth one for good.
EVERY = 5


class Memory(NamedTuple):
    """keys: [2, 128, M]; values: [2, 512, M], a row an object; the last `fleeting` positions go next time."""

    keys: Tensor
    values: Tensor
    fleeting: int = 0


class Encoder(ResNet):
    """ResNet-50 up to 1/16 that normalises what it is given; masks, where it takes any, join the first layer."""

    mean: Tensor
    std: Tensor

    def __init__(self, masks: bool) -> None:
        super().__init__(50, stages=("res2", "res3", "res4"))
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(DEVIATION).view(1, 3, 1, 1))
        if masks:
            self.conv1_m = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
            self.conv1_o = nn.Conv2d(1, 64, 7, 2, 3, bias=False)

    def look(self, frame: Tensor, mask: Tensor | None = None, others: Tensor | None = None) -> Features:
        """frame: [1, 3, H, W]; mask and the other objects' [N, 1, H, W] -> features at 1/4, 1/8, 1/16."""
        x = self.conv1((frame - self.mean) / self.std)
        if mask is not None and others is not None:
            x = x + self.conv1_m(mask) + self.conv1_o(others)
        x = F.max_pool2d(F.relu(self.bn1(x)), 3, 2, 1)
        features = []
        for name in self.stages:
            x = self.get_submodule(name)(x)
            features.append(x)
        return tuple(features)


class KeyValue(nn.Module):
    """Where to look for a position, and what is found there."""

    def __init__(self) -> None:
        super().__init__()
        self.Key = conv3(1024, 128)
        self.Value = conv3(1024, 512)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[N, 1024, h, w] -> [N, 128, h, w], [N, 512, h, w]."""
        return self.Key(x), self.Value(x)


class Refine(nn.Module):
    """A skip feature through a residual block, plus what came from below, through another (STM, figure 3)."""

    def __init__(self, skip: int) -> None:
        super().__init__()
        self.convFS = conv3(skip, 256)
        self.ResFS = ResBlock(256, 256)
        self.ResMM = ResBlock(256, 256)

    def forward(self, skip: Tensor, x: Tensor) -> Tensor:
        """skip: [1, skip, 2h, 2w]; x: [N, 256, h, w] -> [N, 256, 2h, 2w]."""
        merged: Tensor = self.ResMM(self.ResFS(self.convFS(skip)) + doubled(x))
        return merged


class Decoder(nn.Module):
    """From what was read at 1/16 to two logits an object at 1/4."""

    def __init__(self) -> None:
        super().__init__()
        self.convFM = conv3(1024, 256)
        self.ResMM = ResBlock(256, 256)
        self.RF3 = Refine(512)
        self.RF2 = Refine(256)
        self.pred2 = conv3(256, 2)

    def forward(self, read: Tensor, eighth: Tensor, quarter: Tensor) -> Tensor:
        """read: [N, 1024, h, w] -> [N, 2, 16h, 16w], not the object and the object."""
        x = self.ResMM(self.convFM(read))
        x = self.RF2(quarter, self.RF3(eighth, x))
        logits = self.pred2(F.relu(x))
        return F.interpolate(logits, scale_factor=4.0, mode="bilinear", align_corners=False)


class TGM(nn.Module):
    """The whole network: `remember` a frame whose trimap is known, then ask for the shares of another.

    Heights and widths that are no multiples of 16 are padded with zeros and cut again; an exported graph takes
    multiples only. Batch norms stay as they were trained, in training too.
    """

    multiple = 16

    def __init__(self) -> None:
        super().__init__()
        self.Encoder_M = Encoder(masks=True)
        self.Encoder_Q = Encoder(masks=False)
        self.KV_M_r4 = KeyValue()
        self.KV_Q_r4 = KeyValue()
        self.Decoder = Decoder()

    def train(self, mode: bool = True) -> TGM:
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def remember(self, memory: Memory | None, frame: Tensor, shares: Tensor, keep: bool = True) -> Memory:
        """The memory with one more frame, [1, 3, H, W], and its shares; keep: for longer than one frame."""
        objects = padded(shares)[0][0, 1:, None]
        others = objects.flip(0).clamp(0, 1)
        deep = self.Encoder_M.look(padded(frame)[0], objects, others)[-1]
        key, value = (x.flatten(2) for x in self.KV_M_r4(deep))
        if memory is None:
            return Memory(key, value, 0 if keep else key.shape[2])
        length = memory.keys.shape[2] - memory.fleeting
        keys = torch.cat((memory.keys[..., :length], key), 2)
        values = torch.cat((memory.values[..., :length], value), 2)
        return Memory(keys, values, 0 if keep else key.shape[2])

    def forward(self, frame: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """frame: [1, 3, H, W]; keys, values: a Memory's -> logits [1, 3, H, W] whose softmax are the shares."""
        frame, around = padded(frame)
        quarter, eighth, deep = self.Encoder_Q.look(frame)
        key, value = self.KV_Q_r4(deep)
        scores = affinity(keys, key.flatten(2).expand(2, -1, -1))
        found = read_all(scores, values).view(2, -1, *key.shape[-2:])
        logits = self.Decoder(torch.cat((found, value.expand(2, -1, -1, -1)), 1), eighth, quarter)
        objects = torch.softmax(unpadded(logits, around), 1)[:, 1:]
        return aggregated(objects).transpose(0, 1)


def shares_of(logits: Tensor) -> Tensor:
    """[1, 3, H, W] -> shares of background, unknown and foreground."""
    return torch.softmax(logits, 1)


def parts(count: int, annotated: Sequence[int]) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """How a clip is walked: (frames in walking order, the annotated one first; annotated frames remembered).

    Stretches between two annotated frames are walked both ways; the ends of the clip outward only.
    """
    first, last = annotated[0], annotated[-1]
    walks: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    if first > 0:
        walks.append((tuple(range(first, -1, -1)), (first,)))
    for left, right in pairwise(annotated):
        walks.append((tuple(range(left, right)), (left, right)))
        walks.append((tuple(range(right, left, -1)), (right, left)))
    walks.append((tuple(range(last, count)), (last,)))
    return walks


def walked(
    network: TGM, frames: Sequence[Tensor], known: Mapping[int, Tensor], walk: tuple[int, ...], ends: Sequence[int]
) -> Iterator[tuple[int, Tensor]]:
    """One part: frame numbers and shares, the annotated start included.

    frames: each [1, 3, H, W]; known: shares of the annotated frames, by number.
    """
    memory: Memory | None = None
    for end in ends:
        memory = network.remember(memory, frames[end], known[end])
    shares = known[walk[0]]
    yield walk[0], shares
    for index, number in enumerate(walk[1:], 1):
        if index > 1:
            # The frame before this one has index - 1 in the part.
            memory = network.remember(memory, frames[walk[index - 1]], shares, keep=(index - 1) % EVERY == 0)
        assert memory is not None
        shares = shares_of(network(frames[number], memory.keys, memory.values))
        yield number, shares


def propagated(network: TGM, frames: Sequence[Tensor], known: Mapping[int, Tensor]) -> list[Tensor]:
    """Trimaps [1, 1, H, W] of 0, 128/255, 1 for a whole clip from those of its annotated frames.

    Where two walks meet, 8-bit shares are added with the confidence 1 - i/n of frame i of n, as published.
    """
    total: dict[int, Tensor] = {}
    for walk, ends in parts(len(frames), sorted(known)):
        for index, (number, shares) in enumerate(walked(network, frames, known, walk, ends)):
            weighed = (1 - index / len(walk)) * (shares * 255).floor()
            total[number] = weighed + total.get(number, torch.zeros_like(weighed))
    levels = torch.tensor((0, 128 / 255, 1))
    return [levels.to(total[n].device)[total[n].argmax(1, keepdim=True)] for n in range(len(frames))]


def build() -> TGM:
    """TGM has no variants."""
    return TGM()
