"""A network over clips, by the same calls as inference makes frame by frame."""

from __future__ import annotations

from torch import Tensor

from seqmatte.networks.hstsg_compact import HstsgCompact, Matte
from seqmatte.networks.remembered import Memory


def over_clips(network: HstsgCompact, plate: Tensor, guide: Tensor, last_guide: Tensor | None = None) -> list[Matte]:
    """A matte for each frame of clips [B, T, 3, H, W], from the guide planes [B, 4, H, W] of the first frame.

    With `last_guide` the last frame is in memory for good as well, as in a shot with two guides; its own matte is
    then that of a guided frame. What a frame remembers is its own predicted alpha, so drift is part of training.
    """
    frames = plate.shape[1]
    seen = network.encode(plate.flatten(0, 1))
    first, memory = network.begin_seen(seen.frame(0, frames), guide)
    mattes, last = [first], None
    if last_guide is not None:
        last, ending = network.begin_seen(seen.frame(frames - 1, frames), last_guide)
        memory = Memory(ending.guided + memory.guided)
    for frame in range(1, frames if last is None else frames - 1):
        matte, memory = network.step(seen.frame(frame, frames), memory)
        mattes.append(matte)
    return mattes if last is None else [*mattes, last]
