# SPDX-License-Identifier: GPL-3.0-or-later
"""What every button on a Matte node begins with: finding the node."""

import os
from collections.abc import Callable
from typing import Any

from bpy.props import StringProperty

from . import compositor, node, session


def active(context: Any, name: str = "") -> Any | None:
    """The Matte node of a name in the context's scene; without a name the active one."""
    tree = compositor.tree_of(context.scene)
    if tree is None:
        return None
    found = tree.nodes.get(name) if name else tree.nodes.active
    return found if found is not None and node.is_matte(found) else None


def nested(scene: Any, name: str = "") -> str:
    """What to do where the scene's Matte node, of a name or the only one, lies in a group; empty where it does not."""
    tree = compositor.tree_of(scene)
    for owner, matte in node.every():  # those in the tree itself come first
        if owner == scene and name in ("", matte.name):
            return "" if matte.id_data == tree else f"Take {matte.name} out of its group to solve it."
    return ""


class OnNode:
    """An operator on one Matte node."""

    node: StringProperty(options={"SKIP_SAVE", "HIDDEN"})
    report: Callable[[set[str], str], None]  # Blender's own
    properties: Any

    def matte(self, context: Any) -> Any | None:
        found = active(context, self.node)
        if found is None:
            none = f"No Matte node {self.node!r} in the compositing tree of this scene."
            self.report({"ERROR"}, nested(context.scene, self.node) or none)
        return found

    def own_matte(self, context: Any) -> Any | None:
        """The node, where it is this file's: what is changed in a linked one is gone when the file is opened again."""
        found = self.matte(context)
        for block in (found.id_data, found.node_tree) if found is not None else ():
            if block.library is not None:
                name = os.path.basename(block.library.filepath)
                self.report({"ERROR"}, f"This node is linked from {name}: change it there, or make it local.")
                return None
        return found

    def idle_matte(self, context: Any) -> Any | None:
        """The node, where no job runs for it."""
        found = self.matte(context)
        if found is not None and session.running(found.node_tree.seqmatte.uid):
            self.report({"ERROR"}, "This node is being solved: cancel that first.")
            return None
        return found
