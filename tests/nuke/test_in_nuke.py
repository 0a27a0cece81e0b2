import ast
import importlib.util
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture
def in_nuke(adapter):
    spec = importlib.util.spec_from_file_location("in_nuke", HERE / "in_nuke.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("gui", [True, False])
def test_the_stand_in_says_what_a_real_nuke_is_asked(in_nuke, nuke, gui):
    nuke.GUI = gui
    nuke.hooks.render = lambda node, frame, view, path: Path(path).write_bytes(b"a frame")
    assert in_nuke.run(nuke, in_nuke.CHECKS) == []


def test_every_name_that_the_adapter_takes_from_nuke_is_in_the_stand_in(nuke):
    """A name that is not there would only fail where it is used; this finds those that no test reaches."""
    for path in sorted((HERE.parents[1] / "nuke").rglob("*.py")):
        used = {
            node.attr
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "nuke"
        }
        # Classes named only in annotations and casts come from the types, not from the running module.
        missing = {name for name in used if not hasattr(nuke, name)}
        assert missing == set(), path.name


def test_the_script_for_a_real_nuke_is_written_for_its_python():
    for path in HERE.glob("in_nuke*.py"):
        ast.parse(path.read_text(), feature_version=(3, 9))
