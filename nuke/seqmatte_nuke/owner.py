"""Whose the results in a folder are. A script saved under another name, or a node pasted into another script, still has
the folder of the first; and two nodes can be given one folder by hand."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from glob import escape, glob

import nuke

from . import node, record, results, scene
from .record import Record
from .trouble import Trouble


def script() -> str:
    return str(nuke.root()["name"].value())


def claim(group: nuke.Group, mattes: bool = True) -> None:
    """Before a solve: a folder of its own for a node whose folder is another script's. Raises Trouble.

    Wherever its frames will lie, it begins with what lay where they were: guides and plates, so that the cache knows
    it again, and finished mattes with their record, unless others will make them. Those it shows at once: what is asked
    next may be refused, and the other script may change its own.
    """
    before = {view: _begins_with(group, view, place) for view, place in scene.places(group).items()}
    if _of_another_script(_held(group)):
        with node.unrecorded():
            node.renew(group)
    after = scene.places_to_solve(group)
    for view, place in after.items():
        old, uid = before[view]
        if place != old:
            with contextlib.suppress(OSError):  # then it is rendered and computed again
                _bring(old, uid, place, node.uid_of(group))
                if mattes:
                    _bring_mattes(old, place, node.uid_of(group))
    if mattes and all(map(record.exists, after.values())):
        results.show(group)


def _begins_with(group: nuke.Group, view: str, place: str) -> tuple[str, str]:
    """Where that lies which a view shows, and by whose uid: of a copy that was never solved, its original's folder."""
    shown, uid = scene.shown_folder(group, view), node.uid_of(group)
    if record.exists(place) or scene.solved_alone(shown) != view:
        return place, uid
    return shown, record.read(shown).uid or uid


def refuse_anothers(group: nuke.Group) -> None:
    """Before anything else that changes what is written there. Raises Trouble."""
    kept = _held(group)
    if _of_another_script(kept):
        raise Trouble(f"These are the mattes of {kept.owner}. Press Solve, and {group.fullName()} gets its own.")


def _held(group: nuke.Group) -> Record:
    """What was solved into the node's folder, by whichever view's record tells. Raises Trouble for another node's."""
    places = [node.folder(group), *scene.places(group).values()]
    kept = next((kept for kept in map(record.read, places) if kept.shot), Record())
    if kept.shot and not kept.uid:
        kept.owner = _beside(node.uid_of(group))
    if kept.uid not in ("", node.uid_of(group)):
        other = node.by_uid(kept.uid)
        name = other.fullName() if other is not None else f"another node, of {kept.owner or 'an unsaved script'}"
        raise Trouble(f"{node.folder(group)} holds the mattes of {name}: set another folder.")
    return kept


def _beside(uid: str) -> str:
    """Another script in this one's folder that names a node; empty if none does. The release before wrote no owner into
    its records, so that one saved under another name cannot be told from the first: the mattes count as the other's."""
    for path in sorted(glob(os.path.join(escape(os.path.dirname(script())), "*.nk"))):
        with contextlib.suppress(OSError), open(path, "rb") as file:
            if not _same(path, script()) and any(uid.encode() in line for line in file):
                return path
    return ""


def _of_another_script(kept: Record) -> bool:
    """Whether the owner still exists and is not this script: where a project has moved, it is gone."""
    return os.path.exists(kept.owner) and not _same(kept.owner, script())


def _same(one: str, other: str) -> bool:
    return one == other or (os.path.exists(other) and os.path.samefile(one, other))


def _bring(old: str, old_uid: str, new: str, uid: str) -> None:
    """Takes over what Nuke rendered. Rendered anew it has another date, so other bytes, and nothing made of it would be
    found in the engine's cache."""
    ours = {"guides": r"(mask|trimap|alpha)\.-?\d+\.[0-9a-f]{12}\.exr", "plate": rf"plate\.{old_uid}\.-?\d+\.exr"}
    for name, pattern in ours.items():
        for file in os.listdir(f"{old}/{name}") if os.path.isdir(f"{old}/{name}") else ():
            if re.fullmatch(pattern, file):
                _copy(f"{old}/{name}/{file}", f"{new}/{name}/{file.replace(old_uid, uid)}")


def _bring_mattes(old: str, new: str, uid: str) -> None:
    """Takes over what was made, and what is known of it, as this node's."""
    kept, there = record.read(old), record.results(old)
    if kept.shot:
        for frame in there.frames():
            _link_or_copy(there.path(frame), record.results(new).path(frame))
        kept.owner, kept.uid = script(), uid
        record.write(new, kept)


def _link_or_copy(file: str, place: str) -> None:
    """Finished mattes are replaced and never changed, so that two names may share one."""
    if not os.path.exists(place):
        os.makedirs(os.path.dirname(place), exist_ok=True)
        try:
            os.link(file, place)
        except OSError:
            _copy(file, place)


def _copy(file: str, place: str) -> None:
    """What a job of the other script may be reading is not touched: a link would change its dates."""
    if not os.path.exists(place):
        os.makedirs(os.path.dirname(place), exist_ok=True)
        shutil.copyfile(file, f"{place}.part")
        os.replace(f"{place}.part", place)
