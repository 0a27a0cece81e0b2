"""Planes and light laid out on a device, and the opening of methods that have no network to load there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from seqmatte.device import Device
from seqmatte.encoding import HALF_MAX
from seqmatte.layer import Layer
from seqmatte.method import as_planes

if TYPE_CHECKING:
    import torch
    from torch import Tensor


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
    """A scene-linear plate's R, G, B there, 3 x H x W; light beyond what half can hold would overflow in squares."""
    return tensor(as_planes(plate, "R", "G", "B")[0], device).clamp(-HALF_MAX, HALF_MAX)
