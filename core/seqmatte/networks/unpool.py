"""2x2 maxima, and putting values back where the maxima were (SegNet, Badrinarayanan et al.).

The same numbers as max pooling with indices and max unpooling, from parts that every runtime has and that
repeat exactly on a GPU.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

# Where in its 2x2 window each maximum was, [N, C, 4, H/2, W/2] boolean, and the size before pooling.
Places = tuple[Tensor, int, int]


def pooled(x: Tensor) -> tuple[Tensor, Places]:
    """[N, C, H, W] -> the maxima [N, C, H/2, W/2], sizes rounded down, and their places.

    Of equal values the first in reading order is the maximum: after a ReLU whole windows are zero, and where
    a value goes back to then depends on this.
    """
    height, width = x.shape[-2:]
    top = F.max_pool2d(x, 2, 2)
    even = x[..., : height // 2 * 2, : width // 2 * 2]
    corners = [even[..., row::2, column::2] == top for row in (0, 1) for column in (0, 1)]
    taken = corners[0]
    chosen = [taken]
    for corner in corners[1:]:
        chosen.append(corner & ~taken)
        taken = taken | corner
    return top, (torch.stack(chosen, 2), height, width)


def unpooled(x: Tensor, places: Places) -> Tensor:
    """[N, C, h, w] -> [N, C, H, W] of the size that was pooled: values at the places, zero elsewhere."""
    where, height, width = places
    spread = F.pixel_shuffle((x[:, :, None] * where).flatten(1, 2), 2)
    return F.pad(spread, (0, width - spread.shape[-1], 0, height - spread.shape[-2]))
