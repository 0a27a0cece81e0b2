"""A stand-in for Nuke's Python, written by hand from what is known of Nuke 13 to 17; anything else raises.

Only what the adapter uses is here. Where the real thing is undefined, hangs or crashes, this raises. Every assumption
has its line in tests/nuke/in_nuke.py, which asks a real Nuke. Load a fresh copy for each test (fixture `nuke`).

For tests alone: `hooks` (what a Write renders), `pump` (the main loop), `told`, `boxes`, `answers` and so on.
"""

from __future__ import annotations

import os
import queue
import re
import threading
import time
from types import SimpleNamespace

from fakes import nk
from fakes.nuke_classes import CLASSES, EVERY, ROOT, USER
from fakes.nuke_knobs import (  # noqa: F401 - Nuke's names
    ALWAYS_SAVE,
    DO_NOT_WRITE,
    INVISIBLE,
    STARTLINE,
    AColor_Knob,
    Boolean_Knob,
    Curves_Knob,
    Double_Knob,
    Enumeration_Knob,
    File_Knob,
    Int_Knob,
    Knob,
    Layer,
    Link_Knob,
    PyScript_Knob,
    Script_Knob,
    Shape,
    String_Knob,
    Stroke,
    Tab_Knob,
    Text_Knob,
    Which_Knob,
    point,
)
from fakes.nuke_nodes import FrameRange, Group, Node, Root  # noqa: F401 - Nuke's names
from fakes.nuke_state import evaluated as _evaluated
from fakes.nuke_state import guard, state, with_default

GUI = True
EXE_PATH = "/opt/Nuke13.2v8/Nuke13.2"
TABBEGINGROUP, TABENDGROUP, TABBEGINCLOSEDGROUP = 1, -1, 2

hooks = SimpleNamespace(render=None)
told: list[str] = []
asked: list[str] = []
printed: list[str] = []
boxes: list[ProgressTask] = []
answers: list[str | bool] = []
cancel_pressed = False

_posted: queue.SimpleQueue = queue.SimpleQueue()
_EVENTS = ("onCreate", "onScriptLoad", "onScriptSave", "onScriptClose", "beforeFrameRender", "autolabel")
_callbacks: dict[str, list] = {event: [] for event in _EVENTS}
_views = ["main"]


class CancelledError(Exception):
    pass


class Undo:
    @classmethod
    def disable(cls):
        guard()
        state.undo_off += 1

    @classmethod
    def enable(cls):
        guard()
        if not state.undo_off:
            raise RuntimeError("undo was enabled that was not disabled")
        state.undo_off -= 1


class FrameRanges:
    def __init__(self, frames):
        if not all(type(frame) is int for frame in frames):
            raise TypeError("FrameRanges takes whole numbers")
        self._frames = list(frames)

    def toFrameList(self):
        return list(self._frames)


class ProgressTask:
    def __init__(self, title):
        if not GUI:
            raise RuntimeError("not in GUI mode")
        self.title, self.progress, self.message = title, 0, ""
        boxes.append(self.title)

    def setProgress(self, percent):
        if type(percent) is not int or not 0 <= percent <= 100:
            raise TypeError(f"a percentage is a whole number from 0 to 100, not {percent!r}")
        self.progress = percent

    def setMessage(self, text):
        if not isinstance(text, str):
            raise TypeError("a message is a text")

    def isCancelled(self):
        return cancel_pressed

    def __del__(self):
        if self.title in boxes:
            boxes.remove(self.title)


class Menu:
    def __init__(self, name):
        self.name, self.commands, self.menus = name, {}, {}

    def addMenu(self, name, icon=""):
        return self.menus.setdefault(name, Menu(name))

    def addCommand(self, name, command):
        if not callable(command):
            raise TypeError("a command is a text or can be called")
        self.commands[name] = command


def root():
    guard()
    return _root


def createNode(kind, knobs="", inpanel=True):
    """In the current group, connected to what is selected there, which it then is itself."""
    guard()
    if inpanel and not GUI:
        raise RuntimeError("not in GUI mode")
    node = _new(kind, state.context[-1])
    selected = [other for other in state.context[-1]._nodes if other is not node and other._knobs["selected"]._value]
    if selected:
        node.setInput(0, selected[0])
    for other in selected:
        other._knobs["selected"]._value = False
    node._knobs["selected"]._value = True
    _fire("onCreate", node)
    return node


def allNodes(filter=None, group=None, recurseGroups=False):
    guard()
    found = []
    for node in (group or state.context[-1])._nodes:
        if filter in (None, node._kind):
            found.append(node)
        if recurseGroups and isinstance(node, Group):
            found += allNodes(filter, node, True)
    return found


def selectedNodes():
    guard()
    return [node for node in state.context[-1]._nodes if node._knobs["selected"]._value]


def toNode(name):
    guard()
    return state.context[-1].node(name)


def delete(node):
    guard()
    node._check()
    node._parent._nodes.remove(node)
    for other in node._parent._nodes:
        other._inputs = [None if above is node else above for above in other._inputs]
    node._gone = True


def thisNode():
    guard()
    if not state.this:
        raise RuntimeError("there is no node in context")
    return state.this[-1]


def frame(number=None):
    guard()
    if number is not None:
        state.frame = int(number)
    return state.frame


def views():
    guard()
    return list(_views)


def addView(name):
    guard()
    if name not in _views:
        _views.append(name)


def deleteView(name):
    guard()
    _views.remove(name)


def executing():
    return state.executing


def execute(node, ranges, views=None, continueOnError=False):
    """Renders a Write for frames and views, as File > Render does; the frame is set and put back."""
    guard()
    if state.executing:
        raise RuntimeError("I'm already executing something else")
    if node.Class() != "Write":
        raise RuntimeError(f"{node.name()} cannot be executed")
    if node["disable"].value():
        raise RuntimeError(f"{node.name()} is disabled")
    if not node["file"].value():
        raise RuntimeError("Write: no file name")
    if node["file_type"].value() != "exr":
        raise RuntimeError("this stand-in renders EXR only")
    before, state.executing = state.frame, True
    try:
        for number in ranges.toFrameList():
            state.frame = number
            for view in views or _views:
                if view not in _views:
                    raise RuntimeError(f"no view {view}")
                _fire("beforeFrameRender", node)
                _write(node, number, view)
    finally:
        state.frame, state.executing = before, False


def executeInMainThread(call, args=(), kwargs=None):
    if threading.get_ident() == state.main:
        raise RuntimeError("executeInMainThread was called in the main thread")
    if not isinstance(args, tuple):
        raise TypeError("args must be a tuple")
    if not GUI:
        raise RuntimeError("nobody pumps the queue without a GUI")
    _posted.put((call, args, kwargs or {}))


def message(text):
    guard()
    if not GUI:
        raise RuntimeError("not in GUI mode")
    if state.pumping:
        raise RuntimeError("a box opened from another thread's call freezes Nuke")
    told.append(text)


def getInput(prompt, default=""):
    guard()
    if not GUI:
        raise RuntimeError("not in GUI mode")
    return answers.pop(0)


def ask(prompt):
    guard()
    if not GUI:
        raise RuntimeError("not in GUI mode")
    if not isinstance(prompt, str):
        raise TypeError("a question is a text")
    asked.append(prompt)
    return answers.pop(0)


def tprint(*words):
    printed.append(" ".join(map(str, words)))


def menu(name):
    guard()
    if not GUI:
        raise RuntimeError("not in GUI mode")
    return _menus.setdefault(name, Menu(name))


def knobDefault(where, value):
    state.defaults[where] = value


def addOnCreate(call, nodeClass="*"):
    _callbacks["onCreate"].append((call, nodeClass))


def addOnScriptLoad(call):
    _callbacks["onScriptLoad"].append((call, "*"))


def addOnScriptSave(call):
    _callbacks["onScriptSave"].append((call, "*"))


def removeOnScriptSave(call):
    _callbacks["onScriptSave"].remove((call, "*"))


def addBeforeFrameRender(call, nodeClass="Write"):
    _callbacks["beforeFrameRender"].append((call, nodeClass))


def removeBeforeFrameRender(call, nodeClass="Write"):
    _callbacks["beforeFrameRender"].remove((call, nodeClass))


def addOnScriptClose(call):
    _callbacks["onScriptClose"].append((call, "*"))


def addAutolabel(call, nodeClass="*"):
    if not GUI:
        raise RuntimeError("not in GUI mode")
    _callbacks["autolabel"].append((call, nodeClass))


def scriptSaveAs(path):
    guard()
    _root["name"].setValue(path)
    _fire("onScriptSave", _root)
    with open(path, "w", encoding="utf-8") as file:
        file.write(nk.write(_saved(_root)))
    state.modified = False


def scriptClear():
    guard()
    _fire("onScriptClose", _root)
    for node in list(_root._nodes):
        node._gone = True
    _root._nodes.clear()
    for knob in _root._knobs.values():
        knob._value = knob._builtin
    state.modified = False


def scriptOpen(path):
    guard()
    scriptClear()
    with open(path, encoding="utf-8") as file:
        saved = nk.read(file.read())
    _load_knobs(_root, saved)
    _root["name"].setValue(str(path))
    _load(saved, _root)
    state.modified = False
    _fire("onScriptLoad", _root)


def nodeCopy(path):
    """The selected nodes of the current group, as text."""
    guard()
    chosen = [node for node in state.context[-1]._nodes if node._knobs["selected"]._value]
    top = nk.Saved("Copied")
    top.nodes = _saved_nodes(chosen)
    with open(path, "w", encoding="utf-8") as file:
        file.write(nk.write(top))


def nodePaste(path):
    guard()
    with open(path, encoding="utf-8") as file:
        made = _load(nk.read(file.read()), state.context[-1])
    return made[-1]


# --- for tests --------------------------------------------------------------------------------------------------------


def pump(until, seconds=300.0):
    """Nuke's main loop: runs what other threads have posted until the test has seen what it waits for."""
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            raise AssertionError("the main loop waited in vain")
        try:
            call, args, kwargs = _posted.get(timeout=0.02)
        except queue.Empty:
            continue
        state.pumping = True
        try:
            call(*args, **kwargs)
        finally:
            state.pumping = False


def label_of(node):
    """What the graph shows on a node."""
    texts = [_called(call, node) for call, kind in _callbacks["autolabel"] if kind in ("*", node._kind)]
    return next((text for text in texts if text), node.name())


def shown_file(group, number, view="main"):
    """The file that the group's output takes its pixels from at a frame, None for black. Raises where Nuke would."""
    node = group.node("Output1").input(0)
    while node is not None and node.Class() != "Read":
        node = node.input(int(node["which"].value()) if node.Class() == "Switch" else 0)
        if node is not None and node.Class() == "Input":
            node = group.input(node["number"].value())
    first, last = node["first"].value(), node["last"].value()
    if not first <= number <= last:
        beyond = node["before" if number < first else "after"].value()
        if beyond == "black":
            return None
        number = min(max(number, first), last)
    if not node["raw"].value():
        raise RuntimeError("the result would be read through a colour transform")
    path = _evaluated(node["file"].value()).replace("%V", view)
    path = re.sub(r"%0(\d)d", lambda found: f"{number:0{found[1]}d}", path)
    if os.path.exists(path):
        return path
    if node["on_error"].value() == "black":
        return None
    raise RuntimeError(f"{node.name()}: {path}: no such file")


def _new(kind, parent):
    if kind not in CLASSES:
        raise RuntimeError(f"{kind}: Unknown command")
    make = Group if kind == "Group" else Node
    node = make(kind, parent, {**EVERY, **CLASSES[kind][1]})
    for knob in node._knobs.values():
        with_default(kind, knob)
    parent._nodes.append(node)
    node.setName(f"{kind}1")
    if kind == "Input":
        node._knobs["number"]._value = sum(other._kind == "Input" for other in parent._nodes) - 1
    return node


def _write(node, number, view):
    path = _evaluated(node["file"].value()).replace("%V", view)
    path = re.sub(r"%0(\d)d", lambda found: f"{number:0{found[1]}d}", path)
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        if not node["create_directories"].value():
            raise RuntimeError(f"{path}: no such folder")
        os.makedirs(folder)
    hooks.render(node, number, view, path)


def _fire(event, node):
    for call, kind in _callbacks[event]:
        if kind in ("*", node._kind):
            _called(call, node)


def _called(call, node):
    state.this.append(node)
    try:
        return call()
    finally:
        state.this.pop()


def _saved(node):
    made = nk.Saved(node._kind)
    for knob in node._user:
        made.user.append((knob.number, knob._name, _declaration(knob)))
    for name, knob in node._knobs.items():
        keep = name == "name" or knob._value != knob._builtin or ALWAYS_SAVE in knob._flags
        keep |= isinstance(knob, Which_Knob) and knob.hasExpression()
        skip = isinstance(knob, (PyScript_Knob, Tab_Knob, Text_Knob, Link_Knob, Curves_Knob, Script_Knob))
        if keep and not skip and name != "selected" and DO_NOT_WRITE not in knob._flags:
            made.knobs[name] = knob._text()
    if isinstance(node, Group):
        made.nodes = _saved_nodes(node._nodes)
    return made


def _saved_nodes(nodes):
    made = {id(node): _saved(node) for node in nodes}
    for node in nodes:
        made[id(node)].inputs = [made.get(id(above)) for above in node._inputs]
    return list(made.values())


def _declaration(knob):
    rest = {"l": knob._label, "t": knob._tooltip}
    if isinstance(knob, Enumeration_Knob):
        rest["M"] = knob._values
    if isinstance(knob, (PyScript_Knob, Link_Knob, Text_Knob)):
        rest["T"] = knob._value
    if isinstance(knob, Tab_Knob):
        rest["n"] = knob._group
    rest["flags"] = ["+INVISIBLE"] * (INVISIBLE in knob._flags) + ["+STARTLINE"] * (STARTLINE in knob._flags)
    return rest


def _load(saved, parent):
    """Makes the nodes of a saved tree; callbacks fire when each is complete."""
    made = {}
    for one in saved.nodes:
        node = made[id(one)] = _new(one.kind, parent)
        for number, name, rest in one.user:
            node.addKnob(_user_knob(number, name, rest))
        if isinstance(node, Group):
            _load(one, node)
        _load_knobs(node, one)
    for one in saved.nodes:
        for index, above in enumerate(one.inputs):
            if above is not None and id(above) in made:
                made[id(one)].setInput(index, made[id(above)])
    for node in made.values():
        _fire("onCreate", node)
    return list(made.values())


def _load_knobs(node, saved):
    for name, text in saved.knobs.items():
        if name == "name" and not isinstance(node, Root):
            node.setName(text)
        else:
            node[name]._from_text(text)
            if node._kind in ("Read", "Write"):
                node[name].setFlag(ALWAYS_SAVE)


def _user_knob(number, name, rest):
    kind = USER[number]
    if kind is Enumeration_Knob:
        knob = kind(name, rest["l"], rest["M"])
    elif kind is Tab_Knob:
        knob = kind(name, rest["l"], int(rest["n"]))
    else:
        knob = kind(name, rest["l"])
    if "T" in rest:
        knob._value = rest["T"]
    knob._tooltip = rest["t"]
    knob._flags = {{"+INVISIBLE": INVISIBLE, "+STARTLINE": STARTLINE}[flag] for flag in rest["flags"]}
    return knob


_menus: dict[str, Menu] = {}
_root = state.root = Root("Root", None, ROOT)
state.context.append(_root)
