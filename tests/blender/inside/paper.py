"""A UILayout of paper: what the panel draws, as lines. Blender without windows never draws."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import bpy
import rig


class Paper:
    """Stands for a UILayout: writes down what is drawn, and refuses what Blender would show as an error."""

    def __init__(self, lines: list[str]) -> None:
        object.__setattr__(self, "lines", lines)
        object.__setattr__(self, "enabled", True)

    def __setattr__(self, name: str, value: object) -> None:
        assert name == "enabled" or name in bpy.types.UILayout.bl_rna.properties, name
        object.__setattr__(self, name, value)

    def row(self, align: bool = False) -> Paper:
        return Paper(self.lines)

    column = box = row

    def label(self, text: str = "", icon: str = "NONE") -> None:
        self._icon(icon)
        self.lines.append(text)

    def prop(self, data: Any, name: str, text: str | None = None, icon: str = "NONE", emboss: bool = True) -> None:
        self._icon(icon)
        shown = data.bl_rna.properties[name].name
        self.lines.append(f"[{shown if text is None else text}: {getattr(data, name)}]")

    def operator(self, name: str, text: str | None = None, icon: str = "NONE") -> Button:
        self._icon(icon)
        known = getattr(bpy.ops.seqmatte, name.partition(".")[2]).get_rna_type()
        self.lines.append(f"({known.name if text is None else text})")
        return Button(known)

    def template_list(self, kind: str, _id: str, data: Any, name: str, active: Any, index: str, rows: int) -> None:
        assert hasattr(bpy.types, kind) and isinstance(getattr(active, index), int)
        for item in getattr(data, name):
            rig.part("panel").SEQMATTE_UL_keys.draw_item(None, None, self, data, item, 0, active, index)

    def progress(self, factor: float, text: str, type: str) -> None:
        assert 0 <= factor <= 1 and type in ("BAR", "RING")
        self.lines.append(text)

    def _icon(self, icon: str) -> None:
        icons = bpy.types.UILayout.bl_rna.functions["prop"].parameters["icon"].enum_items
        assert icon in icons.keys(), icon


class Button:
    def __init__(self, known: Any) -> None:
        object.__setattr__(self, "known", known)

    def __setattr__(self, name: str, value: object) -> None:
        assert name in self.known.properties, name


def drawn() -> list[str]:
    """What the panel shows of the scene's active node: text, [field: value], (button)."""
    lines: list[str] = []
    context = SimpleNamespace(scene=bpy.context.scene)
    rig.part("panel").SEQMATTE_PT_matte.draw(SimpleNamespace(layout=Paper(lines)), context)
    return lines
