"""No job ends for its log: a log that cannot be written is mute, and the frames are finished."""

import os
import shlex
import subprocess
import sys

import pytest

from seqlink import FramePath
from seqmatte.errors import OutputError
from shots import source_environment

pytestmark = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full device here")


@pytest.fixture
def job(tiny_shot, tmp_path):
    """The words of a run of two frames; where they go."""
    guide, out = tiny_shot.guide(1, "alpha").path, tmp_path / "out" / "m.####.exr"
    words = ["matte", tiny_shot.plate, f"--alpha=1={guide}", "--frames", "1-2", "--recipe", "flow-closed-form"]
    return [*words, "--out", out, "--cache", tmp_path / "cache"], FramePath(out)


def in_shell(words, redirected, tmp_path):
    command = shlex.join([sys.executable, "-m", "seqmatte", *map(str, words)])
    environment = {**source_environment(), "SEQMATTE_HOME": str(tmp_path / "home")}
    return subprocess.run(f"{command} {redirected}", shell=True, capture_output=True, text=True, env=environment)


@pytest.mark.parametrize("redirected", ["2>&-", "2>/dev/full", ">&- 2>&-", "<&- >&- 2>&-"])
def test_frames_are_finished_where_nothing_can_be_logged(job, tmp_path, redirected):
    words, out = job
    assert in_shell(words, redirected, tmp_path).returncode == 0
    assert list(out.frames()) == [1, 2]


def test_frames_are_finished_where_nobody_reads_the_log_any_more(job, tmp_path):
    words, out = job
    in_shell(words, "2>&1 >/dev/null | true", tmp_path)
    assert list(out.frames()) == [1, 2]


def test_frames_are_finished_where_events_cannot_be_written_and_the_end_says_so(job, tmp_path):
    words, out = job
    done = in_shell([*words, "--json"], ">/dev/full", tmp_path)
    assert done.returncode == OutputError.code
    assert done.stderr == (
        "seqmatte matte: what it printed could not be written: the disk is full; all else was done\n"
    )
    assert list(out.frames()) == [1, 2]


@pytest.mark.parametrize("command", ["cache", "recipes", "--version"])
def test_an_answer_that_cannot_be_written_is_a_sentence(tmp_path, command):
    done = in_shell([command], ">/dev/full", tmp_path)
    assert done.returncode == OutputError.code
    assert done.stderr.count("\n") == 1


def test_a_refusal_that_cannot_be_written_as_an_event_keeps_its_code(job, tmp_path):
    words, _ = job
    done = in_shell([*words, "--json", "--alpha", "99=none.exr"], ">/dev/full", tmp_path)
    assert done.returncode == 5
    assert "Traceback" not in done.stderr


def test_a_reader_that_has_seen_enough_ends_the_command_as_any_other():
    command = [sys.executable, "-m", "seqmatte", "methods", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=source_environment()) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_a_name_that_the_terminals_letters_cannot_spell_ends_no_job(tiny_shot, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    words = ["status", tiny_shot.plate, f"--mask=tête:1={tiny_shot.guide(1).path}", "--recipe", "flow-closed-form"]
    done = in_shell([*words, "--cache", tmp_path / "cache"], "", tmp_path)
    assert done.returncode == 0
    assert r"t\xeate" in done.stdout


def at_a_terminal(words, tmp_path, kind="xterm"):
    """What a terminal shows of standard error."""
    ours, theirs = os.openpty()
    environment = {**source_environment(), "SEQMATTE_HOME": str(tmp_path / "home"), "TERM": kind}
    command = [sys.executable, "-m", "seqmatte", *map(str, words)]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 4096):
            shown += piece
    except OSError:  # how Linux tells the end
        pass
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")


def test_an_error_stands_on_a_line_of_its_own_below_the_bar_that_moved(job, tmp_path):
    words, _ = job
    words[words.index("1-2")] = "1-3"
    (tmp_path / "out" / "m.0003.exr").mkdir(parents=True)
    shown = at_a_terminal(words, tmp_path)
    assert "] 2/3" in shown
    assert shown.splitlines()[-1].startswith("seqmatte matte: the result cannot be written: a folder has that name")


def test_a_terminal_that_cannot_move_a_line_gets_whole_ones(job, tmp_path):
    words, out = job
    shown = at_a_terminal(words, tmp_path, "dumb")
    assert "\r" not in shown
    assert f"2  {out.path(2)}  confidence" in shown
