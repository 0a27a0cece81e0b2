# SPDX-License-Identifier: GPL-3.0-or-later
"""What the artist chooses, stored in the .blend on the node's own group; knobs come from methods.json."""

import functools
import json
import zlib
from pathlib import Path
from typing import Any

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

# A choice without a name is none to Blender.
EMPTY = "AUTOMATIC"
# A path may begin with "//"; 4.5 and newer want to be told.
RELATIVE = {"PATH_SUPPORTS_BLEND_RELATIVE"} if bpy.app.version >= (4, 5, 0) else set()
CATALOGUE = Path(__file__).parent / "seqlink" / "methods.json"
# The node shows one picture with its alpha; files with other channels look different in every Blender.
FIXED = {("refine", "outputs")}
AUTO = ("auto", "Auto", "What measured best for the keys given")

KINDS = (
    ("mask", "Mask", "A roto of the subject; may be a few pixels off"),
    ("trimap", "Trimap", "Black, grey where unknown, white"),
    ("alpha", "Alpha", "A finished alpha, kept as it is"),
)
SOURCES = (
    ("SOCKET", "Mask socket", "What is linked to the node's Mask socket, at this frame"),
    ("MASK", "Mask", "A Mask datablock, at this frame"),
    ("IMAGE", "Image", "An image of the plate's size, from a file or painted, white where the subject is"),
)


class SeqMatteKey(bpy.types.PropertyGroup):
    """One frame on which the artist says what the subject is."""

    frame: IntProperty(name="Frame", min=0, description="The scene frame that this mask is right on")
    kind: EnumProperty(name="Kind", items=KINDS)
    source: EnumProperty(name="From", items=SOURCES)
    mask: PointerProperty(name="Mask", type=bpy.types.Mask)
    image: PointerProperty(name="Image", type=bpy.types.Image)


class SeqMatteSettings(bpy.types.PropertyGroup):
    """One Matte node. uid names its folder of results; empty: not one of our groups."""

    uid: StringProperty()
    keys: CollectionProperty(type=SeqMatteKey)
    active_key: IntProperty()
    start: IntProperty(name="Start", min=0, description="First scene frame to matte")
    end: IntProperty(name="End", min=0, default=1, description="Last scene frame to matte")
    clean: PointerProperty(
        name="Clean Plate",
        type=bpy.types.Image,
        description="The same view without the subject: truer soft edges and foreground, as far as it fits the plate. "
        "Background Matting needs it",
    )
    weights: StringProperty(
        name="Adapted Weights",
        subtype="FILE_PATH",
        options=RELATIVE,
        description="Weights fitted to this shot, once it was solved, by "
        "`seqmatte train --shot FOLDER/shot.json --out FOLDER/adapted`: name that folder, or the file in it",
    )
    show_options: BoolProperty(name="Options")


def recipe_items() -> list[tuple[str, str, str, int]]:
    """For the Quality knob. Each has a number made of its name, so that a newer list moves no choice in old files."""
    return [(*recipe, zlib.crc32(recipe[0].encode()) & 0x7FFFFFFF) for recipe in recipes()]


@functools.cache
def catalogue() -> dict[str, Any]:
    """Recipes and methods with their options, as the engine described them when the add-on was built."""
    try:
        found = dict(json.loads(CATALOGUE.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {"recipes": [], "methods": []}
    for method in found["methods"]:
        method["params"] = [option for option in method["params"] if (method["name"], option["name"]) not in FIXED]
    return found


def recipes() -> list[tuple[str, str, str]]:
    """Name, label, sentence of every recipe, "auto" first."""
    return [AUTO, *((row["name"], row["name"], row["summary"]) for row in catalogue()["recipes"])]


def methods_of(recipe: str) -> list[str]:
    """The methods of a recipe; of "auto" those that every recipe has: the others stay as they measured best."""
    rows = {row["name"]: row["methods"] for row in catalogue()["recipes"]}
    if recipe == AUTO[0]:
        first, *others = rows.values()
        return [name for name in first if all(name in methods for methods in others)]
    return list(rows.get(recipe, ()))


def params(settings: Any) -> dict[str, dict[str, Any]]:
    """Options of the recipe's methods that differ from their defaults, by method: what goes into the Shot."""
    made: dict[str, dict[str, Any]] = {}
    wanted = methods_of(settings.recipe)
    for method in (row for row in catalogue()["methods"] if row["name"] in wanted):
        group = getattr(settings, group_name(method["name"]), None)
        for option in method["params"] if group else ():
            value = plain(getattr(group, option["name"]), option)
            if value != option["default"]:
                made.setdefault(method["name"], {})[option["name"]] = value
    return made


def plain(value: Any, option: dict[str, Any]) -> Any:
    """A property's value as the engine means it. Blender stores 32-bit floats: 0.1 comes back as 0.10000000149."""
    if option["type"] == "float":
        return float(f"{value:.6g}")
    return "" if option["choices"] and value == EMPTY else value


def group_name(method: str) -> str:
    return f"options_{method}"


def _knob(option: dict[str, Any]) -> Any:
    """The Blender property of one described option."""
    shown = {
        "name": option.get("label") or option["name"].replace("_", " ").capitalize(),
        "description": option["help"].rstrip("."),
        "default": option["default"],
    }
    if option["type"] == "bool":
        return BoolProperty(**shown)
    if option["choices"]:
        shown["default"] = shown["default"] or EMPTY
        return EnumProperty(
            items=[(choice or EMPTY, choice or "Automatic", "") for choice in option["choices"]], **shown
        )
    if option["type"] == "str":
        return StringProperty(**shown)
    limits = {"min": option["low"], "max": option["high"]}
    shown.update({name: limit for name, limit in limits.items() if limit is not None})
    return FloatProperty(precision=4, **shown) if option["type"] == "float" else IntProperty(**_whole(shown))


def _whole(shown: dict[str, Any]) -> dict[str, Any]:
    return {name: int(value) if name in ("min", "max") else value for name, value in shown.items()}


_made: list[type] = []


def register() -> None:
    """The fixed properties, then one group of knobs for every method of the catalogue."""
    bpy.utils.register_class(SeqMatteKey)
    for method in catalogue()["methods"]:
        knobs = {option["name"]: _knob(option) for option in method["params"]}
        group = type(f"SeqMatteOptions_{method['name']}", (bpy.types.PropertyGroup,), {"__annotations__": knobs})
        bpy.utils.register_class(group)
        _made.append(group)
        SeqMatteSettings.__annotations__[group_name(method["name"])] = PointerProperty(type=group)
    SeqMatteSettings.__annotations__["recipe"] = EnumProperty(
        name="Quality", items=recipe_items(), default="auto", description="How it is matted; Auto is right for most"
    )
    bpy.utils.register_class(SeqMatteSettings)
    bpy.types.CompositorNodeTree.seqmatte = PointerProperty(type=SeqMatteSettings)


def unregister() -> None:
    del bpy.types.CompositorNodeTree.seqmatte
    bpy.utils.unregister_class(SeqMatteSettings)
    while _made:
        bpy.utils.unregister_class(_made.pop())
    bpy.utils.unregister_class(SeqMatteKey)
