"""What a running Nuke has besides its nodes; shared by the files of the stand-in, made afresh for each test."""

from __future__ import annotations

import os
import re
import threading
from types import SimpleNamespace

# undos: (node, knob) of each change that an undo would take back, unless undo_off calls to disable() are open.
# main: the only thread that may touch nodes. context: the groups entered. this: nodes whose callbacks run.
state = SimpleNamespace(
    main=threading.get_ident(),
    frame=1,
    executing=False,
    modified=False,
    undo_off=0,
    undos=[],
    pumping=False,
    root=None,
    context=[],
    this=[],
    defaults={},
)


def guard():
    if threading.get_ident() != state.main:
        raise RuntimeError("Nuke was touched outside the main thread")


def evaluated(text):
    text = text.replace("[value root.name]", state.root._knobs["name"]._value)
    made = re.sub(r"\[file dirname ([^\[\]]*)\]", lambda found: os.path.dirname(found[1]), text)
    if "[" in made:
        raise RuntimeError(f"Tcl that this stand-in does not know: {text}")
    return made


def with_default(kind, knob):
    wanted = state.defaults.get(f"{kind}.{knob._name}")
    if wanted is not None:
        knob._from_text(wanted)
    return knob
