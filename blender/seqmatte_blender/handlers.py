# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens by itself: jobs end when another file is opened, and a render says which mattes it lacks."""

import sys
from typing import Any

import bpy
from bpy.app.handlers import persistent

from . import operators, session, status


@persistent
def before_load(*_: Any) -> None:
    session.abandon()
    status.forget()


@persistent
def before_render(scene: Any, *_: Any) -> None:
    # Farms look for lines that begin with ERROR; a missing matte is otherwise silently transparent.
    for line in operators.holes(scene):
        sys.stderr.write(f"ERROR: SeqMatte: {line}\n")


def register() -> None:
    bpy.app.handlers.load_pre.append(before_load)
    bpy.app.handlers.render_init.append(before_render)


def unregister() -> None:
    bpy.app.handlers.load_pre.remove(before_load)
    bpy.app.handlers.render_init.remove(before_render)
