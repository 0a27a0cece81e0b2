"""Starts the tests of inside/ in a Python that has Blender as a module, since bpy must not live in this process."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def blender_python() -> str:
    """$SEQMATTE_BPY_PYTHON, else this Python, else the environment that run.py made for it."""
    named = os.environ.get("SEQMATTE_BPY_PYTHON")
    if named:
        return named
    if importlib.util.find_spec("bpy"):
        return sys.executable
    for made in (ROOT / ".venv-bpy" / "bin" / "python", ROOT / ".venv-bpy" / "Scripts" / "python.exe"):
        if made.exists():
            return str(made)
    pytest.fail(
        "No Python with Blender in it: set SEQMATTE_BPY_PYTHON to one that has bpy, numpy, OpenImageIO and pytest, "
        "or make .venv-bpy with `python run.py test`."
    )


def run_inside(python: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """pytest over inside/, with the engine of this Python unless $SEQMATTE_ENGINE_PYTHON names another."""
    env = {**os.environ, "SEQMATTE_ENGINE_PYTHON": os.environ.get("SEQMATTE_ENGINE_PYTHON", sys.executable)}
    command = [python, "-m", "pytest", str(HERE / "inside"), "-p", "no:cacheprovider", "-q", *arguments]
    return subprocess.run(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)


def test_the_extension_works_inside_blender():
    ran = run_inside(blender_python(), "--durations=5")
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]
    assert re.search(r"\d+ passed", ran.stdout) and "skipped" not in ran.stdout, ran.stdout[-2000:]
