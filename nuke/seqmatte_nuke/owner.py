"""Whose the results in a folder are. A script saved under another name, or a node pasted into another script, still has
the folder of the first; and two nodes can be given one folder by hand."""

from __future__ import annotations

import os

import nuke

from . import guides, node, record, scene
from .record import Record
from .trouble import Trouble


def script() -> str:
    return str(nuke.root()["name"].value())


def claim(group: nuke.Group) -> None:
    """Before a solve: a folder of its own for a node whose folder is another script's. Raises Trouble.

    Wherever its frames will lie, it has the guides and plates of before, so that the cache knows it again.
    """
    before, uid = scene.places(group), node.uid_of(group)
    if _of_another_script(_held(group)):
        node.renew(group)
    for view, place in scene.places_to_solve(group).items():
        if place != before[view]:
            guides.bring(before[view], uid, place, node.uid_of(group))


def refuse_anothers(group: nuke.Group) -> None:
    """Before anything else that changes what is written there. Raises Trouble."""
    kept = _held(group)
    if _of_another_script(kept):
        raise Trouble(f"These are the mattes of {kept.owner}. Press Solve, and {group.fullName()} gets its own.")


def _held(group: nuke.Group) -> Record:
    """What was solved into the node's folder, by whichever view's record tells. Raises Trouble for another node's."""
    places = [node.folder(group), *scene.places(group).values()]
    kept = next((kept for kept in map(record.read, places) if kept.uid), Record())
    if kept.uid not in ("", node.uid_of(group)):
        other = node.by_uid(kept.uid)
        name = other.fullName() if other is not None else f"another node, of {kept.owner or 'an unsaved script'}"
        raise Trouble(f"{node.folder(group)} holds the mattes of {name}: set another folder.")
    return kept


def _of_another_script(kept: Record) -> bool:
    """Whether the owner still exists and is not this script: where a project has moved, it is gone."""
    mine = script()
    if not kept.owner or kept.owner == mine or not os.path.exists(kept.owner):
        return False
    return not (os.path.exists(mine) and os.path.samefile(kept.owner, mine))
