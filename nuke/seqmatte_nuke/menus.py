"""Menu entries: the node in the Nodes toolbar and menu."""

from __future__ import annotations

import os

import nuke
from seqlink.call import WorkerError

from . import actions, node
from .trouble import Trouble


def add() -> None:
    icon = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "seqmatte.png")
    shelf = nuke.menu("Nodes").addMenu("SeqMatte", icon if os.path.exists(icon) else "")
    shelf.addCommand("Matte", create)
    nuke.menu("Nuke").addMenu("SeqMatte").addCommand("Matte", create)


def create() -> None:
    """A new node with its panel open."""
    try:
        node.create().showControlPanel()
    except (Trouble, WorkerError) as trouble:
        actions.tell(str(trouble))
