# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons that make nodes and keys, look at results, and test the engine. Scripts can press them too."""

from typing import Any

import bpy
from bpy.props import StringProperty

from . import compositor, delivery, node, props, scene, session, status, task
from .on_node import OnNode
from .seqlink import FrameRange, settings
from .seqlink.call import WorkerError
from .seqlink.client import Worker


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


class SEQMATTE_OT_range(OnNode, bpy.types.Operator):
    """Takes the range of the plate's own files"""

    bl_idname = "seqmatte.range"
    bl_label = "Range from Plate"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: Any) -> set[str]:
        matte = self.own_matte(context)
        if matte is not None and not _take_range(matte):
            self.report({"WARNING"}, "The plate is not a numbered sequence: set the range by hand.")
            return {"CANCELLED"}
        return {"FINISHED"} if matte is not None else {"CANCELLED"}


class SEQMATTE_OT_key_add(OnNode, bpy.types.Operator):
    """Says that the mask is right on the current frame"""

    bl_idname = "seqmatte.key_add"
    bl_label = "Key at Current Frame"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: Any) -> set[str]:
        matte = self.own_matte(context)
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


class SEQMATTE_OT_key_remove(OnNode, bpy.types.Operator):
    """Takes the chosen key out of the list"""

    bl_idname = "seqmatte.key_remove"
    bl_label = "Remove Key"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: Any) -> set[str]:
        matte = self.own_matte(context)
        if matte is None or not matte.node_tree.seqmatte.keys:
            return {"CANCELLED"}
        chosen = matte.node_tree.seqmatte
        chosen.keys.remove(min(chosen.active_key, len(chosen.keys) - 1))
        chosen.active_key = max(min(chosen.active_key, len(chosen.keys) - 1), 0)
        return {"FINISHED"}


class SEQMATTE_OT_next(OnNode, bpy.types.Operator):
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


class SEQMATTE_OT_reload(OnNode, bpy.types.Operator):
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


class SEQMATTE_OT_clear(OnNode, bpy.types.Operator):
    """Deletes the results of this node; the engine's cache still has what it needs to bring them back"""

    bl_idname = "seqmatte.clear"
    bl_label = "Clear"

    def invoke(self, context: Any, event: Any) -> set[str]:
        return set(context.window_manager.invoke_confirm(self, event))

    def execute(self, context: Any) -> set[str]:
        matte = self.idle_matte(context)
        if matte is None:
            return {"CANCELLED"}
        group = matte.node_tree
        if node.folder(group):
            try:
                task.refuse_anothers(group)
            except scene.NotReady as problem:
                self.report({"ERROR"}, str(problem))
                return {"CANCELLED"}
            delivery.clear(node.folder(group), group.seqmatte.uid)
        session.drop(group.seqmatte.uid)
        group.nodes[node.RESULT].frame_duration = 1
        status.forget()
        node.reload(group)
        return {"FINISHED"}


class SEQMATTE_OT_folder(OnNode, bpy.types.Operator):
    """Keeps and reads this node's results in another folder"""

    bl_idname = "seqmatte.folder"
    bl_label = "Set Folder"
    bl_options = {"REGISTER", "UNDO"}

    directory: StringProperty(subtype="DIR_PATH", options=props.RELATIVE)

    def invoke(self, context: Any, event: Any) -> set[str]:
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: Any) -> set[str]:
        matte = self.own_matte(context) and self.idle_matte(context)
        if matte is None or not self.directory:
            return {"CANCELLED"}
        node.set_folder(matte.node_tree, self.directory)
        session.drop(matte.node_tree.seqmatte.uid)
        status.forget()
        return {"FINISHED"}


class SEQMATTE_OT_holes(bpy.types.Operator):
    """Lists frames of the scene whose matte is not on disk or that lie after the range, before they go to a farm"""

    bl_idname = "seqmatte.holes"
    bl_label = "Check before Render"

    def execute(self, context: Any) -> set[str]:
        made = context.scene
        lines = holes(made, FrameRange(range(made.frame_start, made.frame_end + 1, made.frame_step)))
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


def holes(scene_: Any, frames: FrameRange) -> list[str]:
    """A sentence for every Matte node of a scene that lacks some of these frames on disk, or whose range ends before.

    A muted one shows the plate, and needs none.
    """
    lines = []
    for matte in (matte for owner, matte in node.every() if owner == scene_ and not matte.mute):
        group = matte.node_tree
        gone, held = status.holes(group, frames), status.held(group, frames)
        if gone:
            lines.append(f"{matte.name}: no matte on disk for {gone}")
        if held:
            ends = f"its range ends on {group.seqmatte.end}, and Blender shows its last matte on {held}"
            lines.append(f"{matte.name}: {ends}: widen the range and Solve, or render no further")
    return lines


def _take_range(matte: Any) -> bool:
    frames = scene.plate_range(matte)
    if frames:
        matte.node_tree.seqmatte.start, matte.node_tree.seqmatte.end = frames[0], frames[-1]
    return bool(frames)


CLASSES = (
    SEQMATTE_OT_add,
    SEQMATTE_OT_range,
    SEQMATTE_OT_key_add,
    SEQMATTE_OT_key_remove,
    SEQMATTE_OT_next,
    SEQMATTE_OT_reload,
    SEQMATTE_OT_clear,
    SEQMATTE_OT_folder,
    SEQMATTE_OT_holes,
    SEQMATTE_OT_test,
)
