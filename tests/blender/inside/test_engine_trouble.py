"""An engine that is missing, dies or prints rubbish is a sentence in the panel; the next Solve works again."""

from __future__ import annotations

import os
import random
import shutil
import signal
from pathlib import Path

import bpy
import pytest
import rig
from paper import drawn


@pytest.fixture
def keyed(comp: rig.Comp) -> rig.Comp:
    comp.link_mask(rig.mask("Head", comp.disc(1001)))
    comp.key(1001)
    return comp


def failure(comp: rig.Comp) -> str:
    said = rig.message_of(comp.solve)
    assert comp.status.word == "failed" and comp.status.message in said
    return comp.status.message


def test_an_engine_that_is_not_there_is_named(keyed: rig.Comp):
    os.environ["SEQMATTE_PYTHON"] = str(keyed.folder / "no-such-python")
    assert "no-such-python" in failure(keyed)


def test_no_engine_at_all_says_where_to_set_one(keyed: rig.Comp, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("SEQMATTE_PYTHON")
    monkeypatch.setenv("PATH", str(keyed.folder))
    assert "no engine is set" in failure(keyed)


def test_an_engine_that_dies_is_quoted_and_the_next_solve_works(keyed: rig.Comp, broken_engine, engine: str):
    broken_engine("dies")
    message = failure(keyed)
    assert "exit code 3" in message and "Segmentation fault in a library" in message
    os.environ["SEQMATTE_PYTHON"] = engine
    keyed.solve()
    assert keyed.status.word == "ready"


def test_an_engine_that_prints_rubbish_is_quoted(keyed: rig.Comp, broken_engine):
    broken_engine("rubbish")
    assert "Welcome to this Python!" in failure(keyed)


def test_an_engine_of_another_protocol_is_refused(keyed: rig.Comp, broken_engine):
    broken_engine("other-protocol")
    assert "protocol 99" in failure(keyed)


def test_a_frame_that_fails_is_named_and_the_frames_before_it_stay(keyed: rig.Comp, broken_engine):
    broken_engine("half")
    assert failure(keyed) == "frame 1004 is unreadable"
    assert sorted(keyed.digests()) == [1001, 1002, 1003]
    assert keyed.status.failed == {1004: "frame 1004 is unreadable"} and next(iter(keyed.status.missing)) == 1004
    bpy.ops.seqmatte.next(node=keyed.matte.name)
    assert keyed.scene.frame_current == 1004


def test_killed_at_20_random_moments_blender_goes_on_and_a_second_solve_gives_the_same_bytes(
    tmp_path: Path, gate: rig.Gate, monkeypatch: pytest.MonkeyPatch
):
    """Some moments are at the engine's start, the others after a random number of frames have come."""
    monkeypatch.setenv("SEQMATTE_CACHE", str(tmp_path / "cache"))
    chance, session = random.Random(8), rig.part("session")
    comp = rig.Comp(tmp_path, seed=8, width=32, height=24)
    comp.key(1001, source="MASK", mask=rig.mask("Head", comp.disc(1001)))
    gate.open(*comp.frames)
    comp.solve()
    undisturbed = comp.digests()
    assert len(undisturbed) == len(comp.frames)
    for moment in range(20):
        gate.close()
        shutil.rmtree(tmp_path / "cache")  # emptying it would spare what a killed job had leased
        assert bpy.ops.seqmatte.clear(node=comp.matte.name) == {"FINISHED"} and not comp.digests()
        reached = chance.randrange(1, len(comp.frames))
        come = chance.randrange(reached)
        gate.open(*comp.frames[:reached])
        if moment % 4 == 0:
            session.stop()
        job = comp.begin()
        if moment % 4 == 0:
            rig.until(job, lambda: session.worker().pid)
        else:
            rig.until(job, lambda j=job, n=come: j.phase == "solving" and len(comp.digests()) >= n)
        os.kill(session.worker().pid, signal.SIGKILL)
        rig.until(job, lambda j=job: j.over)
        kept = comp.digests()
        assert comp.status.word == "failed" and "killed by signal 9" in comp.status.message
        assert any("killed by signal 9" in line for line in drawn())
        assert kept.items() <= undisturbed.items() and len(kept) <= reached
        gate.open(*comp.frames)
        comp.solve()
        assert comp.status.word == "ready" and comp.digests() == undisturbed


def test_an_engine_that_does_not_answer_is_ended_by_a_second_cancel(keyed: rig.Comp, broken_engine):
    broken_engine("deaf")
    job = keyed.begin()
    rig.until(job, lambda: job.phase == "starting" and rig.part("session").worker().running)
    for _ in range(2):
        bpy.ops.seqmatte.cancel(node=keyed.matte.name)
        for _ in range(20):
            rig.part("session").pump()
    rig.until(job, lambda: job.over)
    assert job.phase == "cancelled" and keyed.status.word == "cancelled"


def test_blender_does_not_stand_still_while_a_hung_engine_is_ended(
    keyed: rig.Comp, broken_engine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(rig.part("seqlink.client"), "STOP_SECONDS", 3600.0)
    broken_engine("hung")
    job, session = keyed.begin(), rig.part("session")
    rig.until(job, lambda: job.phase == "starting" and session.worker().hello)
    hung = session.worker()
    for _ in range(2):
        bpy.ops.seqmatte.cancel(node=keyed.matte.name)
    assert hung.running  # nothing waited for its end
    os.kill(hung.pid, signal.SIGKILL)
    rig.until(job, lambda: job.over)
    assert job.phase == "cancelled"


def test_the_test_button_says_which_engine_answers_or_why_none_does(keyed: rig.Comp, broken_engine):
    assert bpy.ops.seqmatte.test() == {"FINISHED"}
    broken_engine("rubbish")
    assert "Welcome to this Python!" in rig.message_of(bpy.ops.seqmatte.test)


def test_preferences_are_the_users_settings(keyed: rig.Comp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SEQMATTE_SETTINGS", str(tmp_path / "settings.json"))
    preferences = bpy.context.preferences.addons[rig.MODULE].preferences
    preferences.python, preferences.device = "/studio/python", "cpu"
    assert rig.part("seqlink.settings").load(environment={}).python == "/studio/python"
    assert preferences.python == "/studio/python" and preferences.cache == ""


def test_what_the_artist_has_to_do_first_is_said_before_anything_runs(comp: rig.Comp):
    comp.group.seqmatte.recipe = "auto"
    assert "Add a key" in rig.message_of(comp.solve)
    comp.group.seqmatte.recipe = "flow-closed-form"
    assert "needs a guide" in rig.message_of(comp.solve)
    comp.key(1001)
    assert "Mask socket, to which nothing is linked" in rig.message_of(comp.solve)
    comp.link_mask(rig.mask("Head", comp.disc(1001)))
    comp.group.seqmatte.end = 1020
    assert "longer than the plate" in rig.message_of(comp.solve)
    comp.group.seqmatte.end = 1005
    comp.group.seqmatte.start = 1004
    assert "key on 1001 lies outside the range" in rig.message_of(comp.solve)
    comp.tree.links.remove(comp.matte.inputs["Image"].links[0])
    assert "Link a plate" in rig.message_of(comp.solve)
    assert not comp.digests()


def test_an_unsaved_file_is_asked_to_be_saved(comp: rig.Comp):
    bpy.ops.wm.read_homefile(use_empty=True)
    tree = rig.part("compositor").tree_made(bpy.context.scene)
    matte = rig.part("node").add(tree)
    assert rig.part("status").of(matte.node_tree).word == "unsaved"
    assert "Save the .blend first" in rig.message_of(lambda: bpy.ops.seqmatte.solve(node=matte.name))
