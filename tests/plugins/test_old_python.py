"""What hosts load must run on Python 3.9 with nothing installed."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOST_FILES = sorted([*ROOT.glob("plugins/seqlink/*.py"), *ROOT.glob("nuke/**/*.py")])
# Blender's Python is 3.11; Nuke 14's is 3.9.
OURS = {"seqlink", "seqmatte_nuke"}
HOSTS = {"nuke"}


@pytest.mark.parametrize("path", HOST_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_file_is_written_in_the_grammar_of_python_3_9(path):
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))


@pytest.mark.parametrize("path", HOST_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_file_imports_nothing_that_has_to_be_installed(path):
    allowed = set(sys.stdlib_module_names) | (OURS if "nuke" in path.parts else set())
    allowed |= HOSTS if "nuke" in path.parts else set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module]
        assert {name.partition(".")[0] for name in names} <= allowed, f"line {node.lineno}: {names}"


@pytest.mark.parametrize("path", sorted(ROOT.glob("plugins/seqlink/*.py")), ids=lambda path: path.name)
def test_seqlink_imports_itself_only_relatively_so_that_it_can_live_under_any_name(path):
    absolute = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").startswith("seqlink")
    ]
    assert absolute == []


def old_pythons():
    """Every 3.9 on this machine; what cannot start (a shim without its version) is none."""
    found = {shutil.which("python3.9"), *map(str, Path.home().glob(".pyenv/versions/3.9.*/bin/python"))} - {None}
    tried = {
        path: subprocess.run([path, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True)
        for path in found
    }
    return sorted(path for path, done in tried.items() if done.stdout.strip() == b"(3, 9)")


OLD_PYTHONS = old_pythons()


@pytest.mark.parametrize("python", OLD_PYTHONS or [sys.executable])
@pytest.mark.parametrize(
    "module", sorted(path.stem for path in ROOT.glob("plugins/seqlink/*.py") if path.stem != "__init__")
)
def test_seqlink_is_imported_with_nothing_installed(python, module):
    """On each 3.9 that this machine has; where there is none, on this Python without its packages."""
    code = f"import sys; sys.path.insert(0, {str(ROOT / 'plugins')!r}); import seqlink.{module}"
    subprocess.run([python, "-I", "-S", "-W", "error", "-c", code], check=True)
