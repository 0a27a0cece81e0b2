"""A real worker process, spoken to as a host does. The toy recipe (fakes/toy_engine.py) does on cue what is rare."""

import fcntl
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fakes.toy_engine import PATHS, command, toy
from seqlink import FramePath, wire
from seqlink.call import WorkerDied, WorkerError
from seqlink.client import Worker


def toy_worker(tmp_path):
    return Worker(command(tmp_path / "cache"), {**PATHS, "SEQMATTE_HOME": str(tmp_path / "home")})


@pytest.fixture
def worker(tmp_path):
    made = toy_worker(tmp_path)
    yield made
    made.stop()


def gate_of(tmp_path):
    folder = tmp_path / "gate"
    folder.mkdir()
    return folder


def let_through(gate, *frames):
    for frame in frames:
        (gate / str(frame)).touch()


def until(ready, what):
    end = time.monotonic() + 300
    while not ready():
        assert time.monotonic() < end, f"waited five minutes for {what}"
        time.sleep(0.005)


def digests(paths):
    return {frame: hashlib.sha256(Path(path).read_bytes()).hexdigest() for frame, path in paths.items()}


def rendered(worker, shot, **params):
    paths = {}
    worker.ask(
        "render",
        {"shot": shot, **params},
        listen=lambda event: (
            paths.update({event.params["frame"]: event.params["path"]}) if event.method == "frame" else None
        ),
    )
    return paths


def test_every_frame_is_told_when_its_file_is_there(worker, tiny_shot):
    there = []
    call = worker.send("render", {"shot": toy(tiny_shot)})
    for event in call.events():
        if event.method == "frame":
            there.append((event.params["frame"], Path(event.params["path"]).exists(), event.params["confidence"]))
    assert sorted(there) == [(f, True, pytest.approx(1 / (1 + f % 7))) for f in range(1, 13)]
    assert call.result() == {"frames": "1-12"}


def test_progress_counts_up_to_the_total(worker, tiny_shot):
    call = worker.send("render", {"shot": toy(tiny_shot)})
    told = [event.params for event in call.events() if event.method == "progress"]
    assert [row["done"] for row in told] == list(range(1, 13))
    assert {row["total"] for row in told} == {12}
    assert told[-1]["eta"] == 0


def test_a_shot_that_names_a_place_gets_its_frames_there(worker, tiny_shot, tmp_path):
    out = FramePath(tmp_path / "out" / "matte.####.exr")
    paths = rendered(worker, {**toy(tiny_shot), "out": str(out)})
    assert paths == {frame: out.path(frame) for frame in range(1, 13)}
    cached = rendered(worker, toy(tiny_shot))
    assert digests(paths) == digests(cached)


def test_a_frame_is_walked_to_from_its_guide_and_then_comes_from_the_cache(worker, tiny_shot):
    first = worker.ask("frame", {"shot": toy(tiny_shot), "frame": 6})
    assert (first["frame"], first["steps"]) == (6, 4)
    again = worker.ask("frame", {"shot": toy(tiny_shot), "frame": 6})
    assert again == {**first, "steps": 0}


def test_status_says_what_an_edit_reaches_and_computes_nothing(worker, tiny_shot):
    before = toy(tiny_shot, 3, 9)
    rendered(worker, before)
    moved = tiny_shot.guide(9, kind="alpha")
    after = {**before, "guides": [before["guides"][0], vars(moved)]}
    answer = worker.ask("status", {"shot": after, "before": before})
    spans = ["1-2", "3-6", "7-8", "9-12"]
    assert answer == {"cached": "1-6", "missing": "7-12", "tasks": spans[2:], "spans": spans, "reached": "7-12"}
    assert worker.ask("status", {"shot": before})["missing"] == ""


def test_a_subject_that_is_new_is_reached_on_every_frame(worker, tiny_shot):
    before = toy(tiny_shot, 3)
    second = {**vars(tiny_shot.guide(5)), "subject": "second"}
    after = {**before, "guides": [*before["guides"], second]}
    answer = worker.ask("status", {"shot": after, "before": before, "subject": "second"})
    assert answer["reached"] == "1-12"
    assert worker.ask("status", {"shot": after, "before": before, "subject": "matte"})["reached"] == ""


def test_status_names_the_results_that_a_host_holds_and_that_are_no_longer_right(worker, tiny_shot):
    before, keys = toy(tiny_shot, 3, 9), {}
    call = worker.send("render", {"shot": before})
    for event in call.events():
        if event.method == "frame":
            keys[event.params["frame"]] = event.params["key"]
    after = {**before, "guides": [before["guides"][0], vars(tiny_shot.guide(9, kind="alpha"))]}
    assert worker.ask("status", {"shot": before, "have": keys})["stale"] == ""
    assert worker.ask("status", {"shot": after, "have": {8: keys[8], 2: keys[2], 99: "x"}})["stale"] == "8"
    for wrong in ([], {"x": "y"}, {"1": 2}):
        with pytest.raises(WorkerError, match=r"params\.have"):
            worker.ask("status", {"shot": before, "have": wrong})


def test_each_subject_of_a_shot_is_rendered(worker, tiny_shot, tmp_path):
    two = (tiny_shot.guide(3), tiny_shot.guide(5, kind="alpha", subject="hair"))
    shot = tiny_shot.shot(3, recipe="toy", guides=two, out=FramePath(tmp_path / "out" / "m.####.exr"))
    told = []
    call = worker.send("render", {"shot": shot.to_dict(), "frames": "2-3"})
    for event in call.events():
        if event.method == "frame":
            told.append((event.params["subject"], event.params["frame"], Path(event.params["path"]).name))
    assert sorted(told) == [
        ("hair", 2, "hair.m.0002.exr"),
        ("hair", 3, "hair.m.0003.exr"),
        ("matte", 2, "matte.m.0002.exr"),
        ("matte", 3, "matte.m.0003.exr"),
    ]


def test_the_methods_are_those_that_hosts_draw_knobs_from(worker):
    document = worker.ask("methods")
    assert "toy" in {recipe["name"] for recipe in document["recipes"]}
    toys = next(method for method in document["methods"] if method["name"] == "toy")
    assert [option["name"] for option in toys["params"]] == ["trouble", "frame", "gate", "walked"]


def test_what_a_library_prints_is_never_taken_for_an_answer(worker, tiny_shot):
    worker.ask("render", {"shot": toy(tiny_shot, trouble="noise", frame=5)})
    worker.stop()  # what it said is read to the end, beside the answers
    words = worker.last_words()
    for said in ("prints from Python", "straight to the descriptor", "and from C", "a child ''"):
        assert said in words


@pytest.mark.parametrize(
    ("trouble", "code", "sentence"),
    [
        ("memory", 8, "out of memory"),
        ("gpu_memory", 8, "out of memory"),
        ("weights", 7, "weights of toy are missing"),
        ("bug", wire.INTERNAL_ERROR, "ZeroDivisionError"),
    ],
)
def test_what_stops_a_render_is_an_answer_and_the_worker_lives(worker, tiny_shot, trouble, code, sentence):
    worker.start()
    pid = worker.pid
    with pytest.raises(WorkerError, match=sentence) as caught:
        worker.ask("render", {"shot": toy(tiny_shot, trouble=trouble, frame=5)})
    assert caught.value.code == code
    assert worker.ask("render", {"shot": toy(tiny_shot)}) == {"frames": "1-12"}
    assert worker.pid == pid


def test_a_missing_plate_frame_is_named(worker, tiny_shot):
    os.unlink(tiny_shot.plate.path(8))
    with pytest.raises(WorkerError) as caught:
        worker.ask("render", {"shot": toy(tiny_shot)})
    assert caught.value.code == 4
    assert "8" in str(caught.value) and str(tiny_shot.folder) in str(caught.value)


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"frames": "12-1"}, 3, "frames"),
        ({"recipe": "magic"}, 6, "recipe"),
        ({"guides": [{"frame": "three"}]}, 3, "guides"),
        ({"plat": "x"}, 3, "plat"),
        ({"colour": {"space": "no such space"}}, 11, None),
        ({"guides": []}, 5, None),
    ],
)
def test_a_wrong_shot_is_refused_with_the_field(worker, tiny_shot, change, code, field):
    with pytest.raises(WorkerError) as caught:
        worker.ask("render", {"shot": {**toy(tiny_shot), **change}})
    assert caught.value.code == code
    if field:
        assert caught.value.data["field"] == field


def test_a_host_of_another_protocol_is_refused(worker):
    worker.start()
    with pytest.raises(WorkerError, match="speaks protocol 1"):
        worker.ask("hello", {"protocol": 2})


@pytest.mark.parametrize("stopped_at", [1, 6, 11])
def test_a_cancel_is_answered_at_once_and_no_further_frame_is_begun(worker, tiny_shot, tmp_path, stopped_at):
    gate, walked = gate_of(tmp_path), tmp_path / "walked"
    let_through(gate, *range(1, stopped_at))
    call = worker.send("render", {"shot": toy(tiny_shot, 1, gate=str(gate), walked=str(walked))})
    until(lambda: walked.exists() and walked.read_text().endswith(f"{stopped_at}\n"), "the frame to be begun")
    assert worker.ask("cancel", {"id": call.id}) == {"cancelled": True}
    let_through(gate, *range(1, 13))
    with pytest.raises(WorkerError) as caught:
        call.result()
    assert caught.value.cancelled
    assert walked.read_text().split() == [str(frame) for frame in range(1, stopped_at + 1)]


def test_a_cancelled_render_keeps_its_finished_frames(worker, tiny_shot, tmp_path):
    gate, walked = gate_of(tmp_path), tmp_path / "walked"
    let_through(gate, 1, 2, 3, 4)
    shot = toy(tiny_shot, 1, gate=str(gate), walked=str(walked))
    call = worker.send("render", {"shot": shot})
    until(lambda: walked.exists() and walked.read_text().endswith("5\n"), "frame 5 to be begun")
    call.cancel()
    assert worker.ask("hello", {"protocol": 1})["protocol"] == 1  # read in order: so the cancel was read
    let_through(gate, 5)
    with pytest.raises(WorkerError) as caught:
        call.result()
    assert caught.value.cancelled
    assert worker.ask("status", {"shot": shot})["cached"] == "1-5"


def test_a_waiting_render_can_be_cancelled_before_it_begins(worker, tiny_shot, tmp_path):
    gate, walked = gate_of(tmp_path), tmp_path / "walked"
    first = worker.send("render", {"shot": toy(tiny_shot, gate=str(gate))})
    second = worker.send("render", {"shot": toy(tiny_shot, walked=str(walked))})
    assert worker.ask("cancel", {"id": second.id}) == {"cancelled": True}
    let_through(gate, *range(1, 13))
    assert first.result() == {"frames": "1-12"}
    with pytest.raises(WorkerError, match="before it began"):
        second.result()
    assert not walked.exists()


def test_the_cancel_of_a_waiting_render_is_answered_while_the_other_one_goes_on(worker, tiny_shot, tmp_path):
    gate = gate_of(tmp_path)
    first = worker.send("render", {"shot": toy(tiny_shot, gate=str(gate))})
    second = worker.send("render", {"shot": toy(tiny_shot, gate=str(gate))})
    second.cancel()
    with pytest.raises(WorkerError, match="before it began") as caught:
        second.result(60)
    assert caught.value.cancelled and not first.poll() and not first.done
    assert worker.ask("cancel", {"id": second.id}) == {"cancelled": False}
    let_through(gate, *range(1, 13))
    assert first.result() == {"frames": "1-12"}
    assert worker.ask("render", {"shot": toy(tiny_shot)}) == {"frames": "1-12"}


def test_a_cancel_for_nobody_cancels_nothing(worker):
    for id in (99, None, [], "x", 1.5):
        assert worker.ask("cancel", {"id": id}) == {"cancelled": False}


def test_status_is_answered_while_a_render_runs(worker, tiny_shot, tmp_path):
    gate = gate_of(tmp_path)
    call = worker.send("render", {"shot": toy(tiny_shot, gate=str(gate))})
    assert worker.ask("status", {"shot": toy(tiny_shot)})["missing"] == "1-12"
    assert call.poll() == [] and not call.done
    let_through(gate, *range(1, 13))
    call.result()


def test_an_id_in_use_is_refused_and_the_first_request_goes_on(tmp_path, tiny_shot):
    gate = gate_of(tmp_path)
    line = wire.written(wire.Request("render", {"shot": toy(tiny_shot, gate=str(gate))}, 7))
    with talking(tmp_path) as process:
        process.stdin.write(line + line)
        process.stdin.flush()
        refusal = next(message for message in answers(process) if isinstance(message, wire.Failure))
        assert (refusal.id, refusal.code) == (7, wire.INVALID_REQUEST)
        let_through(gate, *range(1, 13))
        reply = next(message for message in answers(process) if isinstance(message, wire.Reply))
        assert (reply.id, reply.result) == (7, {"frames": "1-12"})


def test_bye_ends_it_with_success(tmp_path):
    with talking(tmp_path) as process:
        process.stdin.write(wire.written(wire.Request("bye", {}, 1)))
        process.stdin.flush()
        assert list(answers(process)) == [wire.Reply(1, {})]
        assert process.wait(60) == 0


def test_it_starts_and_answers_status_without_numpy_or_torch_in_its_hello():
    code = "import sys, seqmatte.worker; print(sorted({'numpy', 'torch', 'cv2', 'OpenImageIO'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **PATHS}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


HOST = """
import sys
from seqlink.client import Worker
import json
worker = Worker(json.loads(sys.argv[1]))
call = worker.send("render", {"shot": json.loads(sys.argv[2])})
next(call.events())
print("rendering", flush=True)
call.result()
"""


def test_a_host_that_is_killed_takes_its_worker_with_it(tmp_path, tiny_shot):
    gate, lock, walked = gate_of(tmp_path), tmp_path / "lock", tmp_path / "walked"
    let_through(gate, 1, 2, 3)
    # A worker that is stuck in a step, since frame 4 never gets through the gate.
    shot = toy(tiny_shot, 1, gate=str(gate), walked=str(walked))
    starter = "import os, runpy, sys; os.environ['PYTHONPATH'] = os.environ['KEPT']; sys.argv = sys.argv[1:]; "
    starter += "sys.path[:0] = os.environ['KEPT'].split(os.pathsep); runpy.run_path(sys.argv[0], run_name='__main__')"
    python, *rest = command(tmp_path / "cache")
    env = {**os.environ, **PATHS, "KEPT": PATHS["PYTHONPATH"], "TOY_LOCK": str(lock)}
    host = subprocess.Popen(
        [sys.executable, "-c", HOST, json.dumps([python, "-c", starter, *rest]), json.dumps(shot)],
        env=env,
        stdout=subprocess.PIPE,
    )
    assert host.stdout.readline() == b"rendering\n"
    with open(lock) as held:
        until(lambda: walked.read_text().endswith("4\n"), "the step that never ends")
        assert not free(held)
        host.send_signal(signal.SIGKILL)
        host.communicate()
        until(lambda: free(held), "the worker to end")


def free(file):
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def test_killed_at_20_random_moments_the_host_goes_on_and_a_second_run_finishes(worker, tiny_shot, tmp_path):
    """Half of the moments are in a step, half after an event; every result equals that of an undisturbed run."""
    chance = random.Random(5)
    undisturbed = toy_worker(tmp_path / "reference")
    for moment in range(20):
        gate, walked = tmp_path / f"gate.{moment}", tmp_path / f"walked.{moment}"
        gate.mkdir()
        # The options make keys that no earlier moment has made.
        shot = toy(tiny_shot, 1, frame=moment, gate=str(gate), walked=str(walked))
        reached = chance.randrange(1, 12)
        let_through(gate, *range(1, reached + 1))
        call = worker.send("render", {"shot": shot})
        if moment % 2:
            until(lambda w=walked, f=reached + 1: w.exists() and w.read_text().endswith(f"\n{f}\n"), "a step")
        else:
            for _ in zip(range(chance.randrange(2 * reached - 1)), call.events(), strict=False):
                pass
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(WorkerDied, match="killed by signal 9"):
            call.result()
        let_through(gate, *range(1, 13))
        again = rendered(worker, shot)
        assert sorted(again) == list(range(1, 13))
        assert digests(again) == digests(rendered(undisturbed, shot))
    undisturbed.stop()


class talking:
    """A worker process without the client, for what the client never sends."""

    def __init__(self, tmp_path):
        self.process = subprocess.Popen(
            command(tmp_path / "cache"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **PATHS, "SEQMATTE_HOME": str(tmp_path / "home")},
        )

    def __enter__(self):
        return self.process

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


def answers(process):
    for line in process.stdout:
        yield wire.read(line)
