"""What the buttons do. Every one runs in the main thread and gives control back at once where Nuke has a window."""

from __future__ import annotations

import dataclasses
import os
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import nuke
from seqlink import FrameRange, settings
from seqlink.call import WorkerError
from seqlink.client import Worker
from seqlink.settings import SettingsError

from . import holes, keys, node, owner, record, results, scene, session, status
from .session import Job
from .trouble import Trouble
from .upgrade import upgrade

_visited: dict[str, list[int]] = {}


def press(action: str, group: nuke.Node | None = None) -> None:
    """Does what a button of that name does, for the node whose button it is. Trouble is told in a box.

    Without a window it is raised instead, as RuntimeError, so that a batch stops.
    """
    try:
        pressed = cast(nuke.Group, group or nuke.thisNode())
        if not node.is_ours(pressed):
            raise Trouble(f"{pressed.name()} is no Matte node; one that was made a gizmo has to be a Group again.")
        upgrade(pressed)
        ACTIONS[action](pressed)
    except (Trouble, WorkerError, SettingsError, OSError) as error:
        tell(str(error))
    except Exception:  # noqa: BLE001 - the artist's session outlives a bug of ours
        tell("SeqMatte met a bug:\n" + traceback.format_exc())


def tell(message: str) -> None:
    if not nuke.GUI:
        raise RuntimeError(message)
    nuke.message(message)


def solve(group: nuke.Group, frames: FrameRange | None = None) -> None:
    """Writes guides and plates, asks the engine for the frames (all of the range if none are named)."""
    _refuse_if_running(group)
    _refuse_what_lacks(group)
    owner.claim(group)
    reason = status.writable(node.folder(group))
    if reason:
        raise Trouble(f"The folder {node.folder(group)} cannot be written: {reason}.")
    parts, uid = scene.parts(group), node.uid_of(group)
    for part in parts:
        record.write_text(f"{part.folder}/shot.json", part.shot.to_json() + "\n")
        kept = record.read(part.folder)
        kept.owner, kept.uid, kept.view, kept.shot = owner.script(), uid, part.view, part.shot.to_dict()
        kept.outcome, kept.message, kept.failed = "cancelled", "", {}
        record.write(part.folder, kept)
    results.show(group)
    params = [{} if frames is None else {"frames": str(frames)} for _ in parts]
    have = {part.view: record.read(part.folder).keys for part in parts}
    job = Job(uid, f"SeqMatte: {group.name()}", "render", parts, params, results.frame_came, results.solved)
    job.have = have if any(have.values()) else {}
    session.begin(job)


def solve_frame(group: nuke.Group) -> None:
    """Only the frame that is shown; the engine walks to it from its guide."""
    solve(group, _here(group) & [nuke.frame()])


def solve_from_here(group: nuke.Group) -> None:
    """From the frame that is shown to the end of the range."""
    solve(group, FrameRange(frame for frame in _here(group) if frame >= nuke.frame()))


def cancel(group: nuke.Group) -> None:
    job = session.running(node.uid_of(group))
    if job is None:
        raise Trouble("Nothing is running.")
    session.cancel(job)


def check(group: nuke.Group) -> None:
    """Asks what the guides of now would change, without computing or rendering anything but the guides."""
    _refuse_if_running(group)
    owner.refuse_anothers(group)
    parts = scene.parts(group, with_plate=False)
    params = [{"have": record.read(part.folder).keys} for part in parts]
    if not any(row["have"] for row in params):
        raise Trouble("Nothing was solved here yet: press Solve.")
    if any(part.rendered and part.shot.frames - part.shot.plate.frames() for part in parts):
        raise Trouble("The plate is now rendered for the engine, which only Solve does: press Solve.")
    title = "SeqMatte: what changed"
    session.begin(Job(node.uid_of(group), title, "status", parts, params, results.nothing, results.checked))


def bundle(group: nuke.Group) -> None:
    """Writes an OpenJD job bundle beside the results, for a farm that solves this node."""
    _refuse_if_running(group)
    _refuse_what_lacks(group)
    written = partial(results.bundled, owner=owner.script(), cache=settings.load().cache)
    owner.claim(group, mattes=False)
    parts, uid = scene.parts(group), node.uid_of(group)
    session.begin(Job(uid, "SeqMatte: farm job", "status", parts, [{} for _ in parts], results.nothing, written))


def add_key(group: nuke.Group) -> None:
    keys.add(group, [nuke.frame()])


def remove_key(group: nuke.Group) -> None:
    keys.remove(group, [nuke.frame()])


def keys_from_roto(group: nuke.Group) -> None:
    keys.add(group, keys.from_roto(group, scene.frame_range(group)) - keys.of(group))


def range_from_plate(group: nuke.Group) -> None:
    above = group.input(node.PLATE)
    if above is None:
        raise Trouble(f"Connect the plate input of {group.name()}.")
    found = above.frameRange()
    group["first"].setValue(int(found.first()))
    group["last"].setValue(int(found.last()))


def next_problem(group: nuke.Group) -> None:
    """Goes to the failed frame or the one of lowest confidence; pressed again, to the next worst."""
    found, uid = status.problems(group), node.uid_of(group)
    if not found:
        raise Trouble("Nothing is solved yet, so no frame can be a problem.")
    seen = [frame for frame in _visited.get(uid, []) if frame in found]
    left = [frame for frame in found if frame not in seen] or found
    _visited[uid] = [*seen, left[0]] if left is not found else [left[0]]
    nuke.frame(left[0])


def reload(group: nuke.Group) -> None:
    """Reads results and states again from the folder."""
    results.show(group)
    results.refresh(group)


def clear(group: nuke.Group) -> None:
    """Deletes the node's results, once the artist has agreed; the engine's cache brings them back."""
    _refuse_if_running(group)
    owner.refuse_anothers(group)
    if nuke.GUI and not nuke.ask(f"Clear {group.name()}? {node.CLEAR}"):
        return
    for place in (*scene.places_to_solve(group).values(), node.folder(group)):
        record.clear(place)
    _visited.pop(node.uid_of(group), None)
    results.refresh(group)


def engine(group: nuke.Group) -> None:
    """Asks for the Python that has the engine, tries it as it will be started, and keeps it if it answers.

    What the studio's environment says of cache and device is not the artist's, so it is not kept.
    """
    mine = settings.load(environment={})
    asked = nuke.getInput("The Python that has seqmatte installed", mine.python)
    if not asked:
        return
    found = Worker(settings.command(dataclasses.replace(settings.load(), python=asked)))
    try:
        greeting = found.start()
    finally:
        found.stop()
    settings.save(dataclasses.replace(mine, python=asked))
    winning = os.environ.get("SEQMATTE_PYTHON", asked)
    stronger = "" if winning == asked else f" But SEQMATTE_PYTHON is set, and wins: {winning} is used."
    nuke.message(f"SeqMatte {greeting['version']} answers; it asks for the device {greeting['device']}.{stronger}")


def _here(group: nuke.Group) -> FrameRange:
    frames = scene.frame_range(group)
    if nuke.frame() not in frames:
        raise Trouble(f"Frame {nuke.frame()} is outside the node's range {frames}.")
    return frames


def _refuse_what_lacks(group: nuke.Group) -> None:
    """What is asked for, and what another node of ours should give to its inputs."""
    frames, guided = scene.asked(group)
    for name, needed in (("MattePlateWrite", frames), ("MatteMaskWrite", FrameRange(guided))):
        for line in holes.of(node.part(group, name), needed, scene.views(group)):
            raise Trouble(f"{line}. {group.fullName()} begins with it: solve that first.")


def _refuse_if_running(group: nuke.Group) -> None:
    if session.running(node.uid_of(group)) is not None:
        raise Trouble("This node is being solved. Cancel it first.")


ACTIONS: dict[str, Callable[[Any], None]] = {
    action.__name__: action
    for action in (
        solve, solve_frame, solve_from_here, cancel, check, bundle, add_key, remove_key, keys_from_roto,
        range_from_plate, next_problem, reload, clear, engine,
    )
}  # fmt: skip
