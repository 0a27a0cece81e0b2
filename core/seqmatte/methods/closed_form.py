"""Alpha of the unknown band by closed-form matting, held steady along time. No weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from seqlink.params import param
from seqmatte.confidence import beside_guess, blank, of_frame
from seqmatte.layer import Layer
from seqmatte.method import Frozen, Read, State, View
from seqmatte.methods.on_device import OnDevice, light, tensor
from seqmatte.reach import MEETING, NearestKey
from seqmatte.steady import Memory, Plane, carried, in_doubt, luma_of

# By how much two frames' alphas differ without one being wrong; the variance of a guess of one half's confidence.
_SLACK, _GUESSED = 0.08, 5e-4


@dataclass(frozen=True)
class ClosedFormParams:
    guidance: float = param(
        0.015,
        low=0.0,
        high=10.0,
        help="How much the carried guide pulls on the edge where the picture itself does not tell.",
    )
    steadiness: float = param(
        0.05,
        low=0.0,
        high=10.0,
        help="How much the edge is held to the last frame's along the motion; 0 solves each frame alone.",
    )
    widening: float = param(
        1.6,
        low=0.0,
        high=10.0,
        unit="% of width",
        help="How far around the last frame's edge the carried guide is doubted; 0 believes the guide alone.",
    )
    doubted: float = param(
        0.002, low=0.0, high=10.0, advanced=True, help="How much a guide that is doubted still pulls."
    )
    degrain: float = param(
        0.5,
        low=0.0,
        high=1.0,
        unit="pixels",
        help="How far the plate is smoothed before its edge is solved, lest grain pass for hair; 0 for not at all.",
    )
    epsilon: float = param(
        1e-7,
        low=1e-9,
        high=1e-2,
        advanced=True,
        help="How much colours must vary before they tell fore- from background; raise it for heavy grain.",
    )
    steps: int = param(150, low=10, high=2000, advanced=True, help="Solver steps at full size, at most.")


class ClosedForm(OnDevice):
    """Trimap and plate to alpha, in linear light, so that nothing is left to correct afterwards.

    Reads from the trimap layer: "trimap" (0, 0.5, 1), and where there are such: "alpha", a soft best guess, and
    "confidence" in it, 0..1; and the fact "unseen", of a frame that tells nothing.
    """

    name: ClassVar[str] = "closed_form"
    version: ClassVar[int] = 5
    Params: ClassVar[type] = ClosedFormParams

    makes = "alpha"
    reads = (Read("plate", space="scene"), Read("plate", space="encoded"), Read("trimap"))
    # The guides speak through the trimap; the walk itself begins with nothing.
    reach = NearestKey(0, MEETING)

    def __init__(self, params: ClosedFormParams) -> None:
        self.params = params

    def start(self, guides: Sequence[View]) -> State:
        return None

    def step(self, state: State, view: View) -> tuple[State, Layer]:
        trimap = view["trimap"]
        encoded = view["plate", 0, "encoded"].take("R", "G", "B")
        # Where nothing can be seen alpha stays as it was, or else goes by the guide alone.
        blind = trimap.facts.get("age") != 0 and blank(encoded)
        if state is not None and trimap.facts.get("unseen"):
            return state, _layer(state.alpha, trimap, blind)
        luma = luma_of(encoded)
        wanted = _wanted(trimap, self.params.guidance)
        last = None if state is None else carried(state, luma)
        if last is not None:
            reach = self.params.widening / 100 * trimap.width
            wanted = _remembering(wanted, *last, reach, self.params)
        alpha = self._solved(view["plate", 0, "scene"], wanted)
        return None if trimap.facts.get("unseen") else Memory(alpha, luma), _layer(alpha, trimap, blind)

    def freeze(self, state: State) -> Frozen:
        return {} if state is None else {"alpha": state.alpha, "luma": state.luma}

    def thaw(self, frozen: Mapping[str, Any]) -> State:
        return Memory(np.asarray(frozen["alpha"]), np.asarray(frozen["luma"])) if frozen else None

    def _solved(self, plate: Layer, wanted: Wanted) -> Plane:
        from seqmatte.solver import Effort, Task, degrained, solve

        picture = degrained(light(plate, self.device), self.params.degrain)
        planes = (wanted.unknown, wanted.known, wanted.prior, wanted.weight)
        band = (tensor(plane, self.device) for plane in planes)
        effort = Effort(epsilon=self.params.epsilon, steps=self.params.steps)
        return np.asarray(solve(Task(picture, *band), effort).cpu().numpy(), np.float32)


def _layer(alpha: Plane, trimap: Layer, blind: bool) -> Layer:
    sure = beside_guess(alpha, trimap) * np.float32(0.5 if blind else 1)
    facts = {"confidence": of_frame(float(alpha.mean()), float(sure.mean())), "correction": 0.0}
    return Layer(np.stack((alpha, sure), 2), ("A", "confidence"), facts=facts)


@dataclass(frozen=True)
class Wanted:
    """What is to be solved, each H x W. known: 0 or 1 outside the unknown; prior and its weight within."""

    unknown: npt.NDArray[np.bool_]
    known: Plane
    prior: Plane
    weight: Plane


def _wanted(trimap: Layer, guidance: float) -> Wanted:
    """From the trimap alone. A bare one has no guess in its band."""
    band = trimap["trimap"]
    unknown, known = (band > 0) & (band < 1), (band > 0.5).astype(np.float32)
    if not trimap.has("alpha"):
        return Wanted(unknown, known, band, np.zeros_like(band))
    confidence = trimap["confidence"] if trimap.has("confidence") else np.full_like(band, 0.5)
    # An artist's own alpha comes with all confidence, and stays as it is.
    given = unknown & (confidence >= 1)
    unknown, known = unknown & ~given, np.where(given, trimap["alpha"], known)
    # 0 at no confidence, 1 at a half, and so much at 1 that the guess stands.
    sureness = confidence / (1 - confidence).clip(1e-5)
    return Wanted(unknown, known, trimap["alpha"], np.where(unknown, guidance * sureness, 0).astype(np.float32))


def _remembering(wanted: Wanted, last: Plane, trust: Plane, reach: float, params: ClosedFormParams) -> Wanted:
    """With the last frame's alpha, carried here: it widens the band to its own edge, and it holds the edge steady.

    A trimap that is carried from afar drifts; alpha that was solved a frame ago lies where the picture says. Where the
    trimap is doubted it still pulls a little, so that nothing outlives both the picture and the guide.
    """
    doubt = in_doubt(wanted.known, last, reach) & ~wanted.unknown if reach > 0 else np.zeros_like(wanted.unknown)
    weight = np.where(doubt, params.doubted, wanted.weight)
    prior = np.where(doubt, wanted.known, wanted.prior)
    more = np.where(doubt, 0, params.steadiness * trust * _agreed(wanted, last, params.guidance))
    total = (weight + more).astype(np.float32)
    prior = ((weight * prior + more * last) / total.clip(1e-12)).astype(np.float32)
    return Wanted(wanted.unknown | doubt, wanted.known, prior, total)


def _agreed(wanted: Wanted, last: Plane, guidance: float) -> Plane:
    """H x W, 0..1: how far what the last frame brings here can be believed beside what is guessed of this one.

    What comes out from behind a soft edge, a lamp say, brings that edge's alpha along.
    """
    variance = _SLACK**2 + guidance * _GUESSED / wanted.weight.clip(1e-9)
    return np.asarray(np.exp((last - wanted.prior) ** 2 / (-2 * variance)), np.float32)
