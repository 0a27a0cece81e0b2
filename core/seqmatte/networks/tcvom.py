"""Attention-guided Temporally Coherent Video Object Matting (Zhang et al., ACM MM 2021).

A frame and its two neighbours, each with a trimap, give the middle frame's matte. One of four networks for
single frames is the base; its features at 1/8 borrow from the neighbours inside the unknown region. `extract`
is of one frame alone, so its results can be kept while a window slides along a clip; `fuse` joins three.

What each base is given, [N, C, H, W], RGB display colour ImageNet-normalised first:
gca: one-hot background, unknown, foreground (6 channels); dim and index: the trimap as 0, 128/255, 1 (4);
fba: `trimap_coding.distances`, then `two_channel` (11). `trimap_coding.coded` makes them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import dim_bn, fba, gca, indexnet

# Of one frame: its feature at 1/8, and what its encoder gave (each base has its own kind).
Extract = tuple[Tensor, Any]

WIDTHS = {"gca": 128, "dim": 256, "index": 32, "fba": 256}


class Fused(NamedTuple):
    """pred: [N, 1, H, W] alpha, or for fba [N, 7, H, W] alpha, F, B. dim and fba 0..1, gca too, index nearly.

    The rest is for the attention loss, None without neighbours: logits towards the previous and the next frame,
    [N, window^2, HW/64], 0 outside the unknown region; that region at 1/8, [N, 1, H/8, W/8].
    """

    pred: Tensor
    previous: Tensor | None = None
    following: Tensor | None = None
    region: Tensor | None = None


class TemporalAttention(nn.Module):
    """The temporal aggregation module (section 3.3): each unknown pixel looks at a window of a neighbour.

    Keys of the neighbour are also what is averaged. Positions outside the frame take part with key 0.
    """

    def __init__(self, channels: int, window: int = 7) -> None:
        super().__init__()
        self.window = window
        self.key_conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.query_conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.value_conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, before: Tensor, after: Tensor, region: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x, before, after: [N, C, h, w]; region: [N, 1, h, w], 0 or 1.

        -> the joined feature [N, C, h, w]; logits towards each neighbour, [N, window^2, hw].
        """
        query = self.query_conv(x)
        borrowed_before, logits_before = self._look(query, self.key_conv(before), region)
        borrowed_after, logits_after = self._look(query, self.key_conv(after), region)
        return self.value_conv(x) + borrowed_before + borrowed_after, logits_before, logits_after

    def _look(self, query: Tensor, key: Tensor, region: Tensor) -> tuple[Tensor, Tensor]:
        height, width = key.shape[-2:]
        reach = self.window // 2
        around = F.pad(key, (reach, reach, reach, reach))
        # One offset at a time: the 49 shifted copies together would be 49 times the feature.
        shifts = [
            around[..., row : row + height, column : column + width]
            for row in range(self.window)
            for column in range(self.window)
        ]
        scale = query.shape[1] ** -0.5
        logits = torch.stack([(query * shifted).sum(1) for shifted in shifts], 1) * scale
        shares = torch.softmax(logits, 1)
        borrowed = shares[:, :1] * shifts[0]
        for index, shifted in enumerate(shifts[1:], 1):
            borrowed = borrowed + shares[:, index : index + 1] * shifted
        return borrowed * region, (logits * region).flatten(2)


class Windowed(nn.Module):
    """What all bases share: three frames, or one, through `extract` and `fuse`."""

    multiple = 32

    def extract(self, x: Tensor) -> Extract:
        """One frame as its base is given it -> what `fuse` needs of it."""
        raise NotImplementedError

    def fuse(self, before: Tensor, current: Extract, after: Tensor, unknown: Tensor) -> Fused:
        """Neighbours' features (first of their extracts), the frame's extract, its unknown region at full
        size [N, 1, H, W], 0 or 1 -> its matte. A network without attention looks at the frame alone.
        """
        raise NotImplementedError

    def forward(self, before: Tensor, current: Tensor, after: Tensor, unknown: Tensor) -> Fused:
        """Three coded frames [N, C, H, W] and the middle one's unknown region -> the middle one's matte."""
        return self.fuse(self.extract(before)[0], self.extract(current), self.extract(after)[0], unknown)


class TCVOM(Windowed):
    """A base with the temporal attention between its halves, or without it (attend=False: a single frame)."""

    def __init__(self, base: str, attend: bool = True, window: int = 7) -> None:
        super().__init__()
        parts: dict[str, Any] = {"gca": gca, "dim": dim_bn, "index": indexnet, "fba": fba}
        self.encoder = parts[base].Encoder()
        self.decoder = parts[base].Decoder()
        if attend:
            self.decoder.fam = TemporalAttention(WIDTHS[base], window)
        self.attend = attend
        self.base = base

    def extract(self, x: Tensor) -> Extract:
        features = self.encoder(x)
        return self.decoder.extract(features), features

    def fuse(self, before: Tensor, current: Extract, after: Tensor, unknown: Tensor) -> Fused:
        feature, features = current
        if not self.attend:
            return Fused(self.decoder.finish(feature, features))
        region = unknown[..., ::8, ::8]
        joined, towards_before, towards_after = self.decoder.fam(feature, before, after, region)
        return Fused(self.decoder.finish(joined, features), towards_before, towards_after, region)

    def forward(self, before: Tensor, current: Tensor, after: Tensor, unknown: Tensor) -> Fused:
        if not self.attend:
            return Fused(self.decoder.finish(*self.extract(current)))
        return super().forward(before, current, after, unknown)


class SingleDIM(Windowed, dim_bn.Encoder, dim_bn.Decoder):
    """The dim base without neighbours, whose published keys have no "encoder." and "decoder."."""

    attend = False
    base = "dim"

    def extract(self, x: Tensor) -> Extract:  # type: ignore[override]
        features = self.encode(x)
        return dim_bn.Decoder.extract(self, features), features

    def fuse(self, before: Tensor, current: Extract, after: Tensor, unknown: Tensor) -> Fused:
        return Fused(self.finish(*current))

    def forward(  # type: ignore[override]
        self, before: Tensor, current: Tensor, after: Tensor, unknown: Tensor
    ) -> Fused:
        return Fused(self.finish(*self.extract(current)))


def pasted(pred: Tensor, trimap: Tensor, unknown: Tensor, image: Tensor) -> Tensor:
    """What a network said where it was asked, and what was known elsewhere.

    pred: [N, 1 or 7, H, W]; trimap: [N, 1, H, W], 0..1; unknown: [N, 1, H, W], 0 or 1; image: RGB 0..1, which
    F and B are outside of the unknown region.
    """
    known = trimap if pred.shape[1] == 1 else torch.cat((trimap, image, image), 1)
    return torch.where(unknown > 0, pred, known)


def build(base: str = "gca", attend: bool = True, window: int = 7) -> Windowed:
    """base: "gca", "dim", "index" or "fba". attend: False for the single-frame weights."""
    if base == "dim" and not attend:
        return SingleDIM()
    return TCVOM(base, attend, window)
