"""What a course of training is made of: rounds, stages, a lesson and its weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor, nn

from seqmatte.training.scenes import Clips

Parts = dict[str, Tensor]
Lesson = Callable[[nn.Module, Clips, int], Parts]
Run = Callable[[nn.Module, Clips], Tensor]


@dataclass(frozen=True)
class Round:
    """The shape of a batch of scenes: pixels square, frames, clips."""

    size: int
    frames: int
    count: int


@dataclass(frozen=True)
class Stage:
    """steps: how many. rate: Adam's. rounds: shapes of batches, taken in turn. data: what the paper had instead.

    frozen_norms: batch norms keep their statistics and use them, as inference does.
    """

    steps: int
    rate: float
    rounds: tuple[Round, ...]
    data: str = ""
    frozen_norms: bool = False


@dataclass(frozen=True)
class Pool:
    """Shots that take so long to make that they are kept in the run's folder, and shown again and again in parts.

    many: how many batches of them, of these shapes in turn.
    """

    rounds: tuple[Round, ...]
    many: int


@dataclass(frozen=True)
class Course:
    """A network and how it is taught.

    weights: of a lesson's losses in their sum; a name that is not there weighs 1. check: the shape of the unseen
    shots it is examined on. run: alphas of those shots, None where the network gives none (the lesson's loss is
    looked at instead). pool: what the shots are cut out of, where it is not drawn afresh for each step.
    """

    build: Callable[[], nn.Module]
    lesson: Lesson
    weights: dict[str, float]
    stages: tuple[Stage, ...]
    check: Round
    run: Run | None = None
    pool: Pool | None = None

    @property
    def steps(self) -> int:
        return sum(stage.steps for stage in self.stages)

    def stage_at(self, step: int) -> Stage:
        """The stage that a step, counted from 0, belongs to; the last one goes on for ever."""
        for stage in self.stages:
            if step < stage.steps:
                return stage
            step -= stage.steps
        return self.stages[-1]

    def shortened(self, steps: int) -> Course:
        """The same course made to end after `steps` steps in all: cut off, or its last stage made longer."""
        stages: list[Stage] = []
        for stage in self.stages:
            left = steps - sum(taken.steps for taken in stages)
            if left > 0:
                is_last = stage is self.stages[-1] or left < stage.steps
                stages.append(replace(stage, steps=left) if is_last else stage)
        return replace(self, stages=tuple(stages))
