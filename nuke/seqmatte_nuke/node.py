"""The node: a Group of ordinary Nuke nodes, made here and readable by a Nuke that has never heard of us.

    plate (input 0)   mask (input 1)                      what the artist connects
      |    |            MatteMaskWrite   (disabled)       the guides on their way to the engine
      |    MattePlateWrite (disabled)                     the plate, where its file cannot be passed
      |
      |    MatteResult (Read)                             what the engine made: foreground, premultiplied, and alpha
      |      |      \
      |      |       CheckOver <- CheckGrey               over grey, to look at edges
      |      PlateAlpha                                   the plate, with the alpha
      Show: result | plate and alpha | check | plate      {{parent.show}}
      Output1
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import nuke

from . import knobs
from .trouble import Trouble

VERSION = 2
UID = "seqmatte_uid"
PLATE, MASK = 0, 1
SHOWS = ["result", "plate and alpha", "check", "plate"]
KINDS = ["mask", "trimap", "alpha"]
COLOUR = 0x4A7D5BFF
CLEAN = (
    "The same view without the subject, in the working space: truer soft edges and foreground, as far as it fits. "
    "Background Matting needs it."
)
WEIGHTS = (
    "Weights that were fitted to this shot: the folder that "
    "`seqmatte train --shot <folder>/shot.json --out <folder>/adapted` wrote, or its file of weights."
)
NEW_KEYS = "new keys are"
KEYS = (
    "Frames on which the mask input is good, as 1001 1048=trimap 1060-1064=alpha. "
    "A number that says no kind is of the one that new keys are."
)
THIS_FRAME = "Only the frame you look at. Where the plate has to be rendered for the engine, all of the range still is."
CANCEL = "Stops after the step at hand; finished frames stay. Pressed again, it ends an engine that does not answer."
CLEAR = "Deletes the results of this node; the engine's cache still has what it needs to bring them back."

# Knobs that results depend on are saved even where they have Nuke's default: a studio may have another (knobDefault).
_READ = {
    "raw": True, "on_error": "black", "before": "black", "after": "black", "frame_mode": "expression", "frame": "",
    "premultiplied": False, "auto_alpha": False, "localizationPolicy": "off", "disable": False,
}  # fmt: skip
_WRITE = {"file_type": "exr", "raw": True, "create_directories": True, "disable": True}
# They exist once the file type is set.
_WRITE_EXR = {
    "datatype": "32 bit float", "compression": "Zip (1 scanline)", "autocrop": False, "metadata": "no metadata",
}  # fmt: skip

_BUTTON = """\
try:
    import seqmatte_nuke
except ImportError:
    nuke.message("SeqMatte is not installed in this Nuke. The node renders; only its buttons need it.")
else:
    seqmatte_nuke.press("{action}")
"""


def create() -> nuke.Group:
    """A new node, its plate connected to what is selected. Raises Trouble."""
    selected = nuke.selectedNodes()
    group = cast(nuke.Group, nuke.createNode("Group", inpanel=False))
    group.setName("SeqMatte1")
    group["tile_color"].setValue(COLOUR)
    with group:
        _fill()
    _add_knobs(group, knobs.document())
    renew(group)
    # Nuke connects a new node by itself, but this one had no inputs when it was new.
    if selected:
        group.setInput(PLATE, selected[0])
    return group


def is_ours(node: nuke.Node) -> bool:
    return node.Class() == "Group" and node.knob(UID) is not None


def all_of_ours() -> list[nuke.Group]:
    with nuke.root():
        return [cast(nuke.Group, n) for n in nuke.allNodes("Group", recurseGroups=True) if is_ours(n)]


def by_uid(uid: str) -> nuke.Group | None:
    """The node, wherever it is and whatever it is called now; None if it is gone."""
    return next((group for group in all_of_ours() if uid_of(group) == uid), None)


def uid_of(group: nuke.Node) -> str:
    return str(group[UID].value())


def renew(group: nuke.Node) -> None:
    """A new identity and folder; the result that the node shows stays until it is solved."""
    old = uid_of(group)
    made = uuid.uuid4().hex[:8]
    group[UID].setValue(made)
    folder = str(group["folder"].value())
    if not folder:
        group["folder"].setValue(f"[file dirname [value root.name]]/seqmatte/{made}")
    elif old:  # a copy, whose results would lie over its original's
        above = folder[: -len(old) - 1] if folder.endswith(f"/{old}") else folder.rstrip("/")
        group["folder"].setValue(f"{above}/{made}")


@contextmanager
def unrecorded() -> Iterator[None]:
    """What is set inside is no step of the artist's, so no undo takes it back."""
    nuke.Undo.disable()
    try:
        yield
    finally:
        nuke.Undo.enable()


def part(group: nuke.Group, name: str) -> nuke.Node:
    """A node inside. Raises Trouble where someone has taken it out."""
    found = group.node(name)
    if found is None:
        raise Trouble(f"{group.fullName()} has no {name} inside any more. Make a new node with SeqMatte > Matte.")
    return found


def folder(group: nuke.Group) -> str:
    """The folder of results, evaluated and absolute. Raises Trouble."""
    if str(nuke.root()["name"].value()) == "" and "root.name" in str(group["folder"].value()):
        raise Trouble("Save the script first: results lie beside it. Or give the node a folder of its own.")
    path = str(cast(nuke.File_Knob, group["folder"]).getEvaluatedValue() or "")
    if not os.path.isabs(path):
        raise Trouble(f"The node's folder is {path!r}; it has to begin at the root of a disk.")
    return path.replace("\\", "/")


def set_relied_on(node: nuke.Node, values: dict[str, Any]) -> None:
    """Sets knobs and has them saved even where they hold a default."""
    for name, value in values.items():
        node[name].setValue(value)
        node[name].setFlag(nuke.ALWAYS_SAVE)


def _fill() -> None:
    """The nodes inside; the group is the context."""
    plate, mask = _made("Input", "plate"), _made("Input", "mask")
    plate["number"].setValue(PLATE)
    mask["number"].setValue(MASK)
    _writer("MattePlateWrite", plate, "rgb")
    _writer("MatteMaskWrite", mask, "alpha")
    read = _made("Read", "MatteResult")
    set_relied_on(read, _READ)
    alpha = _made("Copy", "PlateAlpha", plate, read)
    set_relied_on(alpha, {"from0": "rgba.alpha", "to0": "rgba.alpha"})
    grey = _made("Constant", "CheckGrey")
    set_relied_on(grey, {"channels": "rgb", "color": 0.18})
    over = _made("Merge2", "CheckOver", grey, read)
    set_relied_on(over, {"operation": "over", "bbox": "union"})
    show = _made("Switch", "Show", read, alpha, over, plate)
    show["which"].setExpression("parent.show")
    _made("Output", "Output1", show)


def _made(kind: str, name: str, *inputs: nuke.Node) -> nuke.Node:
    node = nuke.createNode(kind, inpanel=False)
    node.setName(name)
    for index in range(node.inputs()):
        node.setInput(index, None)  # whatever was selected
    for index, above in enumerate(inputs):
        node.setInput(index, above)
    return node


def _writer(name: str, above: nuke.Node, channels: str) -> None:
    write = _made("Write", name, above)
    set_relied_on(write, {"channels": channels, **_WRITE})
    set_relied_on(write, _WRITE_EXR)


def _add_knobs(group: nuke.Group, declared: dict[str, Any]) -> None:
    for knob in (
        nuke.Tab_Knob("seqmatte", "SeqMatte"),
        _hidden(nuke.String_Knob(UID, "")),
        _hidden(nuke.Int_Knob("seqmatte_version", "")),
        _hinted(nuke.String_Knob("keys", "key frames"), KEYS),
        _button("add_key", "add current", same_line=True),
        _button("remove_key", "remove", same_line=True),
        _button("keys_from_roto", "from Roto", same_line=True),
        _hinted(nuke.Enumeration_Knob("guide_kind", NEW_KEYS, KINDS), "What the mask input's alpha holds on them."),
        _hinted(nuke.Int_Knob("first", "range"), "First frame."),
        _same_line(_hinted(nuke.Int_Knob("last", ""), "Last frame.")),
        _button("range_from_plate", "from plate", same_line=True),
        _hinted(nuke.String_Knob("view_names", "views"), "As left right; empty: every view of the script."),
        _hinted(nuke.Enumeration_Knob("recipe", "recipe", knobs.recipes(declared)), "How to matte."),
        _hinted(nuke.File_Knob("clean", "clean plate"), CLEAN),
        weights_knob(),
        _button("solve", "Solve"),
        _hinted(_button("solve_frame", "Solve this frame", same_line=True), THIS_FRAME),
        _button("solve_from_here", "Solve from here", same_line=True),
        _hinted(_button("cancel", "Cancel", same_line=True), CANCEL),
        _button("check", "What changed?", same_line=True),
        nuke.Enumeration_Knob("show", "show", SHOWS),
        _missing(group),
        nuke.Text_Knob("status", "status", "not solved"),
        _button("next_problem", "next problem frame"),
        _button("reload", "reload", same_line=True),
        _hinted(_button("clear", "clear", same_line=True), CLEAR),
        _hinted(nuke.File_Knob("folder", "folder"), "Where guides and results of this node lie."),
        _button("bundle", "write farm job"),
        _button("engine", "engine...", same_line=True),
        nuke.Tab_Knob("options", "Options"),
    ):
        group.addKnob(knob)
    group["seqmatte_version"].setValue(VERSION)
    group["show"].setValue("plate")
    group["first"].setValue(int(nuke.root().firstFrame()))
    group["last"].setValue(int(nuke.root().lastFrame()))
    knobs.add_options(group, declared)


def weights_knob() -> nuke.Knob:
    return _hinted(nuke.File_Knob("weights", "adapted weights"), WEIGHTS)


def _missing(group: nuke.Group) -> nuke.Knob:
    link = nuke.Link_Knob("missing", "missing frames")
    link.setLink("MatteResult.on_error")
    return _hinted(link, "What the node gives where there is no result: black, or an error that stops a render.")


def _button(action: str, label: str, same_line: bool = False) -> nuke.Knob:
    button = nuke.PyScript_Knob(action, label, _BUTTON.format(action=action))
    if not same_line:
        button.setFlag(nuke.STARTLINE)
    return button


def _hidden(knob: nuke.Knob) -> nuke.Knob:
    knob.setFlag(nuke.INVISIBLE)
    return knob


def _same_line(knob: nuke.Knob) -> nuke.Knob:
    knob.clearFlag(nuke.STARTLINE)
    return knob


def _hinted(knob: nuke.Knob, tooltip: str) -> nuke.Knob:
    knob.setTooltip(tooltip)
    return knob
