"""Nodes of the stand-in for Nuke, and groups, whose inside is a context of its own."""

from __future__ import annotations

import sys

from fakes.nuke_classes import CLASSES, EXR
from fakes.nuke_state import guard, state, with_default


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
        return above.frameRange() if above else FrameRange(state.root.firstFrame(), state.root.lastFrame())

    def showControlPanel(self):
        guard()
        if not sys.modules["nuke"].GUI:
            raise RuntimeError("not in GUI mode")

    def __eq__(self, other):
        return self is other

    def __hash__(self):
        return id(self)

    def _most_inputs(self):
        return CLASSES[self._kind][0]

    def _take(self, knob):
        knob._node = self
        self._knobs[knob._name] = knob

    def _changed(self, knob):
        if self._kind == "Write" and knob._name == "file_type" and knob._value == "exr":
            for name, make in EXR.items():
                if name not in self._knobs:
                    self._take(with_default("Write.exr", make(name)))

    def _check(self):
        guard()
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
        state.context.append(self)
        return self

    def end(self):
        if state.context.pop() is not self:
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
        return state.modified

    def setModified(self, modified):
        guard()
        state.modified = bool(modified)


class FrameRange:
    def __init__(self, first, last):
        self._first, self._last = first, last

    def first(self):
        return self._first

    def last(self):
        return self._last
