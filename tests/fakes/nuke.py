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

GUI = True
EXE_PATH = "/opt/Nuke13.2v8/Nuke13.2"
INVISIBLE, STARTLINE, ALWAYS_SAVE, DO_NOT_WRITE = 0x400, 0x1000, 0x2000, 0x4000
TABBEGINGROUP, TABENDGROUP, TABBEGINCLOSEDGROUP = 1, -1, 2

hooks = SimpleNamespace(render=None)
told: list[str] = []
printed: list[str] = []
boxes: list[ProgressTask] = []
answers: list[str] = []
cancel_pressed = False

_main = threading.get_ident()
_posted: queue.SimpleQueue = queue.SimpleQueue()
_defaults: dict[str, str] = {}
_callbacks: dict[str, list] = {"onCreate": [], "onScriptLoad": [], "onScriptClose": [], "autolabel": []}
_context: list[Group] = []
_this: list[Node] = []
_views = ["main"]
_state = SimpleNamespace(frame=1, executing=False, modified=False)


class CancelledError(Exception):
    pass


def _guard():
    if threading.get_ident() != _main:
        raise RuntimeError("Nuke was touched outside the main thread")


# --- knobs ------------------------------------------------------------------------------------------------------------


class Knob:
    number = 0
    kind = str
    plain = ""

    def __init__(self, name, label=""):
        self._name, self._label, self._tooltip, self._flags = name, label, "", set()
        self._value = self._builtin = self.plain
        self._node = None

    def name(self):
        return self._name

    def label(self):
        return self._label

    def Class(self):
        return type(self).__name__

    def node(self):
        return self._node

    def value(self):
        self._check()
        return self._value

    def setValue(self, value):
        self._check()
        made = self._converted(value)
        if self._node is not None and made != self._value:
            _state.modified = True
        self._value = made
        if self._node is not None:
            self._node._changed(self)
        return True

    def setFlag(self, flag):
        self._check()
        self._flags.add(flag)

    def clearFlag(self, flag):
        self._flags.discard(flag)

    def getFlag(self, flag):
        return flag in self._flags

    def setTooltip(self, text):
        self._tooltip = text

    def tooltip(self):
        return self._tooltip

    def _check(self):
        if self._node is not None:
            _guard()
            self._node._check()

    def _converted(self, value):
        if not isinstance(value, self.kind):
            raise TypeError(f"{self._name}: {value!r} is no {self.kind.__name__}")
        return value

    def _text(self):
        return str(self._value)

    def _from_text(self, text):
        self.setValue(self.kind(text))


class String_Knob(Knob):
    number = 1

    def __init__(self, name, label="", value=""):
        super().__init__(name, label)
        self._value = value


class File_Knob(String_Knob):
    number = 2

    def getEvaluatedValue(self):
        self._check()
        return _evaluated(self._value)


class Int_Knob(Knob):
    number, kind, plain = 3, int, 0


class Double_Knob(Knob):
    number, kind, plain = 7, float, 0.0

    def setRange(self, low, high):
        self._range = (float(low), float(high))

    def _converted(self, value):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError(f"{self._name}: {value!r} is no number")
        return float(value)


class AColor_Knob(Double_Knob):
    number = 19


class Boolean_Knob(Knob):
    number, kind, plain = 6, bool, False

    def _text(self):
        return "true" if self._value else "false"

    def _from_text(self, text):
        self.setValue(text in ("true", "1"))


class Enumeration_Knob(Knob):
    number = 4

    def __init__(self, name, label, values):
        super().__init__(name, label)
        self._values = [str(value) for value in values]
        self._value = self._builtin = self._values[0]

    def values(self):
        return list(self._values)

    def getValue(self):
        return float(self._values.index(self._value))

    def _converted(self, value):
        if isinstance(value, int) and 0 <= value < len(self._values):
            return self._values[value]
        if value not in self._values:
            raise ValueError(f"{self._name}: {value!r} is not in {self._values}")
        return value


class PyScript_Knob(Knob):
    number = 22

    def __init__(self, name, label="", command=""):
        super().__init__(name, label)
        self._value = command

    def execute(self):
        self._check()
        _this.append(self._node)
        try:
            exec(self._value, {"nuke": __import__("nuke"), "__name__": "__main__"})
        finally:
            _this.pop()


class Script_Knob(Knob):
    """`reload` of a Read: a Tcl button."""

    number = 32

    def execute(self):
        self._check()
        if self._value != "knob this.version [expr [value this.version]+1]":
            raise RuntimeError(f"Tcl that this stand-in does not know: {self._value}")
        self._node["version"].setValue(self._node["version"].value() + 1)


class Text_Knob(Knob):
    number = 26

    def __init__(self, name, label="", value=""):
        super().__init__(name, label)
        self._value = value


class Tab_Knob(Knob):
    number = 20

    def __init__(self, name, label="", group=0):
        super().__init__(name, label)
        self._group = group


class Link_Knob(Knob):
    number = 41

    def setLink(self, target):
        self._value = target

    def value(self):
        return self._target().value()

    def setValue(self, value):
        return self._target().setValue(value)

    def _target(self):
        inner, _, name = self._value.partition(".")
        return self._node.node(inner)[name]

    def _text(self):
        return self._value


class Channel_Knob(Knob):
    pass


class Curves_Knob(Knob):
    """`curves` of a Roto: tests put shapes into rootLayer."""

    kind = object

    def __init__(self, name, label=""):
        super().__init__(name, label)
        self.rootLayer = Layer()


class Layer(list):
    """A folder of shapes and layers."""


class Shape(list):
    """Control points, each with `center.getControlPointKeyTimes()`."""


class Stroke(list):
    """Paint, which is no roto."""


def point(*times):
    """A control point with keys at these times. For tests."""
    return SimpleNamespace(center=SimpleNamespace(getControlPointKeyTimes=lambda: [float(t) for t in times]))


def _enum(*values):
    return lambda name: Enumeration_Knob(name, "", values)


def _plain(kind, value):
    def make(name):
        knob = kind(name)
        knob._value = knob._builtin = value
        return knob

    return make


_ON_ERROR = _enum("error", "black", "checkerboard", "nearest frame")
_BEYOND = _enum("hold", "loop", "bounce", "black")
_SPACES = _enum("default", "linear", "sRGB", "scene_linear", "ACEScg", "default (scene_linear)")
_RELOAD = _plain(Script_Knob, "knob this.version [expr [value this.version]+1]")
_EVERY = {
    "name": String_Knob, "label": String_Knob, "tile_color": Int_Knob, "xpos": Int_Knob, "ypos": Int_Knob,
    "disable": Boolean_Knob, "selected": Boolean_Knob, "autolabel": String_Knob, "onCreate": String_Knob,
}  # fmt: skip
# Class -> (most inputs, knobs). Names, values and defaults from a dump of Nuke 17.0v3.
_CLASSES = {
    "Group": (0, {}),
    "Input": (0, {"number": Int_Knob}),
    "Output": (1, {}),
    "Dot": (1, {}),
    "NoOp": (1, {}),
    "Grade": (2, {"white": AColor_Knob}),
    "Roto": (4, {"curves": Curves_Knob, "output": _plain(Channel_Knob, "alpha"),
                 "cliptype": _enum("no clip", "bbox", "format")}),
    "Read": (0, {
        "file": File_Knob, "proxy": File_Knob, "first": _plain(Int_Knob, 1), "last": _plain(Int_Knob, 1),
        "origfirst": _plain(Int_Knob, 1), "origlast": _plain(Int_Knob, 1), "before": _BEYOND, "after": _BEYOND,
        "frame_mode": _enum("expression", "start at", "offset"), "frame": String_Knob, "on_error": _ON_ERROR,
        "raw": Boolean_Knob, "premultiplied": Boolean_Knob, "auto_alpha": Boolean_Knob, "colorspace": _SPACES,
        "localizationPolicy": _enum("from auto-localize path", "on", "on demand", "off"), "version": Int_Knob,
        "reload": _RELOAD}),
    "Write": (1, {
        "file": File_Knob, "channels": _plain(Channel_Knob, "rgb"),
        "file_type": _enum(" ", "exr", "png", "tiff", "dpx"), "raw": Boolean_Knob, "colorspace": _SPACES,
        "create_directories": Boolean_Knob, "views": _plain(String_Knob, "main")}),
    "Switch": (100, {"which": Double_Knob}),
    "Copy": (3, {"from0": _plain(Channel_Knob, "rgba.alpha"), "to0": _plain(Channel_Knob, "rgba.alpha")}),
    "Merge2": (3, {"operation": _enum("over", "plus", "multiply"), "bbox": _enum("union", "intersection", "A", "B")}),
    "Constant": (0, {"channels": _plain(Channel_Knob, "rgb"), "color": AColor_Knob}),
}  # fmt: skip
_EXR = {
    "datatype": _enum("16 bit half", "32 bit float"),
    "compression": _enum("Zip (16 scanlines)", "none", "Zip (1 scanline)", "PIZ Wavelet (32 scanlines)", "RLE"),
    "autocrop": Boolean_Knob,
    "metadata": _enum("default metadata", "no metadata", "all metadata", "all metadata except input/*"),
}
_ROOT = {
    "name": File_Knob, "frame": _plain(Int_Knob, 1), "first_frame": _plain(Int_Knob, 1),
    "last_frame": _plain(Int_Knob, 100), "proxy": Boolean_Knob, "colorManagement": _enum("Nuke", "OCIO"),
    "OCIO_config": _enum("nuke-default", "aces_1.2", "custom"), "customOCIOConfigPath": File_Knob,
    "workingSpaceLUT": _enum("linear", "scene_linear", "ACEScg", "ACES2065-1"),
}  # fmt: skip
_USER = {c.number: c for c in (String_Knob, File_Knob, Int_Knob, Double_Knob, Boolean_Knob, Enumeration_Knob,
                               PyScript_Knob, Text_Knob, Tab_Knob, Link_Knob)}  # fmt: skip


# --- nodes ------------------------------------------------------------------------------------------------------------


class Node:
    def __init__(self, kind, parent, knobs):
        self._kind, self._parent, self._inputs, self._knobs, self._gone = kind, parent, [], {}, False
        self._user = []
        for name, make in knobs.items():
            self._take(make(name))

    def Class(self):
        return self._kind

    def name(self):
        self._check()
        return self._knobs["name"]._value

    def fullName(self):
        self._check()
        above = self._parent.fullName() if self._parent is not None else ""
        return ".".join(part for part in (above, self._knobs["name"]._value) if part)

    def setName(self, name):
        self._check()
        taken = {node._knobs["name"]._value for node in self._parent._nodes if node is not self}
        base = name.rstrip("0123456789")
        number = int(name[len(base) :] or 0)
        while name in taken:
            number += 1
            name = f"{base}{number}"
        self._knobs["name"]._value = name

    def knob(self, name):
        self._check()
        return self._knobs.get(name)

    def __getitem__(self, name):
        self._check()
        if name not in self._knobs:
            raise NameError(f"knob {name} does not exist")
        return self._knobs[name]

    def addKnob(self, knob):
        self._check()
        if knob._name in self._knobs:
            raise ValueError(f"{self._kind} has a knob {knob._name} already")
        self._take(knob)
        self._user.append(knob)

    def input(self, index):
        self._check()
        return self._inputs[index] if index < len(self._inputs) else None

    def inputs(self):
        self._check()
        return max((i + 1 for i, above in enumerate(self._inputs) if above is not None), default=0)

    def setInput(self, index, above):
        self._check()
        if index >= self._most_inputs() or (above is not None and above._parent is not self._parent):
            return False
        self._inputs += [None] * (index + 1 - len(self._inputs))
        self._inputs[index] = above
        return True

    def frameRange(self):
        self._check()
        if self._kind == "Read":
            return FrameRange(self["first"].value(), self["last"].value())
        above = self.input(0)
        return above.frameRange() if above else FrameRange(root().firstFrame(), root().lastFrame())

    def showControlPanel(self):
        _guard()
        if not GUI:
            raise RuntimeError("not in GUI mode")

    def __eq__(self, other):
        return self is other

    def __hash__(self):
        return id(self)

    def _most_inputs(self):
        return _CLASSES[self._kind][0]

    def _take(self, knob):
        knob._node = self
        self._knobs[knob._name] = knob

    def _changed(self, knob):
        if self._kind == "Write" and knob._name == "file_type" and knob._value == "exr":
            for name, make in _EXR.items():
                if name not in self._knobs:
                    self._take(_with_default("Write.exr", make(name)))

    def _check(self):
        _guard()
        if self._gone:
            raise ValueError("A PythonObject is not attached to a node")


class Group(Node):
    def __init__(self, kind, parent, knobs):
        self._nodes = []
        super().__init__(kind, parent, knobs)

    def node(self, name):
        self._check()
        first, _, rest = name.partition(".")
        found = next((node for node in self._nodes if node._knobs["name"]._value == first), None)
        return found.node(rest) if found is not None and rest else found

    def nodes(self):
        self._check()
        return list(self._nodes)

    def begin(self):
        self._check()
        _context.append(self)
        return self

    def end(self):
        if _context.pop() is not self:
            raise RuntimeError("end() of a group that is not the context")

    def __enter__(self):
        return self.begin()

    def __exit__(self, *_):
        self.end()

    def _most_inputs(self):
        return sum(node._kind == "Input" for node in self._nodes)


class Root(Group):
    def firstFrame(self):
        return self["first_frame"].value()

    def lastFrame(self):
        return self["last_frame"].value()

    def fullName(self):
        return ""

    def modified(self):
        return _state.modified

    def setModified(self, modified):
        _guard()
        _state.modified = bool(modified)


class Which_Knob(Double_Knob):
    """`which` of a Switch may have an expression; only the one form that the adapter writes is known."""

    expression = ""

    def setExpression(self, text):
        self._check()
        if not re.fullmatch(r"parent\.\w+", text):
            raise RuntimeError(f"an expression that this stand-in does not know: {text}")
        self.expression = text
        return True

    def hasExpression(self):
        return bool(self.expression)

    def value(self):
        self._check()
        if self.expression:
            return self._node._parent[self.expression.partition(".")[2]].getValue()
        return self._value

    def _text(self):
        return "{{" + self.expression + "}}" if self.expression else str(self._value)

    def _from_text(self, text):
        if text.startswith("{"):
            self.setExpression(text.strip("{}"))
        else:
            self.setValue(float(text))


_CLASSES["Switch"] = (100, {"which": Which_Knob})


class FrameRange:
    def __init__(self, first, last):
        self._first, self._last = first, last

    def first(self):
        return self._first

    def last(self):
        return self._last


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


# --- the module's functions -------------------------------------------------------------------------------------------


def root():
    _guard()
    return _root


def createNode(kind, knobs="", inpanel=True):
    """In the current group, connected to what is selected there, which it then is itself."""
    _guard()
    if inpanel and not GUI:
        raise RuntimeError("not in GUI mode")
    node = _new(kind, _context[-1])
    selected = [other for other in _context[-1]._nodes if other is not node and other._knobs["selected"]._value]
    if selected:
        node.setInput(0, selected[0])
    for other in selected:
        other._knobs["selected"]._value = False
    node._knobs["selected"]._value = True
    _fire("onCreate", node)
    return node


def allNodes(filter=None, group=None, recurseGroups=False):
    _guard()
    found = []
    for node in (group or _context[-1])._nodes:
        if filter in (None, node._kind):
            found.append(node)
        if recurseGroups and isinstance(node, Group):
            found += allNodes(filter, node, True)
    return found


def selectedNodes():
    _guard()
    return [node for node in _context[-1]._nodes if node._knobs["selected"]._value]


def toNode(name):
    _guard()
    return _context[-1].node(name)


def delete(node):
    _guard()
    node._check()
    node._parent._nodes.remove(node)
    for other in node._parent._nodes:
        other._inputs = [None if above is node else above for above in other._inputs]
    node._gone = True


def thisNode():
    _guard()
    if not _this:
        raise RuntimeError("there is no node in context")
    return _this[-1]


def frame(number=None):
    _guard()
    if number is not None:
        _state.frame = int(number)
    return _state.frame


def views():
    _guard()
    return list(_views)


def executing():
    return _state.executing


def execute(node, ranges, views=None, continueOnError=False):
    """Renders a Write for frames and views, as File > Render does; the frame is set and put back."""
    _guard()
    if _state.executing:
        raise RuntimeError("I'm already executing something else")
    if node.Class() != "Write":
        raise RuntimeError(f"{node.name()} cannot be executed")
    if node["disable"].value():
        raise RuntimeError(f"{node.name()} is disabled")
    if not node["file"].value():
        raise RuntimeError("Write: no file name")
    if node["file_type"].value() != "exr":
        raise RuntimeError("this stand-in renders EXR only")
    before, _state.executing = _state.frame, True
    try:
        for number in ranges.toFrameList():
            _state.frame = number
            for view in views or _views:
                if view not in _views:
                    raise RuntimeError(f"no view {view}")
                _write(node, number, view)
    finally:
        _state.frame, _state.executing = before, False


def executeInMainThread(call, args=(), kwargs=None):
    if threading.get_ident() == _main:
        raise RuntimeError("executeInMainThread was called in the main thread")
    if not isinstance(args, tuple):
        raise TypeError("args must be a tuple")
    if not GUI:
        raise RuntimeError("nobody pumps the queue without a GUI")
    _posted.put((call, args, kwargs or {}))


def message(text):
    _guard()
    if not GUI:
        raise RuntimeError("not in GUI mode")
    if _state.pumping:
        raise RuntimeError("a box opened from another thread's call freezes Nuke")
    told.append(text)


def getInput(prompt, default=""):
    _guard()
    if not GUI:
        raise RuntimeError("not in GUI mode")
    return answers.pop(0)


def tprint(*words):
    printed.append(" ".join(map(str, words)))


def menu(name):
    _guard()
    if not GUI:
        raise RuntimeError("not in GUI mode")
    return _menus.setdefault(name, Menu(name))


def knobDefault(where, value):
    _defaults[where] = value


def addOnCreate(call, nodeClass="*"):
    _callbacks["onCreate"].append((call, nodeClass))


def addOnScriptLoad(call):
    _callbacks["onScriptLoad"].append((call, "*"))


def addOnScriptClose(call):
    _callbacks["onScriptClose"].append((call, "*"))


def addAutolabel(call, nodeClass="*"):
    if not GUI:
        raise RuntimeError("not in GUI mode")
    _callbacks["autolabel"].append((call, nodeClass))


def scriptSaveAs(path):
    _guard()
    _root["name"].setValue(path)
    with open(path, "w", encoding="utf-8") as file:
        file.write(nk.write(_saved(_root)))
    _state.modified = False


def scriptClear():
    _guard()
    _fire("onScriptClose", _root)
    for node in list(_root._nodes):
        node._gone = True
    _root._nodes.clear()
    for knob in _root._knobs.values():
        knob._value = knob._builtin
    _state.modified = False


def scriptOpen(path):
    _guard()
    scriptClear()
    with open(path, encoding="utf-8") as file:
        saved = nk.read(file.read())
    _load_knobs(_root, saved)
    _root["name"].setValue(str(path))
    _load(saved, _root)
    _state.modified = False
    _fire("onScriptLoad", _root)


def nodeCopy(path):
    """The selected nodes of the current group, as text."""
    _guard()
    chosen = [node for node in _context[-1]._nodes if node._knobs["selected"]._value]
    top = nk.Saved("Copied")
    top.nodes = _saved_nodes(chosen)
    with open(path, "w", encoding="utf-8") as file:
        file.write(nk.write(top))


def nodePaste(path):
    _guard()
    with open(path, encoding="utf-8") as file:
        made = _load(nk.read(file.read()), _context[-1])
    return made[-1]


# --- for tests --------------------------------------------------------------------------------------------------------


def pump(until, seconds=120.0):
    """Nuke's main loop: runs what other threads have posted until the test has seen what it waits for."""
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            raise AssertionError("the main loop waited in vain")
        try:
            call, args, kwargs = _posted.get(timeout=0.02)
        except queue.Empty:
            continue
        _state.pumping = True
        try:
            call(*args, **kwargs)
        finally:
            _state.pumping = False


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


def add_view(name):
    _views.append(name)


def _new(kind, parent):
    if kind not in _CLASSES:
        raise RuntimeError(f"{kind}: Unknown command")
    make = Group if kind == "Group" else Node
    node = make(kind, parent, {**_EVERY, **_CLASSES[kind][1]})
    for knob in node._knobs.values():
        _with_default(kind, knob)
    parent._nodes.append(node)
    node.setName(f"{kind}1")
    if kind == "Input":
        node._knobs["number"]._value = sum(other._kind == "Input" for other in parent._nodes) - 1
    return node


def _with_default(kind, knob):
    wanted = _defaults.get(f"{kind}.{knob._name}")
    if wanted is not None:
        knob._from_text(wanted)
    return knob


def _write(node, number, view):
    path = _evaluated(node["file"].value()).replace("%V", view)
    path = re.sub(r"%0(\d)d", lambda found: f"{number:0{found[1]}d}", path)
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        if not node["create_directories"].value():
            raise RuntimeError(f"{path}: no such folder")
        os.makedirs(folder)
    hooks.render(node, number, view, path)


def _evaluated(text):
    text = text.replace("[value root.name]", _root._knobs["name"]._value)
    made = re.sub(r"\[file dirname ([^\[\]]*)\]", lambda found: os.path.dirname(found[1]), text)
    if "[" in made:
        raise RuntimeError(f"Tcl that this stand-in does not know: {text}")
    return made


def _fire(event, node):
    for call, kind in _callbacks[event]:
        if kind in ("*", node._kind):
            _called(call, node)


def _called(call, node):
    _this.append(node)
    try:
        return call()
    finally:
        _this.pop()


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
    kind = _USER[number]
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
_state.pumping = False
_root = Root("Root", None, _ROOT)
_context.append(_root)
