"""Our refiner: two opinions of a matte and its neighbours in time, weighed and mended at full size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from seqlink.params import param
from seqmatte.colour_tables import Colours
from seqmatte.confidence import blank, judged
from seqmatte.guide import known
from seqmatte.layer import Layer
from seqmatte.method import Read, State, View, as_planes
from seqmatte.methods.edge_snap import EdgeSnapParams, snapped
from seqmatte.methods.networked import Networked, NetworkParams, Plane, enlarged
from seqmatte.reach import NearestKey
from seqmatte.steady import Memory, carried, luma_of

if TYPE_CHECKING:
    from torch import Tensor

# The opinions, in the order that the network takes them.
SEEN = ("plate", "alpha", "band", "guess", "around", "likeness", "free")
# Alphas this near 0 and 1 are sure; opinions that differ by more are apart.
_SURE, _APART = 0.02, 0.1
# Around an edge alpha may change within this share of the width.
_NEAR = 0.01
# A sure answer that both neighbours bring here with such trust stands, unless the second opinion is so sure.
_STEADY, _WINDOW, _CERTAIN = 0.5, 15, 0.9
# How sure the only opinion is taken to be where it stands for the second one too.
_ALONE = 0.95


@dataclass(frozen=True)
class RefinerParams(NetworkParams):
    tile: int = param(
        1536, low=768, high=8192, unit="px", advanced=True, help="Side of the tiles that a frame is taken in."
    )
    hold: float = param(
        0.01,
        low=0.0,
        high=10.0,
        help="How much what was found is held while its edges are snapped to the plate; the most leaves it as it is.",
    )


class Refiner(Networked):
    """Two opinions, "solved" (by closed form) and "snapped" (of our memory network), and plate, to alpha.

    Where there is no second opinion the first one stands for it too. Neighbouring frames' alphas are carried here along
    optical flow and weighed too; what comes of it is snapped to the plate's edges. What an artist's trimap or alpha is
    sure of stays. For the network each pixel depends on what is near it alone, so it looks only about what may change,
    and tiles that share twice its margin give what the frame gives.
    """

    name: ClassVar[str] = "refiner"
    version: ClassVar[int] = 15
    network: ClassVar[str] = "refiner"
    Params: ClassVar[type] = RefinerParams

    makes = "alpha"
    reads = (
        Read("plate", (-1, 0, 1), space="encoded"),
        Read("plate", space="scene"),
        Read("guide"),
        Read("trimap"),
        Read("solved", (-1, 0, 1)),
        Read("snapped", optional=True),
    )
    # What subject and background look like is told by the guided frames, and by no other.
    reach = NearestKey(2)
    start_reads = (Read("plate", space="encoded"), Read("guide"))
    remembers: ClassVar[bool] = False

    def __init__(self, params: RefinerParams) -> None:
        self.params = params

    def start(self, guides: Sequence[View]) -> Colours:
        return learnt(guides)

    def step(self, state: Colours, view: View) -> tuple[State, Layer]:
        if blank(view["plate", 0, "encoded"].take("R", "G", "B")):
            # Only the first opinion goes by anything but the picture: by the way that the subject went before.
            return state, self.alpha_layer(view["solved"]["A"], view["solved"]["confidence"])
        opinions = seen(view, state, self._second(view))
        alpha = opinions["alpha"][0]
        if opinions["free"].any():
            alpha = self._snapped(np.where(opinions["free"][0] > 0, self._weighed(opinions), alpha), view)
        guide = view.get("guide")
        given = None if guide is None else known(guide)
        sure = judged(alpha, (opinions["alpha"][0], opinions["guess"][0]), view["trimap"], given)
        return state, self.alpha_layer(alpha, sure)

    def _second(self, view: View) -> Layer:
        """The second opinion: "A" and "confidence"."""
        if any(read.layer == "snapped" for read in self.reads):
            return view["snapped"]
        alpha = view["solved"]["A"]
        return Layer(np.stack((alpha, np.full_like(alpha, _ALONE)), 2), ("A", "confidence"))

    def _snapped(self, alpha: Plane, view: View) -> Plane:
        hold = EdgeSnapParams(hold=self.params.hold, hold_sure=min(10 * self.params.hold, 10.0))
        return snapped(view["plate", 0, "scene"], view.get("guide"), alpha, hold, self.runner.device)

    def _weighed(self, opinions: Mapping[str, Plane]) -> Plane:
        import torch

        from seqmatte.networks.refiner import MARGIN, STRIDE
        from seqmatte.tile import Tiling, tiled

        inputs = {name: torch.from_numpy(x).to(self.runner.device)[None] for name, x in opinions.items()}

        def run(rows: slice, columns: slice) -> Tensor:
            size = (rows.stop - rows.start, columns.stop - columns.start)
            cut = {name: enlarged(x[..., rows, columns], STRIDE) for name, x in inputs.items()}
            return self.runner.run("step", cut)["refined"][0, :, : size[0], : size[1]]

        tiling = Tiling(self.params.tile // STRIDE * STRIDE, overlap=2 * MARGIN, margin=MARGIN, stride=STRIDE)
        with torch.inference_mode():
            return np.asarray(tiled(tiling, inputs["free"][0, 0] > 0, run)[0].cpu().numpy(), np.float32)


def learnt(guides: Sequence[View]) -> Colours:
    """What colours subject and background have on the guided frames, where the artist was sure."""
    plates = [guide["plate", 0, "encoded"].take("R", "G", "B") for guide in guides]
    drawn = [guide["guide"].pixels[:, :, 0] for guide in guides]
    return Colours.seen(plates, [one >= 1 - _SURE for one in drawn], [one <= _SURE for one in drawn])


def seen(view: View, colours: Colours, guess: Layer) -> dict[str, Plane]:
    """What the network is shown of a frame, C x H x W each, by the names of `SEEN`. guess: the second opinion."""
    trimap = view["trimap"]
    alpha, plate = view["solved"]["A"], view["plate", 0, "encoded"].take("R", "G", "B")
    around = np.concatenate([_brought(view, offset) for offset in (-1, 1)])
    unknown = ((trimap["trimap"] > 0) & (trimap["trimap"] < 1)).astype(np.float32)
    return {
        "plate": as_planes(view["plate", 0, "encoded"], "R", "G", "B")[0],
        "alpha": np.array(alpha[None], np.float32),
        "band": np.stack((unknown, trimap["confidence"])).astype(np.float32),
        "guess": np.stack((guess["A"], guess["confidence"])).astype(np.float32),
        "around": around,
        "likeness": np.stack((colours.likeness(plate), colours.met(plate))).astype(np.float32),
        "free": _free(view, alpha, guess, around)[None],
    }


def _brought(view: View, offset: int) -> Plane:
    """A neighbour's alpha where it is now and the trust in it; this frame's own at a shot's ends and over a cut."""
    alpha = view["solved"]["A"]
    nothing = np.stack((alpha, np.zeros_like(alpha)))
    if view.at(offset) == view.frame:
        return nothing
    luma, other = (luma_of(view["plate", at, "encoded"].take("R", "G", "B")) for at in (0, offset))
    moved = carried(Memory(view["solved", offset]["A"], other), luma)
    return nothing if moved is None else np.stack(moved)


def _free(view: View, alpha: Plane, guess: Layer, around: Plane) -> Plane:
    """1 where alpha may change: near an edge, and where the opinions differ and the first one is not steady or the
    second is certain.

    Not where the artist was sure.
    """
    import cv2

    soft = (alpha > _SURE) & (alpha < 1 - _SURE)
    told_apart = np.abs(alpha - guess["A"]) > _APART
    open_to_doubt = soft | (told_apart & (~_steady(around) | (guess["confidence"] > _CERTAIN)))
    reach = max(4, round(_NEAR * alpha.shape[1]))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2)
    near = cv2.dilate(open_to_doubt.astype(np.uint8), disc).astype(np.float32)
    guide = view.get("guide")
    return np.asarray(near if guide is None else near * ~known(guide), np.float32)


def _steady(around: Plane) -> npt.NDArray[np.bool_]:
    """Where most pixels about a place are brought here with trust from the neighbours that there are."""
    import cv2

    trusts = [trust for trust in (around[1], around[3]) if trust.any()]
    if not trusts:
        return np.zeros(around.shape[1:], bool)
    firm = (np.minimum.reduce(trusts) >= _STEADY).astype(np.float32)
    return np.asarray(cv2.blur(firm, (_WINDOW, _WINDOW)) >= 0.5)
