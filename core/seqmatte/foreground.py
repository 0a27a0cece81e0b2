"""The pure colours of foreground and background behind a soft edge, in unbounded linear light.

After T. Germer, T. Uelwer, S. Conrad and S. Harmeling, "Fast Multi-Level Foreground Estimation", ICPR 2020: F and B
that explain the plate, alpha F + (1 - alpha) B = I, and change little where alpha changes much, found from one pixel
upward to full size by sweeps that solve a 2 x 2 system a pixel. Ours sweeps all pixels at once (Jacobi), so it runs
alike on CPU and GPU, and on the two largest sizes only where alpha is neither 0 nor 1. And ours keeps the colours
within bounds, or lamps beside the edge ruin it: neither goes darker than the plate is near by, else the lamp shines on
behind the edge and F pays with black; and F gets not much brighter than the subject is, else it takes a lamp along.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqmatte.band import HALO, TILE, band_of

if TYPE_CHECKING:
    from torch import Tensor

# Times that a soft edge's foreground may be brighter than the solid subject near by.
BRIGHTEST = 3.0
# Sides up to this are swept whole: there the band is most of the picture.
_WHOLE = 160
# From this share of alpha on (its inverse) the edge carries all of the plate's own grain.
_FULL_GRAIN = 4.0
# Neighbours whose light differs by this share of the darker one's are tied half as much; and what counts as dark.
_JUMP, _DARK = 1.0, 0.02
# What the subject's light is told by: alphas from this on are sure, those above that its rim; the share of the rim that
# counts, how much it counts beside the sure ones, and the size at which it is looked at.
_SURE, _RIM, _MOST_OF_RIM, _OF_RIM, _COARSE = 0.95, 0.3, 0.95, 2 / 3, 256
# Alpha up to which a pixel tells what light shines through the rim near by.
_BARE = 0.02
# Pixels of the rim that are enough to tell.
_ENOUGH = 1_000_000
# Share of a pixel's light that is taken for grain.
_GRAIN = 0.1
# Side in pixels, at each size, of the cells in which light below zero is looked for: a pixel's own and those around it
# say how far below zero F and B may go.
_BELOW = 8


@dataclass(frozen=True)
class Sweeps:
    """regularisation, gradient: how smooth F and B are everywhere, and where alpha changes. small, large: sweeps on
    sizes up to 32 pixels and on larger ones."""

    regularisation: float = 1e-5
    gradient: float = 0.2
    small: int = 30
    large: int = 16


@dataclass(frozen=True)
class System:
    """What a pixel's colours must meet: ff F + fb B = alpha I + F near by, fb F + bb B = (1 - alpha) I + B near by.

    weights: of the four neighbours; own: of the pixel's own colours before, where its neighbours hardly hold it.
    from_f, from_b: what of the two right-hand sides F is, where nothing bounds it. least: the least light that F and B
    may have. most: the most that F may.
    """

    weights: list[Tensor]
    own: Tensor
    ff: Tensor
    fb: Tensor
    bb: Tensor
    from_f: Tensor
    from_b: Tensor
    least: Tensor
    most: Tensor

    def pull(self, before: Tensor, beside: list[Tensor]) -> Tensor:
        """The pixel's own colours and the neighbours', weighed and summed."""
        pulled = self.own * before
        for weight, colours in zip(self.weights, beside, strict=True):
            pulled = pulled.addcmul_(weight, colours)
        return pulled

    def solved(self, f: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """F and B for the right-hand sides; where one would go beyond its bounds, it is there and the other follows."""
        import torch

        front = torch.addcmul(self.from_f * f, self.from_b, b).clamp_(self.least, self.most)
        behind = torch.maximum(b.sub(self.fb * front).div_(self.bb), self.least)
        return f.sub(self.fb * behind).div_(self.ff).clamp_(self.least, self.most), behind


def foreground_background(
    plate: Tensor, alpha: Tensor, brightest: float = BRIGHTEST, sweeps: Sweeps | None = None
) -> tuple[Tensor, Tensor]:
    """F and B, each 3 x H x W, in the plate's light, unbounded above; below 0 as far as the plate is near by.

    plate: 3 x H x W, finite. alpha: H x W, 0..1. Where alpha is 1, F is the plate; where it is 0, B is the plate.
    Elsewhere F at alpha 0 and B at alpha 1 are continued from near by. brightest: how many times the light of the
    sure subject near by F may have.
    """
    import torch
    import torch.nn.functional as F

    sweeps = sweeps or Sweeps()
    sizes = _pyramid(torch.cat((plate, alpha[None])))
    both = _everywhere(sizes[0])
    most = _most_light(plate, alpha, brightest)
    for picture in sizes:
        both = F.interpolate(both[None], picture.shape[1:], mode="nearest")[0]
        if max(picture.shape) <= _WHOLE:
            both = _swept(both, picture, most, sweeps)
        else:
            both = _swept_in_band(both, picture, most, sweeps)
    # The larger sizes are swept in the band only; sure colours are the plate's own at any size.
    return torch.where(alpha >= 1, plate, both[:3]), torch.where(alpha <= 0, plate, both[3:])


def _pyramid(picture: Tensor) -> list[Tensor]:
    """From a few pixels to the picture, each twice the last; plate and alpha, 4 x H x W."""
    import torch.nn.functional as F

    sizes = [picture]
    while max(sizes[-1].shape[1:]) > 4:
        sizes.append(F.avg_pool2d(sizes[-1][None], 2, ceil_mode=True)[0])
    return sizes[::-1]


def _everywhere(picture: Tensor) -> Tensor:
    """The mean colours of foreground and background of a picture of a few pixels: 6 x 1 x 1."""
    import torch

    plate, alpha = picture[:3], picture[3:]
    parts = [(plate * w).sum((1, 2), keepdim=True) / w.sum().clamp_min(1e-3) for w in (alpha, 1 - alpha)]
    return torch.cat(parts)


def _system(here: Tensor, near: list[Tensor], bounds: Tensor, sweeps: Sweeps) -> System:
    """Equation 7, with neighbours in far other light let go of: there a lamp ends, whatever alpha does.

    here, near: alpha, light and 1 where there is a picture, of the pixels and of their four neighbours. bounds: the
    least light of F and B in three channels, the most of F in all.
    """
    import torch

    alpha, light = here[..., :1, :, :], here[..., 1:2, :, :]
    weights = []
    for other in near:
        beside, its_light, there = (other[..., i : i + 1, :, :] for i in range(3))
        jump = (light - its_light).abs() / (_JUMP * torch.minimum(light, its_light).clamp_min(_DARK))
        change = sweeps.regularisation + sweeps.gradient * (alpha - beside).abs()
        weights.append(change * there / (1 + jump.square().square()))
    # A lamp that is let go of, and places of a tile beyond the picture, have no neighbours: they stay as they were.
    held, other = sum(weights[1:], weights[0]), 1 - alpha
    total = held.clamp_min(sweeps.regularisation)
    least, most = bounds[..., :3, :, :], bounds[..., 3:, :, :]
    ff, fb, bb = alpha * alpha + total, alpha * other, other * other + total
    scale = 1 / (ff * bb - fb * fb)
    return System(weights, total - held, ff, fb, bb, bb * scale, -fb * scale, least, most)


def _ties(picture: Tensor) -> Tensor:
    """What neighbours are tied by: alpha, light, and 1 in the picture, 3 x H x W."""
    import torch

    return torch.cat((picture[3:], picture[:3].amax(0, keepdim=True), torch.ones_like(picture[3:])))


def least_light(plate: Tensor) -> Tensor:
    """The least light that a colour near each pixel may have, 3 x H x W: 0, or what the plate has below that."""
    import torch.nn.functional as F

    below = (-plate).clamp_min(0)
    if not bool(below.any()):
        return below
    near = _highest(F.max_pool2d(below, _BELOW, ceil_mode=True), 1)
    wide = near.repeat_interleave(_BELOW, 1).repeat_interleave(_BELOW, 2)
    return -wide[:, : plate.shape[1], : plate.shape[2]]


def _bounds(plate: Tensor, most: Tensor) -> Tensor:
    """4 x H x W: the least light that F and B may have, by channel, and the most that F may have."""
    import torch
    import torch.nn.functional as F

    return torch.cat((least_light(plate), F.interpolate(most[None], plate.shape[1:], mode="nearest")[0]))


def _most_light(plate: Tensor, alpha: Tensor, brightest: float) -> Tensor:
    """The most light that the foreground may have near each place, 1 x h x w, small; infinite if nothing tells.

    So many times what the subject has near by where alpha is sure, or two thirds as many times what most of its rim
    has beside what shines through it. A lamp of which alpha took a share is brighter than either, and is the
    background's; so is a window that most of the rim stands before.
    """
    import torch
    import torch.nn.functional as F

    light, coarse = plate.amax(0), -(-max(alpha.shape) // _COARSE)
    own = light - (1 - alpha) * _bare_light(light, alpha, coarse)
    rim = own[(alpha > _RIM) & (alpha < _SURE)].clamp_min(0)
    rim = rim[:: 1 + rim.numel() // _ENOUGH]  # torch sorts no more than 16 million
    usual = brightest * _OF_RIM * rim.quantile(_MOST_OF_RIM) if rim.numel() else light.new_tensor(0.0)
    sure = F.max_pool2d((light * (alpha >= _SURE))[None, None], coarse, ceil_mode=True)[0]
    most = torch.maximum(brightest * _highest(sure, _COARSE // 24), usual)
    return torch.where(most > 0, most, torch.inf)


def _bare_light(light: Tensor, alpha: Tensor, coarse: int) -> Tensor:
    """H x W: the most light of what stands bare near by, in means of so many pixels a side; 0 where nothing does."""
    import torch
    import torch.nn.functional as F

    bare = (alpha <= _BARE).to(light.dtype)
    sums, there = F.avg_pool2d(torch.stack((light * bare, bare))[None], coarse, ceil_mode=True)[0]
    near = _highest((sums / there.clamp_min(1e-6))[None], _COARSE // 24)
    return F.interpolate(near[None], alpha.shape, mode="nearest")[0, 0]


def _highest(x: Tensor, reach: int) -> Tensor:
    """The most of C x H x W within `reach` pixels each way."""
    import torch.nn.functional as F

    side = 2 * reach + 1
    return F.max_pool2d(F.max_pool2d(x, (side, 1), 1, (reach, 0)), (1, side), 1, (0, reach))


def _swept(both: Tensor, picture: Tensor, most: Tensor, sweeps: Sweeps) -> Tensor:
    """Sweeps over a whole picture. both: 6 x H x W. picture: plate and alpha, 4 x H x W."""
    import torch
    import torch.nn.functional as F

    def near(x: Tensor) -> list[Tensor]:
        p = F.pad(x[None], (1, 1, 1, 1), mode="replicate")[0]
        return [p[:, 1:-1, :-2], p[:, 1:-1, 2:], p[:, :-2, 1:-1], p[:, 2:, 1:-1]]

    plate, alpha = picture[:3], picture[3:]
    ties = _ties(picture)
    system = _system(ties, near(ties), _bounds(plate, most), sweeps)
    seen = torch.cat((alpha * plate, (1 - alpha) * plate))
    for _ in range(sweeps.small if max(alpha.shape) <= 32 else sweeps.large):
        wanted = system.pull(both, near(both)).add_(seen)
        both = torch.cat(system.solved(wanted[:3], wanted[3:]))
    return both


def _swept_in_band(both: Tensor, picture: Tensor, most: Tensor, sweeps: Sweeps) -> Tensor:
    """The same over the tiles where alpha is soft; elsewhere the sure colour is the plate's own."""
    import torch

    plate, alpha = picture[:3], picture[3]
    both = torch.cat((torch.where(alpha >= 1, plate, both[:3]), torch.where(alpha <= 0, plate, both[3:])))
    band = band_of((alpha > 0) & (alpha < 1))
    if not len(band):
        return both
    # Beyond the picture's edge nothing pulls.
    ties = _cross(band.around(band.canvas(_ties(picture))))
    plates, bounds = (_cross(band.around(band.canvas(x)))[0] for x in (plate, _bounds(plate, most)))
    system = _system(ties[0], ties[1:], bounds, sweeps)
    soft = ties[0][:, :1]
    seen = torch.cat((soft * plates, (1 - soft) * plates), 1)
    canvas = band.canvas(both)
    for _ in range(sweeps.large):
        here, *beside = _cross(band.around(canvas))
        wanted = system.pull(here, beside).add_(seen)
        band.put(canvas, torch.cat(system.solved(wanted[:, :3], wanted[:, 3:]), 1))
    return band.picture(canvas)


def _cross(tiles: Tensor) -> list[Tensor]:
    """Each tile, and its left, right, upper and lower neighbour."""
    a, z = HALO, HALO + TILE
    return [
        tiles[..., a:z, a:z],
        tiles[..., a:z, a - 1 : z - 1],
        tiles[..., a:z, a + 1 : z + 1],
        tiles[..., a - 1 : z - 1, a:z],
        tiles[..., a + 1 : z + 1, a:z],
    ]


def premultiplied(plate: Tensor, alpha: Tensor, foreground: Tensor, background: Tensor) -> Tensor:
    """What the subject adds to the picture, 3 x H x W: the plate itself at alpha 1, nothing at alpha 0.

    In between it is the plate less the background's part, so that grain goes on into the edge and the matte over its
    own background gives the plate back; at thin alpha, where that would mostly be the background's grain, it leans to
    alpha F.
    """
    import torch

    smooth = alpha * foreground
    rest = plate - smooth - (1 - alpha) * background
    made = smooth + (alpha * _FULL_GRAIN).clamp(max=1) * rest
    # Neither the subject nor what is behind it takes light away, but for grain.
    least = least_light(plate) - _GRAIN * plate.abs()
    made = torch.minimum(torch.maximum(made, least), plate - least)
    made = torch.where(alpha > 0, made, torch.zeros_like(made))
    return torch.where(alpha >= 1, plate, made)
