"""TCVOM (Zhang et al., ACM MM 2021): a frame and its two neighbours, each with a trimap."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from seqlink.params import param
from seqmatte.confidence import beside_guess
from seqmatte.layer import Layer
from seqmatte.method import Read, State, View
from seqmatte.methods.networked import Plane, enlarged
from seqmatte.methods.trimap_network import TrimapNetwork, TrimapParams, foreground, tiling
from seqmatte.networks.imagenet import normalised

if TYPE_CHECKING:
    from torch import Tensor

    from seqmatte.networks.trimap_coding import Trimap

BASES = ("gca", "dim", "index", "fba")
# Frames whose features are kept for the next step, whose neighbours they are.
_KEPT = 3


@dataclass(frozen=True)
class TcvomParams(TrimapParams):
    variant: str = param("gca", choices=BASES, help="The single-frame network that it is built on.")
    dilate: int = param(
        0, low=0, high=64, unit="px", help="How much the unknown band grows before the network is asked."
    )


class Tcvom(TrimapNetwork):
    """Trimaps and plates of three frames to alpha that holds still over time (TCVOM).

    The network sees RGB by ImageNet's statistics and each base's own coding of the trimap, reflected below and on the
    right to multiples of 32. At the shot's ends the one neighbour stands for both.
    """

    name: ClassVar[str] = "tcvom"
    version: ClassVar[int] = 2
    network: ClassVar[str] = "tcvom"
    Params: ClassVar[type] = TcvomParams

    reads: tuple[Read, ...] = (
        Read("plate", (-1, 0, 1), space="encoded"),
        Read("plate", space="scene"),
        Read("trimap", (-1, 0, 1)),
    )
    params: Any

    def __init__(self, params: TcvomParams) -> None:
        self.params = params
        self._features: OrderedDict[str, Any] = OrderedDict()

    def facts(self) -> Mapping[str, object]:
        return {"base": self.params.variant}

    def step(self, state: State, view: View) -> tuple[State, Layer]:
        from seqmatte.networks.trimap_coding import as_bytes, unknown

        trimap = view["trimap", 0]
        known = as_bytes(trimap["trimap"])
        band = unknown(known, self.params.dilate)
        alpha: Plane = (known / np.float32(255)).astype(np.float32)
        colour = None
        if band.any():
            found = self._three(view, band)
            alpha = np.where(band, found[0], alpha).astype(np.float32)
            if len(found) > 1:
                plate = view["plate", 0, "encoded"]
                colour = foreground(found[1:4], band, plate, view["plate", 0, "scene"])
        return None, self.alpha_layer(alpha, beside_guess(alpha, trimap), colour)

    def _three(self, view: View, band: npt.NDArray[np.bool_]) -> Plane:
        """Alpha, and F of the fba base, 1 or 4 x H x W."""
        import torch

        from seqmatte.tile import tiled

        offsets = _around(view)
        cut = tiling(self.params, band.size)
        if not cut.size and self.runner.module is not None:
            with self.runner.quietly():
                return self._kept_apart(view, offsets, band)
        frames = [self._coded(view, offset) for offset in offsets]
        unknown = torch.from_numpy(band).to(frames[1])[None, None].float()

        def run(rows: slice, columns: slice) -> Tensor:
            size = (rows.stop - rows.start, columns.stop - columns.start)
            parts = [enlarged(x[..., rows, columns], 32) for x in (*frames, unknown)]
            made = self.runner.run("step", dict(zip(("before", "current", "after", "unknown"), parts, strict=True)))
            return made["matte"][0, :4, : size[0], : size[1]]

        with torch.inference_mode():
            return np.asarray(tiled(cut, unknown[0, 0] > 0, run).cpu().numpy(), np.float32)

    def _kept_apart(self, view: View, offsets: tuple[int, int, int], band: npt.NDArray[np.bool_]) -> Plane:
        """The same over the whole frame, each frame's own features made once for the three steps that want them."""
        import torch

        before, current, after = (self._extracted(view, offset) for offset in offsets)
        unknown = enlarged(torch.from_numpy(band).to(self.runner.device)[None, None].float(), 32)
        made = self.runner.module.fuse(before[0], current, after[0], unknown).pred[0, :4].float()
        return np.asarray(made[:, : band.shape[0], : band.shape[1]].cpu().numpy(), np.float32)

    def _extracted(self, view: View, offset: int) -> Any:
        # By content, not by frame number: an opened method serves many shots.
        key = hashlib.blake2b(view["plate", offset, "encoded"].pixels.tobytes())
        key.update(view["trimap", offset]["trimap"].tobytes())
        name = key.hexdigest()
        if name not in self._features:
            self._features[name] = self.runner.module.extract(enlarged(self._coded(view, offset), 32))
            while len(self._features) > _KEPT:
                self._features.popitem(last=False)
        self._features.move_to_end(name)
        return self._features[name]

    def _coded(self, view: View, offset: int) -> Tensor:
        """A frame as its base is given it, [1, C, H, W]."""
        import torch

        from seqmatte.networks.trimap_coding import as_bytes, coded, unknown

        known: Trimap = as_bytes(view["trimap", offset]["trimap"])
        code = coded(self.params.variant, known, unknown(known, self.params.dilate))
        picture = normalised(self.picture(view["plate", offset, "encoded"]))
        return torch.cat((picture, torch.from_numpy(code).to(picture)[None]), 1)


def _around(view: View) -> tuple[int, int, int]:
    """Offsets of the frame before, the frame, and the frame after; at an end the other side's twice."""
    first, last = view.at(-1) == view.frame, view.at(1) == view.frame
    if first and last:
        return 0, 0, 0
    return (1 if first else -1), 0, (-1 if last else 1)
