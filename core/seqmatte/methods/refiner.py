"""Our refiner: a coarse alpha mended at full size inside its unknown band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from seqlink.params import param
from seqmatte.layer import Layer
from seqmatte.method import Read, State, View
from seqmatte.methods.networked import Networked, NetworkParams, Plane, enlarged
from seqmatte.methods.trimap_network import confidence
from seqmatte.reach import PerFrame

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class RefinerParams(NetworkParams):
    tile: int = param(
        768, low=384, high=8192, unit="px", advanced=True, help="Side of the tiles that a frame is taken in."
    )


class Refiner(Networked):
    """Trimap with a soft guess, and plate, to alpha: our small network at full size.

    Reads from the trimap layer "trimap", "alpha" and "confidence". Each pixel depends on what is near it alone, so
    tiles that share twice the network's margin give what the whole frame gives.
    """

    name: ClassVar[str] = "refiner"
    version: ClassVar[int] = 1
    network: ClassVar[str] = "refiner"
    Params: ClassVar[type] = RefinerParams

    makes = "alpha"
    reads = (Read("plate", space="encoded"), Read("trimap"))
    reach = PerFrame()

    def __init__(self, params: RefinerParams) -> None:
        self.params = params

    def start(self, guides: Sequence[View]) -> State:
        return None

    def step(self, state: State, view: View) -> tuple[State, Layer]:
        trimap = view["trimap"]
        known = trimap["trimap"]
        unknown = (known > 0) & (known < 1)
        # An artist's own alpha comes with all confidence, and stays.
        band = unknown & (trimap["confidence"] < 1) if trimap.has("confidence") else unknown
        guess = trimap["alpha"] if trimap.has("alpha") else known
        alpha = np.where(unknown, guess, known).astype(np.float32)
        if band.any():
            found = self._mended(view["plate", 0, "encoded"], alpha, band.astype(np.float32))
            alpha = np.where(band, found, alpha).astype(np.float32)
        return None, self.alpha_layer(alpha, confidence(alpha, trimap))

    def _mended(self, plate: Layer, alpha: Plane, band: Plane) -> Plane:
        import torch

        from seqmatte.networks.refiner import MARGIN
        from seqmatte.tile import Tiling, tiled

        inputs = torch.cat((self.picture(plate), self.tensor(np.stack((alpha, band), 2))), 1)

        def run(rows: slice, columns: slice) -> Tensor:
            x = inputs[..., rows, columns]
            height, width = x.shape[-2:]
            x = enlarged(x, 4)
            made = self.runner.run("step", {"plate": x[:, :3], "alpha": x[:, 3:4], "band": x[:, 4:]})
            return made["refined"][0, :, :height, :width]

        tiling = Tiling(self.params.tile // 4 * 4, overlap=2 * MARGIN, margin=MARGIN)
        with torch.inference_mode():
            return np.asarray(tiled(tiling, inputs[0, 4] > 0, run)[0].cpu().numpy(), np.float32)
