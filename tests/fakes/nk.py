"""The .nk subset that an adapter writes: Nuke's stack language with Tcl quoting, read and written.

A node takes its inputs from the stack, the top one as input 0, and lies on top itself; `set N1 [stack 0]` names the
top, `push $N1` puts it back, `push 0` puts nothing. A Group is followed by its inside and `end_group`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Saved:
    """One node of a script. knobs: name -> text. user: (type number, name, rest of its declaration)."""

    kind: str
    knobs: dict[str, str] = field(default_factory=dict)
    user: list[tuple[int, str, dict[str, object]]] = field(default_factory=list)
    inputs: list[Saved | None] = field(default_factory=list)
    nodes: list[Saved] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.knobs.get("name", "")

    def __getitem__(self, name: str) -> Saved:
        """A node inside by its name."""
        return next(node for node in self.nodes if node.name == name)

    def wiring(self) -> dict[str, list[str]]:
        """Names of the inputs of each node inside, "" where nothing is connected."""
        return {node.name: [above.name if above else "" for above in node.inputs] for node in self.nodes}


class Braced(str):
    """What stood in braces: not yet split into words."""


def read(text: str) -> Saved:
    """The script as a tree under a Root."""
    top, stacks, groups, named = Saved("Root"), [[]], [], {}
    groups.append(top)
    for words in commands(text):
        stack = stacks[-1]
        if words[0] == "set":
            named[words[1]] = stack[-1]
        elif words[0] == "push":
            stack.append(named[words[1][1:]] if words[1].startswith("$") else None)
        elif words[0] == "end_group":
            groups.pop()
            stacks.pop()
        elif words[0] == "Root":
            _fill(top, words[1])
        elif words[0] != "version":
            node = _fill(Saved(words[0]), words[1])
            count = int(node.knobs.pop("inputs", "1"))
            node.inputs = [stack.pop() if stack else None for _ in range(count)]
            groups[-1].nodes.append(node)
            stack.append(node)
            if node.kind == "Group":
                groups.append(node)
                stacks.append([])
    return top


def write(node: Saved, indent: str = "") -> str:
    """The text of a node's inside; of a Root, the whole script."""
    lines = [] if node.kind != "Root" else ["version 13.2 v8", *_block(node, indent)]
    names = {id(inner): f"N{number:08x}" for number, inner in enumerate(node.nodes, 1)}
    for inner in _inputs_first(node.nodes):
        for above in reversed(inner.inputs):
            lines.append(f"{indent}push {'$' + names[id(above)] if above else 0}")
        lines += _block(inner, indent)
        if inner.kind == "Group":
            lines += [write(inner, indent + " ").rstrip("\n"), f"{indent}end_group"]
        lines.append(f"{indent}set {names[id(inner)]} [stack 0]")
    return "\n".join(lines) + "\n"


def commands(text: str) -> Iterator[list[str]]:
    """Lines as words; a word in braces may run over many lines."""
    line: list[str] = []
    for word in _words(text):
        if word is not None:
            line.append(word)
        elif line:
            yield line
            line = []
    if line:
        yield line


def quoted(text: str) -> str:
    """One word of the language, whatever it holds."""
    marks = text.replace("\\", "\\\\").replace('"', '\\"').replace("[", "\\[").replace("$", "\\$").replace("\n", "\\n")
    return f'"{marks}"'


def _fill(node: Saved, body: str) -> Saved:
    for words in commands(body):
        if words[0] == "addUserKnob":
            node.user.append(_declared(words[1]))
        else:
            node.knobs[words[0]] = words[1] if len(words) == 2 else " ".join(words[1:])
    return node


def _declared(body: str) -> tuple[int, str, dict[str, object]]:
    """{4 recipe l "how" M {a b} +INVISIBLE}: number, name, {"l": "how", "M": ["a", "b"], "flags": [...]}."""
    words = next(commands(body))
    flags = [word for word in words[2:] if re.fullmatch(r"[+-][A-Z_]+", word)]
    rest: dict[str, object] = {"flags": flags}
    others = [word for word in words[2:] if word not in flags]
    for letter, value in zip(others[::2], others[1::2]):  # noqa: B905 - also run by Python 3.9
        rest[letter] = next(commands(value), []) if letter == "M" else str(value)
    return int(words[0]), words[1], rest


def _block(node: Saved, indent: str) -> list[str]:
    lines = [f"{indent}{node.kind} {{"]
    if node.kind != "Root":
        lines.append(f"{indent} inputs {len(node.inputs)}")
    for number, name, rest in node.user:
        facts = [f"{letter} {_option(value)}" for letter, value in rest.items() if letter != "flags"]
        lines.append(f"{indent} addUserKnob {{{' '.join([str(number), name, *facts, *rest['flags']])}}}")
    lines += [f"{indent} {name} {quoted(text)}" for name, text in node.knobs.items()]
    return [*lines, f"{indent}}}"]


def _option(value: object) -> str:
    return "{" + " ".join(map(quoted, value)) + "}" if isinstance(value, list) else quoted(str(value))


def _inputs_first(nodes: list[Saved]) -> list[Saved]:
    ordered: list[Saved] = []

    def visit(node: Saved) -> None:
        for above in node.inputs:
            if above is not None and above not in ordered:
                visit(above)
        if not any(node is other for other in ordered):
            ordered.append(node)

    for node in nodes:
        visit(node)
    return ordered


def _words(text: str) -> Iterator[str | None]:
    """Words in turn, None at each end of a line."""
    at = 0
    while at < len(text):
        letter = text[at]
        if letter in " \t\r":
            at += 1
        elif letter in "\n;":
            yield None
            at += 1
        elif letter == "{":
            end = _closing(text, at)
            yield Braced(text[at + 1 : end])
            at = end + 1
        elif letter == '"':
            end = at + 1
            while text[end] != '"':
                end += 2 if text[end] == "\\" else 1
            yield _plain(text[at + 1 : end])
            at = end + 1
        elif letter == "[":
            end = text.index("]", at)
            yield text[at : end + 1]
            at = end + 1
        else:
            end = at
            while end < len(text) and text[end] not in " \t\r\n;":
                end += 2 if text[end] == "\\" else 1
            yield _plain(text[at:end])
            at = end


def _closing(text: str, at: int) -> int:
    depth, end, inside = 0, at, False
    while True:
        letter = text[end]
        if letter == "\\":
            end += 1
        elif letter == '"':
            inside = not inside
        elif letter == "{" and not inside:
            depth += 1
        elif letter == "}" and not inside:
            depth -= 1
            if depth == 0:
                return end
        end += 1


def _plain(text: str) -> str:
    made, at = "", 0
    while at < len(text):
        if text[at] == "\\" and at + 1 < len(text):
            made += {"n": "\n"}.get(text[at + 1], text[at + 1])
            at += 2
        else:
            made += text[at]
            at += 1
    return made
