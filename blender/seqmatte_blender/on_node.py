# SPDX-License-Identifier: GPL-3.0-or-later
"""What every button on a Matte node begins with: finding the node."""

from collections.abc import Callable
from typing import Any

from bpy.props import StringProperty

from . import compositor, node


def active(context: Any, name: str = "") -> Any | None:
    """The Matte node of a name in the context's scene; without a name the active one."""
    tree = compositor.tree_of(context.scene)
    if tree is None:
        return None
    found = tree.nodes.get(name) if name else tree.nodes.active
    return found if found is not None and node.is_matte(found) else None


class OnNode:
    """An operator on one Matte node."""

    node: StringProperty(options={"SKIP_SAVE", "HIDDEN"})
    report: Callable[[set[str], str], None]  # Blender's own
    properties: Any

    def matte(self, context: Any) -> Any | None:
        found = active(context, self.node)
        if found is None:
            self.report({"ERROR"}, f"No Matte node {self.node!r} in the compositing tree of this scene.")
        return found
