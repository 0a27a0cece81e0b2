"""Nodes of earlier releases, brought up to this one where a script is loaded or a button is pressed."""

from __future__ import annotations

import nuke

from . import keys, node


def upgrade(group: nuke.Group) -> None:
    """Adds the knobs that a node lacks, and writes to its keys what they are. Raises Trouble for unreadable keys.

    In version 1 the list said what all keys are; now it says what new ones are.
    """
    if int(group["seqmatte_version"].value()) >= node.VERSION:
        return
    if group.knob("weights") is None:
        group.addKnob(node.weights_knob())
    keys.pin(group)
    group["guide_kind"].setLabel(node.NEW_KEYS)
    group["seqmatte_version"].setValue(node.VERSION)
