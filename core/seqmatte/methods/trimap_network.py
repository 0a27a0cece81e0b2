"""One frame and its trimap through a network, whole or in tiles: what DIM, GCA, FBA and Context-Aware share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from seqlink.params import param
from seqmatte.confidence import beside_guess
from seqmatte.encoding import Encoding
from seqmatte.layer import Layer, Pixels
from seqmatte.method import Read, State, View
from seqmatte.methods.networked import Networked, NetworkParams, Plane, enlarged
from seqmatte.reach import PerFrame

if TYPE_CHECKING:
    from torch import Tensor

    from seqmatte.networks.trimap_coding import Trimap
    from seqmatte.tile import Tiling

# Frames of up to so many pixels are taken whole unless a tile is asked for: full HD.
WHOLE_PIXELS = 1920 * 1088
USUAL_TILE = 1024


@dataclass(frozen=True)
class TrimapParams(NetworkParams):
    tile: int = param(
        0,
        low=0,
        high=8192,
        unit="px",
        advanced=True,
        help="Side of the tiles that large frames are taken in; 0: whole while 4 GiB hold it, else the usual tiles.",
    )
    overlap: int = param(
        192, low=0, high=1024, unit="px", advanced=True, help="How much neighbouring tiles share, for no seam to show."
    )


class TrimapNetwork(Networked):
    """Alpha comes from the network in the trimap's unknown band and from the trimap elsewhere."""

    makes = "alpha"
    reads: tuple[Read, ...] = (Read("plate", space="encoded"), Read("plate", space="scene"), Read("trimap"))
    reach = PerFrame()
    half: ClassVar[tuple[str, ...]] = ("F.R", "F.G", "F.B")
    # So that a tile, or a frame taken whole, stays within 4 GiB on a CPU.
    whole_pixels: ClassVar[int] = WHOLE_PIXELS
    usual_tile: ClassVar[int] = USUAL_TILE

    def start(self, guides: Sequence[View]) -> State:
        return None

    def step(self, state: State, view: View) -> tuple[State, Layer]:
        from seqmatte.networks.trimap_coding import as_bytes

        plate, trimap = view["plate", 0, "encoded"], view["trimap"]
        known = as_bytes(trimap["trimap"])
        band = known == 128
        alpha: Plane = (known / np.float32(255)).astype(np.float32)
        colour = None
        if band.any():
            found = self._found(plate, known, band)
            alpha = np.where(band, found[0], alpha).astype(np.float32)
            if len(found) > 1:
                colour = foreground(found[1:4], band, plate, view["plate", 0, "scene"])
        return None, self.alpha_layer(alpha, beside_guess(alpha, trimap), colour)

    def code(self, known: Trimap) -> Plane:
        """The trimap as the network is told it, C x H x W."""
        raise NotImplementedError

    def matted(self, picture: Tensor, code: Tensor) -> Tensor:
        """picture [1, 3, h, w] encoded, code [1, C, h, w] -> [1, 1 or 4, h, w]: alpha, and F where there is one."""
        raise NotImplementedError

    def _found(self, plate: Layer, known: Trimap, band: npt.NDArray[np.bool_]) -> Plane:
        import torch

        from seqmatte.tile import tiled

        picture = self.picture(plate)
        code = torch.from_numpy(self.code(known)).to(picture)[None]

        def run(rows: slice, columns: slice) -> Tensor:
            return self.matted(picture[..., rows, columns], code[..., rows, columns])[0]

        cut = tiling(self.params, band.size, self.whole_pixels, self.usual_tile)
        wanted = torch.from_numpy(band).to(picture.device)
        with torch.inference_mode():
            return np.asarray(tiled(cut, wanted, run).cpu().numpy(), np.float32)


def tiling(params: TrimapParams, pixels: int, whole: int = WHOLE_PIXELS, usual: int = USUAL_TILE) -> Tiling:
    """The tiles for a frame of so many pixels, sides and steps in multiples of 32 as the networks' grids are."""
    from seqmatte.tile import Tiling

    size = max(64, params.tile // 32 * 32) if params.tile else 0
    size = size or (usual if pixels > whole else 0)
    return Tiling(size, overlap=min(params.overlap, size // 2) // 32 * 32)


def foreground(found: Plane, band: npt.NDArray[np.bool_], encoded: Layer, scene: Layer) -> Pixels:
    """F, 3 x H x W encoded, as H x W x 3 in the plate's own scene-linear light; the plate outside of the band."""
    encoding = Encoding.parse(str(encoded.facts["encoding"]))
    light = np.asarray(encoding.decode(np.ascontiguousarray(found.transpose(1, 2, 0)[band])), np.float32)
    if "to_rec709" in encoded.facts:
        matrix = np.array(str(encoded.facts["to_rec709"]).split(), np.float64).reshape(3, 3)
        light = (light @ np.linalg.inv(matrix)).astype(np.float32)
    colour = np.array(scene.take("R", "G", "B"), np.float32)
    colour[band] = light
    return colour


def known_padded(picture: Tensor, code: Tensor, multiple: int, least: int = 1) -> tuple[Tensor, Tensor]:
    """Both reflected below and on the right up to multiples, as GCA's and TCVOM's tests have it."""
    return enlarged(picture, multiple, least), enlarged(code, multiple, least)
