"""Deep Image Matting (Xu et al., CVPR 2017): alpha from a plate and its trimap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from seqlink.params import param
from seqmatte.methods.networked import Plane
from seqmatte.methods.trimap_network import TrimapNetwork, TrimapParams, known_padded
from seqmatte.networks.imagenet import normalised

if TYPE_CHECKING:
    from torch import Tensor

    from seqmatte.networks.trimap_coding import Trimap


@dataclass(frozen=True)
class DimParams(TrimapParams):
    skip: bool = param(
        True, help="Whether the weights were trained with skips, as stage1_skip_sad_52.9.pth; a file does not tell."
    )


class Dim(TrimapNetwork):
    """Trimap and plate to alpha, the first deep way (Deep Image Matting).

    The network sees RGB by ImageNet's statistics and the trimap as 0, 128/255, 1, reflected to multiples of 32. (Its
    authors' scripts resize to such multiples; ours keeps every pixel where it is.)
    """

    name: ClassVar[str] = "dim"
    version: ClassVar[int] = 2
    network: ClassVar[str] = "dim"
    Params: ClassVar[type] = DimParams

    def __init__(self, params: DimParams) -> None:
        self.params = params

    def facts(self) -> Mapping[str, object]:
        return {"skip": self.params.skip}

    def code(self, known: Trimap) -> Plane:
        from seqmatte.networks.trimap_coding import scalar

        return scalar(known)

    def matted(self, picture: Tensor, code: Tensor) -> Tensor:
        import torch

        height, width = picture.shape[-2:]
        picture, code = known_padded(picture, code, 32)
        alpha = self.runner.run("step", {"x": torch.cat((normalised(picture), code), 1)})["alpha"]
        return alpha[..., :height, :width]
