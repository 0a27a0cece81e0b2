"""The colours that a script works in, which are what raw EXRs hold, and whether a Read's numbers are in them."""

from __future__ import annotations

import os
import re
from typing import cast

import nuke
from seqlink import Colour

from .trouble import Trouble

# What Nuke's own colour management works in.
NUKE_WORKING_SPACE = "lin_rec709"
_LINEAR = ("linear", "scene_linear", "scene-linear")


def colour() -> Colour:
    """The working space of the script. Raises Trouble where nobody can tell what its name means."""
    root = nuke.root()
    if not _ocio():
        return Colour(space=NUKE_WORKING_SPACE)
    return Colour(config=_config(root), space=_space(root["workingSpaceLUT"]))


def held_by(read: nuke.Node) -> bool:
    """Whether a Read gives the numbers of its files as they are."""
    if read["raw"].value():
        return True
    space = _space(read["colorspace"])
    return space == _space(nuke.root()["workingSpaceLUT"]) if _ocio() else space in _LINEAR


def _ocio() -> bool:
    return str(nuke.root()["colorManagement"].value()) == "OCIO"


def _space(knob: nuke.Knob) -> str:
    """A knob's space by its own name: lists say a role as `scene_linear (ACEScg)`, and may add more after a tab."""
    text = str(knob.value()).partition("\t")[0]
    role = re.fullmatch(r"[a-z][a-z0-9_]* \((.+)\)", text)
    return role[1] if role else text


def _config(root: nuke.Node) -> str:
    """The OCIO config in use: the environment's, the script's own, or the file of the one chosen by name.

    Another config may mean other colours by the same names, so none is guessed. Raises Trouble.
    """
    if os.environ.get("OCIO"):
        return os.environ["OCIO"]
    chosen = str(root["OCIO_config"].value()).partition("\t")[0]
    if chosen == "custom":
        named = str(cast(nuke.File_Knob, root["customOCIOConfigPath"]).getEvaluatedValue() or "")
        if named:
            return named
        raise Trouble("The project's OCIO config is custom, but no file is named: name it in the project settings.")
    shipped = os.path.join(os.path.dirname(nuke.EXE_PATH), "plugins", "OCIOConfigs", "configs", chosen)
    for path in (os.path.join(shipped, "config.ocio"), f"{shipped}.ocio"):
        if os.path.exists(path):
            return path
    raise Trouble(
        f"The project's OCIO config {chosen} was not found ({shipped}.ocio): choose custom in the project settings and "
        "name its file, or set OCIO."
    )
