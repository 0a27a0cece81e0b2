"""Networks as graphs of named tensors: what a runtime runs and what is written as ONNX.

A graph's part takes tensors by name and gives tensors by name. A state is among both: what a step gives as
"next_r1" the next step takes as "r1". Height and width may be any that the network allows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, cast

import torch
from torch import Tensor, nn

from seqmatte.networks import amm, context_motion, graphs_memory
from seqmatte.networks.examples import example, picture
from seqmatte.networks.hstsg_compact import HstsgCompact, guide_planes, no_guide, settled
from seqmatte.networks.part import Options, Part
from seqmatte.networks.remembered import Entry, Memory


def parts(name: str, network: nn.Module, options: Options | None = None) -> dict[str, Part]:
    """The graph of a network: its parts by name, "step" where there is one only.

    options: facts that a call of this network may have, such as detail or mode; they are fixed in the graph.
    """
    return PARTS[name](network, dict(options or {}))


def blank(name: str, network: Any, plate: Tensor, options: Options) -> dict[str, Tensor]:
    """The state before the first frame of a recurrent network, by the names that its step takes."""
    state = network.blank_state(plate, **options)
    return dict(zip(STATES[name], state, strict=True))


STATES: Mapping[str, tuple[str, ...]] = {
    "rvm": ("r1", "r2", "r3", "r4"),
    "amm": amm.State._fields,
    "context_motion": ("last_plate", *context_motion.State._fields[1:]),
}


def _recurrent(name: str, alpha_first: bool) -> Callable[[nn.Module, Options], dict[str, Part]]:
    state_names = STATES[name]

    def build(network: nn.Module, options: Options) -> dict[str, Part]:
        kind: Any = {"amm": amm.State._make, "context_motion": context_motion.State._make}.get(name, tuple)

        def step(plate: Tensor, *state: Tensor) -> Sequence[Tensor]:
            first, second, following = network(plate, kind(state), **options)
            return (first, second, *following) if alpha_first else (second, first, *following)

        def sample(height: int, width: int) -> Sequence[Tensor]:
            plate = picture(3, height, width)
            state = blank(name, network, plate, options)
            return plate, *step(plate, *state.values())[2:]

        outputs = ("alpha", "foreground", *(f"next_{n}" for n in state_names))
        return {"step": Part(network, step, ("plate", *state_names), outputs, sample)}

    return build


def _plain(name: str, outputs: Sequence[str], pick: Callable[[Any], Sequence[Tensor]]) -> Any:
    """A network of one call, its inputs named as `forward` names them."""

    def build(network: nn.Module, options: Options) -> dict[str, Part]:
        with torch.device("meta"):
            inputs = tuple(example(name, network, 64, 64))

        def step(*tensors: Tensor) -> Sequence[Tensor]:
            return pick(network(*tensors, **options))

        def sample(height: int, width: int) -> Sequence[Tensor]:
            return tuple(example(name, network, height, width).values())

        return {"step": Part(network, step, inputs, outputs, sample)}

    return build


def _one(made: Tensor) -> Sequence[Tensor]:
    return (made,)


def _first(made: Sequence[Tensor]) -> Sequence[Tensor]:
    return made[:1]


def _two(made: Sequence[Tensor]) -> Sequence[Tensor]:
    return made[:2]


def _context_aware(network: Any, options: Options) -> dict[str, Part]:
    outputs = ("alpha", "foreground") if network.foreground else ("alpha",)
    made: dict[str, Part] = _plain("context_aware", outputs, _two if network.foreground else _first)(network, options)
    return made


# An entry's tensors by the names that a graph has for them; "alpha" is the matte's.
BANK = tuple("stored" if field.name == "alpha" else field.name for field in fields(Entry))


class Bank(Memory):
    """The compact network's memory with all frames in one entry: their cells side by side, the newest last.

    A read takes no notice of which frame a cell belongs to, so any number of frames may be in it.
    """

    @staticmethod
    def of(tensors: Sequence[Tensor]) -> Bank:
        """Tensors of `BANK`, each [1, C, T, h, w]."""
        return Bank((Entry(*tensors),))

    @property
    def newest(self) -> Entry:
        return Entry(*(tensor[:, :, -1] for tensor in _tensors(self.guided[0])))

    def beside(self, draft: Entry) -> Bank:
        pairs = zip(_tensors(self.guided[0]), _stored(draft), strict=True)
        return Bank.of([torch.cat((held, one.to(held.dtype)), 2) for held, one in pairs])


def _compact(network: nn.Module, options: Options) -> dict[str, Part]:
    compact = cast(HstsgCompact, network)

    def begin(plate: Tensor, guide: Tensor) -> Sequence[Tensor]:
        matte, memory = compact.begin(plate, guide)
        return settled(matte.alpha, guide), matte.confidence, *_stored(memory.newest)

    def step(plate: Tensor, *bank: Tensor) -> Sequence[Tensor]:
        seen = compact.encode(plate)
        matte, draft = compact.looked_at_twice(seen, Bank.of(bank), no_guide(plate))
        return matte.alpha, matte.confidence, *_stored(draft)

    def first(height: int, width: int) -> Sequence[Tensor]:
        plate = picture(3, -(-height // 16) * 16, -(-width // 16) * 16)
        return plate, guide_planes((plate[:, :1] > 0.4).float(), "mask")

    def later(height: int, width: int) -> Sequence[Tensor]:
        plate, guide = first(height, width)
        entry = begin(plate, guide)[2:]
        # Not the frame remembered: its cells would be as near as those of its own draft, and a tie has no winner.
        return plate.flip(3), *(torch.cat((x, x), 2) for x in entry)

    return {
        "begin": Part(network, begin, ("plate", "guide"), ("alpha", "confidence", *BANK), first),
        "step": Part(network, step, ("plate", *BANK), ("alpha", "confidence", *(f"next_{n}" for n in BANK)), later, 3),
    }


def _stored(entry: Entry) -> list[Tensor]:
    """One frame's share of the bank: [1, C, 1, h, w] each."""
    return [tensor.float().unsqueeze(2) for tensor in _tensors(entry)]


def _tensors(entry: Entry) -> list[Tensor]:
    return [getattr(entry, field.name) for field in fields(entry)]


PARTS: Mapping[str, Callable[[Any, Options], dict[str, Part]]] = {
    "amm": _recurrent("amm", False),
    "bgm1": _plain("bgm1", ("alpha", "foreground"), _two),
    "bgm2": _plain("bgm2", ("alpha", "foreground"), _two),
    "context_aware": _context_aware,
    "context_motion": _recurrent("context_motion", True),
    "dim": _plain("dim", ("alpha",), _one),
    "dvm": _plain("dvm", ("coarse", "alpha"), _two),
    "fba": _plain("fba", ("matte",), _one),
    "gca": _plain("gca", ("alpha",), _one),
    "hmmn": graphs_memory.hmmn_parts,
    "hstsg": graphs_memory.hstsg_parts,
    "hstsg-compact": _compact,
    "refiner": _plain("refiner", ("refined",), _one),
    "rvm": _recurrent("rvm", False),
    "stcn": graphs_memory.stcn_parts,
    "tcvom": _plain("tcvom", ("matte",), _first),
    "tgm": graphs_memory.tgm_parts,
}
