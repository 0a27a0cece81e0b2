"""What feeds a node, and at which frames it is seen: what lies between may show it at other times."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import nuke

from .node import PLATE, is_ours

# They ask for several frames, or for frames that nothing but themselves knows.
_RETIMES = (
    "Retime", "TimeWarp", "Kronos", "OFlow", "OFlow2", "TimeClip", "AppendClip", "TimeDissolve", "FrameBlend",
    "TimeBlur", "TimeEcho",
)  # fmt: skip
_TIMES = ("TimeOffset", "FrameHold", *_RETIMES)

Times = tuple[nuke.Node, ...]


def upstream(start: nuke.Node | None) -> Iterator[tuple[nuke.Node, Times]]:
    """A node and those above it, the nearest first; into groups, and out of them to what is connected to them.

    Each with the nodes that change time on the way to it, once for each time at which it is seen: ways are too many,
    since every held patch on a plate doubles them.
    """
    waiting: deque[tuple[nuke.Node | None, Times]] = deque([(start, ())])
    seen: set[tuple[str, int | None, int | None]] = set()
    while waiting:
        found, times = waiting.popleft()
        if found is None:
            continue
        met = (found.fullName(), seen_at(0, times), seen_at(1, times))  # one of two tells a held frame from a moved one
        if met not in seen:
            seen.add(met)
            yield found, times
            further = (*times, found) if _changes_time(found) else times
            waiting.extend((above, further) for above in feeding(found))


def seen_at(frame: int, times: Times) -> int | None:
    """The frame that is seen through nodes that change time; None where it cannot be told."""
    at: int | None = frame
    for node in times:
        at = None if at is None else _asked_for(node, at)
    return at


def _asked_for(node: nuke.Node, frame: int) -> int | None:
    if node.Class() == "TimeOffset" and not node["reverse_input"].value():
        return round(frame - float(node["time_offset"].value()))
    if node.Class() == "FrameHold" and not node["increment"].value():
        held = node.knob("firstFrame") or node.knob("first_frame")  # its name changed with Nuke 11
        return None if held is None else int(held.value())
    return None


def _changes_time(found: nuke.Node) -> bool:
    return found.Class() in _TIMES and not found["disable"].value()


def feeding(found: nuke.Node) -> list[nuke.Node | None]:
    """What a node's picture is made of: of a group what feeds its Output, of an Input what is connected to the group.

    One of ours that shows what was made for it is made of nothing else.
    """
    off = found.knob("disable")
    if off is not None and off.value():
        return [found.input(0)]
    if is_ours(found):
        return [found.input(PLATE)] if str(found["show"].value()).startswith("plate") else []
    if isinstance(found, nuke.Group):
        return [inner for inner in found.nodes() if inner.Class() == "Output"]
    around = found.fullName().rpartition(".")[0]
    if found.Class() == "Input" and around:
        return _connected(around, int(found["number"].value()))
    return [found.input(index) for index in range(found.inputs())]


def _connected(group: str, number: int) -> list[nuke.Node | None]:
    with nuke.root():
        found = nuke.toNode(group)
    return [found.input(number)] if found is not None else []
