"""Alpha of the unknown band by closed-form matting, held steady along time. No weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from seqlink.params import param
from seqmatte.device import Device
from seqmatte.layer import Layer
from seqmatte.method import Frozen, Read, State, View, as_planes
from seqmatte.reach import NearestKey
from seqmatte.steady import Memory, Plane, carried, luma_of

if TYPE_CHECKING:
    from torch import Tensor

# Light beyond what half can hold would overflow in squares.
_BRIGHTEST = 65504.0


@dataclass(frozen=True)
class ClosedFormParams:
    guidance: float = param(
        0.01,
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
    epsilon: float = param(
        1e-7,
        low=1e-9,
        high=1e-2,
        advanced=True,
        help="How much colours must vary before they tell fore- from background; raise it for heavy grain.",
    )
    steps: int = param(150, low=10, high=2000, advanced=True, help="Solver steps at full size, at most.")


class ClosedForm:
    """Trimap and plate to alpha, in linear light, so that nothing is left to correct afterwards.

    Reads from the trimap layer: "trimap" (0, 0.5, 1), and where there are such: "alpha", a soft best guess, and
    "confidence" in it, 0..1.
    """

    name: ClassVar[str] = "closed_form"
    version: ClassVar[int] = 1
    Params: ClassVar[type] = ClosedFormParams

    makes = "alpha"
    reads = (Read("plate", space="scene"), Read("plate", space="encoded"), Read("trimap"))
    reach = NearestKey(1)

    def __init__(self, params: ClosedFormParams) -> None:
        self.params = params

    def open(self, device: Device) -> None:
        self._device = device.torch()

    def start(self, guides: Sequence[View]) -> State:
        return None

    def step(self, state: State, view: View) -> tuple[State, Layer]:
        trimap = view["trimap"]
        luma = luma_of(view["plate", 0, "encoded"].take("R", "G", "B"))
        guess, confidence = _guess(trimap)
        prior, weight = guess, self.params.guidance * _sureness(confidence)
        if state is not None and self.params.steadiness > 0:
            last, trust = carried(state, luma)
            weight, prior = _joined(weight, prior, self.params.steadiness * trust, last)
        alpha = self._solved(view["plate", 0, "scene"], trimap["trimap"], prior, weight)
        made = _layer(alpha, trimap, guess, confidence)
        return Memory(alpha, luma), made

    def freeze(self, state: State) -> Frozen:
        return {} if state is None else {"alpha": state.alpha, "luma": state.luma}

    def thaw(self, frozen: Mapping[str, Any]) -> State:
        return Memory(np.asarray(frozen["alpha"]), np.asarray(frozen["luma"])) if frozen else None

    def _solved(self, plate: Layer, trimap: Plane, prior: Plane, weight: Plane) -> Plane:
        from seqmatte.solver import Effort, Task, solve

        def tensor(plane: Plane) -> Tensor:
            import torch

            return torch.from_numpy(np.ascontiguousarray(plane)).to(self._device)

        picture = tensor(as_planes(plate, "R", "G", "B")[0]).clamp(-_BRIGHTEST, _BRIGHTEST)
        known = tensor(trimap)
        task = Task(picture, (known > 0) & (known < 1), known, tensor(prior), tensor(weight))
        effort = Effort(epsilon=self.params.epsilon, steps=self.params.steps)
        return np.asarray(solve(task, effort).cpu().numpy(), np.float32)


def _guess(trimap: Layer) -> tuple[Plane, Plane]:
    """The guide's soft guess and the confidence in it; a bare trimap has none in its band."""
    band = trimap["trimap"]
    if not trimap.has("alpha"):
        return band, ((band <= 0) | (band >= 1)).astype(np.float32)
    confidence = trimap["confidence"] if trimap.has("confidence") else np.full_like(band, 0.5)
    return trimap["alpha"], confidence


def _sureness(confidence: Plane) -> Plane:
    """The weight of a guess: 0 at no confidence, 1 at a half, and so much at 1 that it stands."""
    return np.asarray(confidence / (1 - confidence).clip(1e-5), np.float32)


def _joined(weight: Plane, prior: Plane, more: Plane, other: Plane) -> tuple[Plane, Plane]:
    """Two quadratic terms as one: weights and priors."""
    total = weight + more
    return total, np.asarray((weight * prior + more * other) / total.clip(1e-12), np.float32)


def _layer(alpha: Plane, trimap: Layer, guess: Plane, confidence: Plane) -> Layer:
    """Confidence in the band falls with the distance between what was guessed and what was found."""
    band = (trimap["trimap"] > 0) & (trimap["trimap"] < 1)
    agreed = 1 - np.abs(alpha - guess) if trimap.has("alpha") else np.full_like(alpha, 0.5)
    sure = np.where(band, 0.5 * (confidence + agreed), confidence if trimap.has("confidence") else 1.0)
    sure = np.asarray(sure.clip(0, 1), np.float32)
    facts = {"confidence": float(sure.mean(dtype=np.float64)), "correction": 0.0}
    return Layer(np.stack((alpha, sure), 2), ("A", "confidence"), facts=facts)
