"""Who may import whom: the table of the architecture, held by reading every file's imports."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TORCH_FREE = ("commands", "methods")
TORCH_AT_TOP = ("networks", "training")
SOLVERS = {"band_solver", "foreground", "laplacian", "linear_light", "solver", "tile"}


def files(*folders):
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def imports(path, *, top_only=False):
    """Absolute module names that a file imports; relative ones are its own package's business."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = _at_import_time(tree) if top_only else list(ast.walk(tree))
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found


def _at_import_time(tree):
    """Statements run on import, but for those that only a type checker sees."""
    nodes, waiting = [], list(tree.body)
    while waiting:
        node = waiting.pop()
        nodes.append(node)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, (ast.If, ast.Try, ast.With, ast.ClassDef)):
            waiting += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]
    return nodes


def roots(names):
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("path", files("plugins"), ids=lambda path: str(path.relative_to(ROOT)))
def test_seqlink_needs_only_the_standard_library_and_itself_by_relative_imports(path):
    assert roots(imports(path)) <= set(sys.stdlib_module_names)


@pytest.mark.parametrize("path", files("nuke", "blender"), ids=lambda path: str(path.relative_to(ROOT)))
def test_hosts_import_neither_engine_nor_each_other_nor_heavy_libraries(path):
    refused = {"seqmatte", "numpy", "torch", "cv2", "OpenImageIO"}
    refused |= {"bpy"} if "nuke" in path.relative_to(ROOT).parts[0] else {"nuke"}
    assert not roots(imports(path)) & refused


@pytest.mark.parametrize("path", files("core"), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_engine_imports_no_host_and_only_the_vocabulary_of_seqlink(path):
    found = imports(path)
    assert not roots(found) & {"nuke", "bpy", "seqmatte_nuke", "seqmatte_blender"}
    if path.name not in ("worker.py", "answers.py", "doctor.py", "bundle.py"):
        hosts_own = {"seqlink.call", "seqlink.child", "seqlink.client", "seqlink.settings", "seqlink.farm"}
        assert not {name for name in found if any(name.startswith(own) for own in hosts_own)}


@pytest.mark.parametrize("path", files("core"), ids=lambda path: str(path.relative_to(ROOT)))
def test_torch_waits_until_a_method_is_opened(path):
    inside = path.relative_to(ROOT / "core" / "seqmatte")
    if inside.parts[0] in TORCH_AT_TOP or inside.stem in SOLVERS:
        return
    assert "torch" not in roots(imports(path, top_only=True))


@pytest.mark.parametrize("path", files("core/seqmatte/methods"), ids=lambda path: path.name)
def test_methods_know_nothing_of_engine_cache_and_files(path):
    above = {f"seqmatte.{name}" for name in ("engine", "walker", "cache", "source", "worker", "shelf", "plan", "cli")}
    assert not imports(path) & above


@pytest.mark.parametrize("path", files("core/seqmatte/networks"), ids=lambda path: path.name)
def test_networks_know_only_torch_and_each_other(path):
    ours = {name for name in imports(path) if name.startswith("seqmatte.")}
    allowed = ("seqmatte.networks", "seqmatte.errors")
    assert all(name.startswith(allowed) for name in ours)


@pytest.mark.parametrize("path", files("core/seqmatte/training"), ids=lambda path: path.name)
def test_training_knows_neither_engine_nor_cache_nor_worker(path):
    assert not imports(path) & {f"seqmatte.{name}" for name in ("engine", "walker", "cache", "worker")}


def test_no_folder_of_a_host_is_a_package_that_could_be_taken_for_it():
    assert not (ROOT / "nuke" / "__init__.py").exists()
    assert not (ROOT / "blender" / "__init__.py").exists()
