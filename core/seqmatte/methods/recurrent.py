"""Networks that carry a state from frame to frame and need no guide: what RVM, AMM and context-motion share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from seqmatte.confidence import alone
from seqmatte.layer import Layer
from seqmatte.method import Frozen, Read, State, View
from seqmatte.methods.networked import Networked, plane

if TYPE_CHECKING:
    from torch import Tensor

# Frames that are walked together. They begin at absolute numbers, so trimming a shot changes few.
CHUNK = 48


class Recurrent(Networked):
    """The state is the network's own tensors by name, None before the first frame.

    The network's foreground is made at its own, coarser resolution and is not handed on: `refine` unmixes a better one.
    """

    makes = "alpha"
    reads: tuple[Read, ...] = (Read("plate", space="encoded"),)

    def start(self, guides: Sequence[View]) -> State:
        return None

    def step(self, state: State, view: View) -> tuple[State, Layer]:
        picture = self.seen(self.picture(view["plate"]))
        before = self.runner.blank(picture) if state is None else state
        made = self.runner.run("step", {"plate": picture, **before})
        alpha = plane(self.shown(made["alpha"], picture, view))
        following = {name: made[f"next_{name}"] for name in before}
        return following, self.alpha_layer(alpha, alone(alpha))

    def seen(self, picture: Tensor) -> Tensor:
        """What the network is given of the picture [1, 3, H, W]."""
        return picture

    def shown(self, alpha: Tensor, seen: Tensor, view: View) -> Tensor:
        """The network's alpha at the plate's size."""
        return alpha

    def freeze(self, state: State) -> Frozen:
        return {} if state is None else {name: tensor.cpu().numpy() for name, tensor in state.items()}

    def thaw(self, frozen: Mapping[str, Any]) -> State:
        import torch

        kept = {name: torch.from_numpy(np.array(array)).to(self.runner.device) for name, array in frozen.items()}
        return kept or None


def usual_detail(height: int, width: int) -> float:
    """The share of the resolution at which 512 pixels are left of the longer side (RVM's own rule)."""
    return min(512 / max(height, width), 1.0)
