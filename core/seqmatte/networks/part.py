"""One call of a network with everything by name: the unit that runtimes run and that is written as ONNX."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

Options = Mapping[str, Any]
Call = Callable[..., Sequence[Tensor]]


class Part(nn.Module):
    """A call with its tensors' names. example: arguments to try it with at a size.

    open_axes: how many of a tensor's last axes may have any length (never the first two, but for `rows`).
    rows: inputs whose first axis, a row a target, may have any length too.
    """

    def __init__(
        self,
        network: nn.Module,
        call: Call,
        inputs: Sequence[str],
        outputs: Sequence[str],
        example: Callable[[int, int], Sequence[Tensor]],
        open_axes: int = 2,
        rows: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.open_axes, self.rows = open_axes, tuple(rows)
        self.network, self.call, self.example = network, call, example
        self.inputs, self.outputs = tuple(inputs), tuple(outputs)

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Tensors in the order of `inputs` -> tensors in the order of `outputs`."""
        return tuple(self.call(*tensors))

    def free(self, name: str, axes: int) -> list[int]:
        """Which axes of an input with so many may have any length."""
        first = [0] if name in self.rows else []
        return first + list(range(max(2, axes - self.open_axes), axes))
