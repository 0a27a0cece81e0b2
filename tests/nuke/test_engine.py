"""The engine behind Nuke: the real recipe, engines that are missing, die and are killed, and Nuke 14's Python 3.9."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shots import write_tiny_shot


@pytest.fixture
def nuke(hostile_nuke):
    """Under hostile defaults alone: what is tried here is not the node."""
    return hostile_nuke


def digests(files):
    return {frame: hashlib.sha256(Path(file).read_bytes()).hexdigest() for frame, file in files.items()}


def test_a_first_matte(script):
    """From a fresh node to results that are byte for byte what the command line gives for the same Shot."""
    assert script.node["status"].value() == "not solved"
    script.read_other(write_tiny_shot(script.folder / "short", count=4))
    script.node["recipe"].setValue("flow-closed-form")
    script.solve()
    assert script.nuke.told == []
    assert script.node["status"].value().startswith("ready, 4/4 ready, lowest confidence")
    assert script.node["show"].value() == "result"
    document = json.loads((script.results / "shot.json").read_text())
    document["out"] = str(script.folder / "shell" / "matte.%04d.exr")
    (script.folder / "shot.json").write_text(json.dumps(document))
    command = [os.environ["SEQMATTE_PYTHON"], "-m", "seqmatte", "matte", str(script.folder / "shot.json")]
    subprocess.run([*command, "--cache", str(script.folder / "another cache")], check=True, capture_output=True)
    shell = {frame: str(script.folder / f"shell/matte.{frame:04d}.exr") for frame in script.tiny.frames}
    assert digests(script.shown()) == digests(shell)


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (None, "cannot start the engine"),
        ("#!/bin/sh\necho Welcome\nread line\n", "printed what is not the engine's protocol: 'Welcome'"),
        ("#!/bin/sh\necho 'the disk is on fire' >&2\nexit 3\n", "the disk is on fire"),
    ],
    ids=["missing", "rubbish", "dying"],
)
def test_without_a_sound_engine_the_artist_is_told_and_goes_on(script, settings, monkeypatch, program, said):
    working = os.environ["SEQMATTE_PYTHON"]
    if program is None:
        monkeypatch.setenv("SEQMATTE_PYTHON", "/no/such/python")
    else:
        script.folder.joinpath("keep").write_text(Path(working).read_text())
        settings(program)
    script.solve()
    assert script.node["status"].value().startswith("failed")
    assert said in script.node["status"].value()
    assert script.nuke.boxes == []
    if program is None:
        monkeypatch.setenv("SEQMATTE_PYTHON", working)
    else:
        settings(script.folder.joinpath("keep").read_text())
    script.solve()
    assert script.node["status"].value().startswith("ready, 12/12")


def test_killed_at_20_random_moments_nuke_goes_on_and_a_second_solve_finishes(script):

    from seqmatte_nuke import session

    chance = random.Random(7)
    for moment in range(20):
        gate, walked = script.folder / f"gate.{moment}", script.folder / f"walked.{moment}"
        gate.mkdir()
        reached = chance.randrange(1, 12)
        for frame in range(1, reached + 1):
            (gate / str(frame)).touch()
        script.node["keys"].setValue("1")
        script.node["toy__gate"].setValue(str(gate))
        script.node["toy__walked"].setValue(str(walked))
        script.press("solve")
        script.nuke.pump(lambda w=walked, f=reached: w.exists() and w.read_text().split()[-1:] == [str(f + 1)])
        os.kill(session.worker().pid, signal.SIGKILL)
        script.finish()
        assert "killed by signal 9" in script.node["status"].value()
        script.open_all(gate)
        script.solve()
        assert script.node["status"].value().startswith("ready, 12/12")


BARE = """
import importlib.util, os, runpy, shutil, sys
root, packed, shots = sys.argv[1:]
sys.path[:0] = [os.path.join(root, "tests"), packed]
spec = importlib.util.spec_from_file_location("nuke", os.path.join(root, "tests/fakes/nuke.py"))
sys.modules["nuke"] = nuke = importlib.util.module_from_spec(spec)
spec.loader.exec_module(nuke)
runpy.run_path(os.path.join(packed, "init.py"))
runpy.run_path(os.path.join(packed, "menu.py"))
import seqlink, seqmatte_nuke
assert seqlink.__file__.startswith(packed) and seqmatte_nuke.__file__.startswith(packed)
from seqmatte_nuke import session
for name in os.listdir(os.path.join(packed, "seqmatte_nuke")):
    if name.endswith(".py"):
        importlib.import_module("seqmatte_nuke." + name[:-3])
nuke.scriptSaveAs(os.path.join(shots, "script.nk"))
nuke.hooks.render = lambda write, frame, view, path: shutil.copy(os.path.join(shots, "mask.0003.exr"), path)
read, roto = nuke.createNode("Read", inpanel=False), nuke.createNode("Roto", inpanel=False)
for name, value in {"file": os.path.join(shots, "plate.%04d.exr"), "first": 1, "last": 12, "raw": True}.items():
    read[name].setValue(value)
nuke.menu("Nodes").menus["SeqMatte"].commands["Matte"]()
node = nuke.toNode("SeqMatte1")
node.setInput(0, read)
node.setInput(1, roto)
node["range_from_plate"].execute()
node["keys"].setValue("3")
node["recipe"]._values.append("toy")
node["recipe"].setValue("toy")
node["solve"].execute()
nuke.pump(lambda: session.running(node["seqmatte_uid"].value()) is None and nuke._posted.empty())
print(sys.version_info[:2], nuke.told, node["status"].value())
session.stop()
"""


def old_pythons():
    """Every 3.9 on this machine, and this Python, which is tried without its packages in the same way."""
    return [*Path.home().glob(".pyenv/versions/3.9.*/bin/python"), Path(sys.executable)]


@pytest.mark.parametrize("python", old_pythons(), ids=lambda path: path.parents[1].name)
def test_a_python_with_nothing_installed_solves_a_node_from_one_packed_folder(python, tiny_shot, settings, tmp_path):
    tiny_shot.guide(3)
    root, packed = Path(__file__).resolve().parents[2], tmp_path / "packed"
    for _ in range(2):
        subprocess.run([sys.executable, root / "nuke/pack.py", packed], check=True)
    assert sorted(os.listdir(packed)) == ["init.py", "menu.py", "seqlink", "seqmatte_nuke"]
    command = [python, "-I", "-S", "-B", "-W", "error", "-c", BARE, root, packed, tiny_shot.folder]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "[] ready, 12/12 ready" in done.stdout
    assert done.stderr == ""


def test_nodes_that_end_while_others_begin_all_come_to_their_end(adapter, nuke):
    from seqmatte_nuke import session
    from seqmatte_nuke.session import Job

    def begin(count, kind):
        for number in range(count):
            session.begin(Job(f"{kind} {number}", "nothing to do", "render", [], [], print, ended.append))
        nuke.pump(lambda: len(ended) >= count)
        ended.clear()

    ended, before = [], sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for turn in range(10):
            begin(300, turn)
    finally:
        sys.setswitchinterval(before)


def test_a_node_ends_though_the_engine_that_it_leaves_cannot_be_stopped(script, nuke, monkeypatch):
    """Another node has begun in the engine of other settings meanwhile, so this one's has nothing more to do."""
    from seqlink.client import Worker
    from seqmatte_nuke import session
    from seqmatte_nuke.session import Job

    gate, ended, whole = script.gate(1, 2), [], Worker.stop
    script.press("solve")
    nuke.pump(lambda: (script.results / "matte/matte.0001.exr").exists())
    monkeypatch.setenv("SEQMATTE_CACHE", str(script.folder / "another cache"))
    session.begin(Job("another", "nothing to do", "render", [], [], print, ended.append))
    nuke.pump(lambda: bool(ended))
    with monkeypatch.context() as broken:
        broken.setattr(Worker, "stop", lambda worker: [whole(worker), 1 / 0])
        broken.setattr("threading.excepthook", lambda told: None)
        script.open_all(gate)
        script.finish()
    assert script.node["status"].value().startswith("ready, 12/12")
