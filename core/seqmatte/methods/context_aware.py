"""Context-Aware Image Matting (Hou and Liu, ICCV 2019): alpha and foreground from a plate and its trimap."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from seqmatte.methods.networked import Plane
from seqmatte.methods.trimap_network import TrimapNetwork, TrimapParams

if TYPE_CHECKING:
    from torch import Tensor

    from seqmatte.networks.trimap_coding import Trimap

# What the authors' canvas shows around the picture: middle grey, known background.
_GREY = 0.5


class ContextAware(TrimapNetwork):
    """Trimap and plate to alpha and, by weights that have it, the foreground's colour (Context-Aware Matting).

    The network sees RGB 0..1 and the trimap as 0, 128/255, 1, on a grey canvas of 16 n + 1 pixels a side, where its
    corner-aligned grids fall on pixels.
    """

    name: ClassVar[str] = "context_aware"
    version: ClassVar[int] = 2
    network: ClassVar[str] = "context_aware"
    Params: ClassVar[type] = TrimapParams
    # Its second encoder stays at a quarter of the size: 1024 x 1024 take 6.6 GiB.
    whole_pixels: ClassVar[int] = 736 * 736
    usual_tile: ClassVar[int] = 736

    def __init__(self, params: TrimapParams) -> None:
        self.params = params

    def code(self, known: Trimap) -> Plane:
        from seqmatte.networks.trimap_coding import scalar

        return scalar(known)

    def matted(self, picture: Tensor, code: Tensor) -> Tensor:
        import torch
        import torch.nn.functional as F

        height, width = picture.shape[-2:]
        around = (0, -(width - 1) % 16, 0, -(height - 1) % 16)
        inputs = {"image": F.pad(picture, around, value=_GREY), "trimap": F.pad(code, around)}
        made = self.runner.run("step", inputs)
        planes = [made["alpha"], made["foreground"].clamp(0, 1)] if "foreground" in made else [made["alpha"]]
        return torch.cat(planes, 1)[..., :height, :width]
