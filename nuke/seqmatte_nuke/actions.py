"""What the buttons do. Every one runs in the main thread and gives control back at once where Nuke has a window."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any, cast

import nuke
from seqlink import FrameRange, farm, settings
from seqlink.call import Event, WorkerError
from seqlink.client import Worker
from seqlink.settings import SettingsError

from . import keys, node, record, scene, session, status
from .scene import Part
from .session import Job
from .trouble import Trouble

# How often arriving frames are shown; each time costs Nuke a redraw.
SHOWN_SECONDS = 2.0

_visited: dict[str, list[int]] = {}


def press(action: str, group: nuke.Node | None = None) -> None:
    """Does what a button of that name does, for the node whose button it is. Trouble is told in a box.

    Without a window it is raised instead, as RuntimeError, so that a batch stops.
    """
    try:
        ACTIONS[action](cast(nuke.Group, group or nuke.thisNode()))
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
    reason = status.writable(node.folder(group))
    if reason:
        raise Trouble(f"The folder {node.folder(group)} cannot be written: {reason}.")
    parts = scene.parts(group)
    for part in parts:
        record.write_text(f"{part.folder}/shot.json", part.shot.to_json() + "\n")
        kept = record.read(part.folder)
        kept.shot, kept.outcome, kept.message, kept.failed = part.shot.to_dict(), "cancelled", "", {}
        record.write(part.folder, kept)
    _show_results(group)
    params = [{} if frames is None else {"frames": str(frames)} for _ in parts]
    have = {part.view: record.read(part.folder).keys for part in parts}
    uid, title = node.uid_of(group), f"SeqMatte: {group.name()}"
    session.begin(Job(uid, title, "render", parts, params, _frame_came, _solved, have if any(have.values()) else {}))


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
    job.cancel()


def check(group: nuke.Group) -> None:
    """Asks what the guides of now would change, without computing anything."""
    _refuse_if_running(group)
    parts = scene.parts(group, with_plate=False)
    params = [{"have": record.read(part.folder).keys} for part in parts]
    if not any(row["have"] for row in params):
        raise Trouble("Nothing was solved here yet: press Solve.")
    session.begin(Job(node.uid_of(group), "SeqMatte: what changed", "status", parts, params, _nothing, _checked))


def bundle(group: nuke.Group) -> None:
    """Writes an OpenJD job bundle beside the results, for a farm that solves this node."""
    _refuse_if_running(group)
    parts = scene.parts(group)
    session.begin(
        Job(node.uid_of(group), "SeqMatte: farm job", "status", parts, [{} for _ in parts], _nothing, _bundled)
    )


def add_key(group: nuke.Group) -> None:
    keys.add(group, [nuke.frame()])


def remove_key(group: nuke.Group) -> None:
    keys.remove(group, [nuke.frame()])


def keys_from_roto(group: nuke.Group) -> None:
    keys.add(group, keys.from_roto(group) & scene.frame_range(group))


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
    _show_results(group)
    _refresh(group)


def clear(group: nuke.Group) -> None:
    """Deletes the node's results, once the artist has agreed; the engine's cache brings them back."""
    _refuse_if_running(group)
    folder, asked = node.folder(group), scene.views(group)
    if nuke.GUI and not nuke.ask(f"Clear {group.name()}? {node.CLEAR}"):
        return
    for view in asked:
        record.clear(scene.view_folder(folder, asked, view))
    _visited.pop(node.uid_of(group), None)
    _refresh(group)


def engine(group: nuke.Group) -> None:
    """Asks for the Python that has the engine, tries it, and keeps it if it answers."""
    known = settings.load()
    asked = nuke.getInput("The Python that has seqmatte installed", known.python)
    if not asked:
        return
    made = settings.Settings(asked, known.cache, known.device)
    found = Worker(settings.command(made))
    try:
        greeting = found.start()
    finally:
        found.stop()
    settings.save(made)
    nuke.message(f"SeqMatte {greeting['version']} answers, device {greeting['device']}.")


def _frame_came(job: Job, part: Part, event: Event) -> None:
    if event.method not in ("frame", "warning", "stale"):
        return
    kept = record.read(part.folder)
    if event.method == "stale":
        kept.changed = str(event.params["frames"])
    elif event.method == "warning":
        kept.message = str(event.params["message"])
    else:
        frame = int(event.params["frame"])
        kept.keys[frame] = str(event.params["key"])
        kept.confidence[frame] = float(event.params["confidence"] or 0.0)
        kept.changed = str(kept.stale - [frame])
    record.write(part.folder, kept)
    if session.due(job, SHOWN_SECONDS):
        group = node.by_uid(job.uid)
        if group is not None:
            _look_at_result(job, group)
            _refresh(group)


def _solved(job: Job) -> None:
    for part in job.parts:
        kept = record.read(part.folder)
        if _failed(job):
            kept.outcome, kept.message = "failed", str(job.error)
            if job.error is not None and "frame" in job.error.data:
                kept.failed = {int(job.error.data["frame"]): str(job.error)}
        else:
            kept.outcome = "ready" if len(job.answers) == len(job.parts) else "cancelled"
        record.write(part.folder, kept)
    group = node.by_uid(job.uid)
    if group is not None:
        if any(record.read(part.folder).confidence for part in job.parts):
            _look_at_result(job, group)
        _refresh(group)
    if _failed(job):
        _tell_later(str(job.error))


def _failed(job: Job) -> bool:
    """Whether it ended with an error that the artist did not cause by stopping it."""
    return job.error is not None and not (job.error.cancelled or job.cancelled)


def _look_at_result(job: Job, group: nuke.Group) -> None:
    """Turns from the plate to the result, once a job: an artist who turns back wants the plate."""
    if not job.looked:
        job.looked = True
        if str(group["show"].value()) == "plate":
            group["show"].setValue("result")


def _checked(job: Job) -> None:
    for part, answer in zip(job.parts, job.answers):
        kept = record.read(part.folder)
        kept.changed = answer["stale"]
        record.write(part.folder, kept)
    _asked(job)


def _bundled(job: Job) -> None:
    """The farm makes every frame instead of us: the node looks where they will lie, and what is known of ours goes."""
    for part, answer in zip(job.parts, job.answers):
        farm.write_bundle(part.shot, answer["spans"], f"{part.folder}/farm")
        record.write(part.folder, record.Record(part.shot.to_dict(), "written"))
    group = node.by_uid(job.uid)
    if group is not None and job.answers:
        _show_results(group)
        _look_at_result(job, group)
    _asked(job)


def _asked(job: Job) -> None:
    group = node.by_uid(job.uid)
    if group is not None:
        _refresh(group)
    if _failed(job):
        _tell_later(str(job.error))


def _nothing(job: Job, part: Part, event: Event) -> None:
    """Questions have no events."""


def _tell_later(message: str) -> None:
    # A box opened by a call that another thread has posted freezes Nuke; the status line says it instead.
    if nuke.GUI:
        nuke.tprint(f"SeqMatte: {message}")
    else:
        raise RuntimeError(message)


def _show_results(group: nuke.Group) -> None:
    """Points the inner Read at the results, with the range of the node."""
    read, frames = node.part(group, "MatteResult"), scene.frame_range(group)
    text = scene.result_text(group)
    if str(read["file"].value()) != text:
        read["file"].setValue(text)
    node.set_relied_on(read, {"first": frames[0], "last": frames[-1], "origfirst": frames[0], "origlast": frames[-1]})


def _refresh(group: nuke.Group) -> None:
    cast(nuke.Script_Knob, node.part(group, "MatteResult")["reload"]).execute()
    group["status"].setValue(status.of(group).line())


def _here(group: nuke.Group) -> FrameRange:
    frames = scene.frame_range(group)
    if nuke.frame() not in frames:
        raise Trouble(f"Frame {nuke.frame()} is outside the node's range {frames}.")
    return frames


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
