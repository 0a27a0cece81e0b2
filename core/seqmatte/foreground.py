"""The pure colours of foreground and background behind a soft edge, in unbounded linear light.

After T. Germer, T. Uelwer, S. Conrad and S. Harmeling, "Fast Multi-Level Foreground Estimation", ICPR 2020: F and B
that explain the plate, alpha F + (1 - alpha) B = I, and change little where alpha changes much, found from one pixel
upward to full size by sweeps that solve a 2 x 2 system a pixel. Ours sweeps all pixels at once (Jacobi), so it runs
alike on CPU and GPU, and on the two largest sizes only where alpha is neither 0 nor 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqmatte.band import HALO, TILE, band_of

if TYPE_CHECKING:
    from torch import Tensor

# Sides up to this are swept whole: there the band is most of the picture.
_WHOLE = 160
# From this share of alpha on (its inverse) the edge carries all of the plate's own grain.
_FULL_GRAIN = 4.0
# Relative difference at which a clean plate is believed to a third.
_CLEAN_OFF = 0.1


@dataclass(frozen=True)
class Sweeps:
    """regularisation, gradient: how smooth F and B are everywhere, and where alpha changes. small, large: sweeps on
    sizes up to 32 pixels and on larger ones."""

    regularisation: float = 1e-5
    gradient: float = 1.0
    small: int = 30
    large: int = 16


def foreground_background(plate: Tensor, alpha: Tensor, sweeps: Sweeps | None = None) -> tuple[Tensor, Tensor]:
    """F and B, each 3 x H x W, in the plate's light, unbounded; negative light is allowed.

    plate: 3 x H x W, finite. alpha: H x W, 0..1. Where alpha is 1, F is the plate; where it is 0, B is the plate.
    Elsewhere F at alpha 0 and B at alpha 1 are continued from near by.
    """
    import torch
    import torch.nn.functional as F

    sweeps = sweeps or Sweeps()
    sizes = _pyramid(torch.cat((plate, alpha[None])))
    both = _everywhere(sizes[0])
    for picture in sizes:
        both = F.interpolate(both[None], picture.shape[1:], mode="nearest")[0]
        if max(picture.shape) <= _WHOLE:
            both = _swept(both, picture, sweeps)
        else:
            both = _swept_in_band(both, picture, sweeps)
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


def _system(alpha: Tensor, near: list[Tensor], sweeps: Sweeps) -> tuple[list[Tensor], Tensor, Tensor, Tensor]:
    """The weights of the four neighbours and the inverse of the 2 x 2 matrix (equation 7): ff, fb, bb."""
    weights = [sweeps.regularisation + sweeps.gradient * (alpha - beside).abs() for beside in near]
    total, other = sum(weights[1:], weights[0]), 1 - alpha
    ff, fb, bb = alpha * alpha + total, alpha * other, other * other + total
    scale = 1 / (ff * bb - fb * fb)
    return weights, bb * scale, -fb * scale, ff * scale


def _swept(both: Tensor, picture: Tensor, sweeps: Sweeps) -> Tensor:
    """Sweeps over a whole picture. both: 6 x H x W. picture: plate and alpha, 4 x H x W."""
    import torch
    import torch.nn.functional as F

    def near(x: Tensor) -> list[Tensor]:
        p = F.pad(x[None], (1, 1, 1, 1), mode="replicate")[0]
        return [p[:, 1:-1, :-2], p[:, 1:-1, 2:], p[:, :-2, 1:-1], p[:, 2:, 1:-1]]

    alpha = picture[3:]
    weights, ff, fb, bb = _system(alpha, near(alpha), sweeps)
    seen_f, seen_b = alpha * picture[:3], (1 - alpha) * picture[:3]
    for _ in range(sweeps.small if max(alpha.shape) <= 32 else sweeps.large):
        beside = near(both)
        pull = sum((w * x for w, x in zip(weights[1:], beside[1:], strict=True)), weights[0] * beside[0])
        f, b = seen_f + pull[:3], seen_b + pull[3:]
        both = torch.cat((ff * f + fb * b, fb * f + bb * b))
    return both


def _swept_in_band(both: Tensor, picture: Tensor, sweeps: Sweeps) -> Tensor:
    """The same over the tiles where alpha is soft; elsewhere the sure colour is the plate's own."""
    import torch

    alpha = picture[3]
    sure_f, sure_b = alpha >= 1, alpha <= 0
    both = torch.cat((torch.where(sure_f, picture[:3], both[:3]), torch.where(sure_b, picture[:3], both[3:])))
    band = band_of((alpha > 0) & (alpha < 1))
    if not len(band):
        return both
    here = band.around(band.canvas(picture))
    # Beyond the picture's edge alpha repeats, so nothing pulls from there.
    inside = band.around(band.canvas(torch.ones_like(alpha)[None]))
    centre, near = _cross(here[:, 3:]), _cross(inside)
    weights, ff, fb, bb = _system(centre[0], centre[1:], sweeps)
    weights = [w * i for w, i in zip(weights, near[1:], strict=True)]
    plate = here[:, :3, HALO:-HALO, HALO:-HALO]
    seen_f, seen_b = centre[0] * plate, (1 - centre[0]) * plate
    canvas = band.canvas(both)
    for _ in range(sweeps.large):
        beside = _cross(band.around(canvas))[1:]
        pull = sum((w * x for w, x in zip(weights[1:], beside[1:], strict=True)), weights[0] * beside[0])
        f, b = seen_f + pull[:, :3], seen_b + pull[:, 3:]
        band.put(canvas, torch.cat((ff * f + fb * b, fb * f + bb * b), 1))
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
    made = torch.where(alpha > 0, made, torch.zeros_like(made))
    return torch.where(alpha >= 1, plate, made)


def with_clean_plate(
    plate: Tensor, alpha: Tensor, foreground: Tensor, background: Tensor, clean: Tensor, trust: float
) -> tuple[Tensor, Tensor]:
    """F and B when the background is known, each 3 x H x W.

    clean: 3 x H x W, the set without the subject, in the plate's light. It is believed as far as it agrees with the
    plate where alpha is 0 near by: a clean plate shot a little brighter or from beside would tint the edge.
    """
    import torch
    import torch.nn.functional as F

    def near(x: Tensor) -> Tensor:
        return F.avg_pool2d(x[None], 15, 1, 7, count_include_pad=False)[0]

    belief = trust * _agreement(plate, alpha, clean)
    soft = (alpha > 0) & (alpha < 1)
    background = torch.where(soft, torch.lerp(background, clean, belief.expand_as(clean)), background)
    # F follows from the equation where alpha is large enough to divide by.
    divisor = alpha.clamp_min(1e-3)
    direct = (plate - (1 - alpha) * background) / divisor
    sure = belief * ((alpha - 0.1) / 0.4).clamp(0, 1)
    foreground = torch.where(soft, torch.lerp(foreground, direct, sure.expand_as(direct)), foreground)
    return foreground, background


def _agreement(plate: Tensor, alpha: Tensor, clean: Tensor) -> Tensor:
    """1 x H x W, 0..1: how alike plate and clean plate are where alpha is 0, within about 30 pixels."""
    import torch
    import torch.nn.functional as F

    def near(x: Tensor, reach: int) -> Tensor:
        return F.avg_pool2d(x[None], 2 * reach + 1, 1, reach, count_include_pad=False)[0]

    bare = (alpha <= 0).to(plate.dtype)[None]
    # Means of a few pixels, so that grain does not count as a difference.
    off = near((plate - clean) * bare, 2).abs().mean(0, keepdim=True)
    level = near(clean.abs().mean(0, keepdim=True) * bare, 2) + 0.02 * near(bare, 2)
    small = [F.avg_pool2d(x[None], 4, ceil_mode=True)[0] for x in (off, level)]
    off, level = (F.interpolate(near(x, 7)[None], alpha.shape, mode="nearest")[0] for x in small)
    return torch.exp(-((off / (_CLEAN_OFF * level).clamp_min(1e-9)) ** 2)) * (level > 0)
