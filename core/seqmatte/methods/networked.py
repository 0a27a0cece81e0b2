"""What methods that run a network share: whose weights, which runtime, how its picture and its alpha are passed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from seqlink.params import param
from seqmatte import runtime as runtimes
from seqmatte.device import Device
from seqmatte.layer import Layer, Pixels
from seqmatte.method import as_planes
from seqmatte.runtime import Runner
from seqmatte.weights import Weights

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Plane = npt.NDArray[np.float32]

# How much an encoded picture of 32 x 32 must vary for something to be seen in it.
_SEEN = 0.02


@dataclass(frozen=True)
class NetworkParams:
    precision: str = param(
        "float32",
        choices=runtimes.PRECISIONS,
        advanced=True,
        help="float32; or fast, which is half of it inside the network, quicker where the machine has it.",
    )


class Networked:
    """Opened with weights that `recipe` has found. network: its name among `networks.names()`."""

    network: ClassVar[str]
    params: Any
    weights: Weights
    runtime: str = "torch"
    runner: Runner

    @property
    def variant(self) -> str:
        """The form of the network that the parameters ask for; empty for whichever there are weights of."""
        wanted = str(getattr(self.params, "variant", "any"))
        return "" if wanted == "any" else wanted

    @property
    def weights_digest(self) -> str:
        """What results depend on beside the parameters: goes into every key."""
        if self.runtime != "torch":
            return f"{self.weights.identity} {self.runtime}"
        return f"{self.weights.identity} {runtimes.threads_for(self.network) or ''}".rstrip()

    def open(self, device: Device) -> None:
        self.runner = runtimes.opened(
            self.weights, device, self.runtime, self.params.precision, self.facts(), self.options()
        )

    def facts(self) -> Mapping[str, object]:
        """What the network's form must be and no file tells."""
        return {}

    def options(self) -> Mapping[str, object]:
        """How the network is called, the same for all frames."""
        return {}

    def tensor(self, pixels: Pixels) -> Tensor:
        """[1, C, H, W] on the network's device from H x W x C."""
        import torch

        # A copy: pixels that are shared may not be written, and torch warns of such.
        planes = np.array(pixels.transpose(2, 0, 1)[None], np.float32, order="C")
        return torch.from_numpy(planes).to(self.runner.device)

    def picture(self, plate: Layer) -> Tensor:
        """[1, 3, H, W] on the network's device, as the layer holds it."""
        import torch

        return torch.from_numpy(as_planes(plate, "R", "G", "B")).to(self.runner.device)

    def alpha_layer(self, alpha: Plane, confidence: Plane, colour: Pixels | None = None) -> Layer:
        """H x W opacity and how sure it is, 0..1; colour: H x W x 3, a straight foreground in scene-linear light."""
        import cv2

        channels = ("A", "confidence") if colour is None else ("A", "confidence", "F.R", "F.G", "F.B")
        planes = [np.clip(alpha, 0, 1), np.clip(confidence, 0, 1)]
        sure = cv2.mean(planes[1])[0]
        pixels = np.asarray(cv2.merge([*planes, *(() if colour is None else cv2.split(colour))]), np.float32)
        return Layer(pixels, channels, facts={"confidence": sure, "correction": self.weights.correction})


def plane(tensor: Tensor) -> Plane:
    """H x W from [1, 1, H, W]."""
    return np.asarray(tensor[0, 0].cpu().numpy(), np.float32)


def decided(alpha: Plane) -> Plane:
    """Confidence where a network tells none: how far alpha is from a half."""
    # In one plane: at 4K, fresh memory costs more than the arithmetic.
    sure = np.multiply(alpha, 2, dtype=np.float32)
    sure -= 1
    return np.abs(sure, out=sure)


def enlarged(x: Tensor, multiple: int, least: int = 1, mode: str = "reflect") -> Tensor:
    """x, [.., H, W], with rows below and columns on the right, up to multiples.

    mode: "reflect" (the edge itself not repeated, as often as it takes) or "edge". least: of either side.
    """
    height, width = x.shape[-2:]
    rows, columns = (
        _indices(side, max(-(-side // multiple) * multiple, least), mode, x.device) for side in (height, width)
    )
    return x if len(rows) == height and len(columns) == width else x[..., rows[:, None], columns[None]]


def _indices(side: int, wanted: int, mode: str, device: torch.device) -> Tensor:
    import torch

    kind: Any = mode
    return torch.from_numpy(np.pad(np.arange(side), (0, wanted - side), kind)).to(device)


def blank(picture: Tensor) -> bool:
    """Whether nothing can be seen in an encoded picture [1, 3, H, W], as in a dip to black or a lost frame."""
    import torch.nn.functional as F

    small = F.interpolate(picture, size=(32, 32), mode="area")
    return bool((small.amax((2, 3)) - small.amin((2, 3))).max() < _SEEN)


def sized(picture: Tensor, longest: int, most: float = 1.0) -> Tensor:
    """The picture with its longer side so long: shrunk by area, enlarged (bicubic) at most by `most`.

    The picture itself where that is its size, or `longest` is 0.
    """
    import torch.nn.functional as F

    height, width = picture.shape[-2:]
    share = min(longest / max(height, width), most)
    if not longest or share == 1:
        return picture
    size = (max(16, round(height * share)), max(16, round(width * share)))
    return F.interpolate(picture, size=size, mode="area" if share < 1 else "bicubic")


def brought_up(alpha: Tensor, small: Tensor, picture: Tensor) -> Tensor:
    """A small picture's alpha [1, 1, h, w] at the picture's size, along its edges: a guided filter."""
    import torch

    from seqmatte.networks.guided_filter import FastGuidedFilter

    if alpha.shape[-2:] == picture.shape[-2:]:
        return alpha
    with torch.inference_mode():
        nothing = torch.zeros_like(small)
        _, fine = FastGuidedFilter()(picture, small, nothing, alpha, nothing)
        return torch.as_tensor(fine).clamp(0, 1)
