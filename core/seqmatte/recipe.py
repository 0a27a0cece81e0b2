"""Recipes: which methods, in which order; and whether they fit each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from seqlink import Shot
from seqlink.params import parse
from seqmatte import methods, weights
from seqmatte.errors import RecipeError, ShotError, WeightsError
from seqmatte.method import Method
from seqmatte.methods.networked import Networked
from seqmatte.runtime import RUNTIMES

SOURCES = ("plate", "guide", "clean")
# What measured best, and what needs no weights.
BEST, WEIGHT_FREE = "combined", "flow-closed-form"


@dataclass(frozen=True)
class Recipe:
    """steps: method names, later ones reading what earlier ones make; the last makes the matte.

    "closed_form as solved": what the method makes goes by that name, so that another may make an "alpha" of it.
    """

    name: str
    steps: tuple[str, ...]
    summary: str

    @property
    def methods(self) -> tuple[str, ...]:
        return tuple(step.partition(" as ")[0] for step in self.steps)


RECIPES: Mapping[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "flow-closed-form",
            ("guide_flow", "closed_form", "refine"),
            "Weight-free: optical flow with a memory of the guided frames, closed form, any subject.",
        ),
        Recipe(
            "hstsg-compact",
            ("hstsg_compact", "edge_snap", "camera", "refine"),
            "Our own small network with a memory of guided and recent frames, snapped to edges; weights shipped.",
        ),
        Recipe(
            "combined",
            (
                "guide_flow",
                "closed_form as solved",
                "hstsg_compact",
                "edge_snap as snapped",
                "refiner",
                "camera",
                "refine",
            ),
            "Both of the above, weighed against each other pixel by pixel by our refiner; weights shipped.",
        ),
        Recipe(
            "flow-refiner",
            ("guide_flow", "closed_form as solved", "refiner", "camera", "refine"),
            "Optical flow and closed form, mended by our refiner alone: quicker than combined; weights shipped.",
        ),
        Recipe("flow-gca", ("guide_flow", "gca", "refine"), "Optical flow and GCA matting."),
        Recipe("flow-fba", ("guide_flow", "fba", "refine"), "Optical flow and FBA matting, with FBA's own foreground."),
        Recipe("flow-dim", ("guide_flow", "dim", "refine"), "Optical flow and Deep Image Matting."),
        Recipe(
            "flow-context-aware",
            ("guide_flow", "context_aware", "refine"),
            "Optical flow and Context-Aware Matting, with its own foreground.",
        ),
        Recipe("tcvom", ("guide_flow", "tcvom", "refine"), "Optical flow and TCVOM, which looks at both neighbours."),
        Recipe("hstsg", ("hstsg", "refine"), "HSTSG as published: masks in, no flow; needs weights of your own."),
        Recipe("rvm", ("rvm", "refine"), "People without a guide: Robust Video Matting."),
        Recipe("amm", ("amm", "refine"), "People without a guide: attention over the two frames before."),
        Recipe("context-motion", ("context_motion", "refine"), "Without a guide: context carried along optical flow."),
        Recipe("bgm1", ("guide_flow", "bgm1", "refine"), "With a clean plate and a rough guide: Background Matting."),
        Recipe("bgm2", ("bgm2", "refine"), "With a clean plate and no guide: Background Matting V2."),
    )
}


def names() -> tuple[str, ...]:
    """Every recipe, "auto" first."""
    return ("auto", *RECIPES)


def resolve(shot: Shot) -> Recipe:
    """The recipe a shot asks for; "auto" is what measured best for the guides given.

    Raises RecipeError which lists the recipes there are.
    """
    name = automatic(shot)[0] if shot.recipe == "auto" else shot.recipe
    if name not in RECIPES:
        raise RecipeError(f"no recipe {name!r}; available: {', '.join(names())}", field="recipe")
    return RECIPES[name]


def automatic(shot: Shot) -> tuple[str, str]:
    """The recipe that "auto" stands for; and where that is not the best one, why, as a sentence."""
    try:
        for name in RECIPES[BEST].methods:
            kind = method_class(name)
            if issubclass(kind, Networked) and kind.network not in shot.weights:
                weights.find(kind.network)
    except WeightsError as error:
        return WEIGHT_FREE, f"recipe {WEIGHT_FREE} instead of {BEST}: {error.message}"
    return BEST, ""


def build(shot: Shot) -> list[Method]:
    """The methods of the shot's recipe with their parameters, not yet opened.

    Raises RecipeError when they do not fit, ShotError when a parameter is wrong.
    """
    recipe = resolve(shot)
    _refuse_strange_params(shot)
    _refuse_strange_runtime(shot)
    made = [_method(name, shot) for name in recipe.steps]
    _without_what_nobody_makes(made)
    if shot.clean is not None or not getattr(made[-1].params, "stitched", 1.0):
        # Or frames all around would count for a matte, and be waited for, that does not look at them.
        made[-1].reads = tuple(read for read in made[-1].reads if read.layer != "camera")
    _check(recipe, made)
    return [method for method in made if method is made[-1] or _is_read(method, made)]


@cache
def method_class(name: str) -> Any:
    """The class of a method by name. Imports its file, never torch."""
    if name not in methods.TABLE:
        raise RecipeError(f"no method {name!r}; available: {', '.join(methods.TABLE)}")
    module, _, attribute = methods.TABLE[name].partition(":")
    return getattr(import_module(module), attribute)


def _method(step: str, shot: Shot) -> Method:
    name, _, layer = step.partition(" as ")
    kind = method_class(name)
    try:
        params = parse(kind.Params, shot.params.get(name, {}), name)
    except ValueError as error:
        raise ShotError(str(error), field="params") from None
    made: Method = kind(params)
    if layer:
        made.makes = layer
    if isinstance(made, Networked):
        made.weights = weights.find(made.network, made.variant, shot.weights.get(made.network))
        made.runtime = shot.runtime
    if getattr(kind, "needs_clean", False) and shot.clean is None:
        raise ShotError(
            f"{name} needs a clean plate and there is none; give it as --clean clean.####.exr", field="clean"
        )
    return made


def _refuse_strange_params(shot: Shot) -> None:
    for name in shot.params:
        if name not in methods.TABLE:
            known = ", ".join(sorted(methods.TABLE))
            raise ShotError(f"params.{name}: no such method; available: {known}", field="params")


def _refuse_strange_runtime(shot: Shot) -> None:
    if shot.runtime not in RUNTIMES:
        raise ShotError(f"no runtime {shot.runtime!r}; available: {', '.join(RUNTIMES)}", field="runtime")
    if shot.weights:
        classes = [method_class(name) for name in methods.TABLE]
        known = {kind.network for kind in classes if issubclass(kind, Networked)}
        for name in set(shot.weights) - known:
            listed = ", ".join(sorted(known))
            raise ShotError(f"weights.{name}: no method has this network; available: {listed}", field="weights")


def _without_what_nobody_makes(made: list[Method]) -> None:
    """Optional reads of layers that this recipe does not have are taken back, and those that stand in for one that it
    has."""
    there = {*SOURCES, *(method.makes for method in made)}
    for method in made:
        method.reads = tuple(
            read for read in method.reads if (not read.optional or read.layer in there) and read.instead_of not in there
        )


def _is_read(method: Method, made: list[Method]) -> bool:
    return any(read.layer == method.makes for other in made for read in other.reads)


def _check(recipe: Recipe, made: list[Method]) -> None:
    there = set(SOURCES)
    for method in made:
        for read in method.reads:
            if read.layer not in there:
                raise RecipeError(f"recipe {recipe.name}: {method.name} reads {read.layer!r}, which nobody makes")
        if method.makes in there:
            raise RecipeError(f"recipe {recipe.name}: two methods make {method.makes!r}")
        there.add(method.makes)
