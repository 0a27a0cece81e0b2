# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons. Each finds its node by name in the scene, so that a script can press it too."""

import os
import shutil
from collections.abc import Callable
from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, IntProperty, StringProperty

from . import compositor, export, node, scene, session, status, task
from .seqlink import FrameRange, settings
from .seqlink.client import Worker, WorkerError


def active(context: Any, name: str = "") -> Any | None:
    """The Matte node of a name in the context's scene; without a name the active one."""
    tree = compositor.tree_of(context.scene)
    if tree is None:
        return None
    found = tree.nodes.get(name) if name else tree.nodes.active
    return found if found is not None and node.is_matte(found) else None


class _OnNode:
    """An operator on one Matte node."""

    node: StringProperty(options={"SKIP_SAVE", "HIDDEN"})
    report: Callable[[set[str], str], None]  # Blender's own
    properties: Any

    def matte(self, context: Any) -> Any | None:
        found = active(context, self.node)
        if found is None:
            self.report({"ERROR"}, f"No Matte node {self.node!r} in the compositing tree of this scene.")
        return found


class SEQMATTE_OT_add(bpy.types.Operator):
    """Adds a Matte node, linked to the image that is selected"""

    bl_idname = "seqmatte.add"
    bl_label = "Matte"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: Any) -> set[str]:
        tree = compositor.tree_made(context.scene)
        chosen = tree.nodes.active
        made = node.add(tree)
        settings_ = made.node_tree.seqmatte
        settings_.start, settings_.end = max(context.scene.frame_start, 0), max(context.scene.frame_end, 0)
        if chosen is not None and chosen.select and "Image" in chosen.outputs:
            tree.links.new(chosen.outputs["Image"], made.inputs["Image"])
            made.location = (chosen.location.x + 300, chosen.location.y)
            _take_range(made)
        for other in tree.nodes:
            other.select = other == made
        tree.nodes.active = made
        return {"FINISHED"}


class SEQMATTE_OT_range(_OnNode, bpy.types.Operator):
    """Takes the range of the plate's own files"""

    bl_idname = "seqmatte.range"
    bl_label = "Range from Plate"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: Any) -> set[str]:
        matte = self.matte(context)
        if matte is None or not _take_range(matte):
            self.report({"WARNING"}, "The plate is not a numbered sequence: set the range by hand.")
            return {"CANCELLED"}
        return {"FINISHED"}


class SEQMATTE_OT_key_add(_OnNode, bpy.types.Operator):
    """Says that the mask is right on the current frame"""

    bl_idname = "seqmatte.key_add"
    bl_label = "Key at Current Frame"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: Any) -> set[str]:
        matte = self.matte(context)
        if matte is None:
            return {"CANCELLED"}
        chosen, frame = matte.node_tree.seqmatte, context.scene.frame_current
        if frame not in range(chosen.start, chosen.end + 1):
            self.report({"ERROR"}, f"Frame {frame} lies outside the range {chosen.start} to {chosen.end}.")
            return {"CANCELLED"}
        frames = [key.frame for key in chosen.keys]
        if frame in frames:
            chosen.active_key = frames.index(frame)
            self.report({"INFO"}, f"There is a key on {frame}.")
            return {"CANCELLED"}
        key = chosen.keys.add()
        key.frame = frame
        at = sum(other < frame for other in frames)
        chosen.keys.move(len(chosen.keys) - 1, at)
        chosen.active_key = at
        return {"FINISHED"}


class SEQMATTE_OT_key_remove(_OnNode, bpy.types.Operator):
    """Takes the chosen key out of the list"""

    bl_idname = "seqmatte.key_remove"
    bl_label = "Remove Key"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: Any) -> set[str]:
        matte = self.matte(context)
        if matte is None or not matte.node_tree.seqmatte.keys:
            return {"CANCELLED"}
        chosen = matte.node_tree.seqmatte
        chosen.keys.remove(min(chosen.active_key, len(chosen.keys) - 1))
        chosen.active_key = max(min(chosen.active_key, len(chosen.keys) - 1), 0)
        return {"FINISHED"}


class _Job(_OnNode):
    """An operator that begins a job, and in a script waits for its end."""

    wait: BoolProperty(options={"SKIP_SAVE", "HIDDEN"}, description="Return when it is over")
    second_blender: BoolProperty(options={"SKIP_SAVE", "HIDDEN"}, description="Export in a second Blender")

    def begin(self, context: Any, kind: str, first: int | None = None) -> set[str]:
        matte = self.matte(context)
        if matte is None:
            return {"CANCELLED"}
        if session.running(matte.node_tree.seqmatte.uid):
            self.report({"ERROR"}, "This node is being solved: cancel that first.")
            return {"CANCELLED"}
        second = self.second_blender if self.properties.is_property_set("second_blender") else None
        try:
            for name in task.pack_paint(matte):
                self.report({"INFO"}, f"Packed {name!r} into the .blend, or its paint would be lost.")
            job = session.start(task.made(kind, context.scene, matte, first, second))
        except (scene.NotReady, export.ExportError) as problem:
            self.report({"ERROR"}, str(problem))
            return {"CANCELLED"}
        status.begin_again(job.work.uid)
        # Timers never fire in a Blender without windows.
        if self.wait if self.properties.is_property_set("wait") else bpy.app.background:
            session.wait(job)
            if job.phase == "failed":
                self.report({"ERROR"}, job.record.message)
        return {"FINISHED"}


class SEQMATTE_OT_solve(_Job, bpy.types.Operator):
    """Mattes the range; frames that nothing has changed are not computed again"""

    bl_idname = "seqmatte.solve"
    bl_label = "Solve"

    start: EnumProperty(
        items=(("ALL", "All", "The whole range"), ("HERE", "From Here", "From the current frame to the end")),
        options={"SKIP_SAVE"},
    )

    def execute(self, context: Any) -> set[str]:
        return self.begin(context, "solve", context.scene.frame_current if self.start == "HERE" else None)


class SEQMATTE_OT_check(_Job, bpy.types.Operator):
    """Finds the frames that no longer fit their keys, and brings in those that are known already"""

    bl_idname = "seqmatte.check"
    bl_label = "Check"

    def execute(self, context: Any) -> set[str]:
        return self.begin(context, "check")


class SEQMATTE_OT_farm(_Job, bpy.types.Operator):
    """Writes the job for a render farm: the Shot, its masks, and an OpenJD bundle, in the folder of results"""

    bl_idname = "seqmatte.farm"
    bl_label = "Write Farm Job"

    def execute(self, context: Any) -> set[str]:
        return self.begin(context, "farm")


class SEQMATTE_OT_cancel(_OnNode, bpy.types.Operator):
    """Stops after the step at hand; finished frames stay. Pressed again, ends the engine"""

    bl_idname = "seqmatte.cancel"
    bl_label = "Cancel"

    def execute(self, context: Any) -> set[str]:
        matte = self.matte(context)
        if matte is None:
            return {"CANCELLED"}
        session.cancel(matte.node_tree.seqmatte.uid)
        return {"FINISHED"}


class SEQMATTE_OT_next(_OnNode, bpy.types.Operator):
    """Goes to the frame that wants looking at most: failed ones, then the least certain"""

    bl_idname = "seqmatte.next"
    bl_label = "Next Problem"

    def execute(self, context: Any) -> set[str]:
        matte = self.matte(context)
        frame = status.next_problem(matte.node_tree) if matte is not None else None
        if frame is None:
            self.report({"INFO"}, "No solved frames to look at.")
            return {"CANCELLED"}
        context.scene.frame_set(frame)
        return {"FINISHED"}


class SEQMATTE_OT_reload(_OnNode, bpy.types.Operator):
    """Reads the results from disk again"""

    bl_idname = "seqmatte.reload"
    bl_label = "Reload"

    def execute(self, context: Any) -> set[str]:
        matte = self.matte(context)
        if matte is None:
            return {"CANCELLED"}
        status.forget()
        node.reload(matte.node_tree)
        return {"FINISHED"}


class SEQMATTE_OT_clear(_OnNode, bpy.types.Operator):
    """Deletes the results of this node; the engine's cache still has what it needs to bring them back"""

    bl_idname = "seqmatte.clear"
    bl_label = "Clear"

    def invoke(self, context: Any, event: Any) -> set[str]:
        return set(context.window_manager.invoke_confirm(self, event))

    def execute(self, context: Any) -> set[str]:
        matte = self.matte(context)
        if matte is None or session.running(matte.node_tree.seqmatte.uid):
            return {"CANCELLED"}
        group = matte.node_tree
        session.drop(group.seqmatte.uid)
        _clear(group)
        group.nodes[node.RESULT].frame_duration = 1
        status.forget()
        node.reload(group)
        return {"FINISHED"}


class SEQMATTE_OT_folder(_OnNode, bpy.types.Operator):
    """Keeps and reads this node's results in another folder"""

    bl_idname = "seqmatte.folder"
    bl_label = "Set Folder"
    bl_options = {"REGISTER", "UNDO"}

    directory: StringProperty(subtype="DIR_PATH")

    def invoke(self, context: Any, event: Any) -> set[str]:
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: Any) -> set[str]:
        matte = self.matte(context)
        if matte is None or not self.directory:
            return {"CANCELLED"}
        node.set_folder(matte.node_tree, self.directory)
        status.forget()
        return {"FINISHED"}


class SEQMATTE_OT_holes(bpy.types.Operator):
    """Lists frames of the scene whose matte is not on disk, before they go to a farm"""

    bl_idname = "seqmatte.holes"
    bl_label = "Check before Render"

    found: IntProperty(options={"SKIP_SAVE", "HIDDEN"})

    def execute(self, context: Any) -> set[str]:
        lines = list(holes(context.scene))
        for line in lines:
            self.report({"WARNING"}, line)
        if not lines:
            self.report({"INFO"}, "Every matte that this scene needs is on disk.")
        return {"FINISHED"}


class SEQMATTE_OT_test(bpy.types.Operator):
    """Starts the engine once, to see whether it answers"""

    bl_idname = "seqmatte.test"
    bl_label = "Test Engine"

    def execute(self, context: Any) -> set[str]:
        try:
            worker = Worker(settings.command(settings.load()))
            hello = worker.start()
            worker.stop()
        except (WorkerError, settings.SettingsError) as problem:
            self.report({"ERROR"}, str(problem))
            return {"CANCELLED"}
        self.report({"INFO"}, f"SeqMatte {hello.get('version')} answers, on {hello.get('device')}.")
        return {"FINISHED"}


def holes(scene_: Any) -> list[str]:
    """One sentence for every Matte node of a scene with frames that are not on disk."""
    frames = FrameRange(range(scene_.frame_start, scene_.frame_end + 1, scene_.frame_step))
    lines = []
    for owner, matte in node.every():
        gone = status.holes(matte.node_tree, frames) if owner == scene_ else FrameRange()
        if gone:
            lines.append(f"{matte.name}: no matte on disk for {gone}")
    return lines


def _take_range(matte: Any) -> bool:
    frames = scene.plate_range(matte)
    if frames:
        matte.node_tree.seqmatte.start, matte.node_tree.seqmatte.end = frames[0], frames[-1]
    return bool(frames)


def _clear(group: Any) -> None:
    """Removes what we wrote into the folder, and nothing else."""
    folder = node.folder(group)
    if not folder:
        return
    for frame in node.results(group).frames():
        os.remove(node.results(group).path(frame))
    for name in ("guides", "plate", "farm"):
        shutil.rmtree(os.path.join(folder, name), ignore_errors=True)
    for name in ("record.json", "shot.json"):
        if os.path.exists(os.path.join(folder, name)):
            os.remove(os.path.join(folder, name))


CLASSES = (
    SEQMATTE_OT_add,
    SEQMATTE_OT_range,
    SEQMATTE_OT_key_add,
    SEQMATTE_OT_key_remove,
    SEQMATTE_OT_solve,
    SEQMATTE_OT_check,
    SEQMATTE_OT_farm,
    SEQMATTE_OT_cancel,
    SEQMATTE_OT_next,
    SEQMATTE_OT_reload,
    SEQMATTE_OT_clear,
    SEQMATTE_OT_folder,
    SEQMATTE_OT_holes,
    SEQMATTE_OT_test,
)
