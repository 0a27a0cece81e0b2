"""What lies on disk, what the status says of it, and what the node shows are one thing."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import OpenImageIO as oiio
import pytest
import rig

SQUARE = [(0.1, 0.2), (0.4, 0.2), (0.4, 0.6), (0.1, 0.6)]


@pytest.fixture
def keyed(comp: rig.Comp) -> rig.Comp:
    comp.link_mask(rig.mask("Head", comp.disc(1001)))
    comp.key(1001)
    return comp


def alone(comp: rig.Comp) -> Any:
    """The comp's key; on the Mask of the socket it gives one matte, on its own Mask another."""
    key = comp.group.seqmatte.keys[0]
    key.mask = rig.mask("Square", SQUARE)
    key.mask.use_fake_user = True
    return key


def test_a_solve_mends_what_a_job_that_was_cut_short_left(keyed: rig.Comp, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rig.part("job"), "BUSY_SECONDS", 0.0)  # frames come one by one, known as they are
    key = alone(keyed)
    keyed.solve()
    first = keyed.digests()
    key.source = "MASK"
    keyed.solve()
    key.source = "SOCKET"
    keyed.solve()
    assert keyed.digests() == first
    keyed.save()
    key.source = "MASK"
    job = keyed.begin()
    rig.until(job, lambda: keyed.digests() != first, 60)
    assert not job.over
    bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath)
    ((_, matte),) = rig.part("node").every()
    assert rig.part("status").of(matte.node_tree).word == "cancelled"  # another matte lies there, and it says so
    bpy.ops.seqmatte.solve(node=matte.name)
    assert rig.part("status").of(matte.node_tree).word == "ready" and digests_of(matte, first) == first


def digests_of(matte: Any, frames: dict[int, str]) -> dict[int, str]:
    results = rig.part("node").results(matte.node_tree)
    return {frame: hashlib.sha256(Path(results.path(frame)).read_bytes()).hexdigest() for frame in frames}


def test_a_blender_that_was_killed_while_frames_came_leaves_a_node_that_is_stale(keyed: rig.Comp):
    key = alone(keyed)
    keyed.solve()
    key.source = "MASK"
    job = keyed.begin()
    rig.until(job, lambda: job.phase == "solving")
    assert list(keyed.record().stale_frames) == list(keyed.frames)  # on disk, before the first frame


def test_a_solve_mends_what_a_farm_wrote_meanwhile(keyed: rig.Comp, engine: str):
    key = alone(keyed)
    key.source = "MASK"
    bpy.ops.seqmatte.farm(node=keyed.matte.name)
    document = keyed.result(1001).parent / "farm" / "shot.json"
    key.source = "SOCKET"
    keyed.solve()
    before = keyed.digests()
    subprocess.run([engine, "-m", "seqmatte", "matte", str(document)], check=True, capture_output=True)
    assert not set(keyed.digests().values()) & set(before.values())
    keyed.solve()
    assert keyed.digests() == before


def assert_shown(comp: rig.Comp, frame: int, number: int) -> None:
    np.testing.assert_array_equal(comp.render(frame), rig.read(comp.result(number)))


def test_check_shows_the_frames_that_it_brings_in_when_the_range_grows(keyed: rig.Comp):
    keyed.solve()
    keyed.group.seqmatte.end = 1003
    keyed.solve()
    keyed.group.seqmatte.end = 1005
    bpy.ops.seqmatte.check(node=keyed.matte.name)
    assert keyed.status.word == "ready" and len(keyed.status.ready) == 5
    assert_shown(keyed, 1005, 1005)
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.ed.undo_push(message="later")
    bpy.ops.ed.undo()
    result = bpy.data.node_groups["Matte 1"].nodes["RESULT"]
    assert (result.frame_start, result.frame_duration) == (1001, 5)


def test_check_shows_the_right_frames_when_the_plate_slides_in_time(keyed: rig.Comp):
    keyed.solve()
    keyed.plate.frame_start, keyed.plate.frame_offset = 1011, 1000
    chosen = keyed.group.seqmatte
    chosen.start, chosen.end, chosen.keys[0].frame = 1011, 1015, 1011
    bpy.ops.seqmatte.check(node=keyed.matte.name)
    assert keyed.status.word == "ready" and list(keyed.status.ready) == [1011, 1012, 1013, 1014, 1015]
    assert_shown(keyed, 1011, 1001)
    assert_shown(keyed, 1014, 1004)


def test_what_the_engine_warned_of_is_said_after_the_end_and_after_a_reopen(keyed: rig.Comp):
    path = keyed.tiny.plate.path(1002)
    picture = oiio.ImageBuf(path)
    picture.read(force=True, convert="float")
    picture.setpixel(5, 5, [float("nan")] * picture.spec().nchannels)
    picture.write(path)
    keyed.solve()
    assert keyed.status.word == "ready"
    assert keyed.status.message.startswith("Frame 1002: the plate has 3 NaN values")
    keyed.save()
    bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath)
    ((_, matte),) = rig.part("node").every()
    assert "NaN" in rig.part("status").of(matte.node_tree).message
    matte.node_tree.seqmatte.start = matte.node_tree.seqmatte.keys[0].frame = 1003
    bpy.ops.seqmatte.solve(node=matte.name)
    assert rig.part("status").of(matte.node_tree).message == ""


def test_the_next_problem_is_looked_for_in_the_folder_that_is_set(keyed: rig.Comp):
    keyed.solve()
    bpy.ops.seqmatte.folder(node=keyed.matte.name, directory=str(keyed.folder / "elsewhere"))
    keyed.scene.frame_set(7)
    bpy.ops.seqmatte.next(node=keyed.matte.name)
    assert keyed.scene.frame_current == 7 and keyed.status.note == ""


def test_the_folder_of_a_node_that_is_being_solved_stays(tmp_path: Path, gate: rig.Gate):
    comp = rig.Comp(tmp_path, seed=14)
    comp.key(1001, source="MASK", mask=rig.mask("Head", comp.disc(1001)))
    job, before = comp.begin(), comp.result(1001)
    rig.until(job, lambda: job.phase == "solving")
    said = rig.message_of(lambda: bpy.ops.seqmatte.folder(node=comp.matte.name, directory=str(tmp_path / "b")))
    assert "cancel that first" in said and comp.result(1001) == before


def test_a_blender_stays_awake_while_cached_frames_are_brought_in(keyed: rig.Comp, monkeypatch: pytest.MonkeyPatch):
    keyed.solve()
    bpy.ops.seqmatte.clear(node=keyed.matte.name)
    monkeypatch.setattr(rig.part("job"), "BUSY_SECONDS", 0.0)
    job = keyed.begin()
    rig.until(job, lambda: job.phase == "solving")
    with pytest.raises(rig.part("seqlink.call").WorkerError, match="not a whole number"):
        rig.part("session").worker().ask("frame", {})  # computed in turn: by now all five have come and wait
    there = []
    while not job.over:
        rig.part("session").pump()
        there.append(len(keyed.digests()))
    assert {1, 2, 3, 4, 5} <= set(there)
