"""A small HSTSG, trained by us: memory of the guided frames and the two previous ones, read coarse to fine.

The design is HSTSG's (Wang et al., WACV 2023, section 3): keys of the plate alone, values of plate and matte, a
dense read at 1/16 whose best cells guide the finer reads, a local window over the previous frame, mask and alpha
decoded together. What differs, for speed and for so little training: plain 3 x 3 convolutions, a cascade of reads
(1/16 guides 1/8, 1/8 guides 1/4), and values at 1/4 that carry the stored alpha's own pixels, so that a read is
already a matte moved to the new frame; and every frame is looked at twice, the second time with the first look's
matte, a draft, in memory beside the others. The draft is what is remembered of the frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seqmatte.networks import memory as reading
from seqmatte.networks.remembered import Entry, Features, Memory

KINDS = ("mask", "trimap", "alpha")
STRIDE = 16


@dataclass(frozen=True)
class Matte:
    """alpha_logits [N, 1, H, W]; mask_logits and doubt_logits [N, 1, H/4, W/4]; all before their sigmoids.

    For training: coarse_logits [N, 1, H/16, W/16], alpha as the coarsest level sees it; moved [N, 1, H, W], the
    stored alphas that the finest read picked.
    """

    alpha_logits: Tensor
    mask_logits: Tensor
    doubt_logits: Tensor
    coarse_logits: Tensor
    moved: Tensor

    @property
    def alpha(self) -> Tensor:
        """Opacity 0..1, [N, 1, H, W], float32."""
        return self.alpha_logits.float().sigmoid()

    @property
    def mask(self) -> Tensor:
        """Probability that the subject covers more than half of the pixel, 0..1, [N, 1, H, W]."""
        return _enlarge(self.mask_logits.float(), self.alpha_logits).sigmoid()

    @property
    def confidence(self) -> Tensor:
        """1 - the expected absolute error of alpha, 0..1, [N, 1, H, W]."""
        return 1 - _enlarge(self.doubt_logits.float(), self.alpha_logits).sigmoid()


def guide_planes(value: Tensor, kind: str) -> Tensor:
    """The guide as the network takes it: [N, 1, H, W] in 0..1 to [N, 4, H, W].

    Channel 0 is the value (mask 0/1, trimap 0/0.5/1, alpha 0..1), channels 1 to 3 say which kind it is: ones in
    the kind's channel, zeros in the two others. A frame without a guide has zeros everywhere (`no_guide`).
    Raises ValueError for an unknown kind.
    """
    if kind not in KINDS:
        raise ValueError(f"no such kind of guide: {kind!r}; use one of {', '.join(KINDS)}")
    planes = value.new_zeros(value.shape[0], 1 + len(KINDS), *value.shape[2:])
    planes[:, 0] = value[:, 0]
    planes[:, 1 + KINDS.index(kind)] = 1
    return planes


def no_guide(alpha: Tensor) -> Tensor:
    """The guide planes of a frame that nobody drew on, [N, 4, H, W]."""
    return alpha.new_zeros(alpha.shape[0], 1 + len(KINDS), *alpha.shape[2:])


class Conv(nn.Sequential):
    """3 x 3 convolution, batch norm, ReLU."""

    def __init__(self, inside: int, outside: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inside, outside, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outside, momentum=0.03),
            nn.ReLU(inplace=True),
        )


class Residual(nn.Module):
    """x + two convolutions of it, ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = Conv(channels, channels)
        norm = nn.BatchNorm2d(channels, momentum=0.03)
        nn.init.constant_(norm.weight, 0.2)
        self.second = nn.Sequential(nn.Conv2d(channels, channels, 3, 1, 1, bias=False), norm)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(self.first(x)))


class KeyEncoder(nn.Module):
    """The plate alone, at 1/2 to 1/16, and the keys by which frames are matched."""

    def __init__(self, widths: tuple[int, int, int, int], keys: tuple[int, int, int]) -> None:
        super().__init__()
        w2, w4, w8, w16 = widths
        self.at2 = nn.Sequential(Conv(12, w2), Conv(w2, w2))
        self.at4 = nn.Sequential(Conv(w2, w4, 2), Residual(w4))
        self.at8 = nn.Sequential(Conv(w4, w8, 2), Residual(w8))
        self.at16 = nn.Sequential(Conv(w8, w16, 2), Residual(w16), Residual(w16))
        self.scene = nn.Linear(w16, w16)
        self.key4 = nn.Conv2d(w4 + w8, keys[0], 1)
        self.key8 = nn.Conv2d(w8 + w16, keys[1], 1)
        self.key16 = nn.Conv2d(w16, keys[2], 3, 1, 1)

    def forward(self, plate: Tensor) -> Features:
        half = self.at2(F.pixel_unshuffle(plate * 4 - 2, 2))
        f4 = self.at4(half)
        f8 = self.at8(f4)
        f16 = self.at16(f8)
        f16 = f16 + self.scene(f16.mean((2, 3)))[:, :, None, None]
        # The finer keys hear what the next coarser level makes of the place, or fur would only match fur.
        key4 = self.key4(torch.cat((f4, _enlarge(f8, f4)), 1))
        key8 = self.key8(torch.cat((f8, _enlarge(f16, f8)), 1))
        return Features(half, f4, f8, f16, key4, key8, self.key16(f16))


class ValueEncoder(nn.Module):
    """Plate and matte together: what is kept of a frame. At 1/4 the alpha's own 16 pixels come first."""

    def __init__(self, widths: tuple[int, int, int, int], values: tuple[int, int, int]) -> None:
        super().__init__()
        _, w4, w8, w16 = widths
        self.at4 = nn.Sequential(Conv(w4 + 35, w4), Conv(w4, w4))
        self.at8 = nn.Sequential(Conv(w4 + w8, w8, 1), Residual(w8))
        self.at16 = nn.Sequential(Conv(w8 + w16, w16), Residual(w16))
        self.value4 = nn.Conv2d(w4, values[0], 1)
        self.value8 = nn.Conv2d(w8, values[1], 1)
        self.value16 = nn.Conv2d(w16, values[2], 1)

    def forward(self, seen: Features, alpha: Tensor, guide: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        own = F.pixel_unshuffle(alpha, 4).to(seen.f4.dtype)
        drawn = F.pixel_unshuffle(guide[:, :1], 4).to(own.dtype)
        kinds = guide[:, 1:, ::4, ::4].to(own.dtype)
        v4 = self.at4(torch.cat((own * 2 - 1, drawn, kinds, seen.f4), 1))
        v8 = self.at8(torch.cat((F.avg_pool2d(v4, 2), seen.f8), 1))
        v16 = self.at16(torch.cat((F.avg_pool2d(v8, 2), seen.f16), 1))
        return torch.cat((own, self.value4(v4)), 1), self.value8(v8), self.value16(v16)


class HstsgCompact(nn.Module):
    """First frame's mask, trimap or alpha in; alpha, mask and confidence of every frame out.

    Plates are encoded (see encoding.py), about 0..1, [N, 3, H, W] with H and W multiples of 16.
    """

    def __init__(
        self,
        widths: tuple[int, int, int, int] = (24, 48, 80, 128),
        keys: tuple[int, int, int] = (24, 32, 48),
        values: tuple[int, int, int] = (16, 48, 96),
    ) -> None:
        super().__init__()
        w2, w4, w8, w16 = widths
        v4, v8, v16 = 16 + values[0], values[1], values[2]
        self.best = (32, 4, 4)  # cells kept at 1/16; of those, how many guide 1/8; cells of 1/8 that guide 1/4
        self.key_encoder = KeyEncoder(widths, keys)
        self.value_encoder = ValueEncoder(widths, values)
        self.compress = nn.Sequential(Conv(v16 + w16, w16), Residual(w16), Residual(w16))
        self.at8 = nn.Sequential(Conv(w16 + w8 + 2 * v8, w8), Residual(w8))
        self.at4 = nn.Sequential(Conv(w8 + w4 + v4 + 16, w4), Residual(w4))
        self.at2 = nn.Sequential(Conv(w4 + w2 + 8, 32), Conv(32, 32))
        self.coarse = nn.Conv2d(w16, 1, 1)
        self.mask = nn.Conv2d(w4, 1, 3, 1, 1)
        self.doubt = nn.Conv2d(w4, 1, 3, 1, 1)
        self.alpha = nn.Conv2d(32, 4, 3, 1, 1)
        self.trust = nn.Parameter(torch.tensor(2.0))

    def encode(self, plate: Tensor) -> Features:
        """Features and keys of plates; frames of clips may be stacked along N."""
        seen: Features = self.key_encoder(plate)
        return seen

    def remember(self, seen: Features, alpha: Tensor, guide: Tensor) -> Entry:
        """The memory of a frame with its alpha [N, 1, H, W] and guide planes [N, 4, H, W]."""
        value4, value8, value16 = self.value_encoder(seen, alpha, guide)
        return Entry(seen.key4, seen.key8, seen.key16, value4, value8, value16, alpha)

    def memorise(self, plate: Tensor, alpha: Tensor, guide: Tensor) -> Entry:
        """`remember` for a plate that is not encoded yet."""
        return self.remember(self.encode(plate), alpha, guide)

    def read(self, seen: Features, memory: Memory) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What the memory says about this frame at 1/16, 1/8 and 1/4, and at 1/8 near the same place."""
        entries = memory.entries
        keys = torch.stack([e.key16 for e in entries], 2)
        values = torch.stack([e.value16 for e in entries], 2)
        scores = reading.affinity(keys.flatten(2).float(), seen.key16.flatten(2).float(), "l2")
        read16, cells = reading.read_best(scores, values.flatten(2), self.best[0])
        read8, cells8 = reading.read_below(
            torch.stack([e.key8 for e in entries], 2),
            torch.stack([e.value8 for e in entries], 2),
            seen.key8,
            cells[:, : self.best[1]],
            factor=2,
            keep=self.best[2],
        )
        # The read at 1/4 shares its candidates between the four queries under a cell of 1/8.
        read4, _ = reading.read_below(
            torch.stack([e.key4 for e in entries], 2),
            torch.stack([e.value4 for e in entries], 2),
            seen.key4,
            cells8,
            factor=2,
        )
        newest = memory.newest
        near = reading.read_near(seen.key8, newest.key8, newest.value8, 3)
        return read16.reshape(*read16.shape[:2], *seen.f16.shape[-2:]), read8, read4, near

    def decode(self, seen: Features, memory: Memory) -> Matte:
        """The matte of a frame from what the memory says and what is seen."""
        read16, read8, read4, near = self.read(seen, memory)
        last = F.pixel_unshuffle(memory.newest.alpha, 4).to(read4.dtype)
        x16 = self.compress(torch.cat((read16, seen.f16), 1))
        x = self.at8(torch.cat((_enlarge(x16, seen.f8), seen.f8, read8, near), 1))
        x4 = self.at4(torch.cat((_enlarge(x, seen.f4), seen.f4, read4, last), 1))
        # The stored pixels of the read at 1/4, laid out at 1/2: each cell of four holds the 2 x 2 pixels under it.
        moved = _quarter_to_half(read4[:, :16])
        x = self.at2(torch.cat((_enlarge(x4, seen.half), seen.half, moved), 1))
        moved_alpha = F.pixel_shuffle(read4[:, :16], 4)
        # The matte starts from what the memory brought, so that training begins with a matte that is merely moved.
        alpha = F.pixel_shuffle(self.alpha(x), 2).float() + self.trust * (2 * moved_alpha.float() - 1)
        return Matte(alpha, self.mask(x4), self.doubt(x4), self.coarse(x16), moved_alpha)

    def begin(self, plate: Tensor, guide: Tensor) -> tuple[Matte, Memory]:
        """The matte of a guided frame and the memory that starts there. guide: planes of `guide_planes`."""
        return self.begin_seen(self.encode(plate), guide)

    def begin_seen(self, seen: Features, guide: Tensor) -> tuple[Matte, Memory]:
        """`begin` for a frame that is encoded already.

        A drawn guide is not the matte: the frame is first matted from a memory of itself with the guide, and
        then remembered with the alpha found.
        """
        matte, _ = self.looked_at_twice(seen, Memory((self.remember(seen, guide[:, :1], guide),)), guide)
        return matte, Memory((self.remember(seen, settled(matte.alpha, guide), guide),))

    def step(self, seen: Features, memory: Memory) -> tuple[Matte, Memory]:
        """One frame after another: the matte, and the memory with this frame's draft as its newest.

        Were the second look's matte remembered, it would be made more of on every frame, and a soft rim eaten away.
        """
        matte, draft = self.looked_at_twice(seen, memory, no_guide(memory.newest.alpha))
        return matte, memory.with_recent(draft)

    def looked_at_twice(self, seen: Features, memory: Memory, guide: Tensor) -> tuple[Matte, Entry]:
        """The matte of a frame from the memory and from a first draft of itself, and that draft as an entry.

        guide: planes of the frame.
        """
        draft = self.remember(seen, settled(self.decode(seen, memory).alpha, guide), guide)
        return self.decode(seen, memory.beside(draft)), draft

    def forward(self, plate: Tensor, memory: Memory) -> tuple[Tensor, Tensor, Tensor, Memory]:
        """alpha, mask and confidence [N, 1, H, W], 0..1, of a plate, and the new memory."""
        matte, memory = self.step(self.encode(plate), memory)
        return matte.alpha, matte.mask, matte.confidence, memory


def settled(alpha: Tensor, guide: Tensor) -> Tensor:
    """alpha with what the guide is sure of put back: an alpha guide everywhere, a trimap outside its unknown band."""
    value, trimap, given = guide[:, :1], guide[:, 2:3], guide[:, 3:4]
    sure = given + trimap * ((value < 0.25) | (value > 0.75)).to(alpha.dtype)
    return alpha * (1 - sure) + value * sure


def build(**variant: tuple[int, ...]) -> HstsgCompact:
    """The shipped network, or one of other widths."""
    return HstsgCompact(**variant)  # type: ignore[arg-type]


def _enlarge(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


def _quarter_to_half(patches: Tensor) -> Tensor:
    """Cells of 4 x 4 pixels [N, 16, h, w] to cells of 2 x 2 with two neighbours and their range [N, 8, 2h, 2w]."""
    fine = F.pixel_unshuffle(F.pixel_shuffle(patches, 4), 2)
    context = _enlarge(patches[:, 5:11:5], fine)
    return torch.cat((fine, context, fine.amax(1, keepdim=True), fine.amin(1, keepdim=True)), 1)
