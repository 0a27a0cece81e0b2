"""The matting Laplacian over the unknown band alone, as a stencil over tiles.

A. Levin, D. Lischinski and Y. Weiss, "A Closed-Form Solution to Natural Image Matting", PAMI 2008, equation 12: in
each 3 x 3 window alpha is an affine function of the colour. Written out, every pixel is joined to the 24 pixels around
it. Those 25 numbers a pixel are kept, for the tiles that the band crosses and for no others: one product costs 25
multiplications a pixel whatever the band's shape, the diagonal is at hand, and the sums are of differences of
neighbouring colours, which single precision can bear (sums of products over windows cannot, where a plate is flat).

All sums run in a fixed order, so the number of threads does not change a bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqmatte.band import TILE, Band

if TYPE_CHECKING:
    from torch import Tensor

_POSITIONS = tuple((y, x) for y in (-1, 0, 1) for x in (-1, 0, 1))
# Few tiles at once: what a chunk needs stays in the processor's cache, and memory does not grow with the band.
_CHUNK = 24


def stencil(band: Band, plate: Tensor, epsilon: float, floor: float) -> Tensor:
    """25 x n x 32 x 32: row i of the Laplacian, L[i, j] for the 5 x 5 pixels j around i, row by row.

    plate: 3 x H x W, any light. epsilon: how much the colours of a window must vary before they tell anything, as a
    variance, for a window as bright as 1; floor: the brightness below which it no longer falls with the square of
    the window's own brightness. A very large floor with epsilon / floor^2 gives the paper's constant epsilon.
    """
    import torch

    canvas, inside = band.canvas(plate), band.canvas(plate.new_ones((1, band.height, band.width)))
    made = plate.new_zeros((25, len(band), TILE, TILE))
    for start in range(0, len(band), _CHUNK):
        which = slice(start, min(start + _CHUNK, len(band)))
        whole = -torch.nn.functional.max_pool2d(-band.around(inside, which), 3, 1)[:, 0]
        vectors = _whitened(band.around(canvas, which).transpose(0, 1).contiguous(), epsilon, floor)
        _join(made[:, which], vectors * whole, whole / 9)
    torch.sub(made[12], made.sum(0), out=made[12])
    return made


def _whitened(colours: Tensor, epsilon: float, floor: float) -> Tensor:
    """9 x 3 x n x 34 x 34: each window's nine colours, less their mean, by the root of its inverse covariance."""
    import torch

    side = TILE + 2
    nine = torch.stack([colours[..., 1 + y : 1 + y + side, 1 + x : 1 + x + side] for y, x in _POSITIONS])
    mean = nine.sum(0) / 9
    nine -= mean
    # In double precision: beside a lamp the smallest variance is a millionth of the largest.
    r, g, b = nine.double().unbind(1)
    least = epsilon / 9 * ((mean * mean).sum(0).double() / 3 + floor * floor)
    rr, gg, bb = ((c * c).sum(0) / 9 + least for c in (r, g, b))
    rg, rb, gb = (r * g).sum(0) / 9, (r * b).sum(0) / 9, (g * b).sum(0) / 9
    # The root of the covariance by Cholesky, then three rows of forward substitution.
    l00 = rr.rsqrt()
    l10, l20 = rg * l00, rb * l00
    l11 = torch.maximum(gg - l10 * l10, least).rsqrt()
    l21 = (gb - l20 * l10) * l11
    l22 = torch.maximum(bb - l20 * l20 - l21 * l21, least).rsqrt()
    l00, l10, l20, l11, l21, l22 = (part.to(nine.dtype) for part in (l00, l10, l20, l11, l21, l22))
    r, g, b = nine.unbind(1)
    u0 = r * l00
    u1 = (g - l10 * u0) * l11
    u2 = (b - l20 * u0 - l21 * u1) * l22
    return torch.stack((u0, u1, u2), 1) / 3


def _join(rows: Tensor, vectors: Tensor, ninth: Tensor) -> None:
    """Adds to rows, 25 x n x 32 x 32, what each window says of each pair of its pixels."""
    for first, (ay, ax) in enumerate(_POSITIONS):
        for second in range(first + 1, 9):
            by, bx = _POSITIONS[second]
            pair = (vectors[first] * vectors[second]).sum(0) + ninth
            there = (by - ay) * 5 + (bx - ax)
            rows[12 + there] -= pair[:, 1 - ay : 1 - ay + TILE, 1 - ax : 1 - ax + TILE]
            rows[12 - there] -= pair[:, 1 - by : 1 - by + TILE, 1 - bx : 1 - bx + TILE]


def product(band: Band, rows: Tensor, canvas: Tensor) -> Tensor:
    """The Laplacian times the one plane of a canvas, n x 32 x 32."""
    around = band.around(canvas)[:, 0]
    made = rows[0] * around[:, :TILE, :TILE]
    for place in range(1, 25):
        y, x = divmod(place, 5)
        made.addcmul_(rows[place], around[:, y : y + TILE, x : x + TILE])
    return made


def dot(a: Tensor, b: Tensor) -> float:
    """The scalar product of two n x 32 x 32, the same whatever the number of threads: a sum a tile, then in order."""
    return float((a * b).flatten(1).sum(1).double().cpu().numpy().sum())
