"""Knobs drawn from the one declaration of recipes and options, seqlink/methods.json."""

from __future__ import annotations

import json
import os
from typing import Any

import nuke
import seqlink

AUTO = "auto"


def document() -> dict[str, Any]:
    """Recipes and methods with their options; from a running engine where the generated file is missing.

    Raises WorkerError where there is neither.
    """
    path = os.path.join(os.path.dirname(seqlink.__file__), "methods.json")
    try:
        with open(path, encoding="utf-8") as stream:
            return dict(json.load(stream))
    except FileNotFoundError:
        from . import session  # it needs the node, which needs this

        return dict(session.worker().ask("methods"))


def recipes(declared: dict[str, Any]) -> list[str]:
    return [AUTO, *(recipe["name"] for recipe in declared["recipes"])]


def add_options(node: nuke.Node, declared: dict[str, Any]) -> None:
    """A folded group of knobs for each method that has options."""
    for method in declared["methods"]:
        if not method["params"]:
            continue
        head = nuke.Tab_Knob(f"options_{method['name']}", _words(method["name"]), nuke.TABBEGINCLOSEDGROUP)
        head.setTooltip(method["summary"])
        node.addKnob(head)
        for option in method["params"]:
            node.addKnob(_knob(method["name"], option))
        node.addKnob(nuke.Tab_Knob(f"end_{method['name']}", "", nuke.TABENDGROUP))


def values(node: nuke.Node, declared: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The options that differ from their defaults, by method: what a Shot carries."""
    found: dict[str, dict[str, Any]] = {}
    for method in declared["methods"]:
        for option in method["params"]:
            knob = node.knob(knob_name(method["name"], option["name"]))
            value = option["default"] if knob is None else _value(knob, option)
            if value != option["default"]:
                found.setdefault(method["name"], {})[option["name"]] = value
    return found


def knob_name(method: str, option: str) -> str:
    return f"{method}__{option}"


def _knob(method: str, option: dict[str, Any]) -> nuke.Knob:
    name, label = knob_name(method, option["name"]), option["label"] or _words(option["name"])
    knob: Any
    if option["choices"]:
        knob = nuke.Enumeration_Knob(name, label, list(option["choices"]))
    elif option["type"] == "bool":
        knob = nuke.Boolean_Knob(name, label)
        knob.setFlag(nuke.STARTLINE)
    elif option["type"] == "int":
        knob = nuke.Int_Knob(name, label)
    elif option["type"] == "float":
        knob = nuke.Double_Knob(name, label)
        if option["low"] is not None and option["high"] is not None:
            knob.setRange(option["low"], option["high"])
    else:
        knob = nuke.String_Knob(name, label)
    knob.setValue(option["default"])
    knob.setTooltip(option["help"] + (f" Unit: {option['unit']}." if option["unit"] else ""))
    return knob  # type: ignore[no-any-return]


def _value(knob: nuke.Knob, option: dict[str, Any]) -> Any:
    value = knob.value()
    kinds = {"bool": bool, "int": int, "float": float}
    return kinds.get(option["type"], str)(value)


def _words(name: str) -> str:
    return name.replace("_", " ")
