"""What HSTSG sees in a frame, what it remembers of the frames before, and what a step of it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from seqmatte.networks.backbones import Features

Levels = tuple[Tensor, Tensor, Tensor]  # at 1/16, 1/8, 1/4


class Look(NamedTuple):
    """A frame as the key encoder sees it. keys: [1, 64, ., .] each; thin: [1, 512, H/16, W/16]."""

    keys: Levels
    thin: Tensor
    features: Features  # at 1/2, 1/4, 1/8, 1/16


@dataclass(frozen=True)
class Remembered:
    """One frame in memory. keys: [1, 64, ., .]; values: [K, 512 | 256 | 128, ., .] at 1/16, 1/8, 1/4."""

    keys: Levels
    values: Levels


@dataclass(frozen=True)
class Recent:
    """A frame lately read: its keys and raw readouts, and what is needed to decode it once more."""

    keys: Levels
    reads: Levels
    frame: Tensor | None = None
    look: Look | None = None


@dataclass(frozen=True)
class State:
    """guided: remembered for good. lately: frames t-2 and t-1, None where guided or not yet walked.

    recent: up to two frames lately read, the newest last.
    """

    guided: tuple[Remembered, ...]
    lately: tuple[Remembered | None, Remembered | None] = (None, None)
    recent: tuple[Recent, ...] = ()

    def memory(self) -> list[Remembered]:
        """The frames to read from."""
        return [*self.guided, *(frame for frame in self.lately if frame is not None)]


class Step(NamedTuple):
    """mask, alpha: [K, 1, H, W], 0..1. earlier: (mask, alpha) of t-1 and t-2 anew, newest first, if asked for.

    crossed: the readouts after cross-frame attention.
    """

    mask: Tensor
    alpha: Tensor
    state: State
    crossed: Levels
    earlier: tuple[tuple[Tensor, Tensor], ...] = ()
