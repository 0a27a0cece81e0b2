"""Closed-form matting of an unknown band, coarse to fine, with a prior: torch in, torch out, CPU or GPU.

The alpha of the band minimises  a' L a + sum of weight (a - prior)^2  with the sure pixels held at exactly 0 and 1
(Levin et al. 2008, section 3, with the scribble term made soft where it is not sure). It is found at a quarter, at half
and at full size, each begun from the last, by conjugate gradients preconditioned with the diagonal.

All sums run in a fixed order, so the number of threads does not change a bit of the result.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqmatte import laplacian
from seqmatte.band import Band, band_of

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Task:
    """One picture to solve. plate: 3 x H x W. unknown: H x W, bool. known: H x W, what alpha is elsewhere.

    prior: H x W, what alpha should be near to in the band; weight: H x W, how much, 0 for not at all. Beside it,
    the Laplacian's diagonal is about 1 to 8.
    """

    plate: Tensor
    unknown: Tensor
    known: Tensor
    prior: Tensor
    weight: Tensor


@dataclass(frozen=True)
class Effort:
    """epsilon, floor: see `laplacian.stencil`. levels: how many sizes, each half the last. steps: of conjugate
    gradients at full size at most; a coarser size may take twice as many. tolerance: the share of the first residual
    at which a size is done."""

    epsilon: float = 1e-7
    floor: float = 0.03
    levels: int = 3
    steps: int = 150
    tolerance: float = 1e-3


def solve(task: Task, effort: Effort | None = None) -> Tensor:
    """Alpha of the whole picture, H x W, 0..1: exactly the known value where it is known."""
    import torch

    effort = effort or Effort()
    sizes = [task]
    while len(sizes) < effort.levels and min(sizes[-1].unknown.shape) >= 64:
        sizes.append(_halved(sizes[-1]))
    alpha = torch.where(sizes[-1].unknown, sizes[-1].prior, sizes[-1].known)
    for depth in range(len(sizes) - 1, -1, -1):
        alpha = _solved(sizes[depth], alpha, effort, effort.steps << depth)
        if depth:
            finer = sizes[depth - 1]
            alpha = torch.where(finer.unknown, _doubled(alpha, finer.unknown.shape), finer.known)
    return alpha


def degrained(picture: Tensor, sigma: float) -> Tensor:
    """C x H x W under a Gaussian of three taps, `sigma` in pixels, lest grain pass for hair.

    For scene-linear light, where a mixture stays a mixture.
    """
    import torch.nn.functional as F

    if sigma <= 0:
        return picture
    side = math.exp(-0.5 / sigma**2)
    centre, side = 1 / (1 + 2 * side), side / (1 + 2 * side)
    p = F.pad(picture[None], (1, 1, 1, 1), mode="replicate")[0]
    p = centre * p[:, 1:-1] + side * (p[:, :-2] + p[:, 2:])
    return centre * p[..., 1:-1] + side * (p[..., :-2] + p[..., 2:])


def _halved(task: Task) -> Task:
    """The same picture at half size. A pixel is unknown where any of its four is, or where they disagree."""
    import torch

    known, plate = _mean(task.known), _mean(task.plate)
    unknown = (_mean(task.unknown.float()) > 0) | ((known > 0) & (known < 1))
    # A sure pixel within an unknown one speaks as a prior of the Laplacian's own size.
    weight = torch.where(task.unknown, task.weight, 1.0)
    prior = _mean(weight * torch.where(task.unknown, task.prior, task.known))
    weight = _mean(weight)
    return Task(plate, unknown, known, prior / weight.clamp_min(1e-12), weight)


def _mean(picture: Tensor) -> Tensor:
    """Means of 2 x 2 pixels, of H x W or C x H x W."""
    import torch.nn.functional as F

    planes = picture if picture.ndim == 3 else picture[None]
    made = F.avg_pool2d(planes[None], 2, ceil_mode=True)[0]
    return made if picture.ndim == 3 else made[0]


def _doubled(alpha: Tensor, shape: tuple[int, ...]) -> Tensor:
    import torch.nn.functional as F

    fine = F.interpolate(alpha[None, None], scale_factor=2, mode="bilinear", align_corners=False)
    return fine[0, 0, : shape[0], : shape[1]]


def _solved(task: Task, start: Tensor, effort: Effort, steps: int) -> Tensor:
    import torch

    if not bool(task.unknown.any()):
        return task.known
    band = band_of(task.unknown)
    system = _System(
        band,
        laplacian.stencil(band, task.plate, effort.epsilon, effort.floor),
        band.tiles(task.unknown.float()),
        band.tiles(task.weight),
    )
    found = _conjugate_gradients(system, band.canvas(start[None]), band.tiles(task.prior), steps, effort.tolerance)
    return torch.where(task.unknown, found.clamp(0, 1), task.known)


@dataclass(frozen=True)
class _System:
    """The matrix L + diag(weight) between the free pixels of a band."""

    band: Band
    rows: Tensor
    free: Tensor
    weight: Tensor


def _conjugate_gradients(system: _System, canvas: Tensor, prior: Tensor, steps: int, tolerance: float) -> Tensor:
    """Alpha, H x W, from the start that the canvas holds, whose sure pixels are the boundary."""
    import torch

    band, rows, free, weight = system.band, system.rows, system.free, system.weight
    x = band.around(canvas)[:, 0, 2:-2, 2:-2].contiguous()
    search = torch.zeros_like(canvas)
    inverse = free / (rows[12] + weight).clamp_min(1e-12)
    residual = free * (weight * (prior - x) - laplacian.product(band, rows, canvas))
    z = inverse * residual
    direction, rz = z.clone(), laplacian.dot(residual, z)
    enough = rz * tolerance**2
    for _ in range(steps):
        if rz <= enough:
            break
        band.put(search, direction[:, None])
        moved = laplacian.product(band, rows, search).addcmul_(weight, direction).mul_(free)
        curve = laplacian.dot(direction, moved)
        if curve <= 0:
            break
        x.add_(direction, alpha=rz / curve)
        residual.sub_(moved, alpha=rz / curve)
        torch.mul(inverse, residual, out=z)
        rz, last = laplacian.dot(residual, z), rz
        direction.mul_(rz / last).add_(z)
    band.put(canvas, x[:, None])
    return band.picture(canvas)[0]
