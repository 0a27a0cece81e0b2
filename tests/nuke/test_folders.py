"""Whose results lie in a folder, and where a node looks for them when its script is copied or moved."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

ALL = list(range(1, 13))


@pytest.fixture
def nuke(hostile_nuke):
    """Under hostile defaults alone: what is tried here is not the node."""
    return hostile_nuke


def digests(script, view="main"):
    return {
        frame: file and hashlib.sha256(Path(file).read_bytes()).hexdigest()
        for frame, file in script.shown(view).items()
    }


def move_masks(script):
    for frame in ALL:
        script.masks[frame] = np.roll(script.masks[frame], 9, axis=1)


def save(script, *place):
    path = script.folder.joinpath(*place)
    path.parent.mkdir(exist_ok=True)
    script.nuke.scriptSaveAs(str(path))
    return str(path)


def test_a_script_saved_as_a_new_version_never_writes_over_the_mattes_of_the_old_one(script, nuke):
    script.solve()
    first, before = save(script, "shots", "ab_010.nk"), digests(script)
    save(script, "shots", "ab_010_v2.nk")
    assert digests(script) == before
    move_masks(script)
    script.solve()
    assert script.node["status"].value().startswith("ready, 12/12")
    assert set(digests(script).values()).isdisjoint(before.values())
    own = script.node["folder"].value()
    script.solve()
    assert script.node["folder"].value() == own
    nuke.scriptOpen(first)
    script.node = nuke.toNode("SeqMatte1")
    assert digests(script) == before
    assert script.node["status"].value().startswith("ready, 12/12")


def test_what_a_new_version_has_in_common_with_the_old_one_is_not_computed_again(script):
    script.grade()
    script.node["toy__walked"].setValue(str(script.folder / "walked"))
    script.solve()
    before, folder = digests(script), script.results
    save(script, "shots", "ab_010.nk")
    save(script, "shots", "ab_010_v2.nk")
    (script.folder / "walked").unlink()
    script.solve()
    assert digests(script) == before and script.results != folder
    assert not (script.folder / "walked").exists()


def test_a_frame_that_is_corrected_in_a_new_version_leaves_the_others_as_they_were(script, nuke):
    script.node["keys"].setValue("3 9")
    script.solve()
    first, before = save(script, "shots", "ab_010.nk"), digests(script)
    save(script, "shots", "ab_010_v2.nk")
    script.masks[9] = script.masks[8].copy()
    script.node["keys"].setValue("")
    script.press("solve")
    assert len(nuke.told) == 1 and "No key frames" in nuke.told[0] and digests(script) == before
    script.node["keys"].setValue("3 9")
    nuke.frame(9)
    script.solve("solve_frame")
    after = digests(script)
    assert {frame for frame in ALL if after[frame] != before[frame]} == {9}
    assert script.node["status"].value().startswith("stale, 7/12 ready, stale 7-8,10-12")
    nuke.scriptOpen(first)
    script.node = nuke.toNode("SeqMatte1")
    assert digests(script) == before and script.node["status"].value().startswith("ready, 12/12")


def stamps(folder):
    """What another job sees of files that it reads, by name; a change of a name's file is one of its inode."""
    found = {str(path): path.stat() for path in folder.rglob("*.exr")}
    return {name: (one.st_ino, one.st_nlink, one.st_mtime_ns, one.st_ctime_ns) for name, one in found.items()}


def test_a_new_version_touches_no_plate_or_guide_that_a_job_of_the_old_one_may_read(script, nuke):
    script.grade()
    script.solve()
    save(script, "shots", "ab_010.nk")
    first = script.results
    before = [stamps(first / place) for place in ("plate", "guides")]
    save(script, "shots", "ab_010_v2.nk")
    script.solve()
    assert script.results != first and not list(script.results.rglob("*.part"))
    assert [stamps(first / place) for place in ("plate", "guides")] == before


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (lambda s: s.node["keys"].setValue(""), "No key frames"),
        (lambda s: s.node["keys"].setValue("40"), "lie outside the range"),
        (lambda s: s.node["last"].setValue(-1), "runs backwards"),
        (lambda s: s.node.setInput(0, None), "Connect the plate"),
        (lambda s: s.node.setInput(1, None), "Connect the mask"),
        (lambda s: s.node["weights"].setValue("/no/such/file"), "Adapted weights"),
    ],
    ids=["keys", "outside", "range", "plate", "mask", "weights"],
)
@pytest.mark.parametrize("button", ["solve", "bundle"])
def test_a_solve_that_is_refused_leaves_the_node_of_a_new_version_as_it_was(script, nuke, asked, said, button):
    script.solve()
    save(script, "shots", "ab_010.nk")
    save(script, "shots", "ab_010_v2.nk")
    asked(script)
    before = [script.node[name].value() for name in ("folder", "seqmatte_uid", "status")]
    script.press(button)
    assert len(nuke.told) == 1 and said in nuke.told[0]
    assert [script.node[name].value() for name in ("folder", "seqmatte_uid", "status")] == before


def test_a_new_version_whose_render_for_the_engine_is_stopped_shows_mattes_of_its_own(script, nuke):
    script.solve()
    save(script, "shots", "ab_010.nk")
    save(script, "shots", "ab_010_v2.nk")
    before, first, render = digests(script), str(script.results), nuke.hooks.render

    def escaped(write, frame, view, path):
        raise nuke.CancelledError("Cancelled")

    nuke.hooks.render = escaped
    nuke.state.undos.clear()
    script.press("solve")
    assert len(nuke.told) == 1 and "Nuke stopped" in nuke.told[0] and nuke.state.undos == []
    assert digests(script) == before and not any(file.startswith(first) for file in script.shown().values())
    nuke.hooks.render = render
    script.solve()
    assert digests(script) == before and script.node["status"].value().startswith("ready, 12/12")


def without_owner(script):
    """What the release before wrote."""
    path = script.results / "record.json"
    kept = json.loads(path.read_text())
    path.write_text(json.dumps({name: kept[name] for name in kept if name not in ("owner", "uid", "view")}))


def test_a_version_of_a_script_that_the_release_before_solved_leaves_the_old_ones_mattes_alone(script, nuke):
    script.solve()
    first, before = save(script, "shots", "ab_010.nk"), digests(script)
    save(script, "shots", "ab_010_v2.nk")
    without_owner(script)
    move_masks(script)
    script.press("clear")
    assert nuke.told == [f"These are the mattes of {first}. Press Solve, and SeqMatte1 gets its own."]
    script.solve()
    assert set(digests(script).values()).isdisjoint(before.values())
    nuke.scriptOpen(first)
    script.node = nuke.toNode("SeqMatte1")
    assert digests(script) == before


def test_a_script_of_the_release_before_that_no_other_shares_a_node_with_goes_on_in_its_folder(script, nuke):
    script.solve()
    without_owner(script)
    (script.folder / "shots/cd_020.nk").write_text("another")
    folder = script.node["folder"].value()
    script.solve()
    assert script.node["folder"].value() == folder and nuke.told == []


def test_a_farm_job_of_a_new_version_gets_a_folder_of_its_own(script):
    script.solve()
    before, folder = digests(script), script.results
    save(script, "shots", "ab_010.nk")
    save(script, "shots", "ab_010_v2.nk")
    script.solve("bundle")
    assert script.results != folder and (script.results / "farm/shot.json").exists()
    assert script.node["status"].value().startswith("at the farm, 0/12")
    script.node["folder"].setValue(str(folder))
    script.press("reload")
    assert digests(script) == before


def test_a_node_pasted_into_another_script_of_the_folder_never_writes_into_the_first_ones(script, nuke):
    script.solve()
    save(script, "shots", "ab_010.nk")
    shown, before = script.shown(), digests(script)
    script.copy()
    nuke.scriptClear()
    save(script, "shots", "cd_020.nk")
    script.read, script.roto = nuke.createNode("Read", inpanel=False), nuke.createNode("Roto", inpanel=False)
    script.node = script.connect(nuke.nodePaste(str(script.folder / "clip.nk")))
    script.read_other(script.tiny)
    move_masks(script)
    script.solve()
    assert script.node["status"].value().startswith("ready, 12/12")
    assert set(script.shown().values()).isdisjoint(shown.values())
    script.shown = lambda view="main": shown
    assert digests(script) == before


def test_a_moved_project_goes_on_in_its_own_folder(script, nuke):
    script.solve()
    save(script, "shots", "ab_010.nk")
    os.rename(script.folder / "shots", script.folder / "moved")
    nuke.scriptOpen(str(script.folder / "moved/ab_010.nk"))
    script.node = nuke.toNode("SeqMatte1")
    script.node.setInput(1, nuke.toNode("Roto1"))
    folder = script.node["folder"].value()
    script.solve()
    assert script.node["folder"].value() == folder
    assert script.node["status"].value().startswith("ready, 12/12")


@pytest.mark.parametrize("button", ["check", "clear"])
def test_a_new_version_neither_clears_nor_marks_the_mattes_of_the_old_one(script, nuke, button):
    script.solve()
    place = save(script, "shots", "ab_010.nk")
    before, kept = digests(script), (script.results / "record.json").read_text()
    save(script, "shots", "ab_010_v2.nk")
    move_masks(script)
    script.press(button)
    assert nuke.told == [f"These are the mattes of {place}. Press Solve, and SeqMatte1 gets its own."]
    assert (digests(script), (script.results / "record.json").read_text()) == (before, kept)


def test_two_nodes_set_to_one_folder_never_mix_their_mattes(script, nuke, adapter):
    script.node["folder"].setValue(str(script.folder / "mine"))
    script.solve()
    before, first = digests(script), script.node
    second = script.connect(adapter.create())
    second["folder"].setValue(str(script.folder / "mine"))
    for button in ("solve", "bundle", "clear"):
        second[button].execute()
    assert nuke.told == [f"{script.folder / 'mine'} holds the mattes of SeqMatte1: set another folder."] * 3
    assert digests(script) == before
    assert first["status"].value().startswith("ready, 12/12")


def test_a_save_into_another_folder_says_that_the_results_stayed_behind(script, nuke):
    script.solve()
    save(script, "shots", "ab_010.nk")
    assert nuke.printed == []
    save(script, "publish", "ab_010.nk")
    assert script.node["status"].value() == "not solved"
    assert len(nuke.printed) == 1 and "SeqMatte1 has no results in" in nuke.printed[0]
    assert str(script.results) in nuke.printed[0]
    shutil.copytree(script.folder / "shots/seqmatte", script.folder / "publish/seqmatte")
    save(script, "publish", "ab_010.nk")
    assert script.node["status"].value().startswith("ready, 12/12")
    assert len(nuke.printed) == 1


def test_a_save_into_another_folder_while_a_node_is_solved_says_where_the_frames_went(script, nuke):
    gate, old = script.gate(1, 2), str(script.results)
    script.press("solve")
    nuke.pump(lambda: Path(old, "matte/matte.0001.exr").exists())
    save(script, "other", "ab_010.nk")
    script.open_all(gate)
    script.finish()
    assert script.node["status"].value() == "not solved"
    assert [line for line in nuke.printed if f"SeqMatte1 was solved into {old}" in line]
    script.solve()
    assert script.node["status"].value().startswith("ready, 12/12")
    assert all(script.shown().values())
