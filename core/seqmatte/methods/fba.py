"""FBA matting (Forte and Pitie, 2020): alpha and foreground from a plate and its trimap."""

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
class FbaParams(TrimapParams):
    form: str = param(
        "2020",
        choices=("2020", "current"),
        advanced=True,
        help="Which of its authors' two weight standardisations to use; the published weights were trained with 2020.",
    )


class Fba(TrimapNetwork):
    """Trimap and plate to alpha and the foreground's own colour (FBA matting).

    The network sees RGB 0..1, the same by ImageNet's statistics, the trimap as two channels and as distances to what
    is known, reflected to multiples of 8. Distances are of the whole frame, also in tiles; but norms and pooled means
    are of the tile, so tiles differ from the whole frame and are best kept large.
    """

    name: ClassVar[str] = "fba"
    version: ClassVar[int] = 2
    network: ClassVar[str] = "fba"
    Params: ClassVar[type] = FbaParams

    def __init__(self, params: FbaParams) -> None:
        self.params = params

    def facts(self) -> Mapping[str, object]:
        return {"form": self.params.form}

    def code(self, known: Trimap) -> Plane:
        import numpy as np

        from seqmatte.networks.trimap_coding import distances, two_channel

        two = two_channel(known)
        return np.concatenate((two, distances(two)))

    def matted(self, picture: Tensor, code: Tensor) -> Tensor:
        height, width = picture.shape[-2:]
        picture, code = known_padded(picture, code, 8)
        inputs = {
            "image": picture,
            "two_channel": code[:, :2],
            "normalised": normalised(picture),
            "distances": code[:, 2:],
        }
        return self.runner.run("step", inputs)["matte"][:, :4, :height, :width]
