"""Recurrent networks that look at a share of the resolution and filter their alpha up to all of it: RVM and AMM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seqlink.params import param
from seqmatte.device import Device
from seqmatte.layer import Layer
from seqmatte.method import State, View
from seqmatte.methods.networked import NetworkParams
from seqmatte.methods.recurrent import Recurrent, usual_detail
from seqmatte.runtime import Runner


@dataclass(frozen=True)
class DetailParams(NetworkParams):
    detail: float = param(
        0.0,
        low=0.0,
        high=1.0,
        help="Share of the resolution at which the network looks; 0 leaves 512 pixels of the longer side.",
    )


class Detailed(Recurrent):
    """Opened once for every share of the resolution, because a graph has it fixed."""

    params: Any

    def __init__(self, params: DetailParams) -> None:
        self.params = params
        self._opened: dict[float, Runner] = {}

    def open(self, device: Device) -> None:
        self._device = device
        if self.params.detail:
            self._use(self.params.detail)

    def step(self, state: State, view: View) -> tuple[State, Layer]:
        plate = view["plate"]
        self._use(self.params.detail or usual_detail(plate.height, plate.width))
        return super().step(state, view)

    def options(self) -> Mapping[str, object]:
        return {"detail": self._detail}

    def _use(self, detail: float) -> None:
        self._detail = detail
        if detail not in self._opened:
            super().open(self._device)
            self._opened[detail] = self.runner
        self.runner = self._opened[detail]
