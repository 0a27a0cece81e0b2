"""What is trained and on what: for each network its lesson (clips to a loss), its examination and its stages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from seqmatte.networks import hstsg_compact, refiner
from seqmatte.training import losses
from seqmatte.training.degrade import coarse_alpha
from seqmatte.training.scenes import Clips
from seqmatte.training.unroll import over_clips

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
    """steps: how many. rate: Adam's. rounds: shapes of batches, taken in turn. data: what the paper had instead."""

    steps: int
    rate: float
    rounds: tuple[Round, ...]
    data: str = ""


@dataclass(frozen=True)
class Course:
    """A network and how it is taught. parts: a lesson's losses are summed by the names' weights."""

    build: Callable[[], nn.Module]
    lesson: Lesson
    run: Run
    weights: dict[str, float]
    stages: tuple[Stage, ...]
    check: Round

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
        """The same course with its last stage made to end after `steps` steps in all."""
        before = sum(stage.steps for stage in self.stages[:-1])
        last = replace(self.stages[-1], steps=max(steps - before, 1))
        return replace(self, stages=(*self.stages[:-1], last))


def propagation_lesson(network: nn.Module, clips: Clips, step: int) -> Parts:
    """HSTSG-compact: every frame of the clip from the first one's guide, one clip batch in five from both ends."""
    assert isinstance(network, hstsg_compact.HstsgCompact)
    two_sided = step % 5 == 4
    mattes = over_clips(network, clips.plate, clips.guide, clips.last_guide if two_sided else None)
    alpha = torch.stack([matte.alpha for matte in mattes], 1)
    share = losses.hardest_share(step, 600, 3000, least=0.25)
    each = [
        {
            "memory": losses.memory(m.coarse_logits, m.moved, truth),
            "mask": losses.bootstrapped(m.mask_logits, truth, share),
            "doubt": losses.doubt(m.doubt_logits, m.alpha, truth),
        }
        for m, truth in zip(mattes, clips.alpha.unbind(1), strict=True)
    ]
    parts = {name: torch.stack([e[name] for e in each]).mean() for name in each[0]}
    return parts | _alpha_parts(alpha, clips) | {"temporal": losses.temporal(alpha, clips.alpha)}


def refiner_lesson(network: nn.Module, clips: Clips, step: int) -> Parts:
    """The refiner: true alpha spoilt as propagation, compact output and closed form spoil it, made good in the band."""
    plate, truth = clips.plate.flatten(0, 1), clips.alpha.flatten(0, 1)
    coarse, band = coarse_alpha(truth, plate, seed=step)
    alpha = network(plate, coarse, band)
    return _alpha_parts(alpha.view_as(clips.alpha), clips)


def _alpha_parts(alpha: Tensor, clips: Clips) -> Parts:
    return {
        "alpha": losses.alpha_l1(alpha, clips.alpha),
        "laplacian": losses.laplacian(alpha, clips.alpha),
        "composition": losses.composition(alpha, clips.alpha, clips.foreground, clips.background),
        "gradient": losses.gradient(alpha, clips.alpha),
    }


def run_propagation(network: nn.Module, clips: Clips) -> Tensor:
    """Alphas [B, T, 1, H, W] from the first frame's guide alone."""
    assert isinstance(network, hstsg_compact.HstsgCompact)
    return torch.stack([m.alpha for m in over_clips(network, clips.plate, clips.guide)], 1)


def run_refiner(network: nn.Module, clips: Clips) -> Tensor:
    """Alphas [B, T, 1, H, W] from spoilt ones, the same for the same clips."""
    plate, truth = clips.plate.flatten(0, 1), clips.alpha.flatten(0, 1)
    coarse, band = coarse_alpha(truth, plate, seed=1)
    alpha: Tensor = network(plate, coarse, band)
    return alpha.view_as(clips.alpha)


_ALPHA = {"alpha": 1.0, "laplacian": 1.0, "composition": 1.0, "gradient": 0.5}
_SMALL = (Round(160, 4, 8), Round(160, 4, 8), Round(224, 4, 4), Round(160, 6, 5))

COURSES = {
    "hstsg-compact": Course(
        hstsg_compact.build,
        propagation_lesson,
        run_propagation,
        {**_ALPHA, "temporal": 5.0, "memory": 0.3, "mask": 0.3, "doubt": 0.1},
        (Stage(6000, 1e-3, _SMALL, "VideoMatting108 and DVM"),),
        Round(160, 6, 24),
    ),
    "refiner": Course(
        refiner.build,
        refiner_lesson,
        run_refiner,
        _ALPHA,
        (Stage(3000, 1e-3, (Round(192, 2, 8),), "no paper; ours"),),
        Round(192, 2, 24),
    ),
}
