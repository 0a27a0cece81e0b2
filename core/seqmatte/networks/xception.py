"""Xception-65 as Context-Aware Matting's encoders have it (Chollet, CVPR 2017, as DeepLab changed it).

Named as TensorFlow's weights are, which `context_aware` reads.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Norm(nn.Module):
    """Batch norm with TensorFlow's four arrays: it does not count batches, and its epsilon is given."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] of any size."""
        arrays = (self.running_mean, self.running_var, self.weight, self.bias)
        return F.batch_norm(x, *arrays, self.training, 0.1, self.epsilon)


class Unit(nn.Module):
    """A convolution that keeps the size (or halves it, rounded up), its norm, and ReLU where asked."""

    def __init__(
        self,
        into: int,
        out: int,
        kernel: int,
        stride: int = 1,
        dilation: int = 1,
        each: bool = False,
        rectify: bool = True,
        epsilon: float = 1e-5,
    ) -> None:
        """each: one filter per channel, as a depthwise convolution has it."""
        super().__init__()
        groups = into if each else 1
        padding = kernel // 2 * dilation
        self.conv = nn.Conv2d(into, out, kernel, stride, padding, dilation, groups, bias=False)
        self.bn = Norm(out, epsilon)
        self.rectify = rectify

    def forward(self, x: Tensor) -> Tensor:
        """[N, into, H, W] -> [N, out, H', W']."""
        y: Tensor = self.bn(self.conv(x))
        return F.relu(y) if self.rectify else y


class Head(nn.Module):
    """A convolution with bias and without norm."""

    def __init__(self, into: int, out: int, kernel: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(into, out, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        """[N, into, H, W] -> [N, out, H, W]."""
        y: Tensor = self.conv(x)
        return y


class XceptionModule(nn.Module):
    """Three separable convolutions and a shortcut (Chollet, Xception, figure 5, as DeepLab changed it).

    The last one carries the stride. shortcut: "conv", "sum" or "none". after: ReLU behind both halves of each
    separable convolution, not in front of it.
    """

    def __init__(
        self, into: int, depths: tuple[int, int, int], shortcut: str, stride: int, dilation: int, after: bool
    ) -> None:
        super().__init__()
        self.kind, self.after = shortcut, after
        width = into
        for index, depth in enumerate(depths, 1):
            step = stride if index == 3 else 1
            wide = Unit(width, width, 3, step, dilation, each=True, rectify=after, epsilon=1e-3)
            self.add_module(f"separable_conv{index}_depthwise", wide)
            deep = Unit(width, depth, 1, rectify=after, epsilon=1e-3)
            self.add_module(f"separable_conv{index}_pointwise", deep)
            width = depth
        if shortcut == "conv":
            self.shortcut = Unit(into, width, 1, stride, rectify=False, epsilon=1e-3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[N, into, H, W] -> [N, depth, H/stride, W/stride]; the second convolution's result, for decoders."""
        y, second = x, x
        for index in (1, 2, 3):
            y = y if self.after else F.relu(y)
            y = self.get_submodule(f"separable_conv{index}_depthwise")(y)
            y = self.get_submodule(f"separable_conv{index}_pointwise")(y)
            second = y if index == 2 else second
        if self.kind == "conv":
            y = y + self.shortcut(x)
        return (y + x if self.kind == "sum" else y), second


def _block(*modules: XceptionModule) -> nn.ModuleDict:
    units = {f"unit_{i}": nn.ModuleDict({"xception_module": module}) for i, module in enumerate(modules, 1)}
    return nn.ModuleDict(units)


class Xception65(nn.Module):
    """The backbone. Once `stride` is reached, later strides become dilations."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        two, rates = (2, (1, 1, 1, 1, 2)) if stride == 16 else (1, (1, 2, 4, 4, 8))
        self.entry_flow = nn.ModuleDict(
            {
                "conv1_1": Unit(4, 32, 3, 2, epsilon=1e-3),
                "conv1_2": Unit(32, 64, 3, epsilon=1e-3),
                "block1": _block(XceptionModule(64, (128, 128, 128), "conv", 2, 1, False)),
                "block2": _block(XceptionModule(128, (256, 256, 256), "conv", two, rates[0], False)),
                "block3": _block(XceptionModule(256, (728, 728, 728), "conv", two, rates[1], False)),
            }
        )
        middle = [XceptionModule(728, (728, 728, 728), "sum", 1, rates[2], False) for _ in range(16)]
        self.middle_flow = nn.ModuleDict({"block1": _block(*middle)})
        self.exit_flow = nn.ModuleDict(
            {
                "block1": _block(XceptionModule(728, (728, 1024, 1024), "conv", 1, rates[3], False)),
                "block2": _block(XceptionModule(1024, (1536, 1536, 2048), "none", 1, rates[4], True)),
            }
        )

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """[N, 4, H, W], -1..1 -> [N, 2048, h, w]; entry blocks' second convolutions: 728, 256, 128 channels."""
        x = self.entry_flow["conv1_2"](self.entry_flow["conv1_1"](x))
        seconds = []
        for flow in (self.entry_flow, self.middle_flow, self.exit_flow):
            for name, block in flow.items():
                if not name.startswith("block"):
                    continue
                for unit in block.children():
                    x, second = unit.get_submodule("xception_module")(x)
                    seconds.append(second)
        return x, seconds[2::-1]
