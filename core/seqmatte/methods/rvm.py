"""Robust Video Matting (Lin et al., WACV 2022): people without a guide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from seqlink.params import param
from seqmatte.methods.detailed import Detailed, DetailParams
from seqmatte.methods.recurrent import CHUNK
from seqmatte.reach import Chunked


@dataclass(frozen=True)
class RvmParams(DetailParams):
    variant: str = param(
        "any", choices=("any", "mobilenetv3", "resnet50"), help="The backbone; any: whichever there are weights of."
    )


class Rvm(Detailed):
    """People, without a guide, by a network that remembers (Robust Video Matting).

    The network sees encoded RGB of any size. Its state forgets slowly: with weights drawn at random, 24 frames of lead
    leave at most 0.003 of alpha to a walk from the shot's start (12 frames 0.02, 32 frames 0.001).
    """

    name: ClassVar[str] = "rvm"
    version: ClassVar[int] = 2
    network: ClassVar[str] = "rvm"
    Params: ClassVar[type] = RvmParams

    reach = Chunked(CHUNK, lead=24)

    def __init__(self, params: RvmParams) -> None:
        super().__init__(params)
