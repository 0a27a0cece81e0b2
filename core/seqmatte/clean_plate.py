"""Alpha, foreground and background of a soft edge where the set without the subject is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqmatte.foreground import least_light

if TYPE_CHECKING:
    from torch import Tensor

# Alpha up to which nothing stands before the set: a network's never is quite 0.
_BARE = 1 / 255
# Relative difference at which a clean plate is believed to a third, and the light that is added first, lest grain in
# the dark count: of a plate of ordinary exposure.
_CLEAN_OFF, _DIM = 0.1, 0.02
# Plate and clean plate differ by grain alone up to so many times what they differ by where nothing stands before the
# set, as a share of the light and of so much of the set's usual light.
_GRAINS, _LEAST_GRAIN, _DARK = 5.0, 0.005, 0.1
# How many times that the subject must differ from the set for the set to tell alpha, squared; and to take it away.
_TELLING, _CLEARING = 30.0, 16.0
# How many times that the plate may lie beside the line from set to subject, squared, till that is believed to a third.
_BESIDE = 4.0


@dataclass(frozen=True)
class CleanPlate:
    """light: 3 x H x W, the set without the subject, scene-linear as the plate. belief in it: 1 x H x W, 0..1.

    judged: 1 x H x W, whether there is anything near by to judge it by.
    """

    light: Tensor
    belief: Tensor
    judged: Tensor

    @staticmethod
    def beside(plate: Tensor, alpha: Tensor, clean: Tensor, ev: float = 0.0) -> CleanPlate:
        """Believed as far as it agrees with the plate where alpha is 0 near by: a clean plate shot a little brighter
        or from beside would tint the edge. ev: the stops that bring the plate to an ordinary exposure."""
        return CleanPlate(clean, *_agreement(plate, alpha, clean, _DIM * 2.0**-ev))

    def trusted(self, share: float | Tensor) -> CleanPlate:
        return CleanPlate(self.light, share * self.belief, self.judged)

    def trust_beside(self, alpha: Tensor) -> float:
        """How far it is believed about the subject's soft edges, 0..1; 1 where it can be judged by none."""
        beside = (alpha > 0) & (alpha < 1) & self.judged[0]
        return float(self.belief[0][beside].mean()) if beside.any() else 1.0


def alpha_with_clean_plate(
    plate: Tensor, alpha: Tensor, foreground: Tensor, clean: CleanPlate, strict: bool = False
) -> Tensor:
    """Alpha, H x W, of soft edges by where the plate lies between the set and the subject.

    plate, foreground (straight): 3 x H x W, scene-linear. alpha = (C - B)(F - B) / |F - B|^2, the compositing
    equation solved for alpha where B is known, as far as F and B are apart, beyond grain; what is soft and looks as
    the set does is clear. strict: and as far as the plate lies between the two, for a B that may be something else.
    """
    import torch
    import torch.nn.functional as F

    believed, off, room = clean.belief[0], plate - clean.light, foreground - clean.light
    apart = room.square().sum(0)
    grain = _grain(plate, clean.light, (alpha <= _BARE) & (believed > 0.3 * believed.max())).square()
    told = ((off * room).sum(0) / apart.clamp_min(1e-20)).clamp(0, 1)
    soft = (alpha > 0) & (alpha < 1)
    beside = (off - told * room).square().sum(0) if strict else torch.zeros_like(alpha)
    fits = torch.exp(-beside / (_BESIDE * grain))
    found = torch.lerp(alpha, told, believed * fits * apart / (apart + _TELLING * grain))
    looks = F.avg_pool2d(off.square().sum(0).sqrt()[None], 3, 1, 1, count_include_pad=False)[0]
    same = torch.exp(-looks.square() / grain) * believed * apart / (apart + _CLEARING * grain)
    return torch.where(soft, found * (1 - same), alpha)


def _grain(plate: Tensor, clean: Tensor, bare: Tensor) -> Tensor:
    """H x W: how far plate and clean plate may differ by grain. bare: H x W, where nothing stands before the set."""
    level = (plate.abs() + clean.abs()).mean(0) / 2
    level = level + _DARK * clean[:, ::4, ::4].abs().mean(0).median().clamp_min(1e-9)
    share = ((plate - clean).abs().mean(0) / level)[::4, ::4][bare[::4, ::4]]
    usual = share.median().clamp_min(_LEAST_GRAIN) if len(share) else level.new_tensor(10 * _LEAST_GRAIN)
    return _GRAINS * usual * level


def with_clean_plate(
    plate: Tensor, alpha: Tensor, foreground: Tensor, background: Tensor, clean: CleanPlate
) -> tuple[Tensor, Tensor]:
    """F and B when the background is known, each 3 x H x W."""
    import torch

    belief = clean.belief
    soft = (alpha > 0) & (alpha < 1)
    background = torch.where(soft, torch.lerp(background, clean.light, belief.expand_as(background)), background)
    # F follows from the equation where alpha is large enough to divide by.
    divisor = alpha.clamp_min(1e-3)
    direct = torch.maximum((plate - (1 - alpha) * background) / divisor, least_light(plate))
    sure = belief * ((alpha - 0.1) / 0.4).clamp(0, 1)
    foreground = torch.where(soft, torch.lerp(foreground, direct, sure.expand_as(direct)), foreground)
    return foreground, background


def _agreement(plate: Tensor, alpha: Tensor, clean: Tensor, dim: float) -> tuple[Tensor, Tensor]:
    """1 x H x W, 0..1: how alike plate and clean plate are where alpha is 0, within about 30 pixels; and whether it is
    so anywhere there. dim: light so far apart is no difference yet."""
    import torch
    import torch.nn.functional as F

    def near(x: Tensor, reach: int) -> Tensor:
        return F.avg_pool2d(x[None], 2 * reach + 1, 1, reach, count_include_pad=False)[0]

    bare = (alpha <= _BARE).to(plate.dtype)[None]
    # Means of a few pixels, so that grain does not count as a difference.
    off = near((plate - clean) * bare, 2).abs().mean(0, keepdim=True)
    level = near(clean.abs().mean(0, keepdim=True) * bare, 2) + dim * near(bare, 2)
    small = [F.avg_pool2d(x[None], 4, ceil_mode=True)[0] for x in (off, level)]
    off, level = (F.interpolate(near(x, 7)[None], alpha.shape, mode="nearest")[0] for x in small)
    return torch.exp(-((off / (_CLEAN_OFF * level).clamp_min(1e-9)) ** 2)) * (level > 0), level > 0
