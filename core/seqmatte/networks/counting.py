"""Parameters and multiply-accumulates of the networks, counted as their papers counted them.

The rule is that of the per-module counters of 2021 which the published tables used: a convolution or linear
layer counts its products, and one a result for a bias; a batch norm two an element; ReLU, ReLU6 and leaky ReLU
one an element; pooling one an element that it reads. Of squeeze and excitation only the convolutions count.
Hard swish, sigmoid, tanh, sums, resizes, attention products and guided filters do not count. In RVM and AMM the
decoder's doubling counts one an element that it makes.

Counting runs on torch's meta device: shapes only, no pixels, so that even 4K takes no time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from seqmatte import networks
from seqmatte.networks.examples import example
from seqmatte.networks.mobile_backbones import SqueezeExcitation

# torch makes ReLU6 of hardtanh; nothing else here uses that.
ACTIVATIONS = ("relu", "relu_", "hardtanh", "leaky_relu")
POOLINGS = ("max_pool2d", "avg_pool2d", "adaptive_avg_pool2d")


class Counter(TorchFunctionMode):
    """Adds up what is computed while it is entered: `macs` by the rule, `products` of convolutions alone."""

    def __init__(self, doubling: bool = False) -> None:
        super().__init__()
        self.doubling = doubling
        self.excited = False
        self.macs = self.products = 0

    def enter_gate(self) -> None:
        """From here on only convolutions count."""
        self.excited = True

    def leave_gate(self) -> None:
        """Everything counts again."""
        self.excited = False

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if name in ("conv2d", "conv_transpose2d", "linear"):
            bias = args[2] if len(args) > 2 else (kwargs or {}).get("bias")
            self._layer(name, made, args[0], args[1], bias)
        elif not self.excited:
            self._element(name, made, args, kwargs or {})
        return made

    def _layer(self, name: str, made: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None) -> None:
        # A transposed convolution spends its kernel on every element that it reads, the others on each they make.
        ends = x if name == "conv_transpose2d" else made
        products = ends.numel() * weight[0].numel()
        self.products += products
        self.macs += products + (0 if bias is None else made.numel())

    def _element(self, name: str, made: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        if name == "batch_norm":
            self.macs += 2 * made.numel()
        elif name in ACTIVATIONS:
            self.macs += made.numel()
        elif name in POOLINGS:
            self.macs += args[0].numel()
        elif name == "interpolate" and self.doubling and kwargs.get("scale_factor") == 2:
            self.macs += made.numel()


@dataclass(frozen=True)
class Figures:
    """parameters: how many numbers are learnt. gmacs: of one frame by the rule, in 1e9; convs: products alone."""

    parameters: int
    gmacs: float
    convs: float


@dataclass(frozen=True)
class Row:
    """One line of the table; published figures are in millions and in GMACs, None where the paper is silent."""

    title: str
    size: tuple[int, int]  # width, height
    figures: Figures
    published_parameters: float | None = None
    published_gmacs: float | None = None


Run = Callable[[Any], object]

# What the papers say: title -> millions of parameters, GMACs at 512 x 512.
PUBLISHED = {"rvm mobilenetv3": (3.75, 8.11), "amm": (3.89, 9.69), "bgm2 mobilenetv2 coarse": (4.99, 15.04)}

# Each network's first variant is what `networks.build(name)` gives.
VARIANTS: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "rvm": ({"backbone": "mobilenetv3"}, {"backbone": "resnet50"}),
    "bgm1": ({"part": "generator"},),
    "tcvom": tuple({"base": base} for base in ("gca", "dim", "index", "fba")),
    "context_motion": tuple({"encoder": encoder} for encoder in ("resnet50", "resnet18", "mobilenetv2")),
}

BGM2 = ("mobilenetv2", "resnet50", "resnet101")
# BackgroundMattingV2, table 3: size, coarse share, pixels mended, GMACs of the three backbones.
BGM2_FULL = (
    ((1920, 1080), 1 / 4, 80_000, (9.9, 34.3, 44.0)),
    ((3840, 2160), 1 / 8, 320_000, (17.0, 41.5, 51.2)),
)


def count(network: nn.Module, run: Run, doubling: bool = False) -> Figures:
    """What `run(network)` computes. doubling: whether the decoder's doubling counts (RVM, AMM)."""
    counter = Counter(doubling)
    gates = [part for part in network.modules() if isinstance(part, SqueezeExcitation)]
    hooks = [gate.register_forward_pre_hook(lambda *_: counter.enter_gate()) for gate in gates]
    hooks += [gate.register_forward_hook(lambda *_: counter.leave_gate()) for gate in gates]
    try:
        with torch.no_grad(), counter:
            run(network)
    finally:
        for hook in hooks:
            hook.remove()
    learnt = sum(parameter.numel() for parameter in network.parameters())
    return Figures(learnt, counter.macs / 1e9, counter.products / 1e9)


def table() -> Iterator[Row]:
    """Every network that can be built, in alphabetical order, a row a variant and size."""
    for name in networks.names():
        if name == "bgm2":
            yield from _bgm2_rows()
            continue
        for variant in VARIANTS.get(name, ({},)):
            title = " ".join((name, *(str(fact) for fact in variant.values())))
            yield Row(title, (512, 512), frame_figures(name, (512, 512), **variant), *PUBLISHED.get(title, ()))


def frame_figures(name: str, size: tuple[int, int], **variant: Any) -> Figures:
    """One frame of a network, with a past where it has one. size: width, height."""
    width, height = size
    with torch.device("meta"), torch.no_grad():
        network = networks.build(name, **variant)
        inputs = example(name, network, height, width)
        return count(network, lambda built: built(**inputs), doubling=name in ("rvm", "amm"))


def _bgm2_rows() -> Iterator[Row]:
    for backbone in BGM2:
        title = f"bgm2 {backbone} coarse"
        figures = frame_figures("bgm2", (512, 512), backbone=backbone, part="base")
        yield Row(title, (512, 512), figures, *PUBLISHED.get(title, ()))
    for size, detail, pixels, published in BGM2_FULL:
        for backbone, gmacs in zip(BGM2, published, strict=True):
            figures = bgm2_figures(backbone, size, detail, pixels)
            yield Row(f"bgm2 {backbone}", size, figures, None, gmacs)


def bgm2_figures(backbone: str, size: tuple[int, int], detail: float, pixels: int) -> Figures:
    """BackgroundMattingV2 as its paper counts it: so many pixels mended, without crops and resizes."""
    patches = pixels // 16

    def run(network: Any) -> object:
        small = torch.zeros(1, 3, int(size[1] * detail), int(size[0] * detail))
        mended = network.refiner.mended(torch.zeros(patches, 42, 8, 8), torch.zeros(patches, 6, 8, 8))
        return network.coarse(small, small), mended

    with torch.device("meta"):
        return count(networks.build("bgm2", backbone=backbone), run)
