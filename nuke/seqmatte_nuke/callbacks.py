"""What Nuke calls by itself. Each looks first whether the node is ours, and none may raise into Nuke."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any, cast

import nuke

from . import holes, node, results, session, status
from .trouble import Trouble
from .upgrade import upgrade

_added: list[bool] = []


def add() -> None:
    """Registers everything, once; safe without a window."""
    if _added:
        return
    _added.append(True)
    nuke.addOnCreate(on_create, nodeClass="Group")
    nuke.addOnScriptLoad(on_script_load)
    nuke.addOnScriptSave(on_script_save)
    nuke.addOnScriptClose(on_script_close)
    nuke.addBeforeFrameRender(before_frame)
    if nuke.GUI:
        nuke.addAutolabel(autolabel, nodeClass="Group")


def _quiet(call: Callable[..., Any]) -> Callable[..., Any]:
    """A bug of ours is printed; it must not break a load, a paste or a redraw."""

    @wraps(call)
    def quiet(*args: Any) -> Any:
        try:
            return call(*args)
        except Exception:  # noqa: BLE001 - a load, a paste or a redraw goes on
            traceback.print_exc()
            return None

    return quiet


@_quiet
def on_create() -> None:
    """A pasted node has the identity of the one it was copied from: it gets its own."""
    made = nuke.thisNode()
    if node.is_ours(made):
        others = [group for group in node.all_of_ours() if group.fullName() != made.fullName()]
        if node.uid_of(made) in {node.uid_of(group) for group in others}:
            node.renew(made)
            results.say(cast(nuke.Group, made))


@_quiet
def on_script_load() -> None:
    """What is on disk is the truth; the engine is not started."""
    modified = nuke.root().modified()
    for group in node.all_of_ours():
        with suppress(Trouble):  # its keys cannot be read, which every button says
            upgrade(group)
        results.say(group)
    nuke.root().setModified(modified)


@_quiet
def on_script_save() -> None:
    """The script may now lie elsewhere, and results lie beside the script."""
    for group in node.all_of_ours():
        before = str(group["status"].value())
        if results.say(group) == "not solved" and not before.startswith(("not solved", "unsaved")):
            nuke.tprint(
                f"SeqMatte: {group.fullName()} has no results in {node.folder(group)}. "
                "Copy them there from beside the old script, or press Solve."
            )


@_quiet
def before_frame() -> None:
    # Farms look for lines with ERROR; a missing matte is otherwise silently black.
    write = nuke.thisNode()
    for line in holes.of(write, [nuke.frame()], str(write["views"].value()).split()):
        nuke.tprint(f"ERROR: SeqMatte: {line}")


@_quiet
def on_script_close() -> None:
    session.stop()


@_quiet
def autolabel() -> str | None:
    """Live counts under the node's name, drawn without changing the script."""
    made = nuke.thisNode()
    if not node.is_ours(made):
        return None
    line = status.live(cast(nuke.Group, made))
    return f"{made.name()}\n{line}" if line else None
