# SPDX-License-Identifier: GPL-3.0-or-later
"""SeqMatte for Blender: a Matte node in the compositor, solved by an engine in a process of its own."""


def register() -> None:
    import bpy

    from . import handlers, operators, panel, preferences, props, solving

    props.register()
    for kind in (*operators.CLASSES, *solving.CLASSES, *panel.CLASSES, preferences.SeqMattePreferences):
        bpy.utils.register_class(kind)
    bpy.types.NODE_MT_add.append(panel.draw_menu)
    handlers.register()


def unregister() -> None:
    import bpy

    from . import handlers, operators, panel, preferences, props, session, solving

    session.stop()
    handlers.unregister()
    bpy.types.NODE_MT_add.remove(panel.draw_menu)
    for kind in reversed((*operators.CLASSES, *solving.CLASSES, *panel.CLASSES, preferences.SeqMattePreferences)):
        bpy.utils.unregister_class(kind)
    props.unregister()
