"""Matting from context and motion: people without a guide, features carried along optical flow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from seqlink.params import param
from seqmatte.method import View
from seqmatte.methods.networked import NetworkParams, brought_up, sized
from seqmatte.methods.recurrent import CHUNK, Recurrent
from seqmatte.reach import Chunked

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ContextMotionParams(NetworkParams):
    variant: str = param(
        "any",
        choices=("any", "resnet50", "resnet18", "mobilenetv2"),
        help="The encoder; any: whichever there are weights of.",
    )
    side: int = param(
        1280, low=64, high=8192, unit="px", help="The longer side at which the network looks; larger plates are shrunk."
    )


class ContextMotion(Recurrent):
    """People, without a guide, by context and its motion (the context-motion network).

    The network sees encoded RGB, shrunk by area to `side`; a guided filter brings its alpha up along the plate's edges.
    With weights drawn at random, 8 frames of lead leave less than 0.0001 of alpha to a walk from the shot's start.
    """

    name: ClassVar[str] = "context_motion"
    version: ClassVar[int] = 2
    network: ClassVar[str] = "context_motion"
    Params: ClassVar[type] = ContextMotionParams

    reach = Chunked(CHUNK, lead=8)

    def __init__(self, params: ContextMotionParams) -> None:
        self.params = params

    def seen(self, picture: Tensor) -> Tensor:
        return sized(picture, self.params.side)

    def shown(self, alpha: Tensor, seen: Tensor, view: View) -> Tensor:
        return brought_up(alpha, seen, self.picture(view["plate"]))
