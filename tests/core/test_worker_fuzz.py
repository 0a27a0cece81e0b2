"""Twelve thousand messages, most of them wrong, to one real worker: each gets the answer it must get, and it lives."""

import collections
import json
import os
import random
import string
import subprocess
import threading

from fakes import toy_engine
from seqlink import wire
from seqmatte import methods, recipe
from seqmatte.answers import Answers, as_failure

MESSAGES = 12_000
HELLO = {"jsonrpc": "2.0", "method": "hello", "params": {"protocol": wire.PROTOCOL}}


def line_of(document):
    return json.dumps(document).encode()


def judged(line):
    """What JSON-RPC 2.0 and wire.py say of a line that is answered at once: (id, code or result), or None."""
    try:
        document = json.loads(line.decode(), parse_constant=lambda name: 1 / 0)
    except (ValueError, RecursionError, ZeroDivisionError):
        return None, wire.PARSE_ERROR
    if not isinstance(document, dict):
        return None, wire.INVALID_REQUEST
    id = document.get("id")
    if type(id) not in (int, str, type(None)):
        return None, wire.INVALID_REQUEST
    if document.get("jsonrpc") != "2.0":
        return id, wire.INVALID_REQUEST
    if "method" not in document:
        answer = "result" in document or type(document.get("error", {}).get("code")) is int
        return None if answer else (id, wire.INVALID_REQUEST)
    if not isinstance(document["method"], str):
        return id, wire.INVALID_REQUEST
    params = document.get("params", {})
    if not isinstance(params, dict):
        return id, wire.INVALID_PARAMS
    if id is None:
        return None
    if document["method"] == "cancel":
        return id, {"cancelled": False}
    if document["method"] != "hello":
        return id, wire.UNKNOWN_METHOD
    spoken = params.get("protocol") == wire.PROTOCOL
    return id, {"protocol": wire.PROTOCOL, "version": "*", "device": "cpu"} if spoken else 1


class Messages:
    """Lines to send, and what each must bring: `expected` counts (id, answer) pairs."""

    def __init__(self, seed, shot, reference):
        self.random = random.Random(seed)
        self.shot, self.reference = shot, reference
        self.expected = collections.Counter()
        self.serial = 0

    def __iter__(self):
        makers = [
            (24, self.hello), (12, self.damaged), (10, self.truncated), (10, self.rubbish), (9, self.strange_json),
            (8, self.unknown), (8, self.ghost_cancel), (6, self.strange_id), (5, self.notification), (4, self.answer),
            (2, self.status), (2, self.wrong_shot), (0.5, self.frame), (0.4, self.render), (0.3, self.padded),
            (0.2, self.nested), (0.2, self.endless_number),
        ]  # fmt: skip
        weights, functions = zip(*makers, strict=True)
        for count in range(MESSAGES):
            line = self.too_long() if count in (3000, 9000) else self.random.choices(functions, weights)[0]()
            assert b"\n" not in line
            yield line + b"\n"

    def id(self):
        self.serial += 1
        return self.random.choice((self.serial, f"call {self.serial}", -self.serial, 10**30 + self.serial))

    def judged(self, line):
        found = judged(line)
        if found is not None:
            self.expect(*found)
        return line

    def expect(self, id, answer):
        self.expected[canonical(id, answer)] += 1

    def hello(self):
        return self.judged(line_of({**HELLO, "id": self.id()}))

    def damaged(self):
        line = bytearray(line_of({**HELLO, "id": self.id()}))
        for _ in range(self.random.choice((1, 1, 2, 5))):
            line[self.random.randrange(len(line))] = self.random.randrange(256)
        return self.judged(bytes(line).replace(b"\n", b" "))

    def truncated(self):
        line = line_of({**HELLO, "id": self.id()}) + line_of({"shot": self.shot})
        return self.judged(line[: self.random.randrange(len(line))])

    def rubbish(self):
        return self.judged(self.random.randbytes(self.random.randrange(300)).replace(b"\n", b""))

    def strange_json(self):
        return self.judged(line_of(self.anything(3)))

    def strange_id(self):
        return self.judged(line_of({**HELLO, "id": self.random.choice((1.5, True, [], {}, [1], 1e300))}))

    def unknown(self):
        name = "".join(self.random.choices(string.printable + "é\ud800", k=self.random.randrange(20)))
        return self.judged(line_of({"jsonrpc": "2.0", "id": self.id(), "method": name + "!", "params": {}}))

    def ghost_cancel(self):
        return self.judged(line_of({"jsonrpc": "2.0", "id": self.id(), "method": "cancel", "params": {"id": "ghost"}}))

    def notification(self):
        return self.judged(line_of({**HELLO, "method": self.random.choice(("hello", "status", "render", "x"))}))

    def answer(self):
        body = self.random.choice(({"result": 1}, {"error": {"code": 1}}, {"error": {}}, {}))
        return self.judged(line_of({"jsonrpc": "2.0", "id": self.id(), **body}))

    def padded(self):
        return self.judged(line_of({**HELLO, "id": self.id(), "params": {"protocol": 1, "x": "y" * 300_000}}))

    def nested(self):
        return self.judged(self.random.choice((b"[", b'{"a":')) * 100_000)

    def endless_number(self):
        return self.judged(b'{"jsonrpc":"2.0","id":' + b"9" * 6000 + b',"method":"hello"}')

    def too_long(self):
        self.expect(None, wire.INVALID_REQUEST)
        return b" " * (wire.LONGEST_LINE + self.random.randrange(1, 2 * wire.LONGEST_LINE))

    def status(self):
        return self.queued("status", {"shot": self.shot})

    def frame(self):
        return self.queued("frame", {"shot": self.shot, "frame": self.random.randrange(-1, 15)})

    def render(self):
        return self.queued("render", {"shot": self.shot, "frames": self.random.choice(("2-3", "7", "12,1", "13"))})

    def wrong_shot(self):
        shot = dict(self.shot)
        shot[self.random.choice([*shot, "more"])] = self.anything(2)
        return self.queued("status", {"shot": shot})

    def queued(self, method, params):
        id = self.id()
        line = line_of({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
        if b"Infinity" in line:
            return self.judged(line)
        self.expect(id, self.reference(method, json.loads(line)["params"]))
        return line

    def anything(self, depth):
        plain = (None, True, 0, -1, 3.5, 1e400, "", "x", "1-5", "plate.####.exr", 10**40)
        if depth == 0 or self.random.random() < 0.4:
            return self.random.choice(plain)
        if self.random.random() < 0.5:
            return [self.anything(depth - 1) for _ in range(self.random.randrange(4))]
        names = ("id", "jsonrpc", "path", "frame", "error", "x")
        return {name: self.anything(depth - 1) for name in self.random.sample(names, self.random.randrange(4))}


def canonical(id, answer):
    if isinstance(answer, dict):
        answer = {name: "*" if name in ("version", "steps") else value for name, value in answer.items()}
    return json.dumps([id, answer], sort_keys=True)


def in_process(answers):
    """What the same question is answered without a wire: the result, or the error's code."""

    def reference(method, params):
        never = threading.Event()
        try:
            if method == "status":
                return answers.status(params)
            if method == "frame":
                return answers.frame(params, never)
            return answers.render(params, never, lambda event: None)
        except Exception as error:  # noqa: BLE001 - the worker's own net
            return as_failure(None, error).code

    return reference


def test_of_twelve_thousand_messages_each_gets_its_answer_and_the_worker_lives(tiny_shot, tmp_path, monkeypatch):
    monkeypatch.setenv("SEQMATTE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(methods, "TABLE", methods.TABLE)
    monkeypatch.setattr(recipe, "RECIPES", recipe.RECIPES)
    toy_engine.install()
    shot, cache = toy_engine.toy(tiny_shot), tmp_path / "cache"
    reference = in_process(Answers(str(cache), "cpu"))
    reference("render", {"shot": shot})
    messages = Messages(11, shot, reference)
    lines = list(messages)
    process = subprocess.Popen(
        toy_engine.command(cache),
        env={**os.environ, **toy_engine.PATHS},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    writer = threading.Thread(target=lambda: (process.stdin.write(b"".join(lines)), process.stdin.flush()))
    writer.start()
    found, strays = collections.Counter(), []
    while found.total() < messages.expected.total():
        line = process.stdout.readline()
        assert line, f"the worker ended with {process.wait()} after {found.total()} answers"
        message = wire.read(line)
        if isinstance(message, wire.Request):
            strays += [] if message.method in wire.EVENTS else [message]
        else:
            answer = message.code if isinstance(message, wire.Failure) else message.result
            found[canonical(message.id, answer)] += 1
    writer.join()
    assert len(lines) == MESSAGES
    assert found - messages.expected == messages.expected - found == collections.Counter()
    assert strays == []
    process.stdin.write(wire.written(wire.Request("bye", {}, "last")))
    process.stdin.close()
    assert wire.read(process.stdout.read()) == wire.Reply("last", {})
    assert process.wait(60) == 0
    process.stdout.close()
