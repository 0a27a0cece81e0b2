"""What methods that run a network share: whose weights, which runtime, how its picture and its alpha are passed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from seqlink.params import param
from seqmatte import onnx_export
from seqmatte import runtime as runtimes
from seqmatte.confidence import of_frame
from seqmatte.device import Device
from seqmatte.layer import Layer, Pixels
from seqmatte.method import as_planes
from seqmatte.runtime import Runner
from seqmatte.weights import Weights

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Plane = npt.NDArray[np.float32]


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
            return f"{self.weights.identity} {self.runtime} {onnx_export.exporter()}"
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

    def alpha_layer(self, alpha: Plane, sure: Plane, colour: Pixels | None = None) -> Layer:
        """H x W opacity and how sure it is, 0..1; colour: H x W x 3, a straight foreground in scene-linear light."""
        import cv2

        # Put together first and clipped where they then are: fresh memory for a plane costs more than its arithmetic.
        pixels = np.asarray(cv2.merge([alpha, sure]), np.float32)
        np.clip(pixels, 0, 1, out=pixels)
        facts = {"confidence": of_frame(*cv2.mean(pixels)[:2]), "correction": self.weights.correction}
        if colour is None:
            return Layer(pixels, ("A", "confidence"), facts=facts)
        whole = np.concatenate((pixels, colour), 2, dtype=np.float32)
        return Layer(whole, ("A", "confidence", "F.R", "F.G", "F.B"), facts=facts)


def plane(tensor: Tensor) -> Plane:
    """H x W from [1, 1, H, W]."""
    return np.asarray(tensor[0, 0].cpu().numpy(), np.float32)


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


def sized(picture: Tensor, longest: int, most: float = 1.0) -> Tensor:
    """The picture with its longer side so long: shrunk by area, enlarged (bicubic) at most by `most`.

    The picture itself where that is its size, or `longest` is 0.
    """
    import torch.nn.functional as F

    height, width = picture.shape[-2:]
    size = size_at((height, width), longest, most)
    if size == (height, width):
        return picture
    shrunk = max(size) < max(height, width)
    return F.interpolate(picture, size=size, mode="area" if shrunk else "bicubic")


def size_at(size: tuple[int, int], longest: int, most: float = 1.0) -> tuple[int, int]:
    """Height and width of what `sized` gives of a picture of this height and width."""
    share = min(longest / max(size), most)
    if not longest or share == 1:
        return size
    return max(16, round(size[0] * share)), max(16, round(size[1] * share))


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
