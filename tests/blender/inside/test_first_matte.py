"""From a mask with shape keys to a render, through a real engine."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import bpy
import numpy as np
import pytest
import rig


@pytest.fixture
def head(comp: rig.Comp):
    """The true outline, keyed on the first, middle and last frame, on the Mask socket."""
    first, *_, last = comp.frames
    mask = rig.mask("Head", comp.disc(first))
    rig.shape_keys(comp.scene, mask, {frame: comp.disc(frame) for frame in (first, first + 2, last)})
    comp.link_mask(mask)
    return mask


def test_the_final_render_equals_the_engines_exrs_bit_for_bit_and_the_truth_nearly(comp: rig.Comp, head):
    comp.key(1001)
    comp.key(1005)
    comp.solve()
    assert comp.status.word == "ready" and list(comp.status.ready) == list(comp.frames)
    for frame in comp.frames:
        engine_file = comp.record().source[frame]
        shown = comp.render(frame)
        np.testing.assert_array_equal(shown, rig.read(engine_file))
        assert comp.result(frame).read_bytes() == Path(engine_file).read_bytes()
        assert np.abs(shown[:, :, 3] - comp.tiny.alpha[frame]).mean() < 0.04
    foreground = comp.tiny.alpha[1004][:, :, None] * comp.tiny.foreground[1004]
    assert np.abs(comp.render(1004)[:, :, :3] - foreground).mean() < 0.04


def test_the_shot_is_what_a_shell_user_would_have_written(comp: rig.Comp, head):
    comp.key(1001)
    comp.solve()
    shot = comp.record().shot
    assert shot["plate"] == str(comp.tiny.plate) and shot["frames"] == "1001-1005" and shot["params"] == {}
    (guide,) = shot["guides"]
    assert guide["frame"] == 1001 and guide["kind"] == "mask"
    assert comp.status.note == "plate.1001.exr: read directly"


def test_a_correction_changes_only_the_frames_in_its_reach(comp: rig.Comp, head):
    for frame in (1001, 1003, 1005):
        comp.key(frame)
    comp.solve()
    before = comp.digests()
    first, *_, last = comp.frames
    grown = [(x, 0.5 + (y - 0.5) * 1.25) for x, y in comp.disc(last)]
    rig.shape_keys(comp.scene, head, {last: grown})

    bpy.ops.seqmatte.check(node=comp.matte.name)
    stale = set(comp.status.stale)
    assert comp.status.word == "stale" and list(comp.status.changed_keys) == [last]
    assert comp.digests() == before

    comp.solve()
    changed = {frame for frame, digest in comp.digests().items() if digest != before[frame]}
    assert comp.status.word == "ready" and not comp.status.changed_keys
    assert last in changed and changed <= stale and first not in stale


def test_undoing_a_correction_brings_the_old_frames_back_without_computing(comp: rig.Comp, head):
    comp.key(1001)
    comp.solve()
    before = comp.digests()
    comp.key(1005)
    comp.solve()
    assert comp.digests() != before
    assert bpy.ops.seqmatte.key_remove(node=comp.matte.name) == {"FINISHED"}
    bpy.ops.seqmatte.check(node=comp.matte.name)
    assert comp.digests() == before and comp.status.word == "ready"


def test_solve_from_here_leaves_the_frames_before(comp: rig.Comp, head):
    comp.key(1001)
    comp.scene.frame_set(1003)
    comp.solve(start="HERE")
    assert sorted(comp.digests()) == [1003, 1004, 1005]
    assert comp.status.word == "partial" and list(comp.status.missing) == [1001, 1002]


def test_frames_that_an_edit_reaches_stay_stale_until_they_are_solved(comp: rig.Comp, head):
    comp.key(1001)
    comp.solve()
    before = comp.digests()
    bpy.ops.seqmatte.key_remove(node=comp.matte.name)
    comp.key(1003)
    comp.scene.frame_set(1005)
    comp.solve(start="HERE")
    assert comp.status.word == "stale" and list(comp.status.stale) == [1001, 1002, 1003, 1004]
    assert list(comp.status.ready) == [1005] and comp.digests().items() >= {1001: before[1001]}.items()
    comp.solve()
    assert comp.status.word == "ready" and not comp.status.stale


def test_cancel_keeps_finished_frames_and_solve_goes_on_from_them(tmp_path: Path, gate: rig.Gate):
    comp = rig.Comp(tmp_path, seed=7)
    comp.key(1001, source="MASK", mask=rig.mask("Head", comp.disc(1001)))
    gate.open(1001, 1002)
    job = comp.begin()
    rig.until(job, lambda: comp.digests())
    assert bpy.ops.seqmatte.cancel(node=comp.matte.name) == {"FINISHED"}
    gate.open_once_heard(*comp.frames)
    rig.until(job, lambda: job.over)
    kept = comp.digests()
    assert job.phase == "cancelled" and comp.status.word == "cancelled"
    assert sorted(kept) == [1001, 1002]  # the second was finished and waited to be handed over
    comp.solve()
    assert comp.status.word == "ready" and kept.items() <= comp.digests().items()


def test_the_next_problem_is_the_least_certain_frame_and_then_the_next(comp: rig.Comp, head):
    comp.key(1001)
    comp.solve()
    confidence = comp.record().confidence
    visited = []
    for _ in comp.frames:
        assert bpy.ops.seqmatte.next(node=comp.matte.name) == {"FINISHED"}
        visited.append(comp.scene.frame_current)
    assert visited == sorted(comp.frames, key=lambda frame: (confidence[frame], frame))


def test_options_are_sent_only_where_they_differ_from_their_defaults(comp: rig.Comp, head):
    options = comp.group.seqmatte.options_guide_flow
    options.inner = 2.3
    comp.key(1001)
    comp.solve()
    assert comp.record().shot["params"] == {"guide_flow": {"inner": 2.3}}


def test_the_farm_job_holds_the_shot_and_what_it_makes_is_what_the_node_shows(tmp_path: Path, engine: str):
    comp = rig.Comp(tmp_path, count=3, seed=12)
    comp.key(1001, source="MASK", mask=rig.mask("Head", comp.disc(1001)))
    assert bpy.ops.seqmatte.farm(node=comp.matte.name) == {"FINISHED"}
    folder = comp.result(1001).parent
    shot = json.loads((folder / "shot.json").read_text("utf-8"))
    template = json.loads((folder / "farm" / "template.json").read_text("utf-8"))
    (tasks,) = template["steps"][0]["parameterSpace"]["taskParameterDefinitions"]
    assert shot["out"] == str(folder / "matte.####.exr") and tasks["range"] == ["1001-1003"]
    assert comp.status.word == "at the farm"

    ran = subprocess.run([engine, "-m", "seqmatte", "matte", str(folder / "shot.json")], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    bpy.ops.seqmatte.reload(node=comp.matte.name)
    assert comp.status.word == "ready"
    np.testing.assert_array_equal(comp.render(1002), rig.read(comp.result(1002)))
    assert comp.render(1002)[:, :, 3].max() == 1.0
    delivered = comp.digests()
    comp.solve()
    assert comp.digests() == delivered


def test_results_outside_a_shortened_range_are_removed_so_that_none_is_shown(comp: rig.Comp, head):
    comp.key(1004)
    comp.solve(start="ALL")
    comp.group.seqmatte.start = 1004
    comp.solve()
    assert sorted(comp.digests()) == [1004, 1005]


def test_clear_removes_what_we_wrote_and_nothing_else_and_a_solve_finds_the_results_in_the_cache(
    tmp_path: Path, gate: rig.Gate
):
    comp = rig.Comp(tmp_path, count=3, seed=13)
    flip = comp.tree.nodes.new("CompositorNodeFlip")
    comp.tree.links.new(comp.plate.outputs["Image"], flip.inputs["Image"])
    comp.tree.links.new(flip.outputs["Image"], comp.matte.inputs["Image"])
    comp.key(1001, source="MASK", mask=rig.mask("Head", comp.disc(1001)))
    folder = comp.result(1001).parent
    strangers = ("notes.txt", "matte.1.exr", "matte.1001.exr.old", "plate/plate.1001.exr", "guides/1001.exr")
    for name in (*strangers, "farm/template.json.old"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("the artist's")
    theirs = files(folder)
    assert bpy.ops.seqmatte.farm(node=comp.matte.name) == {"FINISHED"}
    gate.open(*comp.frames)
    comp.solve()
    before = comp.digests()
    assert len(before) == 3 and len(files(folder)) == len(theirs) + 3 + 3 + 1 + 4 + 2
    (folder / f"{comp.result(1001).name}.4242.part").write_text("what a killed Blender leaves")
    bpy.ops.seqmatte.clear(node=comp.matte.name)
    assert files(folder) == theirs and comp.status.word == "not solved"
    gate.close()
    job = comp.begin()
    rig.until(job, lambda: job.over)
    assert comp.digests() == before and comp.status.word == "ready"


def test_clear_leaves_no_empty_folder_of_ours(comp: rig.Comp, head):
    comp.key(1001)
    comp.solve()
    folder = comp.result(1001).parent
    assert (folder / "guides").is_dir()
    bpy.ops.seqmatte.clear(node=comp.matte.name)
    assert not list(folder.iterdir())


def files(folder: Path) -> dict[str, str]:
    """Every file below a folder, with its digest."""
    there = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in there}
