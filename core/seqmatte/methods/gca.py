"""Guided Contextual Attention matting (Li and Lu, AAAI 2020): alpha from a plate and its trimap."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from seqmatte.methods.networked import Plane
from seqmatte.methods.trimap_network import TrimapNetwork, TrimapParams, known_padded
from seqmatte.networks.imagenet import normalised

if TYPE_CHECKING:
    from torch import Tensor

    from seqmatte.networks.trimap_coding import Trimap


class Gca(TrimapNetwork):
    """Trimap and plate to alpha, unknown places learning from what looks alike (GCA matting).

    The network sees RGB by ImageNet's statistics and a one-hot trimap, reflected to multiples of 32, 64 at least.
    """

    name: ClassVar[str] = "gca"
    version: ClassVar[int] = 2
    network: ClassVar[str] = "gca"
    Params: ClassVar[type] = TrimapParams

    def __init__(self, params: TrimapParams) -> None:
        self.params = params

    def code(self, known: Trimap) -> Plane:
        from seqmatte.networks.trimap_coding import one_hot

        return one_hot(known)

    def matted(self, picture: Tensor, code: Tensor) -> Tensor:
        height, width = picture.shape[-2:]
        picture, code = known_padded(picture, code, 32, 64)
        alpha = self.runner.run("step", {"image": normalised(picture), "trimap": code})["alpha"]
        return alpha[..., :height, :width]
