"""Video object matting by hierarchical space-time semantic guidance (Wang et al., WACV 2023), built on STCN.

   frame -> key encoder -> keys at 1/16, 1/8, 1/4           frame + mask + alpha -> value encoder -> values
   memory {guided frames, t-2, t-1}: best 8 cells at 1/16, and only what lies under them at 1/8 and 1/4
   readouts of t, t-1, t-2 -> cross-frame attention (CFAR) -> decoder -> mask at 1/4, alpha at full size

There is no public code: keys and shapes extend STCN's, so that its checkpoints load; what the paper leaves open
is decided here and said so. Frames are RGB 0..1, normalised by ImageNet's statistics, then padded with zeros to
multiples of 16. Masks and alphas are [K, 1, H, W], 0..1, one row a target. It gives no foreground colour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqmatte.networks import stcn
from seqmatte.networks.backbones import Features, ResNet
from seqmatte.networks.blocks import UpsampleBlock, conv3, shares
from seqmatte.networks.hstsg_state import Levels, Look, Recent, Remembered, State, Step
from seqmatte.networks.memory import affinity, read_below, read_best, window_attention

# A read's largest affinity, in numbers: 256 MB. Larger frames are read in bands of rows.
AFFINITY = 1 << 26
# Cross-frame attention looks at 7 x 7 pixels (our reading of the paper's "locality").
RADIUS = 3


class CrossFrameAttention(nn.Module):
    """CFAR (equations 4 to 6): a readout corrected by what the same place holds in three frames."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        last = nn.Conv2d(4 * channels, channels, 1)
        self.ffn = nn.Sequential(nn.Conv2d(channels, 4 * channels, 1), nn.ReLU(inplace=True), last)
        # An untrained correction is none: a network begun from STCN starts as STCN.
        for parameter in last.parameters():
            nn.init.zeros_(parameter)

    def forward(self, keys: Sequence[Tensor], reads: Sequence[Tensor], place: int = 0) -> Tensor:
        """keys: three of [1, 64, h, w]; reads: three of [K, C, h, w] -> that of frame `place`, corrected."""
        values = torch.stack([read.flatten(0, 1) for read in reads])
        normed = values / values.abs().sum(0).clamp(min=1e-6)
        found = window_attention(keys[place], torch.stack(list(keys), 1), normed.unsqueeze(0), RADIUS)
        attended = reads[place] + found.reshape(reads[place].shape)
        corrected: Tensor = attended + self.ffn(attended)
        return corrected


class ValueEncoder(stcn.ValueEncoder):
    """STCN's value encoder over frame, mask and alpha, with values at 1/8 and 1/4 besides 1/16."""

    def __init__(self) -> None:
        super().__init__(5)
        self.value8, self.value4 = conv3(128 + 512, 256), conv3(64 + 256, 128)

    def values(self, planes: Tensor, features: Features) -> Levels:
        """planes: [K, 5, H, W]; features: the key encoder's, of one frame."""
        _, f4, f8, f16 = (feature.expand(planes.shape[0], -1, -1, -1) for feature in features)
        _, quarter, eighth, sixteenth = self(planes)
        fine = self.value8(torch.cat((eighth, f8), 1)), self.value4(torch.cat((quarter, f4), 1))
        return self.fuser(sixteenth, f16), *fine


class Decoder(stcn.Decoder):
    """STCN's decoder, with readouts added to its skips, and a branch that goes on to alpha at full size."""

    def __init__(self) -> None:
        super().__init__()
        self.mem8, self.mem4 = conv3(256, 512, bias=False), conv3(128, 256, bias=False)
        nn.init.zeros_(self.mem8.weight)
        nn.init.zeros_(self.mem4.weight)
        self.alpha4 = nn.Conv2d(256, 64, 1)
        self.up_4_2 = UpsampleBlock(64, 64, 32)
        self.up_2_1 = UpsampleBlock(3, 32, 16)
        self.alpha = conv3(16, 1)

    def mattes(self, frame: Tensor, look: Look, reads: Levels) -> tuple[Tensor, Tensor]:
        """Each target's mask, for itself, and alpha: [K, 1, H, W], 0..1."""
        f2, f4, f8, _ = look.features
        v16, v8, v4 = reads
        x = self.compress(torch.cat((v16, look.thin.expand(v16.shape[0], -1, -1, -1)), 1))
        x = self.up_16_8(f8, x, self.mem8(v8))
        x = F.relu(self.up_8_4(f4, x, self.mem4(v4)))
        mask = torch.sigmoid(stcn.fourfold(self.pred(x)))
        fine = self.up_2_1(frame, self.up_4_2(f2, self.alpha4(x)))
        return mask, torch.sigmoid(self.alpha(F.relu(fine)))


class HSTSG(nn.Module):
    """The whole network: `guided` frames `begin` a state, `forward` takes one frame's step from it."""

    multiple = 16

    def __init__(self) -> None:
        super().__init__()
        self.key_encoder = ResNet(50, stages=("res2", "layer2", "layer3"))
        self.value_encoder = ValueEncoder()
        self.key_proj = stcn.KeyProjection(1024)
        self.key_proj8 = stcn.KeyProjection(512)
        self.key_proj4 = stcn.KeyProjection(256)
        self.key_comp = conv3(1024, 512)
        self.cfar16, self.cfar8, self.cfar4 = (CrossFrameAttention(width) for width in (512, 256, 128))
        self.decoder = Decoder()

    def look(self, frame: Tensor) -> Look:
        """frame: [1, 3, H, W], normalised; H and W multiples of 16."""
        features = self.key_encoder(frame)
        _, f4, f8, f16 = features
        return Look((self.key_proj(f16), self.key_proj8(f8), self.key_proj4(f4)), self.key_comp(f16), features)

    def remembered(self, frame: Tensor, look: Look, mask: Tensor, alpha: Tensor) -> Remembered:
        """What to keep of a frame and its K targets; mask, alpha: [K, 1, H, W], 0..1."""
        planes = torch.cat((frame.expand(mask.shape[0], -1, -1, -1), mask, alpha), 1)
        return Remembered(look.keys, self.value_encoder.values(planes, look.features))

    def guided(self, frame: Tensor, mask: Tensor, alpha: Tensor | None = None) -> Remembered:
        """A guided frame as memory; without an alpha the mask stands for it, as in the paper's first frame."""
        return self.remembered(frame, self.look(frame), shares(mask), mask if alpha is None else alpha)

    def begin(self, guided: Sequence[Remembered]) -> State:
        """The state before the walk: any number of guided frames, all with the same targets."""
        return State(tuple(guided))

    def hold(self, frame: Tensor, state: State, mask: Tensor | None = None, alpha: Tensor | None = None) -> Step:
        """The step over a frame whose guide is in memory: it is read for its neighbours, and not predicted.

        mask, alpha are handed through; without them the step's are empty.
        """
        look = self.look(frame)
        recent = Recent(look.keys, self.read(look.keys, state.guided))
        following = State(state.guided, (state.lately[1], None), (*state.recent[-1:], recent))
        empty = frame.new_zeros(0, 1, *frame.shape[-2:])
        mask = empty if mask is None else mask
        return Step(mask, mask if alpha is None else alpha, following, recent.reads)

    def forward(
        self,
        frame: Tensor,
        state: State,
        top_k: int = 8,
        similarity: str = "dot",
        update_adjacent: bool = False,
    ) -> Step:
        """One frame's masks and alphas. update_adjacent: also t-1 and t-2 anew (the paper's mode, final at t+2).

        similarity: "dot" (the paper), or "l2", which keeps a network freshly loaded from STCN close to it.
        """
        look = self.look(frame)
        reads = self.read(look.keys, state.memory(), top_k, similarity)
        window = [Recent(look.keys, reads, frame, look), *reversed(state.recent)]
        window += [window[-1]] * (3 - len(window))
        crossed = self.crossed(window)
        mask, alpha = self.decoder.mattes(frame, look, crossed)
        mask = shares(mask)
        lately = (state.lately[1], self.remembered(frame, look, mask, alpha))
        earlier: tuple[tuple[Tensor, Tensor], ...] = ()
        if update_adjacent:
            earlier, lately = self._updated(window, (state.lately, lately))
        newest = window[0] if update_adjacent else Recent(look.keys, reads)
        following = State(state.guided, lately, (*state.recent[-1:], newest))
        return Step(mask, alpha, following, crossed, earlier)

    def read(self, keys: Levels, memory: Sequence[Remembered], top_k: int = 8, similarity: str = "dot") -> Levels:
        """Readouts at 1/16, 1/8, 1/4 for these query keys: [K, 512 | 256 | 128, ., .] (section 3.2).

        The best top_k cells at 1/16 guide the finer levels: 2 x 2 under each at 1/8, 4 x 4 under the best
        quarter of them at 1/4. No affinity is built at 1/8 or 1/4.
        """
        keys_held = [_stacked([frame.keys[level] for frame in memory]) for level in range(3)]
        values_held = [_stacked([frame.values[level] for frame in memory]) for level in range(3)]
        return self.read_bank(keys, keys_held, values_held, top_k, similarity)

    def read_bank(
        self,
        keys: Levels,
        stored: Sequence[Tensor],
        values: Sequence[Tensor],
        top_k: int = 8,
        similarity: str = "dot",
    ) -> Levels:
        """`read` from frames side by side. stored: [1, 64, T, ., .]; values: [K, 512 | 256 | 128, T, ., .]."""
        targets, rows = values[0].shape[0], keys[0].shape[2]
        values = [_side_by_side(level) for level in values]
        bands = []
        for top, bottom in _bands(rows, stored[0][0, 0].numel() * keys[0].shape[3]):
            q16, q8, q4 = (key[:, :, top * n : bottom * n] for key, n in zip(keys, (1, 2, 4), strict=True))
            scores = affinity(stored[0].flatten(2), q16.flatten(2), similarity)
            v16, best = read_best(scores, values[0].flatten(2), top_k)
            v8, _ = read_below(stored[1], values[1], q8, best, 2)
            v4, _ = read_below(stored[2], values[2], q4, best[:, : max(1, top_k // 4)], 4)
            bands.append((v16.reshape(*v16.shape[:2], *q16.shape[-2:]), v8, v4))
        v16, v8, v4 = (torch.cat(parts, 2) for parts in zip(*bands, strict=True))
        return _apart(v16, targets), _apart(v8, targets), _apart(v4, targets)

    def crossed(self, window: Sequence[Recent], place: int = 0) -> Levels:
        """The readouts of frame `place` of three (t, t-1, t-2) after cross-frame attention."""
        refined = []
        for level, attention in enumerate((self.cfar16, self.cfar8, self.cfar4)):
            keys, reads = [near.keys[level] for near in window], [near.reads[level] for near in window]
            refined.append(attention(keys, reads, place))
        return refined[0], refined[1], refined[2]

    def _updated(
        self,
        window: Sequence[Recent],
        memories: tuple[tuple[Remembered | None, Remembered | None], tuple[Remembered | None, Remembered]],
    ) -> tuple[tuple[tuple[Tensor, Tensor], ...], tuple[Remembered | None, Remembered]]:
        """t-1 and t-2 decoded again beside t; only t-1 stays in memory, so only its values are encoded again."""
        (_, _), (before, newest) = memories
        earlier = []
        for place in (1, 2):
            near = window[place]
            if near is window[place - 1] or near.frame is None or near.look is None:
                continue
            mask, alpha = self.decoder.mattes(near.frame, near.look, self.crossed(window, place))
            earlier.append((shares(mask), alpha))
            if place == 1:
                before = self.remembered(near.frame, near.look, *earlier[0])
        return tuple(earlier), (before, newest)


def _bands(rows: int, numbers_a_row: int) -> list[tuple[int, int]]:
    """Cuts of the coarse rows, so that a band's affinity stays within AFFINITY numbers."""
    if torch.compiler.is_exporting():
        return [(0, rows)]
    height = max(1, AFFINITY // numbers_a_row)
    return [(top, min(top + height, rows)) for top in range(0, rows, height)]


def _stacked(frames: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(frames), 2)


def _side_by_side(values: Tensor) -> Tensor:
    return values.flatten(0, 1).unsqueeze(0)


def _apart(values: Tensor, targets: int) -> Tensor:
    return values.reshape(targets, -1, *values.shape[-2:])


def weights_from_stcn(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """STCN's weights for `load_state_dict(strict=False)`: the plane that held the others' masks now holds alpha.

    Its weights become zero, so that the network begins as STCN for one target.
    """
    adapted = dict(weights)
    planes = adapted["value_encoder.conv1.weight"].clone()
    planes[:, 4] = 0
    adapted["value_encoder.conv1.weight"] = planes
    return adapted


def build() -> HSTSG:
    """HSTSG with the paper's ResNet-50 and ResNet-18, 61.1 M parameters."""
    return HSTSG()
