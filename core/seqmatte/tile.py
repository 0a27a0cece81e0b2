"""A network over overlapping tiles: a 4K frame in the memory of one tile, blended so that no seam shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

Run = Callable[[slice, slice], Tensor]


@dataclass(frozen=True)
class Tiling:
    """size: pixels a side, 0 for the whole frame at once. overlap: pixels that neighbours share. margin: how many of
    these, at either side, are seen but not believed; all that a network's answer depends on where it is not 0.

    Tiles begin at multiples of size - overlap, so that a network's grid lies the same in all of them. Where there is a
    margin, what lies further than that from all wanted pixels is left out, in steps of `stride`.
    """

    size: int = 0
    overlap: int = 0
    margin: int = 0
    stride: int = 16

    def __post_init__(self) -> None:
        if self.size and not 2 * self.margin <= self.overlap < self.size:
            raise ValueError(f"tiles of {self.size} cannot share {self.overlap} pixels with a margin of {self.margin}")

    def cuts(self, length: int) -> list[tuple[int, int]]:
        """(first, last) of the tiles along a side of so many pixels; the last may be shorter."""
        if not self.size or length <= self.size:
            return [(0, length)]
        starts = range(0, length - self.overlap, self.size - self.overlap)
        return [(start, min(start + self.size, length)) for start in starts]


def tiled(tiling: Tiling, wanted: Tensor, run: Run) -> Tensor:
    """[C, H, W], blended from what `run` makes of each tile that has wanted pixels; 0 where there is no such tile.

    wanted: H x W, booleans. run: rows and columns of a tile -> [C, h, w]. Raises ValueError where none is wanted.
    """
    height, width = wanted.shape
    whole = (slice(0, height), slice(0, width))
    places = list(_places(tiling, _region(tiling, wanted)))
    if places == [whole]:
        return run(*whole)
    total: Tensor | None = None
    weight = torch.zeros(height, width, device=wanted.device)
    for rows, columns in places:
        if not bool(wanted[rows, columns].any()):
            continue
        made = run(rows, columns)
        share = _ramp(tiling, rows, height, made)[:, None] * _ramp(tiling, columns, width, made)[None]
        if total is None:
            total = made.new_zeros(made.shape[0], height, width)
        total[:, rows, columns] += made * share
        weight[rows, columns] += share
    if total is None:
        raise ValueError("no pixel is wanted of any tile")
    return total / weight.clamp_min(1e-6)


def _region(tiling: Tiling, wanted: Tensor) -> tuple[slice, slice]:
    """The rows and columns that answers for the wanted pixels depend on."""
    rows, columns = (_about(tiling, wanted.any(side)) for side in (1, 0))
    return rows, columns


def _about(tiling: Tiling, line: Tensor) -> slice:
    places = line.nonzero()
    if not tiling.margin or not len(places):
        return slice(0, len(line))
    first, last = int(places[0]), int(places[-1])
    start = max(first - tiling.margin, 0) // tiling.stride * tiling.stride
    return slice(start, min(last + 1 + tiling.margin, len(line)))


def _places(tiling: Tiling, region: tuple[slice, slice]) -> Iterator[tuple[slice, slice]]:
    rows, columns = region
    for top, bottom in tiling.cuts(rows.stop - rows.start):
        for left, right in tiling.cuts(columns.stop - columns.start):
            yield (
                slice(rows.start + top, rows.start + bottom),
                slice(columns.start + left, columns.start + right),
            )


def _ramp(tiling: Tiling, place: slice, length: int, like: Tensor) -> Tensor:
    """1 within a tile, falling over the overlap at sides where a neighbour takes over, 0 in the margin."""
    count = place.stop - place.start
    inward = torch.arange(1, count + 1, device=like.device, dtype=like.dtype) - tiling.margin
    rise = (inward / (tiling.overlap - 2 * tiling.margin + 1)).clamp(0, 1)
    ramp = torch.ones_like(rise)
    if place.start > 0:
        ramp = torch.minimum(ramp, rise)
    if place.stop < length:
        ramp = torch.minimum(ramp, rise.flip(0))
    return ramp
