"""The table of frames a second: that each cell is what it says, not how quick this machine is."""

import pytest

from seqmatte import network_benchmark as bench
from shots import source_environment


def test_a_cell_is_measured_in_a_process_of_its_own_and_stopped_at_its_limit(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", source_environment()["PYTHONPATH"])
    assert float(bench.cell("refiner", (64, 64), "torch", "float32", "cpu", 120)) > 0
    assert bench.cell("refiner", (64, 64), "torch", "float32", "cpu", 0.01) == "> 0 s"
    assert bench.cell("hstsg", (64, 64), "onnx", "float32", "cpu", 120) == "no export"


@pytest.mark.parametrize("name", ["hstsg-compact", "rvm"])
@pytest.mark.parametrize("precision", ["float32", "fast"])
def test_networks_run_in_both_precisions(name, precision):
    assert bench.frames_a_second(name, (64, 96), "torch", precision, "cpu") > 0


def test_the_method_and_the_bare_network_are_timed_on_the_same_frames():
    found = bench.compared((64, 96), "cpu")
    assert found["method"] > 0
    assert found["bare"] > 0


def test_the_table_shows_what_was_measured_and_what_was_not():
    cells = {"torch float32": 3.25, "torch fast": "> 60 s", "onnx float32": "no export"}
    rows = [
        {"network": "rvm", "size": "512x512", **cells},
        {"network": "rvm", "size": "512x512", "method": 0.21, "bare": 0.2},
    ]
    lines = bench.table(rows).splitlines()
    assert lines[0].split() == ["frames", "a", "second", "size", "torch", "float32", "torch", "fast", "onnx", "float32"]
    assert lines[1].split() == ["rvm", "512x512", "3.25", ">", "60", "s", "no", "export"]
    assert lines[2] == "rvm 512x512: 0.210 s a frame through the method, 0.200 s bare: +5.0 %"
