"""HSTSG (Wang et al., WACV 2023): guided frames and the two previous ones in memory, read at 1/16, 1/8 and 1/4."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from seqlink.params import param
from seqmatte.confidence import alone
from seqmatte.guide import known
from seqmatte.layer import Layer
from seqmatte.method import Frozen, Read, State, View, guide_kind
from seqmatte.methods.networked import (
    Networked,
    NetworkParams,
    brought_up,
    plane,
    sized,
)
from seqmatte.networks.imagenet import normalised
from seqmatte.reach import MEETING, NearestKey

if TYPE_CHECKING:
    from torch import Tensor

Tensors = Mapping[str, "Tensor"]


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


@dataclass(frozen=True)
class Walk:
    """The network's memory, tensors by name (networks/graphs_memory.py), each [., C, frames, h, w].

    guided: frames for good. lately: what is remembered of t-2 and t-1, None where guided or not walked. near: up to two
    frames lately read, the newest last.
    """

    guided: Tensors
    lately: tuple[Tensors | None, Tensors | None] = (None, None)
    near: tuple[Tensors, ...] = ()

    def memory(self) -> Tensors:
        """What a frame is read from, the newest last."""
        return side_by_side([self.guided, *(held for held in self.lately if held is not None)])

    def after(self, entry: Tensors | None, near: Tensors) -> Walk:
        """The walk with one more frame: what is remembered of it, and what was read for it."""
        return replace(self, lately=(self.lately[1], entry), near=(*self.near[-1:], near))


def side_by_side(entries: Sequence[Tensors]) -> Tensors:
    """The same tensors of several frames, one after another."""
    import torch

    return {name: torch.cat([entry[name] for entry in entries], 2) for name in entries[0]}


class Hstsg(Networked):
    """Guides to alpha for every frame, by hierarchical space-time memory (HSTSG).

    The network sees RGB by ImageNet's statistics with zeros around, up to multiples of 16, and guides as masks. On a
    frame with an alpha guide that alpha stands; under a mask or trimap the network says how soft it is.
    """

    name: ClassVar[str] = "hstsg"
    version: ClassVar[int] = 3
    network: ClassVar[str] = "hstsg"
    Params: ClassVar[type] = HstsgParams

    makes = "alpha"
    reads = (Read("plate", space="encoded"), Read("guide"))
    reach = NearestKey(2, MEETING)
    params: Any

    def __init__(self, params: HstsgParams) -> None:
        self.params = params

    def options(self) -> Mapping[str, object]:
        return {"similarity": self.params.similarity}

    def start(self, guides: Sequence[View]) -> Walk:
        return Walk(side_by_side([self._remembered(view) for view in guides]))

    def step(self, state: Walk, view: View) -> tuple[Walk, Layer]:
        from seqmatte.networks.blocks import unpadded

        frame, around = self._frame(view)
        guide = view.get("guide")
        if guide is not None and guide_kind(guide) == "alpha":
            alpha = guide.pixels[:, :, 0]
            return self._held(frame, state), self.alpha_layer(alpha, np.ones_like(alpha))
        made = self._made(frame, state)
        # The memory of a guided frame is its guide, not what was made of it.
        following = self._held(frame, state) if guide is not None else state.after(_following(made), _near(made))
        picture = self.picture(view["plate"])
        small = sized(picture, self.params.side)
        found = plane(brought_up(unpadded(made["matte"], around), small, picture))
        if guide is not None:
            found = np.where(known(guide), guide.pixels[:, :, 0], found).astype(np.float32)
        return following, self.alpha_layer(found, alone(found))

    def freeze(self, state: Walk) -> Frozen:
        groups = {"guided": (state.guided,), "lately": state.lately, "near": state.near}
        return {
            f"{group} {place} {name}": tensor.cpu().numpy()
            for group, entries in groups.items()
            for place, entry in enumerate(entries)
            if entry is not None
            for name, tensor in entry.items()
        }

    def thaw(self, frozen: Mapping[str, Any]) -> State:
        import torch

        groups: dict[str, dict[int, dict[str, Tensor]]] = {"guided": {}, "lately": {}, "near": {}}
        for key, array in frozen.items():
            group, place, name = key.split()
            tensor = torch.from_numpy(np.array(array)).to(self.runner.device)
            groups[group].setdefault(int(place), {})[name] = tensor
        lately, near = groups["lately"], groups["near"]
        return Walk(groups["guided"][0], (lately.get(0), lately.get(1)), tuple(near[place] for place in sorted(near)))

    def _made(self, frame: Tensor, state: Walk) -> Tensors:
        """What the network makes of a frame that it predicts."""
        from seqmatte.networks.graphs_memory import LEVELS, NEAR

        memory = state.memory()
        # Where fewer than two frames were read lately, anything stands for the others: `seen` says so.
        blank = {near: memory[name][:, :, :1] for near, name in zip(NEAR, LEVELS, strict=True)}
        near = side_by_side([blank, blank, *state.near])
        near = {name: tensor[:, :, -2:] for name, tensor in near.items()}
        return self.runner.run(
            "step", {"frame": frame, **memory, **near, "seen": frame.new_full((1,), float(len(state.near)))}
        )

    def _held(self, frame: Tensor, state: Walk) -> Walk:
        """The walk after a frame whose guide is in memory: it is read, and not predicted."""
        return state.after(None, self.runner.run("hold", {"frame": frame, **state.guided}))

    def _remembered(self, view: View) -> Tensors:
        """A guided frame as memory."""
        mask, alpha = self._drawn(view)
        frame = self._frame(view)[0]
        return self.runner.run("memorise", {"frame": frame, "mask": mask, "alpha": mask if alpha is None else alpha})

    def _frame(self, view: View) -> tuple[Tensor, tuple[int, int, int, int]]:
        """[1, 3, h, w] as the network has it, and the zeros around."""
        from seqmatte.networks.blocks import padded

        return padded(normalised(sized(self.picture(view["plate"]), self.params.side)))

    def _drawn(self, view: View) -> tuple[Tensor, Tensor | None]:
        """The guide as a mask, and as alpha if it is one; zeros around."""
        from seqmatte.networks.blocks import padded

        guide = view["guide"]
        value = padded(sized(self.tensor(guide.pixels), self.params.side))[0]
        mask = (value > 0.5).to(value.dtype)
        return mask, value if guide_kind(guide) == "alpha" else None


def _following(made: Tensors) -> Tensors:
    """What a step gives to remember."""
    from seqmatte.networks.graphs_memory import LEVELS

    return {name: made[f"next_{name}"] for name in LEVELS}


def _near(made: Tensors) -> Tensors:
    """What a step read."""
    from seqmatte.networks.graphs_memory import NEAR

    return {name: made[f"next_{name}"] for name in NEAR}
