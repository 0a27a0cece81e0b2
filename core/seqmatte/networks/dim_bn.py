"""Deep Image Matting as IndexNet's authors re-made it: batch-normalised VGG-16, the second base of TCVOM.

Encoder and decoder can be two modules, or one that inherits from both and so has the flat key names of the
single-frame weights.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from .dim import STAGES
from .unpool import Places, pooled, unpooled

# What the encoder gives: its deepest feature, then the places of each stage's maxima, first stage first.
Coded = tuple[Tensor, list[Places]]


class Encoder(nn.Module):
    """Thirteen convolutions in five pooled stages and a 7x7 to 4096 channels at 1/32."""

    def __init__(self) -> None:
        super().__init__()
        into = 4
        for stage, (count, width) in enumerate(STAGES, 1):
            for index in range(1, count + 1):
                self.add_module(f"conv{stage}{index}", nn.Conv2d(into, width, 3, padding=1))
                self.add_module(f"bn{stage}{index}", nn.BatchNorm2d(width))
                into = width
        self.conv6 = nn.Conv2d(512, 4096, 7, padding=3)

    def forward(self, x: Tensor) -> Coded:
        """x: [N, 4, H, W], RGB ImageNet-normalised and the trimap as 0, 128/255, 1."""
        return self.encode(x)

    def encode(self, x: Tensor) -> Coded:
        """`forward` under a name that a module with the decoder beside it can use."""
        places = []
        for stage, (count, _) in enumerate(STAGES, 1):
            for index in range(1, count + 1):
                x = self.get_submodule(f"conv{stage}{index}")(x)
                x = F.relu(self.get_submodule(f"bn{stage}{index}")(x))
            x, where = pooled(x)
            places.append(where)
        return F.relu(self.conv6(x)), places


class Decoder(nn.Module):
    """Unpooling and 5x5 convolutions, stopping at 1/8 to let features of neighbouring frames in."""

    def __init__(self) -> None:
        super().__init__()
        self.dconv6 = nn.Conv2d(4096, 512, 1)
        for stage, (into, out) in enumerate(((64, 64), (128, 64), (256, 128), (512, 256), (512, 512)), 1):
            self.add_module(f"dconv{stage}", nn.Conv2d(into, out, 5, padding=2))
        self.alpha_pred = nn.Conv2d(64, 1, 5, padding=2)

    def extract(self, features: Coded) -> Tensor:
        """What the encoder gave -> [N, 256, H/8, W/8]."""
        deep, places = features
        x = F.relu(self.dconv6(deep))
        return self._up(x, places, (5, 4))

    def finish(self, x: Tensor, features: Coded) -> Tensor:
        """The feature at 1/8 and the frame's own places -> alpha [N, 1, H, W], 0..1."""
        raw: Tensor = self.alpha_pred(self._up(x, features[1], (3, 2, 1)))
        return raw.clamp(0, 1)

    def _up(self, x: Tensor, places: list[Places], stages: tuple[int, ...]) -> Tensor:
        for stage in stages:
            x = F.relu(self.get_submodule(f"dconv{stage}")(unpooled(x, places[stage - 1])))
        return x
