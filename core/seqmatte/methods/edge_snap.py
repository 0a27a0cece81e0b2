"""A network's soft alpha brought to the plate's own edges, by closed form about them. No weights of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from seqlink.params import param
from seqmatte.confidence import of_frame
from seqmatte.guide import known
from seqmatte.layer import Layer
from seqmatte.method import Read, State, View
from seqmatte.methods.on_device import OnDevice, light, tensor
from seqmatte.reach import PerFrame

if TYPE_CHECKING:
    import torch

Plane = npt.NDArray[np.float32]

# Alpha so far from 0 and 1 is an edge.
_SOFT = 0.02


@dataclass(frozen=True)
class EdgeSnapParams:
    around: float = param(
        1.25,
        low=0.0,
        high=10.0,
        unit="% of width",
        help="How far around a soft edge the plate may still change it; 0 for within the edge alone.",
    )
    hold: float = param(
        0.002, low=0.0, high=10.0, help="How much a soft edge is held where the picture itself does not tell."
    )
    hold_sure: float = param(
        0.01, low=0.0, high=10.0, advanced=True, help="How much what is opaque or clear beside an edge is held."
    )
    degrain: float = param(
        0.5,
        low=0.0,
        high=1.0,
        unit="pixels",
        help="How far the plate is smoothed before its edges are solved, lest grain pass for hair; 0 for not at all.",
    )


class EdgeSnap(OnDevice):
    """Soft "guess" and plate to alpha, in linear light: closed form about every edge, held to the guess but weakly.

    Networks look at small pictures and know where a subject is better than where its hairs are; the plate tells those.
    Reads from the guess: "alpha" and "confidence", which is passed on. What an artist's trimap or alpha is sure of
    stays.
    """

    name: ClassVar[str] = "edge_snap"
    version: ClassVar[int] = 2
    Params: ClassVar[type] = EdgeSnapParams

    makes = "alpha"
    reads = (Read("plate", space="scene"), Read("guide"), Read("guess"))
    reach = PerFrame()

    def __init__(self, params: EdgeSnapParams) -> None:
        self.params = params

    def start(self, guides: Sequence[View]) -> State:
        return None

    def step(self, state: State, view: View) -> tuple[State, Layer]:
        guess = view["guess"]
        made = snapped(view["plate", 0, "scene"], view.get("guide"), guess["alpha"], self.params, self.device)
        sure = guess["confidence"]
        facts = {"confidence": of_frame(float(made.mean()), float(sure.mean())), "correction": 0.0}
        return None, Layer(np.stack((made, sure), 2), ("A", "confidence"), facts=facts)


def snapped(plate: Layer, guide: Layer | None, alpha: Plane, params: EdgeSnapParams, device: torch.device) -> Plane:
    """H x W, 0..1: a soft alpha as `EdgeSnap` makes it. plate: scene-linear R, G, B. guide: of this frame, if any."""
    from seqmatte.solver import Task, degrained, solve

    alpha, fixed = _given(guide, alpha)
    edge = (alpha > _SOFT) & (alpha < 1 - _SOFT)
    unknown = _widened(edge, params.around / 100 * plate.width) & ~fixed
    known = np.where(fixed, alpha, alpha > 0.5).astype(np.float32)
    hold = np.where(unknown, np.where(edge, params.hold, params.hold_sure), 0).astype(np.float32)
    picture = degrained(light(plate, device), params.degrain)
    made = solve(Task(picture, *(tensor(plane, device) for plane in (unknown, known, alpha, hold))))
    return np.asarray(made.cpu().numpy(), np.float32)


def _given(guide: Layer | None, alpha: Plane) -> tuple[Plane, npt.NDArray[np.bool_]]:
    """The alpha with what an artist is sure of, and where that is."""
    if guide is None:
        return alpha, np.zeros(alpha.shape, bool)
    fixed = known(guide)
    return np.where(fixed, guide.pixels[:, :, 0], alpha).astype(np.float32), fixed


def _widened(edge: npt.NDArray[np.bool_], reach: float) -> npt.NDArray[np.bool_]:
    """The edge and what is at most so many pixels from it."""
    import cv2

    side = 2 * max(2, round(reach)) + 1 if reach > 0 else 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return np.asarray(cv2.dilate(edge.astype(np.uint8), disc) > 0, bool)
