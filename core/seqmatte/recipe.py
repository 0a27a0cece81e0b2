"""Recipes: which methods, in which order; and whether they fit each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from seqlink import Shot
from seqlink.params import parse
from seqmatte import methods
from seqmatte.errors import RecipeError, ShotError
from seqmatte.method import Method

SOURCES = ("plate", "guide", "clean")


@dataclass(frozen=True)
class Recipe:
    """steps: method names, later ones reading what earlier ones make; the last makes the matte."""

    name: str
    steps: tuple[str, ...]
    summary: str


RECIPES: Mapping[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "flow-closed-form",
            ("guide_flow", "closed_form", "refine"),
            "Weight-free: optical flow with a memory of the guided frames, closed form, any subject.",
        ),
    )
}


def names() -> tuple[str, ...]:
    """Every recipe, "auto" first."""
    return ("auto", *RECIPES)


def resolve(shot: Shot) -> Recipe:
    """The recipe a shot asks for; "auto" is what measured best for the guides given.

    Raises RecipeError which lists the recipes there are.
    """
    name = automatic(shot) if shot.recipe == "auto" else shot.recipe
    if name not in RECIPES:
        raise RecipeError(f"no recipe {name!r}; available: {', '.join(names())}", field="recipe")
    return RECIPES[name]


def automatic(shot: Shot) -> str:
    """The recipe that "auto" stands for."""
    return "flow-closed-form"


def build(shot: Shot) -> list[Method]:
    """The methods of the shot's recipe with their parameters, not yet opened.

    Raises RecipeError when they do not fit, ShotError when a parameter is wrong.
    """
    recipe = resolve(shot)
    _refuse_strange_params(shot)
    made = [_method(name, shot) for name in recipe.steps]
    _check(recipe, made)
    return made


@cache
def method_class(name: str) -> Any:
    """The class of a method by name. Imports its file, never torch."""
    if name not in methods.TABLE:
        raise RecipeError(f"no method {name!r}; available: {', '.join(methods.TABLE)}")
    module, _, attribute = methods.TABLE[name].partition(":")
    return getattr(import_module(module), attribute)


def _method(name: str, shot: Shot) -> Method:
    kind = method_class(name)
    try:
        params = parse(kind.Params, shot.params.get(name, {}), name)
    except ValueError as error:
        raise ShotError(str(error), field="params") from None
    made: Method = kind(params)
    return made


def _refuse_strange_params(shot: Shot) -> None:
    for name in shot.params:
        if name not in methods.TABLE:
            known = ", ".join(sorted(methods.TABLE))
            raise ShotError(f"params.{name}: no such method; available: {known}", field="params")


def _check(recipe: Recipe, made: list[Method]) -> None:
    there = set(SOURCES)
    for method in made:
        for read in method.reads:
            if read.layer not in there:
                raise RecipeError(f"recipe {recipe.name}: {method.name} reads {read.layer!r}, which nobody makes")
        if method.makes in there:
            raise RecipeError(f"recipe {recipe.name}: two methods make {method.makes!r}")
        there.add(method.makes)
