"""A fresh stand-in for Nuke in each test, a script with a plate and a roto, and real engines behind it."""

import importlib.util
import itertools
import os
import sys
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from types import ModuleType

import numpy as np
import OpenImageIO as oiio
import pytest

from fakes.toy_engine import PATHS, Params
from seqlink.params import describe
from shots import TinyShot, guide_pixels

ROOT = Path(__file__).resolve().parents[2]
FAKE = ROOT / "tests/fakes/nuke.py"

# What a studio could set that would spoil a node which relies on Nuke's own defaults.
HOSTILE = {
    "Read.raw": "false", "Read.on_error": "error", "Read.before": "hold", "Read.after": "loop", "Read.frame": "frame+1",
    "Read.frame_mode": "offset", "Read.premultiplied": "true", "Read.auto_alpha": "true", "Read.disable": "true",
    "Read.localizationPolicy": "on", "Read.colorspace": "sRGB", "Write.channels": "all", "Write.raw": "false",
    "Write.file_type": "png", "Write.create_directories": "false", "Write.colorspace": "sRGB", "Write.views": "none",
    "Write.exr.datatype": "16 bit half", "Write.exr.compression": "RLE", "Write.exr.autocrop": "true",
    "Write.exr.metadata": "all metadata", "Switch.which": "3", "Merge2.operation": "plus", "Merge2.bbox": "B",
    "Copy.from0": "rgba.red", "Copy.to0": "rgba.green", "Constant.channels": "rgba", "Constant.color": "1",
    "Group.tile_color": "255", "Group.label": "studio",
}  # fmt: skip


def load_fake(monkeypatch) -> ModuleType:
    """A Nuke that was just started."""
    started = ("nuke", "fakes.nuke_state", "fakes.nuke_knobs", "fakes.nuke_classes", "fakes.nuke_nodes")
    for name in [name for name in sys.modules if name in started or name.partition(".")[0] == "seqmatte_nuke"]:
        monkeypatch.delitem(sys.modules, name)
    spec = importlib.util.spec_from_file_location("nuke", FAKE)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "nuke", module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=["as shipped", "hostile defaults"])
def nuke(request, monkeypatch):
    """Both kinds of studio."""
    return load_fake(monkeypatch) if request.param == "as shipped" else request.getfixturevalue("hostile_nuke")


@pytest.fixture
def hostile_nuke(monkeypatch):
    made = load_fake(monkeypatch)
    for where, value in HOSTILE.items():
        made.knobDefault(where, value)
    return made


@pytest.fixture
def hostile_fresh(monkeypatch):
    """Starts another Nuke, in a studio with hostile defaults that has never heard of us."""

    def start():
        made = load_fake(monkeypatch)
        monkeypatch.setitem(sys.modules, "seqmatte_nuke", None)
        for where, value in HOSTILE.items():
            made.knobDefault(where, value)
        return made

    return start


@pytest.fixture
def adapter(nuke, settings, monkeypatch):
    """The adapter as Nuke's start loads it; its engine ends with the test."""
    exec(
        compile((ROOT / "nuke/init.py").read_text(), ROOT / "nuke/init.py", "exec"),
        {"__file__": str(ROOT / "nuke/init.py")},
    )
    import seqmatte_nuke
    from seqmatte_nuke import knobs, session

    shipped = knobs.document
    toy = {"name": "toy", "summary": "A toy for tests.", "params": describe(Params)}
    recipe = {"name": "toy", "methods": ["toy"], "summary": ""}

    @wraps(shipped)
    def with_toy():
        made = shipped()
        return {"recipes": [*made["recipes"], recipe], "methods": [*made["methods"], toy]}

    monkeypatch.setattr(knobs, "document", with_toy)

    yield seqmatte_nuke
    session.stop()


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """The engine that the adapter finds: `use(program)` names another."""
    monkeypatch.setenv("SEQMATTE_SETTINGS", str(tmp_path / "settings.json"))
    monkeypatch.setenv("SEQMATTE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SEQMATTE_DEVICE", "cpu")
    monkeypatch.setenv("SEQMATTE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("OCIO", raising=False)

    def use(text):
        program = tmp_path / "python"
        program.write_text(text)
        program.chmod(0o755)
        monkeypatch.setenv("SEQMATTE_PYTHON", str(program))

    # The client strips PYTHONPATH, rightly; here the engine runs from its source folder, and knows the toy recipe.
    toy = ROOT / "tests/fakes/toy_engine.py"
    use(f'#!/bin/sh\nshift 2\nPYTHONPATH={PATHS["PYTHONPATH"]} exec {sys.executable} {toy} "$@"\n')
    return use


@dataclass
class Script:
    """A saved script: plate > node < roto. masks: what the roto draws, by frame; tests edit it as an artist would."""

    nuke: ModuleType
    tiny: TinyShot
    folder: Path
    read: object = None
    roto: object = None
    node: object = None
    masks: dict = field(default_factory=dict)
    written: list = field(default_factory=list)
    clock: object = field(default_factory=itertools.count)

    def render(self, write, frame, view, path):
        """What a Write of Nuke puts on disk: pixels through its colour transform, windows, remarks that change."""
        assert write["file_type"].value() == "exr"
        mask = write["channels"].value() == "alpha"
        pixels = self.masks[frame][:, :, None] if mask else read_pixels(self.tiny.plate.path(frame))
        pixels = pixels if write["raw"].value() else np.sqrt(np.abs(pixels))
        self.written.append((write.name(), frame, view))
        x, y, width, height = self.tiny.header.data
        spec = oiio.ImageSpec(
            width, height, pixels.shape[2], "half" if "half" in write["datatype"].value() else "float"
        )
        spec.x, spec.y = x, y
        spec.full_x, spec.full_y, spec.full_width, spec.full_height = self.tiny.header.display
        spec.channelnames = ("A",) if mask else ("R", "G", "B")
        spec.attribute("compression", "zips" if "1 scanline" in write["compression"].value() else "rle")
        spec.attribute("DateTime", f"2026:01:01 00:00:{next(self.clock):02d}")
        if write["metadata"].value() != "no metadata":
            spec.attribute("nuke/node_hash", f"{next(self.clock):x}")
        out = oiio.ImageOutput.create(path)
        assert out.open(path, spec) and out.write_image(np.ascontiguousarray(pixels, np.float32)) and out.close()

    def grade(self):
        """Work on the plate, so that it is rendered for the engine."""
        grade = self.nuke.createNode("Grade", inpanel=False)
        grade.setInput(0, self.read)
        self.node.setInput(0, grade)
        return grade

    def second_node(self, adapter):
        return self.connect(adapter.create())

    def connect(self, node):
        """Another node, on the same plate and roto, with a key of its own."""
        for index, above in enumerate((self.read, self.roto)):
            node.setInput(index, above)
        for name, value in {"recipe": "toy", "keys": "5", "first": 1, "last": 12}.items():
            node[name].setValue(value)
        return node

    def press(self, button):
        """Presses a button of the node."""
        self.node[button].execute()

    def finish(self):
        """Lets Nuke run until the node's job is over and all it posted is done."""
        from seqmatte_nuke import session

        uid = self.node["seqmatte_uid"].value()
        self.nuke.pump(lambda: session.running(uid) is None and self.nuke._posted.empty())

    def solve(self, button="solve"):
        self.press(button)
        self.finish()

    def copy(self):
        """Copies the node alone, to be pasted from clip.nk."""
        for node in self.nuke.allNodes():
            node["selected"].setValue(node is self.node)
        self.nuke.nodeCopy(str(self.folder / "clip.nk"))

    def gate(self, *open_frames):
        """A folder in which each frame, walked from frame 1, waits for its file."""
        folder = self.folder / "gate"
        folder.mkdir()
        for frame in open_frames:
            (folder / str(frame)).touch()
        self.node["keys"].setValue("1")
        self.node["toy__gate"].setValue(str(folder))
        return folder

    def open_all(self, gate):
        for frame in self.tiny.frames:
            (gate / str(frame)).touch()

    def read_other(self, tiny):
        """Another plate, its masks with it."""
        self.tiny = tiny
        self.masks.update({frame: guide_pixels(tiny.alpha[frame], "mask") for frame in tiny.frames})
        self.read["file"].setValue(str(tiny.plate).replace("####", "%04d"))
        for name, frame in (("first", tiny.frames[0]), ("last", tiny.frames[-1])):
            self.read[name].setValue(frame)
        self.press("range_from_plate")

    @staticmethod
    def read_pixels(path):
        return read_pixels(path)

    @property
    def results(self):
        """The folder of results."""
        return Path(self.nuke._evaluated(self.node["folder"].value()))

    def shown(self, view="main"):
        """The file that the node gives at each frame, or None for black."""
        return {frame: self.nuke.shown_file(self.node, frame, view) for frame in self.tiny.frames}


@pytest.fixture
def script(nuke, adapter, tiny_shot, tmp_path):
    """Saved, the plate read as it is, the mask keyed on frame 3, the toy recipe unless a test says otherwise."""
    made = build(nuke, adapter, tiny_shot, tmp_path)
    made.node["recipe"].setValue("toy")
    return made


def build(nuke, adapter, tiny, tmp_path):
    os.makedirs(tmp_path / "shots", exist_ok=True)
    nuke.scriptSaveAs(str(tmp_path / "shots" / "ab_010.nk"))
    made = Script(nuke, tiny, tmp_path)
    nuke.hooks.render = made.render
    made.masks.update({frame: guide_pixels(tiny.alpha[frame], "mask") for frame in tiny.frames})
    made.read, made.roto = nuke.createNode("Read", inpanel=False), nuke.createNode("Roto", inpanel=False)
    made.roto.setInput(0, None)
    for name, value in {
        "file": str(tiny.plate).replace("####", "%04d"), "first": tiny.frames[0], "last": tiny.frames[-1], "raw": True,
        "frame": "", "frame_mode": "expression", "premultiplied": False, "disable": False,
    }.items():  # fmt: skip
        made.read[name].setValue(value)
    made.node = adapter.create()
    made.node.setInput(0, made.read)
    made.node.setInput(1, made.roto)
    made.press("range_from_plate")
    made.node["keys"].setValue("3")
    return made


def read_pixels(path):
    file = oiio.ImageInput.open(str(path))
    pixels = file.read_image(0, 0, 0, file.spec().nchannels, "float")
    file.close()
    return pixels
