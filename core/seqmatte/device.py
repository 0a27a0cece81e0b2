"""Where tensors live and how exactly they are computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqmatte.errors import DeviceError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Device:
    """kind: "auto" (a GPU where there is one), "cpu" or "cuda" ("cuda:1" for the second)."""

    kind: str = "auto"

    def torch(self) -> torch.device:
        """The torch device. Raises DeviceError where a GPU was asked for and there is none."""
        import torch

        found = torch.cuda.is_available()
        if self.kind == "auto":
            return torch.device("cuda" if found else "cpu")
        if self.kind == "cpu":
            return torch.device("cpu")
        if not self.kind.startswith("cuda"):
            raise DeviceError(f"no such device: {self.kind!r}; use auto, cpu or cuda")
        if not found:
            raise DeviceError("a CUDA device was asked for and torch finds none; use --device cpu or auto")
        return torch.device(self.kind)

    def name(self) -> str:
        """What to call it in a report."""
        import torch

        device = self.torch()
        return str(torch.cuda.get_device_name(device)) if device.type == "cuda" else "cpu"
