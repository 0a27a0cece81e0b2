"""The zip that Blender installs, built without Blender."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("blender_pack", Path(__file__).parents[2] / "blender" / "pack.py")
assert _spec is not None and _spec.loader is not None
pack = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(pack)


def test_equal_sources_give_equal_bytes(tmp_path: Path):
    first = pack.pack(pack.stage(tmp_path / "a"), tmp_path / "one")
    second = pack.pack(pack.stage(tmp_path / "b"), tmp_path / "two")
    assert first.read_bytes() == second.read_bytes()


def test_the_zip_holds_the_add_on_seqlink_its_catalogue_and_the_licence(tmp_path: Path):
    with zipfile.ZipFile(pack.pack(pack.stage(tmp_path), tmp_path / "out")) as archive:
        names = set(archive.namelist())
    assert {"__init__.py", "blender_manifest.toml", "LICENSE", "seqlink/client.py", "seqlink/methods.json"} <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith("/")]


def test_a_missing_catalogue_is_said_before_anything_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pack, "SEQLINK", tmp_path)
    with pytest.raises(pack.PackError, match=r"methods\.json is missing"):
        pack.stage(tmp_path / "out")


def test_the_extension_imports_nothing_but_blender_and_itself():
    allowed = {"bpy"} | set(__import__("sys").stdlib_module_names)
    for path in pack.ADDON.glob("*.py"):
        for line in re.findall(r"^\s*(?:from|import) ([\w.]+)", path.read_text("utf-8"), re.MULTILINE):
            assert line.startswith(".") or line.split(".")[0] in allowed, f"{path.name}: {line}"


def test_the_staged_extension_passes_mypy_strict(tmp_path: Path):
    # Blender's module has no types, and declares properties as calls where mypy wants types.
    without = ["--ignore-missing-imports", "--allow-subclassing-any", "--config-file=", f"--cache-dir={tmp_path}/cache"]
    codes = [f"--disable-error-code={code}" for code in ("valid-type", "untyped-decorator")]
    pack.stage(tmp_path)
    command = [sys.executable, "-m", "mypy", "--strict", "--python-version=3.11", *without, *codes, "-p", "seqmatte"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
