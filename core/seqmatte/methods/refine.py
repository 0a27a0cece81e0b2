"""The last step of every recipe: alpha right for linear light, and the foreground unmixed from the plate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from seqlink.params import param
from seqmatte.encoding import Encoding
from seqmatte.foreground import BRIGHTEST
from seqmatte.guide import distance_to, known
from seqmatte.layer import Layer, Pixels
from seqmatte.method import Read, State, View, as_planes
from seqmatte.methods.camera import REACH, behind
from seqmatte.methods.on_device import OnDevice, light, tensor
from seqmatte.reach import PerFrame

if TYPE_CHECKING:
    from torch import Tensor

    from seqmatte.clean_plate import CleanPlate

Plane = npt.NDArray[np.float32]

# Opacity of what counts as solid, and how far hair may reach from it, as a share of the width.
_SOLID, _HAIR = 0.9, 0.04
OUTPUTS = ("rgba", "alpha", "rgba+straight")
DEPTHS = ("half", "float")


@dataclass(frozen=True)
class RefineParams:
    outputs: str = param(
        "rgba",
        choices=OUTPUTS,
        help="What a result holds: premultiplied foreground and alpha, alpha alone, or also the straight foreground.",
    )
    depth: str = param(
        "half",
        choices=DEPTHS,
        help="How colours are stored: half, as plates usually are, or float, which keeps a 32-bit plate's own numbers "
        "and light beyond 65504. Alpha is float in both.",
    )
    strength: float = param(
        1.0,
        low=0.0,
        high=1.0,
        help="How much of the linear-light correction that the matting method asks for is applied.",
    )
    brightest: float = param(
        BRIGHTEST,
        low=1.0,
        high=1000.0,
        unit="times",
        help="How much brighter a soft edge's foreground may be than the solid subject near by: raise it for glints on "
        "wire, lower it where a lamp behind hair shines on.",
    )
    clean_alpha: float = param(
        1.0,
        low=0.0,
        high=1.0,
        advanced=True,
        help="How far a soft edge's alpha goes by a clean plate, where it agrees with the plate around the subject.",
    )
    stitched: float = param(
        1.0,
        low=0.0,
        high=1.0,
        help="How far a soft edge's alpha goes by the set behind it that up to eight frames before and after show, "
        "where there is no clean plate; less where the set moves by itself, as water and leaves do.",
    )
    clean_trust: float = param(
        1.0,
        low=0.0,
        high=1.0,
        advanced=True,
        help="How much a clean plate is used as the background, where it agrees with the plate around the subject.",
    )


class Refine(OnDevice):
    """Alpha and plate to the matte: R, G, B (premultiplied, scene-linear) and A.

    Reads from the alpha layer: "A", facts "confidence" and "correction" (0..1, how far its maker's alpha is from linear
    light; 0 if it says nothing), and, where its maker also unmixed the foreground, "F.R", "F.G", "F.B" in scene-linear.
    """

    name: ClassVar[str] = "refine"
    version: ClassVar[int] = 7
    Params: ClassVar[type] = RefineParams
    makes = "matte"
    reads = (
        Read("plate", space="scene"),
        Read("plate", space="encoded"),
        Read("alpha"),
        Read("clean"),
        Read("guide", optional=True),
        Read("camera", tuple(range(-REACH, REACH + 1)), optional=True),
    )
    reach = PerFrame()

    def __init__(self, params: RefineParams) -> None:
        self.params = params

    @property
    def half(self) -> tuple[str, ...]:
        """The channels that are stored in half precision."""
        return ("R", "G", "B", "fg.R", "fg.G", "fg.B") if self.params.depth == "half" else ()

    def start(self, guides: Sequence[View]) -> State:
        return None

    def step(self, state: State, view: View) -> tuple[State, Layer]:
        import torch

        found = view["alpha"]
        plate, alpha = light(view["plate", 0, "scene"], self.device), self._in_linear_light(view, found)
        clean, facts = self._clean(view, plate, alpha), _facts(found)
        if clean is not None:
            facts["clean"] = clean.trust_beside(alpha)
            alpha = self._told(view, plate, alpha, clean.trusted(self.params.clean_alpha))
        elif any(read.layer == "camera" for read in self.reads) and self.params.stitched > 0:
            alpha = self._told(view, *self._stitched(view, alpha), strict=True)
        if self.params.outputs == "alpha":
            return None, Layer(_rows(alpha[None]), ("A",), facts=facts)
        foreground, background = self._unmixed(found, plate, alpha, clean)
        if self.params.depth == "float":  # the plate's own light, beyond what the arithmetic above can square
            plate = torch.where(alpha >= 1, self._tensor(view["plate", 0, "scene"], "R", "G", "B"), plate)
        planes, channels = self._matte(plate, alpha, foreground, background, found)
        return None, Layer(_rows(planes), channels, facts=facts)

    def _in_linear_light(self, view: View, found: Layer) -> Tensor:
        from seqmatte.linear_light import corrected

        alpha = self._tensor(found, "A")[0].nan_to_num(0.0).clamp(0, 1)
        strength = self.params.strength * float(found.facts.get("correction", 0.0))
        if strength <= 0:
            return alpha
        encoded = self._tensor(view["plate", 0, "encoded"], "R", "G", "B")
        return corrected(encoded, alpha, _encoding(view), strength)

    def _clean(self, view: View, plate: Tensor, alpha: Tensor) -> CleanPlate | None:
        from seqmatte.clean_plate import CleanPlate

        clean = view.get("clean")
        if clean is None:
            return None
        return CleanPlate.beside(plate, alpha, light(clean, self.device), _encoding(view).ev)

    def _stitched(self, view: View, alpha: Tensor) -> tuple[Tensor, Tensor, CleanPlate]:
        """Plate, alpha, and what other frames show of the set behind; the light of both as networks have it."""
        from seqmatte.clean_plate import CleanPlate

        encoding = _encoding(view)
        opacity = np.asarray(alpha.cpu().numpy(), np.float32)
        wanted = _at_edges(opacity)
        found = behind(view, (wanted > 0) & (opacity > 0) & (opacity < 1))
        plate = encoding.decode(self._tensor(view["plate", 0, "encoded"], "R", "G", "B"))
        shown = encoding.decode(tensor(found.colour.transpose(2, 0, 1), self.device))
        clean = CleanPlate.beside(plate, alpha, shown, encoding.ev)
        return plate, alpha, clean.trusted(self.params.stitched * tensor((found.trust * wanted)[None], self.device))

    def _told(self, view: View, plate: Tensor, alpha: Tensor, clean: CleanPlate, strict: bool = False) -> Tensor:
        """Alpha by what is known of the set; what an artist is sure of stays."""
        from seqmatte.clean_plate import alpha_with_clean_plate
        from seqmatte.foreground import foreground_background

        if not clean.belief.any():
            return alpha
        foreground = foreground_background(plate, alpha, self.params.brightest)[0]
        told = alpha_with_clean_plate(plate, alpha, foreground, clean, strict)
        guide = view.get("guide")
        return told if guide is None else told.where(tensor(~known(guide), self.device), alpha)

    def _unmixed(self, found: Layer, plate: Tensor, alpha: Tensor, clean: CleanPlate | None) -> tuple[Tensor, Tensor]:
        """Straight foreground and background, each 3 x H x W."""
        from seqmatte.clean_plate import with_clean_plate
        from seqmatte.foreground import foreground_background

        foreground, background = foreground_background(plate, alpha, self.params.brightest)
        if clean is not None and self.params.clean_trust > 0:
            trusted = clean.trusted(self.params.clean_trust)
            foreground, background = with_clean_plate(plate, alpha, foreground, background, trusted)
        if found.has("F.R"):
            foreground = self._tensor(found, "F.R", "F.G", "F.B")
        return foreground, background

    def _matte(
        self, plate: Tensor, alpha: Tensor, foreground: Tensor, background: Tensor, found: Layer
    ) -> tuple[Tensor, tuple[str, ...]]:
        """What is delivered, C x H x W, and its channels' names."""
        import torch

        from seqmatte.foreground import premultiplied

        if found.has("F.R"):
            colours = torch.where(alpha >= 1, plate, alpha * foreground)
        else:
            colours = premultiplied(plate, alpha, foreground, background)
        planes, channels = [colours, alpha[None]], ["R", "G", "B", "A"]
        if self.params.outputs == "rgba+straight":
            planes.append(torch.where(alpha >= 1, plate, foreground))
            channels += ["fg.R", "fg.G", "fg.B"]
        return torch.cat(planes).nan_to_num(0.0), tuple(channels)

    def _tensor(self, layer: Layer, *channels: str) -> Tensor:
        """C x H x W on the device."""
        return tensor(as_planes(layer, *channels)[0], self.device)


def _encoding(view: View) -> Encoding:
    """The shot's, as its encoded plates say."""
    return Encoding.parse(str(view["plate", 0, "encoded"].facts["encoding"]))


def _at_edges(alpha: Plane) -> Plane:
    """1 where alpha is soft near what is solid, or not soft at all; 0 where it is soft far from that. Softness there is
    no edge but doubt, about what went in front, say, and that it is not the set does not make it the subject."""
    away = distance_to(alpha >= _SOLID) / (_HAIR * alpha.shape[1])
    near = np.clip(2.5 - 2 * away, 0, 1)
    return np.where((alpha > 0) & (alpha < 1), near, 1).astype(np.float32)


def _rows(planes: Tensor) -> Pixels:
    """H x W x C."""
    return np.ascontiguousarray(planes.permute(1, 2, 0).cpu().numpy(), np.float32)


def _facts(found: Layer) -> dict[str, float | int | str]:
    return {name: value for name, value in found.facts.items() if name == "confidence"}
