"""A UILayout of paper: what the panel draws, as lines. Blender without windows never draws."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import bpy
import rig


class Paper:
    """Stands for a UILayout: writes down what is drawn, row by row, and refuses what Blender would show as an error."""

    def __init__(self, rows: list[list[str]], current: list[str] | None = None) -> None:
        for name, value in (("rows", rows), ("current", current), ("enabled", True)):
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        assert name == "enabled", name
        object.__setattr__(self, name, value)

    def row(self, align: bool = False) -> Paper:
        if self.current is not None:
            return self
        self.rows.append([])
        return Paper(self.rows, self.rows[-1])

    def column(self, align: bool = False) -> Paper:
        return Paper(self.rows, self.current)

    def box(self) -> Paper:
        return Paper(self.rows)

    def label(self, text: str = "", icon: str = "NONE") -> None:
        self._put(text, icon)

    def prop(self, data: Any, name: str, text: str | None = None, icon: str = "NONE", emboss: bool = True) -> None:
        known = data.bl_rna.properties[name]
        value = getattr(data, name)
        if known.type == "ENUM":
            value = known.enum_items[value].name
        elif known.type == "POINTER":
            value = value.name if value else ""
        shown = known.name if text is None else text
        self._put(f"[{shown}: {value}]" if shown else f"[{value}]", icon)

    def operator(self, name: str, text: str | None = None, icon: str = "NONE") -> Button:
        known = getattr(bpy.ops.seqmatte, name.partition(".")[2]).get_rna_type()
        self._put(f"({known.name if text is None else text or icon})", icon)
        return Button(known)

    def template_list(self, kind: str, _id: str, data: Any, name: str, active: Any, index: str, rows: int) -> None:
        assert hasattr(bpy.types, kind) and isinstance(getattr(active, index), int)
        for item in getattr(data, name):
            rig.part("panel").SEQMATTE_UL_keys.draw_item(None, None, Paper(self.rows), data, item, 0, active, index)

    def progress(self, factor: float, text: str, type: str) -> None:
        assert 0 <= factor <= 1 and type in ("BAR", "RING")
        self._put(text, "NONE")

    def _put(self, text: str, icon: str) -> None:
        icons = bpy.types.UILayout.bl_rna.functions["prop"].parameters["icon"].enum_items
        assert icon in icons.keys(), icon
        if self.current is None:
            self.rows.append([text])
        else:
            self.current.append(text)


class Button:
    def __init__(self, known: Any) -> None:
        object.__setattr__(self, "known", known)

    def __setattr__(self, name: str, value: object) -> None:
        assert name in self.known.properties, name


def drawn_rows() -> list[list[str]]:
    """What the panel shows of the scene's active node, row by row: text, [field: value], (button)."""
    rows: list[list[str]] = []
    context = SimpleNamespace(scene=bpy.context.scene)
    rig.part("panel").SEQMATTE_PT_matte.draw(SimpleNamespace(layout=Paper(rows)), context)
    return [row for row in rows if row]


def drawn() -> list[str]:
    """The same without its rows."""
    return [each for row in drawn_rows() for each in row]
