"""Toy methods over real pixels: their results depend on everything that they read, and they count their steps.

They are quick, and they show whether the engine asks for what it must, so the engine's promises are tested on them
in seconds; the same promises hold for the real recipes by the same code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqlink import param
from seqmatte.layer import Layer, single
from seqmatte.method import Read
from seqmatte.reach import Chunked, NearestKey, PerFrame

TABLE = {
    "toy_carry": "toys:Carry",
    "toy_meet": "toys:Meet",
    "toy_window": "toys:Window",
    "toy_recurrent": "toys:Recurrent",
    "toy_matte": "toys:Matte",
}
COUNTED: list[tuple[str, int]] = []


@dataclass(frozen=True)
class Params:
    gain: float = param(0.5, low=0.0, high=1.0, help="Share of the past.")


class Toy:
    version = 1
    Params = Params
    half = ()

    def __init__(self, params):
        self.params = params

    def open(self, device):
        pass

    def start(self, guides):
        return None


class Carry(Toy):
    """Carries the guide along the walk, mixed with every plate it passes."""

    name, makes, reads, reach = "toy_carry", "trimap", (Read("plate", space="encoded"), Read("guide")), NearestKey(1)

    def start(self, guides):
        return {"past": guides[0]["guide"].pixels[:, :, 0].copy()}

    def step(self, state, view):
        COUNTED.append((self.name, view.frame))
        past = state["past"] * self.params.gain + view["plate"].pixels.mean(2) * (1 - self.params.gain)
        guide = view.get("guide")
        if guide is not None:
            past = past + guide.pixels[:, :, 0]
        return {"past": past}, single(past, "trimap", confidence=0.5)

    def freeze(self, state):
        return state

    def thaw(self, frozen):
        return dict(frozen)


class Meet(Carry):
    """Carries on beyond the middle between two guides."""

    name, reach = "toy_meet", NearestKey(1, 3)


class Recurrent(Toy):
    """A recurrent network's shape: no guide, chunks with a lead."""

    name, makes, reads, reach = "toy_recurrent", "alpha", (Read("plate"),), Chunked(4, 2)

    def start(self, guides):
        return np.float32(0)

    def step(self, state, view):
        COUNTED.append((self.name, view.frame))
        state = state * np.float32(self.params.gain) + view["plate"].pixels.mean(2)
        return state, single(state, "A", confidence=1.0)


class Window(Toy):
    """A frame and its neighbours."""

    name, makes, reach = "toy_window", "alpha", PerFrame()
    reads = (Read("trimap", (-1, 0, 1)), Read("plate", (0, 1)))

    def step(self, state, view):
        COUNTED.append((self.name, view.frame))
        trimaps = sum(view["trimap", offset].pixels[:, :, 0] for offset in (-1, 0, 1))
        seen = trimaps + view["plate", 1].pixels[:, :, 0]
        return None, single(seen, "A", confidence=float(view["trimap"].facts["confidence"]))


class Matte(Toy):
    """Plate times alpha."""

    name, makes, reads, reach = "toy_matte", "matte", (Read("plate"), Read("alpha")), PerFrame()
    half = ("R", "G", "B")

    def step(self, state, view):
        COUNTED.append((self.name, view.frame))
        alpha = view["alpha"]
        pixels = np.concatenate([view["plate"].take("R", "G", "B") * alpha.pixels, alpha.pixels], axis=2)
        return None, Layer(pixels, ("R", "G", "B", "A"), facts=alpha.facts)
