"""The host's end of the wire, against processes that misbehave. Good manners are tested with the real worker."""

import json
import os
import sys
import threading
import time

import pytest

from fakes.toy_engine import PATHS, command, toy
from seqlink import wire
from seqlink.call import WorkerDied, WorkerError, WorkerMissing, WorkerRubbish
from seqlink.child import STRIPPED, stripped
from seqlink.client import Worker

GREETING = '{"jsonrpc":"2.0","id":1,"result":{"protocol":1,"version":"0","device":"cpu"}}'


def script(text):
    """A worker of a few lines; `greet()` answers hello, `next_line()` waits for a message."""
    start = "import os, sys\ndef next_line(): return sys.stdin.readline()\n"
    start += f"def greet():\n    next_line(); print('{GREETING}', flush=True)\n"
    return Worker([sys.executable, "-c", start + text])


@pytest.fixture
def worker(tmp_path):
    made = Worker(command(tmp_path / "cache"), {**PATHS, "SEQMATTE_HOME": str(tmp_path / "home")})
    yield made
    made.stop()


def test_it_starts_by_itself_and_says_whom_it_met(worker):
    assert not worker.running
    assert worker.ask("methods", timeout=60)["recipes"]
    assert worker.running
    assert (worker.hello["protocol"], worker.hello["device"]) == (wire.PROTOCOL, "cpu")


def test_starting_twice_starts_one_process(worker):
    worker.start()
    pid = worker.pid
    worker.start()
    assert worker.pid == pid


def test_a_restart_ends_what_ran_and_serves_again(worker, tiny_shot, tmp_path):
    gate = tmp_path / "gate"
    gate.mkdir()
    call = worker.send("render", {"shot": toy(tiny_shot, gate=str(gate))})
    pid = worker.pid
    worker.restart()
    with pytest.raises(WorkerDied):
        call.result()
    assert worker.pid != pid
    assert worker.ask("render", {"shot": toy(tiny_shot)}) == {"frames": "1-12"}


def test_a_call_is_polled_without_waiting(worker, tiny_shot):
    call = worker.send("render", {"shot": toy(tiny_shot)})
    frames = []
    while not call.done:
        frames += [event.params["frame"] for event in call.poll() if event.method == "frame"]
    assert sorted(frames) == list(range(1, 13))
    assert call.poll() == []
    assert call.result() == {"frames": "1-12"}


def test_calls_of_several_threads_get_their_own_answers(worker, tiny_shot):
    found = {}

    def ask(frame):
        found[frame] = worker.ask("frame", {"shot": toy(tiny_shot), "frame": frame})["frame"]

    threads = [threading.Thread(target=ask, args=(frame,)) for frame in range(1, 13)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {frame: frame for frame in range(1, 13)}


def test_no_engine_at_the_place_named_says_where_to_set_it():
    with pytest.raises(WorkerMissing, match="Set the engine's Python in the preferences: '/no/such/python'"):
        Worker(["/no/such/python"]).start()


def test_a_python_without_the_engine_dies_with_its_reason():
    worker = Worker([sys.executable, "-S", "-c", "import seqmatte"])
    with pytest.raises(WorkerDied, match=r"(?s)exit code 1.*No module named 'seqmatte'"):
        worker.start()
    assert not worker.running


@pytest.mark.parametrize("text", ["print('Welcome')", "os.write(1, bytes(range(256)))", "print('[1]')", "print('{}')"])
def test_what_is_not_the_protocol_is_called_so_and_the_process_ended(text):
    worker = script(f"{text}; sys.stdout.flush(); next_line(); next_line()")
    with pytest.raises(WorkerRubbish, match="printed what is not the engine's protocol"):
        worker.start()
    assert not worker.running


def test_an_echo_is_no_worker():
    with pytest.raises(WorkerRubbish):
        Worker([sys.executable, "-uc", "import sys\nfor line in sys.stdin: print(line, end='')"]).start()


def test_rubbish_in_the_middle_ends_every_call():
    worker = script("greet(); next_line(); next_line(); print('oops', flush=True); next_line()")
    worker.start()
    calls = [worker.send("status"), worker.send("status")]
    for call in calls:
        with pytest.raises(WorkerRubbish, match="oops"):
            call.result()
    assert not worker.running


def test_a_worker_that_dies_gives_its_last_words_to_every_call():
    worker = script("greet(); next_line(); next_line(); sys.exit('the disk is on fire')")
    worker.start()
    calls = [worker.send("status"), worker.send("render")]
    for call in calls:
        with pytest.raises(WorkerDied, match="the disk is on fire"):
            call.result()


def test_a_long_complaint_keeps_its_end():
    worker = script("for i in range(500): print('line', i, file=sys.stderr)\nsys.exit(3)")
    with pytest.raises(WorkerDied, match="exit code 3") as caught:
        worker.start()
    assert "line 499" in str(caught.value)
    assert "line 100\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("sys.exit('the disk is on fire')", WorkerDied, r"(?s)exit code 1.*the disk is on fire"),
        ("print('Welcome')", WorkerRubbish, "Welcome"),
    ],
)
def test_what_ends_before_it_is_greeted_is_quoted_however_late_it_is_read(monkeypatch, text, error, said):
    worker, greeted = script(text), threading.Event()
    post, read_lines, read_errors = worker._post, worker._read_lines, worker._read_errors

    def after_the_end(method, params):
        os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)
        try:
            return post(method, params)
        finally:
            greeted.set()

    monkeypatch.setattr(worker, "_post", after_the_end)
    monkeypatch.setattr(worker, "_read_lines", lambda *args: greeted.wait() and read_lines(*args))
    monkeypatch.setattr(worker, "_read_errors", lambda *args: greeted.wait() and read_errors(*args))
    with pytest.raises(error, match=said):
        worker.start()


def test_a_worker_killed_in_the_middle_of_an_answer_died_and_did_not_print_rubbish():
    worker = script("""greet(); next_line(); os.write(1, b'{"jsonrpc":"2.0","id":2,"resu'); os.kill(os.getpid(), 9)""")
    with pytest.raises(WorkerDied, match=r"""(?s)killed by signal 9.*"id":2,"resu'$"""):
        worker.ask("status")


@pytest.mark.parametrize("descriptor", [0, 1], ids=["hears", "says"])
def test_a_worker_that_lives_on_but_closed_its_pipe_is_ended_and_the_call_fails(monkeypatch, descriptor):
    monkeypatch.setattr("seqlink.client.STOP_SECONDS", 0.05)
    closed = f"next_line(); print('{GREETING}', flush=True); os.close({descriptor})"
    worker = script(f"import signal\n{closed}\nprint('closed', file=sys.stderr, flush=True)\nsignal.pause()")
    worker.start()
    while "closed" not in worker.last_words():
        pass
    with pytest.raises(WorkerDied, match="killed by signal 9"):
        worker.ask("status")


def test_a_worker_that_answers_before_it_reads_on_does_not_block_a_long_message():
    log = json.dumps({"jsonrpc": "2.0", "method": "log", "params": {"message": "m" * 1000}})
    answer = json.dumps({"jsonrpc": "2.0", "id": 2, "result": {}})
    worker = script(f"greet()\nfor _ in range(1000): print('{log}', flush=True)\nnext_line(); print('{answer}')")
    assert worker.ask("status", {"shot": "s" * 1_000_000}) == {}
    worker.stop()


def test_another_protocol_is_refused_and_the_process_ended():
    greeting = GREETING.replace('"protocol":1', '"protocol":7')
    worker = Worker([sys.executable, "-c", f"input(); print('{greeting}', flush=True); input()"])
    with pytest.raises(WorkerError, match="the engine speaks protocol 7, this plug-in 1: update the older one"):
        worker.start()
    assert not worker.running


def test_an_answer_that_never_comes_runs_out_of_time():
    worker = script("greet(); next_line(); next_line()")
    with pytest.raises(WorkerError, match=r"no answer to status within 0.01 seconds"):
        worker.ask("status", timeout=0.01)
    worker.stop()


def test_messages_for_nobody_go_to_the_listener_or_nowhere():
    heard = []
    log = json.dumps({"jsonrpc": "2.0", "method": "log", "params": {"message": "hm"}})
    stray = json.dumps({"jsonrpc": "2.0", "id": 99, "result": 1})
    answer = json.dumps({"jsonrpc": "2.0", "id": 2, "result": {}})
    worker = script(
        f"greet(); next_line()\nfor line in ('{log}', '{stray}', '{answer}'): print(line, flush=True)\ninput()"
    )
    worker._listen = heard.append
    assert worker.ask("status") == {}
    assert [event.params for event in heard] == [{"message": "hm"}]
    worker.stop()


def test_a_worker_that_ignores_its_input_closing_is_ended_by_force(monkeypatch):
    monkeypatch.setattr("seqlink.client.STOP_SECONDS", 0.05)
    worker = script("greet()\nimport signal\nwhile True: signal.pause()")
    worker.start()
    worker.stop()
    assert not worker.running
    worker.stop()


def test_a_worker_that_never_greets_is_ended_by_a_stop_from_another_thread(monkeypatch):
    monkeypatch.setattr("seqlink.client.HELLO_SECONDS", 3600.0)
    worker, failed = script("import time; time.sleep(1000)"), []

    def start():
        with pytest.raises(WorkerDied, match="killed by signal 9") as said:
            worker.start()
        failed.append(said.value)

    thread = threading.Thread(target=start)
    thread.start()
    while not worker.running:
        time.sleep(0.01)
    worker.stop()
    thread.join(300)
    assert failed
    assert not worker.running


def test_what_is_sent_after_a_stop_starts_no_process_that_nobody_would_end(worker):
    worker.start()
    worker.stop()
    with pytest.raises(WorkerDied, match="the engine was ended"):
        worker.send("methods")
    assert not worker.running


def test_a_worker_that_listens_no_more_keeps_nobody_waiting_who_asks_or_cancels(monkeypatch):
    """More than the pipe holds is on its way, as a shot with a guide on every frame."""
    monkeypatch.setattr("seqlink.client.STOP_SECONDS", 0.05)
    worker, calls, returned = script("import signal; greet(); signal.pause()"), [], threading.Event()
    worker.start()

    def ask():
        calls.extend((worker.send("status", {"shot": "s" * 1_000_000}), worker.send("render")))
        calls[1].cancel()
        returned.set()

    threading.Thread(target=ask, daemon=True).start()
    assert returned.wait(60)
    worker.stop()
    for call in calls:
        with pytest.raises(WorkerDied, match="killed by signal 9"):
            call.result()


def test_the_hosts_own_paths_do_not_reach_the_engine(monkeypatch):
    for name in (*STRIPPED, "QT_PLUGIN_PATH", "QT_QPA_PLATFORM"):
        monkeypatch.setenv(name, "/host")
    monkeypatch.setenv("OCIO", "/show/config.ocio")
    kept = stripped(os.environ)
    assert not [name for name, value in kept.items() if value == "/host"]
    assert kept["OCIO"] == "/show/config.ocio"
    assert kept["PATH"] == os.environ["PATH"]


def test_what_lies_in_the_hosts_folder_is_not_taken_for_a_part_of_the_engine(tmp_path, monkeypatch):
    (tmp_path / "queue.py").write_text("raise SystemExit('a file of the shot was run')")
    monkeypatch.chdir(tmp_path)
    worker = script("import queue\ngreet()\nnext_line()")
    assert worker.start()["protocol"] == wire.PROTOCOL
    worker.stop()


def test_variables_given_to_the_worker_win_over_the_hosts(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/host")
    worker = Worker(
        [sys.executable, "-c", "import os, sys; sys.exit(os.environ['PYTHONPATH'])"], {"PYTHONPATH": "mine"}
    )
    with pytest.raises(WorkerDied, match="mine"):
        worker.start()


def test_a_ctrl_c_in_the_hosts_terminal_is_not_for_the_worker(worker):
    worker.start()
    assert os.getsid(worker.pid) == worker.pid != os.getsid(0)


def test_no_process_and_no_thread_is_left_behind(worker, tiny_shot):
    before = set(threading.enumerate())
    for _ in range(3):
        worker.ask("frame", {"shot": toy(tiny_shot), "frame": 4})
        worker.restart()
    worker.stop()
    assert set(threading.enumerate()) <= before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
