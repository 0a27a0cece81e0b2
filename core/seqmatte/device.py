"""Where tensors live and how exactly they are computed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqmatte.errors import DeviceError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Device:
    """kind: "auto" (a GPU where there is one), "cpu" or "cuda" ("cuda:1" for the second).

    Raises DeviceError, when made, for any other word; whether there is such a GPU is found out by `torch`.
    """

    kind: str = "auto"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", self.kind):
            raise DeviceError(f"no such device: {self.kind!r}; use auto, cpu or cuda, or cuda:1 for the second GPU")

    @property
    def number(self) -> int:
        """Which GPU: 0 where none is named."""
        return int(self.kind.partition(":")[2] or 0)

    def torch(self) -> torch.device:
        """The torch device. Raises DeviceError where a GPU was asked for that is not there."""
        import torch

        found = torch.cuda.is_available()
        if self.kind == "auto":
            return torch.device("cuda" if found else "cpu")
        if self.kind == "cpu":
            return torch.device("cpu")
        if not found:
            raise DeviceError("a CUDA device was asked for and torch finds none; use --device cpu or auto")
        there = torch.cuda.device_count()
        if self.number >= there:
            known = "cuda:0" if there == 1 else f"cuda:0 to cuda:{there - 1}"
            raise DeviceError(f"there is no {self.kind} on this machine; there is {known}")
        return torch.device("cuda", self.number) if ":" in self.kind else torch.device("cuda")

    def name(self) -> str:
        """What to call it in a report."""
        import torch

        device = self.torch()
        return str(torch.cuda.get_device_name(device)) if device.type == "cuda" else "cpu"
