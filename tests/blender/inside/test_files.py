"""Save, reopen, move, undo, and a Blender that has neither the add-on nor an engine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import bpy
import numpy as np
import pytest
import rig

HERE = Path(__file__).parent


@pytest.fixture
def solved(comp: rig.Comp) -> rig.Comp:
    comp.link_mask(rig.mask("Head", comp.disc(1001)))
    comp.key(1001)
    comp.solve()
    comp.save()
    return comp


def reopen(path: Path) -> None:
    bpy.ops.wm.open_mainfile(filepath=str(path))


def the_group() -> bpy.types.NodeTree:
    ((_, node),) = rig.part("node").every()
    return node.node_tree


def in_plain_blender(script: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a script of this folder in a Blender with an empty user folder: no add-on, no settings."""
    env = {**os.environ, "BLENDER_USER_RESOURCES": str(Path(arguments[-1]) / "nobody"), **variables}
    command = [sys.executable, str(HERE / script), *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=600)


def test_a_reopened_file_has_its_keys_results_and_states(solved: rig.Comp):
    engine_file, shown = solved.record().source[1003], solved.render(1003)
    reopen(solved.save())
    group = the_group()
    state = rig.part("status").of(group)
    assert state.word == "ready" and len(state.ready) == 5
    assert [(key.frame, key.source) for key in group.seqmatte.keys] == [(1001, "SOCKET")]
    again = rig.render(bpy.context.scene, 1003, solved.folder / "again")
    np.testing.assert_array_equal(again, shown)
    np.testing.assert_array_equal(again, rig.read(engine_file))


def test_opening_a_file_ends_what_ran_and_starts_nothing(tmp_path: Path, gate: rig.Gate):
    comp = rig.Comp(tmp_path, seed=9)
    comp.key(1001, source="MASK", mask=rig.mask("Head", comp.disc(1001)))
    path = comp.save()
    job = comp.begin()
    rig.until(job, lambda: job.phase == "solving")
    reopen(path)
    session = rig.part("session")
    assert not session.pump() and session.job_of(the_group().seqmatte.uid) is None


def test_a_file_that_cannot_be_opened_leaves_what_runs_alone(tmp_path: Path, gate: rig.Gate):
    comp = rig.Comp(tmp_path, seed=19)
    comp.key(1001, source="MASK", mask=rig.mask("Head", comp.disc(1001)))
    job = comp.begin()
    rig.until(job, lambda: job.phase == "solving")
    with pytest.raises(RuntimeError, match="Cannot read file"):
        bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "moved.blend"))
    gate.open(*comp.frames)
    rig.until(job, lambda: job.over)
    assert job.phase == "ready" == comp.status.word


def test_a_file_moved_with_its_results_renders_the_same(solved: rig.Comp, tmp_path: Path):
    shown = solved.render(1004)
    moved = tmp_path / "moved here, with a space and ü"
    shutil.copytree(solved.folder, moved)
    shutil.rmtree(solved.folder)
    reopen(moved / "comp.blend")
    np.testing.assert_array_equal(rig.render(bpy.context.scene, 1004, tmp_path / "again"), shown)
    assert rig.part("status").of(the_group()).word == "ready"


def test_a_file_saved_elsewhere_still_reads_the_results_where_they_are(solved: rig.Comp, tmp_path: Path):
    shown, there = solved.render(1004), solved.result(1004)
    elsewhere = tmp_path / "versions" / "deep" / "comp_v2.blend"
    elsewhere.parent.mkdir(parents=True)
    solved.save(elsewhere)
    assert solved.result(1004) == there
    np.testing.assert_array_equal(solved.render(1004), shown)


def test_a_blender_without_the_add_on_renders_the_same_bits_and_loses_nothing(solved: rig.Comp, tmp_path: Path):
    engine_file = solved.record().source[1003]
    (tmp_path / "plain").mkdir()
    blend = solved.save()
    ran = in_plain_blender("plain_render.py", str(blend), "1003", str(tmp_path / "plain"))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    np.testing.assert_array_equal(rig.read(tmp_path / "plain" / "final.1003.exr"), rig.read(engine_file))
    reopen(tmp_path / "plain" / "saved.blend")
    assert [key.frame for key in the_group().seqmatte.keys] == [1001]


def test_undo_takes_back_a_key_and_redo_brings_it(solved: rig.Comp):
    uid = solved.group.seqmatte.uid
    bpy.ops.ed.undo_push(message="before")
    solved.key(1005)
    bpy.ops.ed.undo_push(message="key")
    bpy.ops.ed.undo()
    group = the_group()
    assert [key.frame for key in group.seqmatte.keys] == [1001] and group.seqmatte.uid == uid
    bpy.ops.ed.redo()
    assert [key.frame for key in the_group().seqmatte.keys] == [1001, 1005]


def test_an_undo_past_a_solve_leaves_the_node_on_its_results(tmp_path: Path, engine: str):
    comp = rig.Comp(tmp_path, seed=10)
    comp.key(1001, source="MASK", mask=rig.mask("Head", comp.disc(1001)))
    bpy.ops.ed.undo_push(message="before")
    comp.solve()
    shown = shown_by(the_group())
    comp.key(1004)
    bpy.ops.ed.undo_push(message="later")
    bpy.ops.ed.undo()
    assert shown_by(the_group()) == shown
    assert rig.part("status").of(the_group()).word == "ready"
    bpy.ops.ed.redo()
    assert shown_by(the_group()) == shown


def shown_by(group):
    """Where a node's sequence begins, in the scene and on disk, and how long it is."""
    result = group.nodes[rig.part("node").RESULT]
    path = os.path.basename(result.image.filepath)
    return path, result.frame_start, result.frame_duration, result.frame_offset


def test_undo_while_a_job_runs_does_not_disturb_it(tmp_path: Path, gate: rig.Gate):
    comp = rig.Comp(tmp_path, seed=10)
    comp.key(1001, source="MASK", mask=rig.mask("Head", comp.disc(1001)))
    bpy.ops.ed.undo_push(message="before")
    comp.key(1004, source="MASK", mask=bpy.data.masks["Head"])
    bpy.ops.ed.undo_push(message="key")
    job = comp.begin()
    rig.until(job, lambda: job.phase == "solving")
    bpy.ops.ed.undo()
    gate.open(*comp.frames)
    rig.until(job, lambda: job.over)
    assert job.phase == "ready" and len(the_group().seqmatte.keys) == 1
    assert rig.part("status").of(the_group()).word == "ready"


def test_a_node_deleted_while_its_job_runs_ends_the_job(tmp_path: Path, gate: rig.Gate):
    comp = rig.Comp(tmp_path, seed=11)
    comp.key(1001, source="MASK", mask=rig.mask("Head", comp.disc(1001)))
    job = comp.begin()
    rig.until(job, lambda: job.phase == "solving")
    bpy.data.node_groups.remove(comp.group)
    rig.part("job").RELOAD_EVERY = 0.0
    try:
        rig.until(job, lambda: job.cancelled)
        gate.open_once_heard(*comp.frames)
        rig.until(job, lambda: job.over)
    finally:
        rig.part("job").RELOAD_EVERY = 1.0
    assert job.phase == "cancelled"


def test_mattes_that_are_not_on_disk_are_named_before_a_render_and_by_the_frame_that_lacks_one(
    solved: rig.Comp, capfd: pytest.CaptureFixture
):
    solved.result(1002).unlink()
    solved.result(1005).unlink()
    capfd.readouterr()
    assert bpy.ops.seqmatte.holes() == {"FINISHED"}
    assert "Warning: Matte 1: no matte on disk for 1002,1005" in "".join(capfd.readouterr())
    solved.render(1001)  # a farm that renders frame by frame fails no task but these two
    assert "ERROR" not in capfd.readouterr().err
    solved.render(1002)
    assert "ERROR: SeqMatte: Matte 1: no matte on disk for 1002\n" in capfd.readouterr().err
    assert solved.status.word == "partial"


def test_frames_after_the_nodes_range_are_named_since_blender_shows_its_last_matte_on_them(
    solved: rig.Comp, capfd: pytest.CaptureFixture
):
    last = solved.render(1005)
    solved.scene.frame_end = 1008
    capfd.readouterr()
    np.testing.assert_array_equal(solved.render(1007), last)
    said = "Matte 1: its range ends on 1005, and Blender shows its last matte on {}"
    said += ": widen the range and Solve, or render no further"
    assert f"ERROR: SeqMatte: {said.format(1007)}\n" in capfd.readouterr().err
    solved.result(1002).unlink()
    assert bpy.ops.seqmatte.holes() == {"FINISHED"}
    shown = "".join(capfd.readouterr())
    assert f"Warning: {said.format('1006-1008')}" in shown and "Matte 1: no matte on disk for 1002\n" in shown
    frames = rig.part("seqlink").FrameRange(range(1001, 1009))
    solved.matte.mute = True  # then the plate goes through it
    assert rig.part("operators").holes(solved.scene, frames) == []
    solved.matte.mute = False
    bpy.ops.seqmatte.clear(node=solved.matte.name)  # nothing is left to be shown
    assert rig.part("operators").holes(solved.scene, frames) == ["Matte 1: no matte on disk for 1001-1005"]


def test_an_aces_config_goes_through_bit_for_bit(tmp_path: Path):
    ran = in_plain_blender("aces_flow.py", str(tmp_path), OCIO="ocio://cg-config-v2.1.0_aces-v1.3_ocio-v2.3")
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    assert "ACES flow: equal, ACEScg" in ran.stdout


def test_a_config_of_the_users_own_is_the_one_that_the_shot_names(tmp_path: Path):
    ran = in_plain_blender("own_config.py", str(tmp_path))
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    assert "own config: ready" in ran.stdout


def test_results_set_to_another_folder_are_read_from_there(solved: rig.Comp, tmp_path: Path):
    shown = solved.render(1003)
    shutil.move(solved.result(1003).parent, tmp_path / "server")
    assert solved.status.word == "results missing"
    bpy.ops.seqmatte.folder(node=solved.matte.name, directory=str(tmp_path / "server"))
    assert solved.status.word == "ready"
    np.testing.assert_array_equal(solved.render(1003), shown)
