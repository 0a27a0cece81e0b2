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


def test_a_frozen_python_3_9_runs_the_adapter(tmp_path):
    """Every module, and a node from making to saved text, on each 3.9 of this machine; else on this Python alone."""
    code = """
import importlib.util, os, runpy, sys
root, place = sys.argv[1:]
sys.path[:0] = [os.path.join(root, "tests"), os.path.join(root, "nuke"), os.path.join(root, "plugins")]
spec = importlib.util.spec_from_file_location("nuke", os.path.join(root, "tests/fakes/nuke.py"))
sys.modules["nuke"] = nuke = importlib.util.module_from_spec(spec)
spec.loader.exec_module(nuke)
runpy.run_path(os.path.join(root, "nuke/init.py"))
runpy.run_path(os.path.join(root, "nuke/menu.py"))
import seqmatte_nuke
for name in os.listdir(os.path.join(root, "nuke/seqmatte_nuke")):
    if name.endswith(".py"):
        importlib.import_module("seqmatte_nuke." + name[:-3])
nuke.menu("Nodes").menus["SeqMatte"].commands["Matte"]()
nuke.allNodes()[0]["solve"].execute()
nuke.scriptSaveAs(place)
print(nuke.told)
"""
    root = Path(__file__).resolve().parents[2]
    pythons = [*Path.home().glob(".pyenv/versions/3.9.*/bin/python"), Path(sys.executable)]
    for python in pythons:
        done = subprocess.run(
            [python, "-I", "-S", "-c", code, root, tmp_path / "saved.nk"], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert "Save the script first" in done.stdout
        assert "Traceback" not in done.stdout + done.stderr
        assert "MatteResult" in (tmp_path / "saved.nk").read_text()
