"""The courses: for each network its lesson, its weights of losses, and its stages as its paper has them.

We have none of the papers' data: `data` says what a stage's scenes stand for. The loop's optimiser is AdamW with a
level rate and a cosine at the end, whatever the paper's was; rates and lengths are the papers'. Shapes are for one
large GPU; `rounds` are taken in turn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import nn

from seqmatte.training import lessons, zoo
from seqmatte.training.course import Course, Lesson, Pool, Round, Stage

_ALPHA = {"alpha": 1.0, "laplacian": 1.0, "composition": 1.0, "gradient": 0.5}
_SMALL = (Round(160, 4, 8), Round(160, 4, 8), Round(224, 4, 4), Round(160, 6, 5))
_LARGE = (Round(160, 14, 2), Round(384, 6, 1), Round(256, 12, 1), Round(512, 4, 1), Round(320, 8, 1))
_LONGER = (Round(160, 20, 1), Round(256, 9, 1), Round(320, 6, 1), Round(160, 8, 2), Round(224, 14, 1), Round(384, 5, 1))
_LONG = (Round(160, 5, 4), Round(160, 14, 2), Round(320, 6, 1), Round(160, 9, 3), Round(384, 5, 1))


def _built(name: str, **variant: object) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        from seqmatte import networks

        return networks.build(name, **variant)

    return build


def _paper(
    name: str, lesson: Lesson, weights: dict[str, float], *stages: Stage, frozen: bool = False, **variant: object
) -> Course:
    shape = stages[0].rounds[0]
    check = Round(min(shape.size, 256), shape.frames, 2)
    taken = tuple(replace(stage, frozen_norms=frozen) for stage in stages)
    return Course(_built(name, **variant), lesson, weights, taken, check)


def _stage(steps: int, rate: float, size: int, frames: int, count: int, data: str) -> Stage:
    return Stage(steps, rate, (Round(size, frames, count),), data)


_COLOUR = {"temporal": 5.0, "colour_temporal": 5.0}
_TCVOM = {"coherence": 0.5, "attention": 0.25}
_STCN = "static images, BL30K, DAVIS and YouTube-VOS"

COURSES = {
    "hstsg-compact": Course(
        _built("hstsg-compact"),
        lessons.propagation_lesson,
        {**_ALPHA, "temporal": 5.0, "memory": 0.3, "mask": 0.3, "doubt": 0.1},
        # The statistics of a walk's first frame and of its later ones differ, so norms that follow the batch do
        # better in training than in use; the second stage is taught as it is used.
        (
            Stage(2000, 1e-3, _SMALL, "VideoMatting108 and DVM"),
            Stage(15_200, 7e-4, _LONG, "VideoMatting108 and DVM", frozen_norms=True),
            Stage(3000, 5e-4, _LARGE, "VideoMatting108 and DVM", frozen_norms=True),
            Stage(2300, 3.5e-4, _LONGER, "VideoMatting108 and DVM", frozen_norms=True),
        ),
        Round(160, 6, 24),
        lessons.run_propagation,
    ),
    "refiner": Course(
        _built("refiner"),
        lessons.refiner_lesson,
        {**_ALPHA, "alpha": 2.0, "temporal": 6.0},
        (Stage(6000, 7e-4, (Round(160, 3, 8),), "no paper; ours"),),
        Round(160, 6, 24),
        lessons.run_refiner,
        Pool((Round(224, 8, 4), Round(320, 6, 4), Round(448, 4, 4)), 120),
    ),
    "rvm": _paper(
        "rvm",
        zoo.recurrent,
        _COLOUR,
        _stage(400_000, 1e-4, 512, 15, 4, "VideoMatte240K SD"),
        _stage(40_000, 5e-5, 512, 50, 4, "VideoMatte240K SD"),
        _stage(20_000, 1e-5, 768, 6, 4, "VideoMatte240K HD"),
        _stage(100_000, 1e-5, 512, 40, 4, "Distinctions-646 and AIM"),
    ),
    "amm": _paper(
        "amm",
        zoo.recurrent,
        {"temporal": 1.0, "colour_temporal": 1.0},
        _stage(50_000, 1e-4, 512, 2, 4, "AISegment and AIM; the paper has single images"),
        _stage(200_000, 1e-4, 512, 7, 4, "VideoMatte240K and VideoMatting108"),
    ),
    "context_motion": _paper(
        "context_motion",
        zoo.context_motion,
        {"colour": 0.1},
        _stage(300_000, 1e-4, 384, 3, 4, "VideoMatte240K SD"),
        frozen=True,
    ),
    "bgm1": _paper("bgm1", zoo.clean_plate_1, {}, _stage(400_000, 1e-4, 512, 2, 4, "Composition-1k, supervised stage")),
    "bgm2": _paper(
        "bgm2",
        zoo.clean_plate_2,
        {},
        _stage(300_000, 1e-4, 512, 2, 8, "VideoMatte240K, PhotoMatte13K, Distinctions-646"),
    ),
    "dim": _paper("dim", zoo.trimap_image("dim"), {}, _stage(500_000, 1e-5, 320, 2, 4, "Composition-1k")),
    "gca": _paper("gca", zoo.trimap_image("gca"), {}, _stage(200_000, 4e-4, 512, 2, 20, "Composition-1k")),
    "fba": _paper("fba", zoo.trimap_image("fba"), {}, _stage(900_000, 1e-5, 512, 2, 1, "Composition-1k"), frozen=True),
    "context_aware": _paper(
        "context_aware", zoo.trimap_image("context_aware"), {}, _stage(500_000, 1e-4, 320, 2, 4, "Composition-1k")
    ),
    "tcvom": _paper(
        "tcvom",
        zoo.trimap_video("gca"),
        _TCVOM,
        _stage(80_000, 4e-4, 512, 3, 10, "Composition-1k moved by small affine steps"),
        _stage(100_000, 1e-4, 512, 5, 6, "VideoMatting108"),
    ),
    "tgm": _paper("tgm", zoo.shares, {}, _stage(150_000, 1e-5, 384, 3, 4, "VideoMatting108"), frozen=True),
    "dvm": _paper("dvm", zoo.aggregated_video, {}, _stage(300_000, 5e-5, 320, 4, 4, "DVM and Composition-1k")),
    "stcn": _paper("stcn", zoo.masks, {}, _stage(300_000, 1e-5, 384, 3, 8, _STCN), frozen=True),
    "hmmn": _paper("hmmn", zoo.matched_masks, {}, _stage(300_000, 1e-5, 384, 3, 4, _STCN), frozen=True),
    "hstsg": _paper(
        "hstsg",
        zoo.hierarchical,
        {"temporal": 5.0},
        _stage(150_000, 1e-5, 512, 3, 4, "Composition-1k moved by random affine steps"),
        _stage(150_000, 1e-5, 512, 5, 4, "VideoMatting108 and DVM"),
        frozen=True,
    ),
}
