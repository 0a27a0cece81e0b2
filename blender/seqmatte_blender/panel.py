# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidebar tab of the compositor, and the entry of its Add menu."""

from typing import Any

import bpy

from . import compositor, node, props, status
from .on_node import active, nested


class SEQMATTE_UL_keys(bpy.types.UIList):
    def draw_item(self, context, layout, data, item, icon, active_data, active_property) -> None:  # type: ignore[no-untyped-def]
        row = layout.row(align=True)
        row.prop(item, "frame", text="", emboss=False)
        row.prop(item, "kind", text="")
        row.prop(item, "source", text="")
        if item.source == "MASK":
            row.prop(item, "mask", text="")
        elif item.source == "IMAGE":
            row.prop(item, "image", text="")


class SEQMATTE_PT_matte(bpy.types.Panel):
    bl_label = "Matte"
    bl_space_type = "NODE_EDITOR"
    bl_region_type = "UI"
    bl_category = "Matte"

    @classmethod
    def poll(cls, context: Any) -> bool:
        return getattr(context.space_data, "tree_type", "") == "CompositorNodeTree"

    def draw(self, context: Any) -> None:
        matte = active(context)
        if matte is None:
            self.layout.label(text=nested(context.scene) or "Choose a Matte node, or add one:")
            self.layout.operator("seqmatte.add", icon="ADD")
            return
        state = status.of(matte.node_tree)
        draw_source(self.layout, matte, state)
        draw_keys(self.layout, matte, state)
        draw_solve(self.layout, matte, state)
        draw_frames(self.layout, matte, state)
        draw_folder(self.layout, matte)


def draw_source(layout: Any, matte: Any, state: status.Status) -> None:
    socket = compositor.source_of(matte.inputs["Image"])
    plate = state.note or (socket.node.name if socket else "link one to the Image socket")
    layout.label(text=f"Plate: {plate}", icon="IMAGE_DATA" if socket else "ERROR")
    row = layout.row(align=True)
    row.prop(matte.node_tree.seqmatte, "start")
    row.prop(matte.node_tree.seqmatte, "end")
    row.operator("seqmatte.range", text="", icon="PREVIEW_RANGE").node = matte.name


def draw_keys(layout: Any, matte: Any, state: status.Status) -> None:
    chosen = matte.node_tree.seqmatte
    row = layout.row()
    row.template_list("SEQMATTE_UL_keys", "", chosen, "keys", chosen, "active_key", rows=3)
    buttons = row.column(align=True)
    buttons.operator("seqmatte.key_add", text="", icon="ADD").node = matte.name
    buttons.operator("seqmatte.key_remove", text="", icon="REMOVE").node = matte.name
    if state.changed_keys:
        layout.label(text=f"Changed since the solve: {state.changed_keys}", icon="INFO")


def draw_solve(layout: Any, matte: Any, state: status.Status) -> None:
    chosen = matte.node_tree.seqmatte
    layout.prop(chosen, "recipe")
    layout.prop(chosen, "show_options", icon="TRIA_DOWN" if chosen.show_options else "TRIA_RIGHT", emboss=False)
    if chosen.show_options:
        draw_options(layout.box(), chosen)
    row = layout.row(align=True)
    row.enabled = state.fraction is None and state.word not in ("exporting", "starting", "solving")
    row.operator("seqmatte.solve", icon="PLAY").node = matte.name
    here = row.operator("seqmatte.solve", text="Solve from Here")
    here.node, here.start = matte.name, "HERE"
    row.operator("seqmatte.check", icon="FILE_REFRESH").node = matte.name
    if not row.enabled:
        layout.progress(factor=state.fraction or 0.0, text=f"{state.word}  {state.line}", type="BAR")
        layout.operator("seqmatte.cancel", icon="CANCEL").node = matte.name


def draw_options(layout: Any, chosen: Any) -> None:
    wanted = props.methods_of(chosen.recipe)
    layout.prop(chosen, "clean")
    layout.prop(chosen, "weights")
    for method in props.catalogue()["methods"]:
        if method["name"] not in wanted or not method["params"]:
            continue
        column = layout.column(align=True)
        column.label(text=method["name"])
        for option in method["params"]:
            column.prop(getattr(chosen, props.group_name(method["name"])), option["name"])


def draw_frames(layout: Any, matte: Any, state: status.Status) -> None:
    column = layout.column(align=True)
    column.label(text=f"{state.word.capitalize()}: {status.WORDS[state.word]}")
    for name, frames in (("Ready", state.ready), ("Stale", state.stale), ("Not there", state.missing)):
        if frames:
            column.label(text=f"{name} {len(frames)}: {frames}")
    for frame, message in sorted(state.failed.items()):
        column.label(text=f"Frame {frame}: {message}", icon="ERROR")
    if state.message and state.message not in state.failed.values():
        for line in state.message.splitlines()[:6]:
            column.label(text=line, icon="ERROR")
    layout.operator("seqmatte.next", icon="VIEWZOOM").node = matte.name


def draw_folder(layout: Any, matte: Any) -> None:
    layout.label(text=node.folder(matte.node_tree) or "Save the .blend first", icon="FILE_FOLDER")
    row = layout.row(align=True)
    row.operator("seqmatte.folder", text="Folder").node = matte.name
    row.operator("seqmatte.reload").node = matte.name
    row.operator("seqmatte.clear").node = matte.name
    row = layout.row(align=True)
    row.operator("seqmatte.holes")
    row.operator("seqmatte.farm").node = matte.name


def draw_menu(self: Any, context: Any) -> None:
    if context.space_data.tree_type == "CompositorNodeTree":
        self.layout.operator("seqmatte.add", icon="CLIPUV_HLT")


CLASSES = (SEQMATTE_UL_keys, SEQMATTE_PT_matte)
