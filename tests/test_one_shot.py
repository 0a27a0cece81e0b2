"""One Shot document from the shell, from Nuke's session and from Blender's: the same bytes."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from seqlink import FramePath

ROOT = Path(__file__).parents[1]

NUKE = """
import sys, runpy, json
from fakes import nuke
sys.modules["nuke"] = nuke
runpy.run_path(sys.argv[1] + "/nuke/init.py")
from seqmatte_nuke import session
session.worker().ask("render", {"shot": json.load(open(sys.argv[2]))})
session.stop()
"""

BLENDER = """
import sys, json, os, pathlib
sys.path[:0] = [sys.argv[1] + "/tests", sys.argv[1] + "/tests/blender/inside", sys.argv[1] + "/plugins",
                sys.argv[1] + "/core"]
import bpy, rig
rig.install(pathlib.Path(os.environ["BLENDER_USER_RESOURCES"]))
session = rig.part("session")
session.worker().ask("render", {"shot": json.load(open(sys.argv[2]))})
session.stop()
bpy.ops.preferences.addon_disable(module=rig.MODULE)
sys.stdout.flush()
os._exit(0)
"""


def from_host(python, program, document, folder, paths):
    """Runs a program in a host's Python, with an engine, a cache and settings of its own."""
    folder.mkdir()
    engine = folder / "python"
    engine.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}/core:{ROOT}/plugins" exec "{sys.executable}" "$@"\n')
    engine.chmod(0o755)
    own = {"SEQMATTE_PYTHON": engine, "SEQMATTE_CACHE": folder / "cache", "SEQMATTE_SETTINGS": folder / "settings.json"}
    own |= {"SEQMATTE_HOME": folder / "home", "BLENDER_USER_RESOURCES": folder / "user"}
    own |= {"PYTHONPATH": os.pathsep.join(str(ROOT / path) for path in paths)}
    done = subprocess.run(
        [python, "-c", program, str(ROOT), str(document)],
        env={**os.environ, **{name: str(value) for name, value in own.items()}},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def from_shell(document, folder):
    command = [sys.executable, "-m", "seqmatte", "matte", str(document), "--cache", str(folder / "cache")]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}/core:{ROOT}/plugins", "SEQMATTE_HOME": str(folder / "home")}
    subprocess.run(command, env=environment, check=True, capture_output=True)


def test_one_shot_through_shell_nuke_and_blender_gives_the_same_bytes(tiny_shot, tmp_path):
    blender = os.environ.get("SEQMATTE_BPY_PYTHON") or str(ROOT / ".venv-bpy" / "bin" / "python")
    assert Path(blender).exists(), "no Python with bpy: set SEQMATTE_BPY_PYTHON, or make it with `python run.py test`"
    shot = tiny_shot.shot(1, 8, recipe="flow-closed-form")
    ways = {}
    for name in ("shell", "nuke", "blender"):
        out = FramePath(tmp_path / "results" / name / "matte.####.exr")
        document = tmp_path / f"{name}.json"
        document.write_text(shot.replace(out=out).to_json(), encoding="utf-8")
        if name == "shell":
            from_shell(document, tmp_path / name)
        elif name == "nuke":
            from_host(sys.executable, NUKE, document, tmp_path / name, ("plugins", "nuke", "tests"))
        else:
            from_host(blender, BLENDER, document, tmp_path / name, ())
        ways[name] = [hashlib.sha256(Path(out.path(f)).read_bytes()).hexdigest() for f in tiny_shot.frames]
    assert len(set(ways["shell"])) == len(tiny_shot.frames)
    assert ways["shell"] == ways["nuke"] == ways["blender"]
