"""What an artist is told when something cannot be done."""

from __future__ import annotations


class Trouble(Exception):
    """One or two sentences: what is wrong and what to do. Shown in a box, or raised where there is no window."""
