"""Which scenes a step sees: drawn by a process of their own on a CPU, on the GPU itself where there is one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from seqmatte.training.course import Course
from seqmatte.training.scenes import Clips, shoot
from seqmatte.training.textures import Dice


@dataclass(frozen=True)
class Order:
    """seed: of the run. shown: how often a batch is shown. larger: times the course's clips in a batch.

    rank, world: this process among those that share. folder: where shots that take long to make are kept.
    """

    seed: int
    shown: int
    larger: int = 1
    rank: int = 0
    world: int = 1
    folder: Path = Path()


class Shoots(Dataset[Clips]):
    """Batch number -> clips, drawn in the loader's process."""

    def __init__(self, course: Course, order: Order, device: torch.device | None = None) -> None:
        self.course, self.order, self.device = course, order, device

    def __getitem__(self, number: int) -> Clips:
        stage = self.course.stage_at(number * self.order.shown)
        shape = stage.rounds[number % len(stage.rounds)]
        turn = number * self.order.world + self.order.rank
        seed = self.order.seed * 10_000_019
        if self.course.pool is not None:
            from seqmatte.training.walks import pooled

            larger = replace(shape, count=shape.count * self.order.larger)
            return pooled(self.course.pool, self.order.folder / "walks", seed, turn, larger)
        return shoot(seed + turn, shape.count * self.order.larger, shape.frames, shape.size, self.device)


def batches(course: Course, order: Order, step: int, device: torch.device) -> Iterator[Clips]:
    """Clips of every step from `step` on; on a GPU drawn there, on a CPU by one more process.

    What is cut out of a pool is cut here: that is soon done, and the methods that walk a pool's shots keep threads,
    which a process that is forked off would wait for in vain.
    """
    numbers = range(step // order.shown, -(-course.steps // order.shown))
    if device.type == "cuda" or course.pool is not None:
        there = Shoots(course, order, device)
        loader: Any = (there[number] for number in numbers)
    else:
        loader = DataLoader(
            Shoots(course, order),
            batch_size=None,
            sampler=list(numbers),
            num_workers=1,
            prefetch_factor=3,
            worker_init_fn=_modest,
        )
    for number, clips in zip(numbers, loader, strict=True):
        for showing in range(order.shown):
            if number * order.shown + showing >= step:
                yield laid_out(turned(clips, number, showing), device)


def _modest(_: int) -> None:
    torch.set_num_threads(1)
    os.nice(3)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the loop tells the loader when to end


def turned(clips: Clips, number: int, showing: int) -> Clips:
    """The clips as they are the first time; then mirrored, in other colours, and backwards where the subject stays."""
    if showing == 0:
        return clips
    dice = Dice(number * 8 + showing, torch.device("cpu"))
    order = torch.randperm(3, generator=dice.generator)
    stays = clips.alpha[:, -1].mean((1, 2, 3)) > 0.5 * clips.alpha[:, 0].mean((1, 2, 3))
    back = (stays & dice.chance(0.7, len(stays)).to(stays.device)).view(-1, 1, 1, 1, 1)

    def changed(x: Tensor) -> Tensor:
        if x.dim() != 5:  # guides, which are drawn on a frame, and constants
            return x.flip(3) if x.dim() == 4 else x
        x = torch.where(back, x.flip(1), x).flip(4)
        return x[:, :, order] if x.shape[2] == 3 else x

    made = clips.each(changed)
    first, last = made.guide, made.last_guide
    way = back[:, :, 0]
    guides = {"guide": torch.where(way, last, first), "last_guide": torch.where(way, first, last)}
    return replace(made, **guides).backwards(way)


def laid_out(clips: Clips, device: torch.device) -> Clips:
    return clips.each(lambda x: x.to(device, non_blocking=True))


def unseen(course: Course, seed: int, folder: Path) -> Clips:
    """The shots that a course is examined on."""
    shape = course.check
    if course.pool is None:
        return shoot(seed, shape.count, shape.frames, shape.size)
    from seqmatte.training.walks import kept, shipped_memory, walked

    size = (shape.count, shape.frames, shape.size)
    return kept(folder / "walks" / "unseen.pt", lambda: walked(shipped_memory(), seed, *size)).each(Tensor.float)
