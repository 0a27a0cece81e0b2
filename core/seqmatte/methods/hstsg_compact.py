"""Our compact HSTSG: the guided frames and the two last ones in memory, read coarse to fine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from seqlink.params import param
from seqmatte import guide
from seqmatte.confidence import blank, of_frame
from seqmatte.layer import Layer
from seqmatte.method import Frozen, Read, State, View, guide_kind
from seqmatte.methods.networked import Networked, NetworkParams, Plane, enlarged, plane, size_at, sized
from seqmatte.methods.on_device import light
from seqmatte.reach import MEETING, NearestKey

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class HstsgCompactParams(NetworkParams):
    side: int = param(
        960,
        low=64,
        high=2048,
        unit="px",
        help="The longer side at which the network looks; larger plates are shrunk and mended afterwards at full size.",
    )
    enlarge: float = param(
        1.5, low=1.0, high=4.0, help="How much smaller plates are enlarged towards that at most; it sees more in them."
    )


@dataclass(frozen=True)
class Walk:
    """The network's memory, tensors by name, each [1, C, frames, h, w]: frames for good, and up to two recent ones."""

    guided: Mapping[str, Tensor]
    recent: Mapping[str, Tensor]

    def bank(self) -> dict[str, Tensor]:
        """All of it, the newest frame last."""
        import torch

        if not self.recent:
            return dict(self.guided)
        return {name: torch.cat((held, self.recent[name]), 2) for name, held in self.guided.items()}

    def with_recent(self, entry: Mapping[str, Tensor]) -> Walk:
        import torch

        if not self.recent:
            return replace(self, recent=entry)
        return replace(self, recent={n: torch.cat((held, entry[n]), 2)[:, :, -2:] for n, held in self.recent.items()})


class HstsgCompact(Networked):
    """Guides to a soft alpha for every frame, by our small memory network.

    Makes "alpha" and "confidence" in that, 1 where an artist was sure. The network sees the encoded plate, shrunk by
    area or enlarged to `side` and reflected to multiples of 16; of a guided frame's trimap it sees what closed form
    makes, because a band says nothing that could be remembered.
    """

    name: ClassVar[str] = "hstsg_compact"
    version: ClassVar[int] = 9
    network: ClassVar[str] = "hstsg-compact"
    Params: ClassVar[type] = HstsgCompactParams

    makes = "guess"
    reads = (Read("plate", space="encoded"), Read("plate", space="scene"), Read("guide"))
    reach = NearestKey(2, MEETING)
    mixed = staticmethod(guide.mixed)
    params: Any

    def __init__(self, params: HstsgCompactParams) -> None:
        self.params = params

    def start(self, guides: Sequence[View]) -> Walk:
        import torch

        # The nearest comes last: the first step looks about in it.
        entries = [self._begun(view)[1] for view in reversed(guides)]
        return Walk({name: torch.cat([entry[name] for entry in entries], 2) for name in entries[0]}, {})

    def step(self, state: Walk, view: View) -> tuple[Walk, Layer]:
        if view.get("guide") is not None:
            made, _ = self._begun(view)
            return state, self._guided(made, view)
        picture = self._seen(view)
        if blank(view["plate", 0, "encoded"].take("R", "G", "B")):
            return state, self._unseen(state, view)
        made = self.runner.run("step", {"plate": picture, **state.bank()})
        state = state.with_recent({name: made[f"next_{name}"] for name in state.guided})
        return state, self._layer(made["alpha"], made["confidence"], view)

    def freeze(self, state: Walk) -> Frozen:
        both = {"guided": state.guided, "recent": state.recent}
        return {f"{group} {name}": x.cpu().numpy() for group, held in both.items() for name, x in held.items()}

    def thaw(self, frozen: Mapping[str, Any]) -> State:
        import torch

        groups: dict[str, dict[str, Tensor]] = {"guided": {}, "recent": {}}
        for key, array in frozen.items():
            group, name = key.split(" ")
            groups[group][name] = torch.from_numpy(np.array(array)).to(self.runner.device)
        return Walk(groups["guided"], groups["recent"])

    def _begun(self, view: View) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """What the network makes of a guided frame, and the frame as memory."""
        from seqmatte.networks.graphs import BANK
        from seqmatte.networks.hstsg_compact import guide_planes

        guide = view["guide"]
        kind = guide_kind(guide)
        value = sized(self.tensor(guide.pixels), self.params.side)
        if kind == "trimap":
            value, kind = self._solved(value, view["plate", 0, "scene"]), "alpha"
        value = self._looked_at(value).clamp(0, 1)
        if kind == "mask":
            value = (value > 0.5).to(value.dtype)
        planes = guide_planes(enlarged(value, 16), kind)
        made = self.runner.run("begin", {"plate": self._seen(view), "guide": planes})
        return made, {name: made[name] for name in BANK}

    def _solved(self, trimap: Tensor, plate: Layer) -> Tensor:
        """Alpha [1, 1, h, w] of a trimap of that shape, which shrinking may have blurred, by closed form."""
        import torch

        from seqmatte.solver import Task, solve

        band = trimap[0, 0]
        unknown, known = (band > 1e-4) & (band < 1 - 1e-4), (band > 0.5).to(band.dtype)
        picture = sized(light(plate, self.runner.device)[None], self.params.side)[0]
        with torch.inference_mode():
            return solve(Task(picture, unknown, known, band, torch.zeros_like(band)))[None, None]

    def _seen(self, view: View) -> Tensor:
        return enlarged(self._looked_at(self.picture(view["plate", 0, "encoded"])), 16)

    def _looked_at(self, picture: Tensor) -> Tensor:
        return sized(picture, self.params.side, self.params.enlarge)

    def _guided(self, made: Mapping[str, Tensor], view: View) -> Layer:
        """On a guided frame what the artist is sure of stands, at full size."""
        layer = self._layer(made["alpha"], made["confidence"], view)
        drawn, known = view["guide"].pixels[:, :, 0], guide.known(view["guide"])
        return _guess_layer(np.where(known, drawn, layer["alpha"]), np.where(known, 1, layer["confidence"]))

    def _unseen(self, state: Walk, view: View) -> Layer:
        """What was remembered last, believed not at all; such a frame is not remembered."""
        last = state.bank()["stored"][:, :, -1]
        return self._layer(last, last.new_zeros(last.shape), view)

    def _layer(self, alpha: Tensor, confidence: Tensor, view: View) -> Layer:
        """Both at the plate's size."""
        import torch.nn.functional as F

        plate = view["plate", 0, "encoded"]
        size = (plate.height, plate.width)
        height, width = size_at(size, self.params.side, self.params.enlarge)
        seen = (sized(x[..., :height, :width], min(max(size), max(height, width))) for x in (alpha, confidence))
        fine = (plane(F.interpolate(x, size=size, mode="bilinear", align_corners=False)) for x in seen)
        return _guess_layer(*fine)


def _guess_layer(alpha: Plane, confidence: Plane) -> Layer:
    planes = [np.asarray(x, np.float32).clip(0, 1) for x in (alpha, confidence)]
    facts = {"confidence": of_frame(*(float(plane.mean()) for plane in planes))}
    return Layer(np.stack(planes, 2), ("alpha", "confidence"), facts=facts)
