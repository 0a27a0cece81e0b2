"""Context-Aware Image Matting (Hou and Liu, ICCV 2019): one frame and its trimap give alpha and foreground.

The published weights are TensorFlow's. Our keys are its names with dots for slashes, `weights` and
`depthwise_weights` as conv.weight, `biases` as conv.bias, BatchNorm's four as bn.weight, bn.bias,
bn.running_mean and bn.running_var; weights [kh, kw, in, out] turn to [out, in, kh, kw].
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqmatte.networks.xception import Head, Unit, Xception65


class Encoder(nn.Module):
    """Xception-65 and a spatial pyramid with rates 3, 6, 9 on it."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.xception_65 = Xception65(stride)
        self.image_pooling = Unit(2048, 256, 1)
        self.aspp0 = Unit(2048, 256, 1)
        self.aspp1, self.aspp2, self.aspp3 = (Unit(2048, 256, 3, dilation=rate) for rate in (3, 6, 9))
        self.concat_projection = Unit(5 * 256, 256, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """[N, 4, H, W], -1..1 -> [N, 256, h, w]; what decoders read, deepest first."""
        deep, seconds = self.xception_65(x)
        branches = [branch(deep) for branch in (self.aspp0, self.aspp1, self.aspp2, self.aspp3)]
        pooled = self.image_pooling(deep.mean((2, 3), keepdim=True)).expand_as(branches[0])
        return self.concat_projection(torch.cat((pooled, *branches), 1)), seconds


class ContextDecoder(nn.Module):
    """One level: the encoder's 1/4 features beside its pyramid, two separable convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.feature_projection0 = Unit(256, 48, 1)
        into = 48 + 256
        for index in (0, 1):
            self.add_module(f"decoder_conv{index}_proj0_depthwise", Unit(into, into, 3, each=True))
            self.add_module(f"decoder_conv{index}_proj0_pointwise", Unit(into, 64, 1))
            into = 64

    def forward(self, x: Tensor, feature: Tensor) -> Tensor:
        """x: [N, 256, h, w]; feature: [N, 256, H/4, W/4] -> [N, 64, H/4, W/4]."""
        x = torch.cat((self.feature_projection0(feature), at_size_of(feature, x)), 1)
        for name, unit in self.named_children():
            x = unit(x) if name.startswith("decoder_conv") else x
        return x


class Decoder(nn.Module):
    """Four levels up to full size, the last beside the picture itself."""

    def __init__(self) -> None:
        super().__init__()
        for index, (into, skip) in enumerate(((264, 728), (64, 256), (64, 128), (64, 4))):
            self.add_module(f"feature_projection{index}", Unit(skip, 48, 1))
            names = (f"decoder_conv{index}_1", f"decoder_conv{index}_2")
            units = nn.ModuleDict({names[0]: Unit(48 + into, 64, 3), names[1]: Unit(64, 64, 3)})
            self.add_module(f"decoder_conv{index}", units)

    def forward(self, x: Tensor, features: list[Tensor]) -> Tensor:
        """x: [N, 264, H/4, W/4]; features: coarse to fine -> [N, 64, H, W]."""
        for index, feature in enumerate(features):
            skip = self.get_submodule(f"feature_projection{index}")(feature)
            x = torch.cat((skip, at_size_of(feature, x)), 1)
            for unit in self.get_submodule(f"decoder_conv{index}").children():
                x = unit(x)
        return x


def at_size_of(like: Tensor, x: Tensor) -> Tensor:
    """x bilinearly at the height and width of `like`, corners aligned, as TensorFlow resized it."""
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=True)


def _decoder(decoder: nn.Module) -> nn.ModuleDict:
    return nn.ModuleDict({"decoder": decoder})


class ContextAware(nn.Module):
    """Two encoders: `comp` sees the context at 1/16, `patch` the detail at 1/4 (figure 2). Any size.

    foreground: whether the colour branch is there; the weights trained without it have no keys for it. Only
    the last of each branch's five heads is used; the others served training.
    """

    multiple = 1

    def __init__(self, foreground: bool = True) -> None:
        super().__init__()
        self.foreground = foreground
        self.comp = nn.ModuleDict({"encoder": Encoder(16), "seg_decoder": _decoder(ContextDecoder())})
        self.comp_proj = nn.ModuleDict({"comp_proj_1": Head(64, 8, 3)})
        branches = ("mat", "seg") if foreground else ("mat",)
        decoders = {f"{branch}_decoder": _decoder(Decoder()) for branch in branches}
        self.patch = nn.ModuleDict({"encoder": Encoder(4), **decoders})
        heads = {
            f"patch_{branch}_logits_{index}": Head(64 if index else 264, 1 if branch == "mat" else 3)
            for branch in branches
            for index in range(5)
        }
        self.logits = nn.ModuleDict({"logits": nn.ModuleDict(heads)})

    def forward(self, image: Tensor, trimap: Tensor) -> tuple[Tensor, Tensor | None]:
        """image: [N, 3, H, W] RGB display colour, 0..1; trimap: [N, 1, H, W], 0, 128/255, 1.

        -> alpha [N, 1, H, W], 0..1; foreground RGB [N, 3, H, W], about 0..1 and not clipped, or None.
        """
        x = 2 * torch.cat((image, trimap), 1) - 1
        context, context_features = self.comp["encoder"](x)
        context = self._decode(self.comp, "seg", context, context_features[1])
        context = F.relu(self.comp_proj["comp_proj_1"](context))
        detail, features = self.patch["encoder"](x)
        joined = torch.cat((detail, at_size_of(detail, context)), 1)
        features = [*features, x]
        alpha = self._head("mat", self._decode(self.patch, "mat", joined, features))
        if not self.foreground:
            return torch.sigmoid(alpha), None
        colour = self._head("seg", self._decode(self.patch, "seg", joined, features))
        return torch.sigmoid(alpha), colour

    @staticmethod
    def _decode(half: nn.ModuleDict, branch: str, x: Tensor, features: Tensor | list[Tensor]) -> Tensor:
        y: Tensor = half.get_submodule(f"{branch}_decoder.decoder")(x, features)
        return y

    def _head(self, branch: str, x: Tensor) -> Tensor:
        y: Tensor = self.logits.get_submodule(f"logits.patch_{branch}_logits_4")(x)
        return y


# The last part of a TensorFlow name, and what it is called here.
ENDINGS = {
    "weights": "conv.weight",
    "depthwise_weights": "conv.weight",
    "biases": "conv.bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def from_tensorflow(variables: Mapping[str, npt.NDArray[np.floating]]) -> dict[str, Tensor]:
    """A state_dict from the arrays of the published checkpoint, by their TensorFlow names.

    The step counter and what an optimiser left are passed over.
    """
    state = {}
    for name, array in variables.items():
        scope, _, last = name.rpartition("/")
        if last not in ENDINGS:
            continue
        key = f"{scope}/{ENDINGS[last]}".replace("BatchNorm", "bn").replace("/", ".")
        # [kh, kw, in, out] turns to [out, in, kh, kw]; a depthwise [kh, kw, C, 1] to [C, 1, kh, kw].
        axes = {"weights": (3, 2, 0, 1), "depthwise_weights": (2, 3, 0, 1)}.get(last)
        turned = array if axes is None else array.transpose(axes)
        state[key] = torch.from_numpy(np.array(turned, np.float32))
    return state


def build(foreground: bool = True) -> ContextAware:
    """foreground: False for weights without the colour branch (`lap`, `lap_fea_da`)."""
    return ContextAware(foreground)
