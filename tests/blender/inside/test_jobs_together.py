"""Several nodes solve at once: what happens to one leaves the others alone."""

from __future__ import annotations

import threading
import zlib
from pathlib import Path
from typing import Any

import bpy
import pytest
import rig


class Two:
    """Two nodes of one comp that solve at once in a gated engine."""

    def __init__(self, comp: rig.Comp) -> None:
        self.comp = comp
        comp.key(1001, source="MASK", mask=rig.mask("First", comp.disc(1001)))
        self.other = comp.add_matte(comp.plate)
        bpy.ops.seqmatte.key_add(node=self.other.name)
        key = self.other.node_tree.seqmatte.keys[0]
        key.source, key.mask = "MASK", rig.mask("Other", [(x, 0.5 + (y - 0.5) * 1.2) for x, y in comp.disc(1001)])
        self.first_job = self.begin(comp.matte)
        rig.until(self.first_job, lambda: self.first_job.phase == "solving")

    def begin(self, matte: Any, **options: Any) -> Any:
        assert bpy.ops.seqmatte.solve(node=matte.name, wait=False, **options) == {"FINISHED"}
        return rig.part("session").job_of(matte.node_tree.seqmatte.uid)


@pytest.fixture
def two(tmp_path: Path, gate: rig.Gate, request: pytest.FixtureRequest) -> Two:
    # A plate of each test's own: what it waits for must not be in the cache.
    return Two(rig.Comp(tmp_path / "two", seed=zlib.crc32(request.node.name.encode())))


def test_a_second_cancel_of_one_node_lets_the_other_finish(two: Two, gate: rig.Gate):
    other_job = two.begin(two.other)
    rig.until(other_job, lambda: other_job.phase == "solving")
    for _ in range(2):
        bpy.ops.seqmatte.cancel(node=two.comp.matte.name)
    gate.open(*two.comp.frames)
    rig.until(other_job, lambda: two.first_job.over and other_job.over)
    assert two.first_job.phase == "cancelled"
    assert (other_job.phase, other_job.record.message) == ("ready", "") and len(other_job.record.confidence) == 5


def test_an_engine_set_while_a_node_solves_is_for_the_next_solve_only(
    two: Two, gate: rig.Gate, monkeypatch: pytest.MonkeyPatch
):
    session = rig.part("session")
    before = session.worker()
    monkeypatch.setenv("SEQMATTE_DEVICE", "cpu")
    other_job = two.begin(two.other)
    rig.until(other_job, lambda: other_job.phase == "solving")
    assert session.worker() is not before and before.running
    gate.open(*two.comp.frames)
    rig.until(other_job, lambda: two.first_job.over and other_job.over)
    assert (two.first_job.phase, other_job.phase) == ("ready", "ready"), two.first_job.record.message
    session.worker()
    assert not before.running


def test_a_mistake_in_one_job_is_said_in_its_node_and_the_timer_goes_on(
    two: Two, gate: rig.Gate, capfd: pytest.CaptureFixture
):
    other_job = two.begin(two.other)
    other_job.steps = iter(lambda: {}["what no one thought of"], None)
    session = rig.part("session")
    assert session._tick() is not None  # what Blender calls: a timer that raises never comes again
    assert other_job.phase == "failed" and "mistake in the extension, KeyError" in other_job.record.message
    assert "Traceback" in capfd.readouterr().err
    gate.open(*two.comp.frames)
    rig.until(two.first_job, lambda: two.first_job.over)
    assert two.first_job.phase == "ready"


def test_a_copy_for_the_second_blender_that_cannot_be_saved_fails_its_job_with_a_sentence(
    two: Two, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    second = rig.part("second_blender")
    monkeypatch.setattr(second.tempfile, "mkdtemp", lambda prefix: str(tmp_path / "gone" / "far"))
    other_job = two.begin(two.other, second_blender=True)
    rig.until(other_job, lambda: other_job.over)
    assert other_job.phase == "failed" and "copy for the second Blender cannot be saved" in other_job.record.message


def test_a_node_that_lost_what_shows_its_results_ends_its_job_and_no_other(two: Two, gate: rig.Gate):
    other_job = two.begin(two.other)
    inside = two.comp.group.nodes
    inside.remove(inside["RESULT"])
    gate.open(*two.comp.frames)
    rig.until(other_job, lambda: two.first_job.over and other_job.over)
    assert other_job.phase == "ready"


def test_a_node_that_is_deleted_while_it_solves_ends_its_job(two: Two, gate: rig.Gate):
    two.comp.tree.nodes.remove(two.comp.matte)  # what X does: the group stays until the file is saved
    rig.until(two.first_job, lambda: two.first_job.cancelled)
    gate.open_once_heard(*two.comp.frames)
    rig.until(two.first_job, lambda: two.first_job.over)
    assert two.first_job.phase == "cancelled"


def test_what_is_on_its_way_to_the_engine_when_another_file_is_opened_is_taken_back(
    two: Two, gate: rig.Gate, monkeypatch: pytest.MonkeyPatch
):
    """Else the first solve in that file waits for the whole of one that nobody wants any more."""
    client, call, session = rig.part("seqlink.client"), rig.part("seqlink.call"), rig.part("session")
    send, cancel = client.Worker.send, call.Call.cancel
    sending, opened, taken_back, sent = threading.Event(), threading.Event(), threading.Event(), []

    def late(engine: Any, method: str, params: Any) -> Any:
        if method != "render":
            return send(engine, method, params)
        sending.set()
        assert opened.wait(300)
        sent.append(send(engine, method, params))
        return sent[0]

    monkeypatch.setattr(client.Worker, "send", late)
    monkeypatch.setattr(call.Call, "cancel", lambda call: (cancel(call), call in sent and taken_back.set()))
    gate.open(*two.comp.frames)
    rig.until(two.first_job, lambda: two.first_job.over)
    gate.close()
    other_job = two.begin(two.other)
    rig.until(other_job, sending.is_set)
    bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath)
    opened.set()
    assert taken_back.wait(120)
    session.worker().ask("hello", {"protocol": 1})  # read in order: so the cancel was read
    gate.open(*range(1001, 1006))
    with pytest.raises(call.WorkerError) as ended:
        sent[0].result(300)
    assert ended.value.cancelled


def test_an_undo_of_something_else_leaves_a_just_duplicated_node_solving(
    two: Two, gate: rig.Gate, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(rig.part("job"), "RELOAD_EVERY", 0.0)
    copy = two.comp.tree.nodes.new("CompositorNodeGroup")
    copy.name, copy.node_tree = "copy", two.other.node_tree
    two.comp.tree.links.new(two.comp.plate.outputs["Image"], copy.inputs["Image"])
    bpy.ops.ed.undo_push(message="Duplicate")
    bpy.ops.seqmatte.solve("EXEC_DEFAULT", True, node="copy", wait=False)  # True: undo, as a button has it
    uid = two.comp.tree.nodes["copy"].node_tree.seqmatte.uid
    job = rig.part("session").job_of(uid)
    bpy.context.scene.frame_end = 1010
    bpy.ops.ed.undo_push(message="something else")
    bpy.ops.ed.undo()
    tree = rig.part("compositor").tree_of(bpy.data.scenes[0])
    assert tree.nodes["copy"].node_tree.seqmatte.uid == uid
    rig.until(job, lambda: job.phase == "solving")
    for _ in range(3):
        rig.part("session").pump()  # it looks whether its node is still there
    gate.open(*two.comp.frames)
    rig.until(job, lambda: job.over)
    assert job.phase == "ready", job.record.message
