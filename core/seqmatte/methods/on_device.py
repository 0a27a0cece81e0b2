"""Planes and light laid out on a device, and the opening of methods that have no network to load there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from seqmatte.device import Device
from seqmatte.layer import Layer
from seqmatte.method import as_planes

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# Light whose square float32 still holds, with room for sums of it.
_BRIGHTEST = 1e15


class OnDevice:
    """Opened on a device, nothing else."""

    device: torch.device

    def open(self, device: Device) -> None:
        self.device = device.torch()


def tensor(plane: npt.NDArray[Any], device: torch.device) -> Tensor:
    """The array there, in its own shape and kind of number."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(plane)).to(device)


def light(plate: Layer, device: torch.device) -> Tensor:
    """A scene-linear plate's R, G, B there, 3 x H x W, held to what float32 can square."""
    return tensor(as_planes(plate, "R", "G", "B")[0], device).clamp(-_BRIGHTEST, _BRIGHTEST)
