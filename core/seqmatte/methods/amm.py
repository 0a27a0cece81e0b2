"""Attention-based memory video portrait matting (Song): people without a guide."""

from __future__ import annotations

from typing import ClassVar

from seqmatte.methods.detailed import Detailed, DetailParams
from seqmatte.methods.recurrent import CHUNK
from seqmatte.reach import Chunked


class Amm(Detailed):
    """People, without a guide, by attention over the two frames before (AMM).

    The network sees encoded RGB of any size. Its state is of two frames alone, so a lead of two is exact.
    """

    name: ClassVar[str] = "amm"
    version: ClassVar[int] = 2
    network: ClassVar[str] = "amm"
    Params: ClassVar[type] = DetailParams

    reach = Chunked(CHUNK, lead=2)

    def __init__(self, params: DetailParams) -> None:
        super().__init__(params)
