"""One Blender, as a module, with the built extension installed into a user folder of its own.

Environment: SEQMATTE_ENGINE_PYTHON, the Python that has the engine (else this one).
"""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(HERE))

# Blender reads these when it is imported, the add-on when it is installed.
_home = tempfile.TemporaryDirectory(prefix="seqmatte-blender-")
HOME = Path(_home.name)
os.environ["BLENDER_USER_RESOURCES"] = str(HOME / "user")
os.environ["SEQMATTE_SETTINGS"] = str(HOME / "settings.json")
os.environ["SEQMATTE_CACHE"] = str(HOME / "cache")
os.environ["SEQMATTE_HOME"] = str(HOME / "engine")
# Tiny pictures gain nothing from threads, and several suites may share a machine.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ.pop("SEQMATTE_PYTHON", None)
os.environ.pop("OCIO", None)

import bpy  # noqa: E402
import rig  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def installed() -> Iterator[None]:
    """The extension as an artist has it: built, checked by Blender's own tool, installed from the zip."""
    rig.install(HOME)
    yield
    # Handlers and timers left at exit crash 4.2 and hang 4.5.
    bpy.ops.preferences.addon_disable(module=rig.MODULE)


@pytest.fixture(autouse=True)
def new_file(installed: None, engine: str) -> Iterator[None]:
    """An empty file, the real engine, no job left over."""
    bpy.ops.wm.read_homefile(use_empty=True)
    os.environ["SEQMATTE_PYTHON"] = engine
    yield
    rig.part("session").abandon()


PYTHON = os.environ.get("SEQMATTE_ENGINE_PYTHON", sys.executable)
PATHS = f'PYTHONPATH="{ROOT / "core"}:{ROOT / "plugins"}"'


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Stands for a Python that has seqmatte installed: the worker gets none of the host's PYTHONPATH."""
    return script(tmp_path_factory.mktemp("engine") / "python", f'{PATHS} exec "{PYTHON}" "$@"')


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[rig.Gate]:
    """Sets an engine whose solves go as far as the test lets them."""
    made = rig.Gate(tmp_path / "gate")
    line = f'shift 2\nSEQMATTE_TEST_GATE="{made.folder}" {PATHS} exec "{PYTHON}" "{HERE / "gated_engine.py"}" "$@"'
    os.environ["SEQMATTE_PYTHON"] = script(tmp_path / "gated engine", line)
    yield made
    rig.part("session").stop()


@pytest.fixture
def broken_engine(tmp_path: Path) -> Callable[[str], None]:
    """Sets an engine that misbehaves, as named in broken_engine.py."""

    def choose(how: str) -> None:
        path = tmp_path / f"engine-{how}"
        os.environ["SEQMATTE_PYTHON"] = script(path, f'exec "{sys.executable}" "{HERE / "broken_engine.py"}" {how}')

    return choose


def script(path: Path, line: str) -> str:
    path.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.fixture
def comp(tmp_path: Path) -> rig.Comp:
    """A tiny plate of known truth on disk, a saved .blend that reads it, and a Matte node linked to it."""
    return rig.Comp(tmp_path / "shot")
