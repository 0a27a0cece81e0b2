"""Hierarchical Memory Matching Network (Seong et al., ICCV 2021): the matching rule that HSTSG takes over.

   memory frames with masks -> keys, values at 1/16, 1/8, 1/4        this frame -> keys at the same levels
   1/16: all positions, weighed by kernels that follow the motion; its best 32 guide 1/8 and 1/4 -> decoder

Frames are RGB 0..1 of any size; they are padded with zeros to multiples of 16 and then normalised. Masks are
[K, 1, H, W], 0..1, one row a target. The published weights are for non-commercial use.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqmatte.networks.backbones import ResNet
from seqmatte.networks.blocks import ResBlock, aggregated, conv3, doubled, padded, unpadded
from seqmatte.networks.imagenet import DEVIATION, MEAN
from seqmatte.networks.memory import affinity, most, read_below

TOP = 32  # coarse cells that guide 1/8; the best quarter of them guides 1/4
WINDOW = 3  # how far a memory position is taken to have moved since the newest frame, in cells
SIGMA = 3.0


class Entry(NamedTuple):
    """A frame in memory, K targets: keys [K, 128 | 128 | 64, 1, ., .], values [K, 512 | 256 | 128, 1, ., .]."""

    k4: Tensor
    v4: Tensor
    k3: Tensor
    v3: Tensor
    k2: Tensor
    v2: Tensor


class Chain(NamedTuple):
    """Where the memory's positions went. places: [K, n], query cells; frames: the memory's length at that read."""

    places: Tensor
    frames: int


class State(NamedTuple):
    """kept: frames remembered for good at 1/16. newest: the last frame. chain: None before the first read."""

    first: Entry
    newest: Entry
    kept: tuple[Entry, ...]
    chain: Chain | None


class QueryEncoder(ResNet):
    """ResNet-50 up to 1/16 that normalises its own input; the constants are part of the published weights."""

    def __init__(self) -> None:
        super().__init__(50, stages=("res2", "res3", "res4"))
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(DEVIATION).view(1, 3, 1, 1))
        self.mean: Tensor
        self.std: Tensor

    def normalised(self, frame: Tensor) -> Tensor:
        """frame: [N, 3, H, W], RGB 0..1."""
        return (frame - self.mean) / self.std

    def forward(self, frame: Tensor) -> tuple[Tensor, ...]:
        """Features at 1/2, 1/4, 1/8 and 1/16."""
        return super().forward(self.normalised(frame))


class MemoryEncoder(QueryEncoder):
    """The same over a frame, a target's mask and the other targets' masks, one batch entry a target."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1_m = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
        self.conv1_o = nn.Conv2d(1, 64, 7, 2, 3, bias=False)

    def stem(self, x: Tensor) -> Tensor:
        """x: [K, 5, H, W]: the normalised frame, the mask, the others."""
        planes = self.conv1(x[:, :3]) + self.conv1_m(x[:, 3:4]) + self.conv1_o(x[:, 4:])
        return F.relu(self.bn1(planes))

    def forward(self, frame: Tensor, masks: Tensor | None = None) -> tuple[Tensor, ...]:
        """frame: [1, 3, H, W]; masks: [K, 1, H, W]. Features of K targets at 1/2 to 1/16."""
        masks = frame.new_zeros(1, 1, *frame.shape[-2:]) if masks is None else masks
        others = (masks.sum(0, keepdim=True) - masks).clamp(0, 1)
        normal = self.normalised(frame).expand(masks.shape[0], -1, -1, -1)
        return ResNet.forward(self, torch.cat((normal, masks, others), 1))


class KeyValue(nn.Module):
    """A level's key and, unless values is 0, its value."""

    def __init__(self, into: int, keys: int, values: int = 0) -> None:
        super().__init__()
        self.Key = conv3(into, keys)
        if values:
            self.Value = conv3(into, values)


class Refine(nn.Module):
    """A finer feature and what memory holds for it, joined with what came from below."""

    def __init__(self, skip: int, memory: int) -> None:
        super().__init__()
        self.convFS = conv3(skip, 256)
        self.convMemory = conv3(memory, 256, bias=False)
        self.ResFS = ResBlock(256, 256)
        self.ResMM = ResBlock(256, 256)

    def forward(self, skip: Tensor, readout: Tensor, below: Tensor) -> Tensor:
        """skip: [1, skip, 2h, 2w]; readout: [K, memory, 2h, 2w]; below: [K, 256, h, w]."""
        fine = self.ResFS(self.convFS(skip) + self.convMemory(readout))
        refined: Tensor = self.ResMM(fine + doubled(below))
        return refined


class Decoder(nn.Module):
    """From three readouts to each target's own probability."""

    def __init__(self) -> None:
        super().__init__()
        self.convFM = conv3(1024, 256)
        self.ResMM = ResBlock(256, 256)
        self.RF3, self.RF2 = Refine(512, 256), Refine(256, 128)
        self.pred2 = conv3(256, 2)

    def forward(self, value: Tensor, r3: Tensor, r2: Tensor, readouts: Sequence[Tensor]) -> Tensor:
        """value: the frame's own, [1, 512, h, w]; readouts at 1/16, 1/8, 1/4 -> [K, 1, 16h, 16w], 0..1."""
        coarse, eighth, quarter = readouts
        x = self.ResMM(self.convFM(torch.cat((coarse, value.expand(coarse.shape[0], -1, -1, -1)), 1)))
        x = self.RF2(r2, quarter, self.RF3(r3, eighth, x))
        logits = F.interpolate(self.pred2(F.relu(x)), scale_factor=4.0, mode="bilinear", align_corners=False)
        return logits.softmax(1)[:, 1:]


class HMMN(nn.Module):
    """The whole network; `propagate` walks a clip with it."""

    def __init__(self) -> None:
        super().__init__()
        self.Encoder_M, self.Encoder_Q = MemoryEncoder(), QueryEncoder()
        self.KV_M_r4, self.KV_Q_r4 = KeyValue(1024, 128, 512), KeyValue(1024, 128, 512)
        self.KV_M_r3, self.KV_Q_r3 = KeyValue(512, 128, 256), KeyValue(512, 128)
        self.KV_M_r2, self.KV_Q_r2 = KeyValue(256, 64, 128), KeyValue(256, 64)
        self.Decoder = Decoder()

    def memorise(self, frame: Tensor, masks: Tensor) -> Entry:
        """frame: [1, 3, H, W]; masks: [K, 1, H, W]."""
        _, r2, r3, r4 = self.Encoder_M(padded(frame)[0], padded(masks)[0])
        levels = ((self.KV_M_r4, r4), (self.KV_M_r3, r3), (self.KV_M_r2, r2))
        parts = [head(x).unsqueeze(2) for level, x in levels for head in (level.Key, level.Value)]
        return Entry(*parts)

    def forward(self, frame: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits over background and targets, [K + 1, 1, H, W], and the state with the motion's chain gone on."""
        picture, around = padded(frame)
        entries = state.kept if state.kept and state.kept[-1] is state.newest else (*state.kept, state.newest)
        fine = [state.first] if len(entries) == 1 else [state.first, state.newest]
        chances, chain = self.read(picture, _side_by_side(entries), _side_by_side(fine), state.chain)
        return unpadded(aggregated(chances), around), state._replace(chain=chain)

    def read(self, picture: Tensor, coarse: Entry, fine: Entry, chain: Chain | None) -> tuple[Tensor, Chain]:
        """Each target's own probability in a padded picture, [K, 1, H, W], and the motion's chain gone on.

        coarse: the frames read at 1/16, the newest last; fine: those at 1/8 and 1/4, their first and their last.
        """
        _, r2, r3, r4 = self.Encoder_Q(picture)
        readout, best, chain = self._coarse(self.KV_Q_r4.Key(r4), coarse, fine.k3.shape[2], chain)
        count = readout.shape[0]
        eighth, _ = read_below(fine.k3, fine.v3, self.KV_Q_r3.Key(r3).expand(count, -1, -1, -1), best, 2)
        query = self.KV_Q_r2.Key(r2).expand(count, -1, -1, -1)
        quarter, _ = read_below(fine.k2, fine.v2, query, best[:, : TOP // 4], 4)
        return self.Decoder(self.KV_Q_r4.Value(r4), r3, r2, (readout, eighth, quarter)), chain

    def _coarse(self, query: Tensor, held: Entry, fine: int, chain: Chain | None) -> tuple[Tensor, Tensor, Chain]:
        """The readout at 1/16, [K, 512, h, w], the best cells of first and newest frame, and the chain."""
        keys, values = held.k4, held.v4
        count, _, frames, height, width = keys.shape
        scores = affinity(keys.flatten(2), query.flatten(2).expand(count, -1, -1))
        cells = height * width
        moved = _moved(scores[:, -cells:], height, width)
        centres, chain = _followed(moved, frames, chain)
        weights = scores.softmax(1) * _kernels(centres, frames, height, width)
        weights = weights / weights.sum(1, keepdim=True)
        readout = (values.flatten(2) @ weights).reshape(count, -1, height, width)
        # Of one frame alone, first and newest are the same.
        guiding = torch.cat((weights[:, : cells * (fine - 1)], weights[:, -cells:]), 1)
        return readout, guiding.topk(most(TOP, guiding.shape[1]), dim=1).indices, chain


def _side_by_side(entries: Sequence[Entry]) -> Entry:
    return Entry(*(torch.cat(parts, 2) for parts in zip(*entries, strict=True)))


def _grid(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    cells = torch.arange(height * width, device=device)
    rows = torch.div(cells, width, rounding_mode="floor")
    # Not the remainder, which cannot be exported for a width that is open.
    return rows, cells - rows * width


def _moved(scores: Tensor, height: int, width: int) -> Tensor:
    """For each cell of the newest frame, the query cell that fits it best within the window: [K, h * w]."""
    rows, columns = _grid(height, width, scores.device)
    near = ((rows[:, None] - rows).abs() <= WINDOW) & ((columns[:, None] - columns).abs() <= WINDOW)
    return scores.masked_fill(~near, -torch.inf).argmax(2)


def _followed(moved: Tensor, frames: int, chain: Chain | None) -> tuple[Tensor, Chain]:
    """The kernels' centres for every memory position, oldest frame first, [K, frames * h * w]; and the chain.

    An older position's centre is carried one hop further than its chain: the released weights were trained so.
    """
    count, cells = moved.shape
    begun = chain is None or frames == 1 or frames < chain.frames or chain.places.shape[0] != count
    if chain is None or begun:
        return moved, Chain(moved, frames)
    places = chain.places[:, : (frames - 1) * cells]
    places = moved.gather(1, places)
    centres = torch.cat((moved.gather(1, places), moved), 1)
    return centres, Chain(torch.cat((places, moved), 1), frames)


def _kernels(centres: Tensor, frames: int, height: int, width: int) -> Tensor:
    """Gaussians around the centres, wider for older frames: [K, frames * h * w, h * w]."""
    rows, columns = _grid(height, width, centres.device)
    distance = (rows[centres].unsqueeze(2) - rows) ** 2 + (columns[centres].unsqueeze(2) - columns) ** 2
    age = frames - 1 - torch.arange(frames, device=centres.device).view(-1, 1).expand(-1, height * width).flatten()
    sigma = SIGMA * (1 + age / 2)
    return torch.exp(-distance / (2 * sigma[:, None] ** 2))


def propagate(network: HMMN, frames: Sequence[Tensor], masks: Tensor, every: int = 5) -> Iterator[tuple[Tensor, State]]:
    """Logits [K + 1, 1, H, W] of frames 1, 2, ... and the state; masks: those of frame 0, [K, 1, H, W].

    The first, every `every`-th and the last frame are remembered at 1/16; the first and the last at 1/8 and 1/4.
    """
    first = network.memorise(frames[0], masks)
    state = State(first, first, (first,), None)
    for t, frame in enumerate(frames[1:], 1):
        logits, state = network(frame, state)
        yield logits, state
        newest = network.memorise(frame, logits.softmax(0)[1:])
        kept = (*state.kept, newest) if t % every == 0 else state.kept
        state = State(first, newest, kept, state.chain)


def build() -> HMMN:
    """HMMN, 42.8 M parameters."""
    return HMMN()
