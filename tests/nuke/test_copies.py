"""A node that is copied, alone or in a group: what it begins with, and what its original keeps."""

import hashlib
from pathlib import Path

import pytest

ALL = list(range(1, 13))


@pytest.fixture
def nuke(hostile_nuke):
    """Under hostile defaults alone: what is tried here is not the node."""
    return hostile_nuke


def digests(script):
    return {
        frame: file and hashlib.sha256(Path(file).read_bytes()).hexdigest() for frame, file in script.shown().items()
    }


def pasted(script):
    """A copy on the same plate and roto, which is the node from now on; and its original."""
    script.copy()
    first, script.node = script.node, script.nuke.nodePaste(str(script.folder / "clip.nk"))
    for index, above in enumerate((script.read, script.roto)):
        script.node.setInput(index, above)
    return first


@pytest.mark.parametrize("rendered", [False, True], ids=["plate as it is", "plate rendered"])
def test_a_copy_is_solved_without_computing_anything_again(script, rendered):
    grade = script.grade() if rendered else script.read
    script.node["toy__walked"].setValue(str(script.folder / "walked"))
    script.solve()
    before, folder = digests(script), script.results
    pasted(script)
    script.node.setInput(0, grade)
    (script.folder / "walked").unlink()
    script.solve()
    assert digests(script) == before and script.results != folder
    assert not (script.folder / "walked").exists()


def test_a_copy_says_that_it_was_not_solved(script):
    script.solve()
    first = pasted(script)
    assert script.node["status"].value() == "not solved"
    assert first["status"].value().startswith("ready, 12/12")
    assert all(script.shown().values())


def test_one_frame_that_is_corrected_in_a_copy_leaves_the_others_as_they_were(script):
    script.node["keys"].setValue("3 9")
    script.solve()
    before = digests(script)
    first = pasted(script)
    script.masks[9] = script.masks[8].copy()
    script.nuke.frame(9)
    script.solve("solve_frame")
    after = digests(script)
    assert {frame for frame in ALL if after[frame] != before[frame]} == {9}
    assert script.node["status"].value().startswith("stale, 7/12 ready, stale 7-8,10-12")
    script.node = first
    assert digests(script) == before and first["status"].value().startswith("ready, 12/12")


def test_a_node_collapsed_into_a_group_goes_on_with_its_mattes(script, nuke):
    """Nuke pastes a copy into the group while the original is still there."""
    script.solve()
    before = digests(script)
    script.copy()
    group = nuke.createNode("Group", inpanel=False)
    with group:
        inputs = [nuke.createNode("Input", inpanel=False) for _ in range(2)]
        inner = nuke.nodePaste(str(script.folder / "clip.nk"))
        for index, one in enumerate(inputs):
            inner.setInput(index, one)
    group.setInput(0, script.read)
    group.setInput(1, script.roto)
    nuke.delete(script.node)
    script.node = inner
    script.nuke.frame(3)
    script.solve("solve_frame")
    assert digests(script) == before
