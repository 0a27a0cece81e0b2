"""ImageNet's statistics, which networks that began with its weights take out of their pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

# Of RGB 0..1, display colour.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def normalised(picture: Tensor) -> Tensor:
    """[..., 3, H, W] of 0..1 with zero mean and unit deviation."""
    mean, deviation = (picture.new_tensor(values).view(3, 1, 1) for values in (MEAN, DEVIATION))
    return (picture - mean) / deviation
