"""A band of pixels as the small tiles it crosses, so that work and memory follow the band and not the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

TILE = 32
HALO = 2


@dataclass(frozen=True)
class Band:
    """The 32 x 32 tiles of an H x W picture that a pixel of the band lies in.

    rows, columns: the place of each of n tiles in the grid of tiles.
    """

    height: int
    width: int
    rows: Tensor
    columns: Tensor

    def __len__(self) -> int:
        return int(self.rows.numel())

    def canvas(self, picture: Tensor) -> Tensor:
        """picture, C x H x W, copied with room for whole tiles and two pixels of zeros around: what `around` reads."""
        high, wide = -(-self.height // TILE) * TILE, -(-self.width // TILE) * TILE
        made = picture.new_zeros((picture.shape[0], high + 2 * HALO, wide + 2 * HALO))
        made[:, HALO : HALO + self.height, HALO : HALO + self.width] = picture
        return made

    def picture(self, canvas: Tensor) -> Tensor:
        """A canvas without its margins: C x H x W."""
        return canvas[:, HALO : HALO + self.height, HALO : HALO + self.width]

    def around(self, canvas: Tensor, which: slice = slice(None)) -> Tensor:
        """The tiles with two pixels around each: n x C x 36 x 36."""
        side = TILE + 2 * HALO
        blocks = canvas.unfold(1, side, TILE).unfold(2, side, TILE).permute(1, 2, 0, 3, 4)
        return blocks[self.rows[which], self.columns[which]]

    def tiles(self, picture: Tensor) -> Tensor:
        """The tiles of an H x W picture: n x 32 x 32, zero beyond its edges."""
        return self.around(self.canvas(picture[None]))[:, 0, HALO:-HALO, HALO:-HALO].contiguous()

    def put(self, canvas: Tensor, tiles: Tensor) -> None:
        """Writes n x C x 32 x 32 into a canvas of C planes."""
        inner = canvas[:, HALO:-HALO, HALO:-HALO]
        grid = inner.unfold(1, TILE, TILE).unfold(2, TILE, TILE).permute(1, 2, 0, 3, 4)
        grid[self.rows, self.columns] = tiles


def band_of(mask: Tensor) -> Band:
    """The band of an H x W mask's True pixels."""
    import torch

    height, width = mask.shape
    high, wide = -(-height // TILE), -(-width // TILE)
    padded = torch.nn.functional.pad(mask, (0, wide * TILE - width, 0, high * TILE - height))
    rows, columns = padded.reshape(high, TILE, wide, TILE).any(3).any(1).nonzero(as_tuple=True)
    return Band(height, width, rows, columns)
