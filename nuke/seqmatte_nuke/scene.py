"""From a node to the Shots that it asks for, one a view."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import cast

import nuke
from seqlink import Colour, FramePath, FrameRange, Shot
from seqlink.weights import named

from . import exr_bytes, guides, keys, knobs, node, record
from .trouble import Trouble

# What Nuke's own colour management works in.
NUKE_WORKING_SPACE = "lin_rec709"
_LINEAR = ("linear", "scene_linear", "scene-linear")
_PASS_THROUGH = ("Dot", "NoOp")


@dataclass(frozen=True)
class Part:
    """One view of a job: its folder and its Shot. rendered: whether its plate is rendered for the engine."""

    view: str
    folder: str
    shot: Shot
    rendered: bool


def parts(group: nuke.Group, with_plate: bool = True) -> list[Part]:
    """Everything that is to be solved, with guides (and plates, where they have to be) written. Raises Trouble.

    with_plate: False takes results where they lie and the plate as it was written last, for questions that may not
    cost a render.
    """
    frames, guided = asked(group)
    made = []
    for view, place in (places_to_solve(group) if with_plate else places(group)).items():
        shot = _shot(group, frames, guided, place, view, with_plate)
        made.append(Part(view, place, shot, shot.plate == guides.exported(group, place)))
    return made


def asked(group: nuke.Group) -> tuple[FrameRange, dict[int, str]]:
    """The frames of a job and what is given on which. Raises Trouble for all that can be seen to be wrong by now."""
    guides.refuse_if_busy()
    frames, guided, plate, mask = frame_range(group), keys.kinds(group), *map(group.input, (node.PLATE, node.MASK))
    if plate is None or (guided and mask is None):
        raise Trouble(f"Connect the {'plate' if plate is None else 'mask'} input of {group.name()}.")
    if not guided and mask is not None:
        raise Trouble("No key frames: go to a frame where the mask is good and press `add current`.")
    outside = FrameRange(guided) - frames
    if outside:
        raise Trouble(f"Key frames {outside} lie outside the range {frames}. Remove them or widen the range.")
    _weights(group)
    return frames, guided


def frame_range(group: nuke.Node) -> FrameRange:
    first, last = int(group["first"].value()), int(group["last"].value())
    if last < first:
        raise Trouble(f"The range runs backwards: {first} to {last}.")
    return FrameRange(range(first, last + 1))


def views(group: nuke.Node) -> list[str]:
    """The views asked for; every one of the script where none is named. Raises Trouble."""
    there = [str(view) for view in nuke.views()]
    asked = asked_views(group)
    strange = [view for view in asked if view not in there]
    if strange:
        raise Trouble(f"There is no view {strange[0]!r} in this script; there are {', '.join(there)}.")
    return asked


def asked_views(group: nuke.Node) -> list[str]:
    """The views asked for, whether or not the script has them."""
    return str(group["view_names"].value()).replace(",", " ").split() or [str(view) for view in nuke.views()]


def places(group: nuke.Group) -> dict[str, str]:
    """The folder of each view's results. Raises Trouble.

    A view that was solved while it was the only one has the node's own, until it is solved again.
    """
    made, folder = places_to_solve(group), node.folder(group)
    alone = _solved_alone(folder)
    if alone in made and not record.exists(made[alone]):
        made[alone] = folder
    return made


def borrows(group: nuke.Group, view: str, file: str) -> bool:
    """Whether a file of results shows the one view that was solved to another that is asked for too."""
    alone = _solved_alone(os.path.dirname(os.path.dirname(file)))
    return "%V" not in file and len(asked_views(group)) > 1 and alone not in ("", view)


def _solved_alone(folder: str) -> str:
    """The view whose results lie in a folder; empty where there are none."""
    kept = record.read(folder)
    return (kept.view or str(nuke.views()[0])) if kept.shot else ""


def places_to_solve(group: nuke.Group) -> dict[str, str]:
    """The folder that each view's results will lie in: of one view alone the node's own. Raises Trouble."""
    folder, asked = node.folder(group), views(group)
    return {view: folder if len(asked) == 1 else f"{folder}/{view}" for view in asked}


def result_text(group: nuke.Group) -> str:
    """What the inner Read's file knob says: the folder as it is written, so that it moves with the script."""
    views_part = "" if node.folder(group) in places(group).values() else "/%V"
    return f"{str(group['folder'].value()).rstrip('/')}{views_part}/{record.RESULT}"


def colour() -> Colour:
    """The working space of the script, which is what raw EXRs hold."""
    root = nuke.root()
    if str(root["colorManagement"].value()) != "OCIO":
        return Colour(space=NUKE_WORKING_SPACE)
    return Colour(config=_config(root), space=str(root["workingSpaceLUT"].value()))


def direct_plate(above: nuke.Node | None) -> FramePath | None:
    """The plate's own files, where the plate input is a Read that changes nothing; else None.

    Nothing may stand between but dots; the file must be an EXR with numbers of the working space, read as it is.
    """
    while above is not None and above.Class() in _PASS_THROUGH:
        above = above.input(0)
    if above is None or above.Class() != "Read" or above["disable"].value():
        return None
    as_it_is = {"frame": "", "frame_mode": "expression", "premultiplied": False}
    if any(above[name].value() != value for name, value in as_it_is.items()) or not _reads_working_space(above):
        return None
    written = str(above["file"].value())
    if not written.lower().endswith(".exr") or any(mark in written for mark in ("[", "%V", "%v")):
        return None
    pattern = FramePath(written)
    return pattern if pattern.is_sequence and os.path.isabs(written) else None


def _shot(
    group: nuke.Group, frames: FrameRange, guided: dict[int, str], folder: str, view: str, with_plate: bool
) -> Shot:
    plate = direct_plate(group.input(node.PLATE))
    views = nuke.views()
    if plate is not None and len(views) > 1 and exr_bytes.holds_views(plate.path(frames[0]), views):
        plate = None  # the engine would read the first view's picture for all
    if plate is None and with_plate:
        plate = guides.plate(group, frames, folder, view)
    masks = guides.masks(group, guided, folder, view) if guided else ()
    clean = evaluated(group, "clean")
    return Shot(
        plate or guides.exported(group, folder),
        frames,
        masks,
        clean=FramePath(clean) if clean else None,
        colour=colour(),
        recipe=str(group["recipe"].value()),
        params=knobs.values(group, knobs.document()),
        out=record.results(folder),
        weights=_weights(group),
    )


def _weights(group: nuke.Node) -> dict[str, str]:
    try:
        return named(evaluated(group, "weights"))
    except ValueError as error:
        raise Trouble(f"Adapted weights: {error}.") from None


def _reads_working_space(read: nuke.Node) -> bool:
    if read["raw"].value():
        return True
    space = str(read["colorspace"].value())
    working = str(nuke.root()["workingSpaceLUT"].value())
    if str(nuke.root()["colorManagement"].value()) != "OCIO":
        return space in (*_LINEAR, *(f"default ({name})" for name in _LINEAR))
    return space in (working, f"default ({working})")


def _config(root: nuke.Node) -> str:
    """The OCIO config in use: the environment's, the script's own, or the file of the one chosen by name."""
    if os.environ.get("OCIO"):
        return os.environ["OCIO"]
    chosen = str(root["OCIO_config"].value())
    if chosen == "custom":
        return evaluated(root, "customOCIOConfigPath")
    shipped = os.path.join(os.path.dirname(nuke.EXE_PATH), "plugins", "OCIOConfigs", "configs", chosen, "config.ocio")
    return shipped if os.path.exists(shipped) else ""


def evaluated(of: nuke.Node, name: str) -> str:
    """A file knob's text with its expressions evaluated."""
    return str(cast(nuke.File_Knob, of[name]).getEvaluatedValue() or "")
