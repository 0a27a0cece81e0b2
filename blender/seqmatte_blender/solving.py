# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons that begin or end a job: Solve, Check, Write Farm Job, Cancel."""

from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty

from . import export, scene, session, status, task
from .on_node import OnNode


class _Job(OnNode):
    """An operator that begins a job, and in a script waits for its end.

    Each is a step of undo: a duplicated node has another uid from here on, which a later undo must not take away.
    """

    wait: BoolProperty(options={"SKIP_SAVE", "HIDDEN"}, description="Return when it is over")
    second_blender: BoolProperty(options={"SKIP_SAVE", "HIDDEN"}, description="Export in a second Blender")

    def begin(self, context: Any, kind: str, first: int | None = None) -> set[str]:
        matte = self.idle_matte(context)
        if matte is None:
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
    bl_options = {"UNDO"}

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
    bl_options = {"UNDO"}

    def execute(self, context: Any) -> set[str]:
        return self.begin(context, "check")


class SEQMATTE_OT_farm(_Job, bpy.types.Operator):
    """Writes the job for a render farm: the Shot, its masks, and an OpenJD bundle, in the folder of results"""

    bl_idname = "seqmatte.farm"
    bl_label = "Write Farm Job"
    bl_options = {"UNDO"}

    def execute(self, context: Any) -> set[str]:
        return self.begin(context, "farm")


class SEQMATTE_OT_cancel(OnNode, bpy.types.Operator):
    """Stops after the step at hand; finished frames stay. Pressed again, ends the engine"""

    bl_idname = "seqmatte.cancel"
    bl_label = "Cancel"

    def execute(self, context: Any) -> set[str]:
        matte = self.matte(context)
        if matte is None:
            return {"CANCELLED"}
        session.cancel(matte.node_tree.seqmatte.uid)
        return {"FINISHED"}


CLASSES = (SEQMATTE_OT_solve, SEQMATTE_OT_check, SEQMATTE_OT_farm, SEQMATTE_OT_cancel)
