"""Knobs of the stand-in for Nuke: the classes that the adapter uses, their types, their texts in a script."""

from __future__ import annotations

import re
from types import SimpleNamespace

from fakes.nuke_state import evaluated, guard, state

INVISIBLE, STARTLINE, ALWAYS_SAVE, DO_NOT_WRITE = 0x400, 0x1000, 0x2000, 0x4000


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
            state.modified = True
            if not state.undo_off:
                state.undos.append((self._node._knobs["name"]._value, self._name))
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

    def setLabel(self, text):
        self._check()
        if not isinstance(text, str):
            raise TypeError("a label is a text")
        self._label = text

    def setTooltip(self, text):
        self._tooltip = text

    def tooltip(self):
        return self._tooltip

    def _check(self):
        if self._node is not None:
            guard()
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
        return evaluated(self._value)


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
        state.this.append(self._node)
        try:
            exec(self._value, {"nuke": __import__("nuke"), "__name__": "__main__"})
        finally:
            state.this.pop()


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
