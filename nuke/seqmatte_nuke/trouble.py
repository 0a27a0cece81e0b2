"""What an artist is told when something cannot be done."""

from __future__ import annotations

import nuke


class Trouble(Exception):
    """One or two sentences: what is wrong and what to do. Shown in a box, or raised where there is no window."""


def tell_later(message: str) -> None:
    """From a call that another thread has posted: a box opened there freezes Nuke, so its terminal is told."""
    if not nuke.GUI:
        raise Trouble(message)
    nuke.tprint(f"SeqMatte: {message}")
