"""HSTSG (Wang et al., WACV 2023): guided frames and the two previous ones in memory, read at 1/16, 1/8 and 1/4."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from seqlink.params import param
from seqmatte.layer import Layer
from seqmatte.method import Frozen, Read, State, View, guide_kind
from seqmatte.methods.networked import (
    Networked,
    NetworkParams,
    brought_up,
    decided,
    normalised,
    plane,
    smaller,
)
from seqmatte.reach import NearestKey

if TYPE_CHECKING:
    from torch import Tensor

    from seqmatte.networks.hstsg import Remembered


@dataclass(frozen=True)
class HstsgParams(NetworkParams):
    side: int = param(
        1920, low=64, high=8192, unit="px", help="The longer side at which the network looks; larger plates are shrunk."
    )
    similarity: str = param(
        "dot",
        choices=("dot", "l2"),
        advanced=True,
        help="How keys are compared: the paper's products, or distances, for weights that are STCN's so far.",
    )


class Hstsg(Networked):
    """Guides to alpha for every frame, by hierarchical space-time memory (HSTSG).

    The network sees RGB by ImageNet's statistics with zeros around, up to multiples of 16, and guides as masks. On a
    frame with an alpha guide that alpha stands; under a mask or trimap the network says how soft it is.
    """

    name: ClassVar[str] = "hstsg"
    version: ClassVar[int] = 1
    network: ClassVar[str] = "hstsg"
    Params: ClassVar[type] = HstsgParams

    makes = "alpha"
    reads = (Read("plate", space="encoded"), Read("guide"))
    reach = NearestKey(2)
    params: Any

    def __init__(self, params: HstsgParams) -> None:
        self.params = params

    def start(self, guides: Sequence[View]) -> State:
        network = self.runner.module
        with self.runner.quietly():
            return network.begin([network.guided(self._frame(view)[0], *self._drawn(view)) for view in guides])

    def step(self, state: State, view: View) -> tuple[State, Layer]:
        from seqmatte.networks.blocks import unpadded

        frame, around = self._frame(view)
        guide = view.get("guide")
        network = self.runner.module
        with self.runner.quietly():
            if guide is not None and guide_kind(guide) == "alpha":
                alpha = guide.pixels[:, :, 0]
                return network.hold(frame, state).state, self.alpha_layer(alpha, np.ones_like(alpha))
            made = network(frame, state, similarity=self.params.similarity)
            # The memory of a guided frame is its guide, not what was made of it.
            following = made.state if guide is None else network.hold(frame, state).state
            picture = self.picture(view["plate"])
            small = smaller(picture, self.params.side)
            found = plane(brought_up(unpadded(made.alpha.float(), around), small, picture))
        if guide is not None and guide_kind(guide) == "trimap":
            drawn = guide.pixels[:, :, 0]
            found = np.where((drawn <= 0) | (drawn >= 1), drawn, found).astype(np.float32)
        return following, self.alpha_layer(found, decided(found))

    def freeze(self, state: State) -> Frozen:
        made: dict[str, Any] = {}
        for group in ("guided", "lately", "recent"):
            for place, held in enumerate(getattr(state, group)):
                if held is not None:
                    rows = (held.keys, held.reads if group == "recent" else held.values)
                    for row, levels in enumerate(rows):
                        made |= {f"{group} {place} {row} {n}": x.cpu().numpy() for n, x in enumerate(levels)}
        return made

    def thaw(self, frozen: Mapping[str, Any]) -> State:
        import torch

        from seqmatte.networks.hstsg import Recent, Remembered, State

        groups: dict[str, dict[int, dict[int, dict[int, Tensor]]]] = {"guided": {}, "lately": {}, "recent": {}}
        for key, array in frozen.items():
            group, place, row, level = key.split()
            tensor = torch.from_numpy(np.array(array)).to(self.runner.device)
            groups[group].setdefault(int(place), {}).setdefault(int(row), {})[int(level)] = tensor

        def rows(held: Mapping[int, Mapping[int, Tensor]]) -> Any:
            return [tuple(held[row][level] for level in range(3)) for row in range(2)]

        lately: list[Remembered | None] = [None, None]
        for number, held in groups["lately"].items():
            lately[number] = Remembered(*rows(held))
        return State(
            tuple(Remembered(*rows(held)) for _, held in sorted(groups["guided"].items())),
            (lately[0], lately[1]),
            tuple(Recent(*rows(held)) for _, held in sorted(groups["recent"].items())),
        )

    def _frame(self, view: View) -> tuple[Tensor, tuple[int, int, int, int]]:
        """[1, 3, h, w] as the network has it, and the zeros around."""
        from seqmatte.networks.blocks import padded

        return padded(normalised(smaller(self.picture(view["plate"]), self.params.side)))

    def _drawn(self, view: View) -> tuple[Tensor, Tensor | None]:
        """The guide as a mask, and as alpha if it is one; zeros around."""
        from seqmatte.networks.blocks import padded

        guide = view["guide"]
        value = padded(smaller(self.tensor(guide.pixels), self.params.side))[0]
        mask = (value > 0.5).to(value.dtype)
        return mask, value if guide_kind(guide) == "alpha" else None
