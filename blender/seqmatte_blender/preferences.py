# SPDX-License-Identifier: GPL-3.0-or-later
"""Preferences: the engine's Python, its cache and device. They are the user's settings, shared with other hosts."""

from dataclasses import replace
from typing import Any

import bpy
from bpy.props import StringProperty

from .seqlink import settings


def _shared(name: str, description: str, subtype: str = "NONE") -> Any:
    """A property that reads and writes one of the settings in the user's file."""

    def get(_self: Any) -> str:
        try:
            return str(getattr(settings.load(environment={}), name))
        except settings.SettingsError:
            return ""

    def put(_self: Any, value: str) -> None:
        try:
            now = settings.load(environment={})
        except settings.SettingsError:
            now = settings.Settings()
        settings.save(replace(now, **{name: bpy.path.abspath(value) if subtype != "NONE" else value}))

    return StringProperty(name=name.capitalize(), description=description, subtype=subtype, get=get, set=put)


class SeqMattePreferences(bpy.types.AddonPreferences):
    bl_idname = __package__

    python: _shared("python", "The Python that has seqmatte installed; empty: the seqmatte command", "FILE_PATH")
    cache: _shared("cache", "Where the engine keeps what it computed; empty: its own choice", "DIR_PATH")
    device: _shared("device", "auto, cpu, cuda or cuda:1")

    def draw(self, context: Any) -> None:
        column = self.layout.column()
        column.prop(self, "python", text="Engine's Python")
        column.prop(self, "cache")
        column.prop(self, "device")
        column.operator("seqmatte.test", icon="CHECKMARK")
