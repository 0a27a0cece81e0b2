"""From a node to the Shots that it asks for, one a view."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import cast

import nuke
from seqlink import FramePath, FrameRange, Shot
from seqlink.weights import named

from . import exr_bytes, guides, keys, knobs, node, record, working_space
from .above import feeding
from .trouble import Trouble

_PASS_THROUGH = ("Dot", "NoOp", "Input")
_NO_FRAMES = FrameRange()


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
    _clean(group, "")
    working_space.colour()
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
    alone = solved_alone(folder)
    if alone in made and not record.exists(made[alone]):
        made[alone] = folder
    return made


def borrows(group: nuke.Group, view: str, file: str) -> bool:
    """Whether a file of results shows the one view that was solved to another that is asked for too."""
    if "%V" in file or len(asked_views(group)) < 2:
        return False  # asked of every frame, and a record takes its time to read
    return solved_alone(os.path.dirname(os.path.dirname(file))) not in ("", view)


def solved_alone(folder: str) -> str:
    """The view whose results lie in a folder; empty where there are none."""
    kept = record.read(folder)
    return (kept.view or str(nuke.views()[0])) if kept.shot else ""


def shown_folder(group: nuke.Group, view: str) -> str:
    """The folder of the results that a node shows, whosever they are; empty where it shows none. Raises Trouble."""
    file = evaluated(node.part(group, "MatteResult"), "file").replace("%V", view)
    return os.path.dirname(os.path.dirname(file))


def places_to_solve(group: nuke.Group) -> dict[str, str]:
    """The folder that each view's results will lie in: of one view alone the node's own. Raises Trouble."""
    folder, asked = node.folder(group), views(group)
    return {view: folder if len(asked) == 1 else f"{folder}/{view}" for view in asked}


def result_text(group: nuke.Group) -> str:
    """What the inner Read's file knob says: the folder as it is written, so that it moves with the script."""
    views_part = "" if node.folder(group) in places(group).values() else "/%V"
    return f"{str(group['folder'].value()).rstrip('/')}{views_part}/{record.RESULT}"


def direct_plate(above: nuke.Node | None, frames: FrameRange = _NO_FRAMES) -> FramePath | None:
    """The plate's own files, where the plate input is a Read that changes nothing on these frames; else None.

    Nothing may stand between but dots and the walls of groups; the file must be an EXR with numbers of the working
    space, read as it is.
    """
    while above is not None and above.Class() in _PASS_THROUGH:
        above = next(iter(feeding(above)), None)
    if above is None or above.Class() != "Read" or above["disable"].value():
        return None
    as_it_is = {"frame": "", "frame_mode": "expression", "premultiplied": False}
    if any(above[name].value() != value for name, value in as_it_is.items()) or not working_space.held_by(above):
        return None
    written = str(above["file"].value())
    if not written.lower().endswith(".exr") or any(mark in written for mark in ("[", "%V", "%v")):
        return None
    pattern = FramePath(written)
    ours = pattern.is_sequence and os.path.isabs(written) and _shows_its_files(above, pattern, frames)
    return pattern if ours else None


def _shows_its_files(read: nuke.Node, pattern: FramePath, frames: FrameRange) -> bool:
    """Beyond its range a Read may hold or be black, and so it may where a file is missing, but for an error."""
    there = FrameRange(range(int(read["first"].value()), int(read["last"].value()) + 1))
    if str(read["on_error"].value()) != "error":
        there = there & pattern.frames()
    return not frames - there


def _shot(
    group: nuke.Group, frames: FrameRange, guided: dict[int, str], folder: str, view: str, with_plate: bool
) -> Shot:
    plate = direct_plate(group.input(node.PLATE), frames)
    views = nuke.views()
    if plate is not None and len(views) > 1 and exr_bytes.holds_views(plate.path(frames[0]), views):
        plate = None  # the engine would read the first view's picture for all
    if plate is None and with_plate:
        plate = guides.plate(group, frames, folder, view)
    masks = guides.masks(group, guided, folder, view) if guided else ()
    return Shot(
        plate or guides.exported(group, folder),
        frames,
        masks,
        clean=_clean(group, view),
        colour=working_space.colour(),
        recipe=str(group["recipe"].value()),
        params=knobs.values(group, knobs.document()),
        out=record.results(folder),
        weights=_weights(group),
    )


def _clean(group: nuke.Node, view: str) -> FramePath | None:
    path = evaluated(group, "clean").replace("%V", view).replace("%v", view[:1])
    if path and not os.path.isabs(path):
        raise Trouble(f"The clean plate is {path!r}; it has to begin at the root of a disk.")
    return FramePath(path) if path else None


def _weights(group: nuke.Node) -> dict[str, str]:
    try:
        return named(evaluated(group, "weights"))
    except ValueError as error:
        raise Trouble(f"Adapted weights: {error}.") from None


def evaluated(of: nuke.Node, name: str) -> str:
    """A file knob's text with its expressions evaluated."""
    return str(cast(nuke.File_Knob, of[name]).getEvaluatedValue() or "")
