"""Solves that are stopped, that wait for each other, and engines that do not listen."""

import hashlib
import os
import signal
import threading
from pathlib import Path

import pytest


def digests(files):
    return {frame: file and hashlib.sha256(Path(file).read_bytes()).hexdigest() for frame, file in files.items()}


def move_mask(script, *frames):
    """An artist moves the roto on some frames."""
    for frame in frames:
        script.masks[frame] = script.masks[frame - 1].copy()


@pytest.mark.parametrize("how", ["button", "progress box"])
def test_a_cancel_stops_and_keeps_what_is_finished(script, monkeypatch, how):
    from seqmatte_nuke import results, session

    monkeypatch.setattr(results, "SHOWN_SECONDS", 0.0)
    monkeypatch.setattr(session, "LOOK_SECONDS", 0.01)
    gate = script.gate(1, 2, 3, 4, 5, 6)
    script.press("solve")
    script.nuke.pump(lambda: "5/12 ready" in script.node["status"].value())
    if how == "button":
        script.press("cancel")
    else:
        job, sent = session.running(script.node["seqmatte_uid"].value()), threading.Event()
        cancel = job.call.cancel
        monkeypatch.setattr(job.call, "cancel", lambda: (cancel(), sent.set()))
        script.nuke.cancel_pressed = True
        script.nuke.pump(sent.is_set)
    # The engine reads in order: once this is answered, the cancel was read.
    session.worker().ask("hello", {"protocol": 1})
    script.open_all(gate)
    script.finish()
    assert script.node["status"].value().startswith("cancelled, ")
    finished = [frame for frame, file in script.shown().items() if file]
    assert 5 <= len(finished) <= 7
    script.nuke.cancel_pressed = False
    script.solve()
    assert script.node["status"].value().startswith("ready, 12/12")


def test_a_second_solve_waits_for_the_first(script):
    gate = script.gate()
    script.press("solve")
    script.press("solve")
    assert script.nuke.told == ["This node is being solved. Cancel it first."]
    script.open_all(gate)
    script.finish()


def test_a_job_runs_until_its_end_is_told_in_the_main_thread(script, monkeypatch):
    """Else the end of one solve could be told into the next."""
    from seqmatte_nuke import session

    post, uid, ran = script.nuke.executeInMainThread, script.node["seqmatte_uid"].value(), []

    def watched(*call, **arguments):
        ran.append(session.running(uid) is not None)
        post(*call, **arguments)

    monkeypatch.setattr(script.nuke, "executeInMainThread", watched)
    script.solve()
    assert len(ran) > 12 and all(ran)


def test_a_cancel_while_the_engine_is_asked_what_is_stale_begins_nothing(script):
    from seqmatte_nuke import session

    script.node["keys"].setValue("3 9")
    script.solve()
    move_mask(script, 9)
    answered = session._ask_what_is_stale

    def asked(job, part, post):
        answered(job, part, post)
        job.cancel()

    session._ask_what_is_stale = asked
    before = digests(script.shown())
    try:
        script.solve()
    finally:
        session._ask_what_is_stale = answered
    assert digests(script.shown()) == before
    assert script.node["status"].value().startswith("stale, 6/12 ready, stale 7-12")


def finish(script, node):
    script.node = node
    script.finish()
    return node["status"].value()


def test_an_engine_that_listens_no_more_is_ended_by_a_second_cancel_and_other_nodes_begin_again(
    script, adapter, monkeypatch
):
    from seqmatte_nuke import session

    monkeypatch.setattr("seqlink.client.STOP_SECONDS", 3600.0)
    gate, first, second = script.gate(1, 2), script.node, script.second_node(adapter)
    script.press("solve")
    script.nuke.pump(lambda: (script.results / "matte/matte.0001.exr").exists())
    adapter.press("solve", second)
    mute = session.worker()
    process = mute._process
    os.kill(process.pid, signal.SIGSTOP)
    script.press("cancel")
    assert script.nuke.label_of(first) == "SeqMatte1\nstopping"
    script.press("cancel")
    script.nuke.pump(lambda: process.stdin.closed)
    script.press("cancel")
    assert mute.running  # an artist who presses once more does not wait for its end
    os.kill(process.pid, signal.SIGKILL)
    assert finish(script, second).startswith("ready, 12/12")
    assert finish(script, first).startswith("cancelled, ")
    script.open_all(gate)
    script.solve()
    assert first["status"].value().startswith("ready, 12/12") and script.nuke.told == []


def test_an_engine_that_is_ended_while_it_listens_cancels_no_other_node(script, adapter):
    """Its input closes, and it says of all that it has not begun that it is cancelled."""
    gate, first, second = script.gate(1, 2), script.node, script.second_node(adapter)
    script.press("solve")
    script.nuke.pump(lambda: (script.results / "matte/matte.0001.exr").exists())
    adapter.press("solve", second)
    script.press("cancel")
    script.press("cancel")
    script.open_all(gate)
    assert finish(script, second).startswith("ready, 12/12")
    assert finish(script, first).startswith("cancelled, ")


def test_a_cancel_pressed_a_third_time_does_not_end_the_engine_in_which_others_began_again(
    script, adapter, monkeypatch
):
    from seqmatte_nuke import session

    gate, first, second = script.gate(1, 2), script.node, script.second_node(adapter)
    begun_again, stop, pressed = threading.Event(), session.Worker.stop, []

    def stopping():
        return [thread for thread in threading.enumerate() if thread.name == "seqmatte stop"]

    def late(engine):
        if threading.current_thread() in stopping():
            pressed.append(engine)
            if len(pressed) == 2:
                begun_again.wait(60)
        stop(engine)

    monkeypatch.setattr(session.Worker, "stop", late)
    second["keys"].setValue("1")
    second["toy__gate"].setValue(str(gate))
    script.press("solve")
    script.nuke.pump(lambda: (script.results / "matte/matte.0001.exr").exists())
    adapter.press("solve", second)
    for _ in range(3):
        script.press("cancel")
    second_results = Path(script.nuke._evaluated(second["folder"].value()))
    script.nuke.pump(lambda: any(second_results.rglob("matte.*.exr")))
    begun_again.set()
    script.nuke.pump(lambda: not stopping())
    script.open_all(gate)
    assert finish(script, second).startswith("ready, 12/12")
    assert finish(script, first).startswith("cancelled, ")


def test_a_node_begins_again_though_another_nodes_engine_is_ended_before_its_own_has_gone(script, adapter, monkeypatch):
    from seqmatte_nuke import session

    gone, stop = threading.Event(), session.Worker.stop
    monkeypatch.setattr(session.Worker, "stop", lambda engine: (gone.wait(300), stop(engine)))
    gate, first = script.gate(1, 2), script.node
    script.press("solve")
    script.nuke.pump(lambda: (script.results / "matte/matte.0001.exr").exists())
    os.kill(session.worker().pid, signal.SIGSTOP)
    for node in (script.second_node(adapter), script.second_node(adapter)):
        node["toy__gate"].setValue(str(gate))
        adapter.press("solve", node)
        job = session.running(node["seqmatte_uid"].value())
        script.nuke.pump(lambda job=job: job.call is not None)
        for _ in range(2):
            adapter.press("cancel", node)
    gone.set()
    script.open_all(gate)
    assert finish(script, first).startswith("ready, 12/12")


def test_a_node_that_waits_does_not_fail_with_the_one_that_ends_the_engine(script, adapter):
    gate, first, second = script.gate(1, 2), script.node, script.second_node(adapter)
    first["toy__trouble"].setValue("exit")
    first["toy__frame"].setValue(3)
    script.press("solve")
    script.nuke.pump(lambda: (script.results / "matte/matte.0001.exr").exists())
    adapter.press("solve", second)
    (gate / "3").touch()
    assert finish(script, second).startswith("ready, 12/12")
    assert "killed by signal 9" in finish(script, first) and first["status"].value().startswith("failed, ")


def test_an_engine_that_no_node_can_start_fails_for_each_that_waits(script, adapter, settings):
    settings("#!/bin/sh\nread line\necho 'the disk is on fire' >&2\nexit 3\n")
    first, second = script.node, script.second_node(adapter)
    for node in (first, second):
        adapter.press("solve", node)
    for node in (first, second):
        assert "the disk is on fire" in finish(script, node)


@pytest.mark.parametrize("how", ["cancelled twice", "closed"])
def test_an_engine_that_never_answers_keeps_nobody_waiting(script, settings, monkeypatch, how):
    from seqmatte_nuke import session

    monkeypatch.setattr("seqlink.client.HELLO_SECONDS", 3600.0)
    settings("#!/bin/sh\nexec sleep 10000\n")
    script.press("solve")
    job = session.running(script.node["seqmatte_uid"].value())
    script.nuke.pump(lambda: job.worker is not None and job.worker.running)
    if how == "closed":
        script.nuke.scriptClear()
    else:
        script.press("cancel")
        script.press("cancel")
    script.nuke.pump(lambda: job.over)
    assert not session._jobs[job.uid].error.cancelled
    if how == "cancelled twice":
        assert script.node["status"].value().startswith("cancelled, 0/12")
