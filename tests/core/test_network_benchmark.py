"""The table of frames a second: that each cell is what it says, not how quick this machine is."""

import json
import queue
from dataclasses import replace

import pytest

from seqmatte import cli
from seqmatte import network_benchmark as bench
from seqmatte import network_timing as timing
from shots import source_environment

SMALL = timing.Asked(("refiner",), ((64, 64), (48, 80)), "cpu", "cpu", 120)


@pytest.fixture(autouse=True)
def this_tree(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", source_environment()["PYTHONPATH"])


def test_a_column_is_measured_in_a_process_of_its_own_and_stopped_at_its_limit():
    assert all(cell > 0 for cell in bench.column("refiner", "torch", "float32", SMALL))
    assert bench.column("refiner", "torch", "float32", replace(SMALL, limit=0.001)) == ["not ready"] * 2


def heard(*told, sizes=((8, 8), (9, 9)), limit=0.05):
    lines = queue.Queue()
    for text in told:
        lines.put(text)
    return bench._heard(lines, timing.Asked(sizes=sizes, limit=limit))


def test_what_a_process_told_before_it_was_stopped_is_kept():
    assert heard("ready", "first 0.5", "rate 4", "first 1.0", "rate 2.5") == [4.0, 2.5]
    assert heard("ready", "first 0.5", "rate 4", "first 8.0") == [4.0, "0.125 (first)"]
    assert heard("ready", "first 0.5", "rate 4") == [4.0, "> 0 s"]
    # A larger size is not tried after one that was too large.
    assert heard("ready") == ["> 0 s", "> 0 s"]
    assert heard("ready", "first 0.5") == ["2.000 (first)", "> 0 s"]
    assert heard("ready", "first 0.5", "") == ["failed", "failed"]
    assert heard("") == ["failed", "failed"]


@pytest.mark.parametrize(
    ("name", "runtime", "precision"),
    [("hstsg-compact", "torch", "fast"), ("rvm", "torch", "float32"), ("refiner", "onnx", "float32")],
)
def test_a_network_tells_its_first_frame_and_its_rate(name, runtime, precision, capsys):
    timing.tell(name, runtime, precision, replace(SMALL, sizes=((64, 96),)))
    told = [text.split()[0] for text in capsys.readouterr().out.splitlines()]
    assert told == ["ready", "first", "rate"]


def test_the_method_and_the_bare_network_are_timed_on_the_same_frames():
    found = timing.compared((64, 96), SMALL, pairs=3)
    assert found["method"] > 0
    assert found["bare"] > 0
    assert found["share"] > -1


ROW = {"network": "refiner", "size": "64x48", "torch float32": 3.25, "torch fast": "> 60 s", "onnx float32": 0.012}


def test_the_table_shows_what_was_measured_and_what_was_not():
    assert bench.head().split() == [
        "frames",
        "a",
        "second",
        "size",
        "torch",
        "float32",
        "torch",
        "fast",
        "onnx",
        "float32",
    ]
    assert bench.line(ROW).split() == ["refiner", "64x48", "3.25", ">", "60", "s", "0.012"]
    rvm = {"network": "rvm", "size": "512x512", "method": 0.21, "bare": 0.2, "share": 0.05}
    assert bench.line(rvm) == "rvm 512x512: 0.210 s a frame through the method, 0.200 s bare: +5.0 %"


def test_rows_that_were_kept_are_not_measured_again(tmp_path, capsys):
    kept = tmp_path / "rows.jsonl"
    kept.write_text(json.dumps(ROW) + "\n")
    assert cli.main(["bench", "--networks", "refiner", "--sizes", "64x48", "--keep", str(kept)]) == 0
    assert capsys.readouterr().out.splitlines() == [bench.head(), bench.line(ROW)]
    assert len(kept.read_text().splitlines()) == 1


def test_a_network_that_there_is_not_is_refused_with_the_known_ones(capsys):
    assert cli.main(["bench", "--networks", "rvn"]) != 0
    assert "there is no such network; known: amm" in capsys.readouterr().err


@pytest.mark.parametrize("held", ["junk", "[1]", '{"event": "result"}', json.dumps(ROW) + '\n{"network": "re'])
def test_a_file_of_other_things_is_no_file_to_keep_rows_in_and_stays_as_it_is(held, tmp_path, capsys):
    kept = tmp_path / "rows.jsonl"
    kept.write_text(held)
    assert cli.main(["bench", "--networks", "refiner", "--sizes", "64x48", "--keep", str(kept)]) == 3
    assert f"--keep {kept}: this file holds other things than rows" in capsys.readouterr().err
    assert kept.read_text() == held


def test_rows_that_could_not_be_kept_are_not_measured(tmp_path, capsys):
    assert cli.main(["bench", "--networks", "refiner", "--keep", str(tmp_path / "no" / "rows.jsonl")]) == 10
    told = capsys.readouterr()
    assert "the rows cannot be kept: the folder does not exist" in told.err
    assert told.out == ""


@pytest.mark.parametrize("limit", ["0", "nan", "-5", "inf"])
def test_a_limit_of_no_time_is_wrong_usage(limit, capsys):
    with pytest.raises(SystemExit):
        cli.main(["bench", "--networks", "refiner", f"--limit={limit}"])
    assert f"argument --limit: {limit}: more than 0 seconds" in capsys.readouterr().err
