import json

import pytest

from seqmatte.cli import main
from shots import source_environment


@pytest.fixture(autouse=True)
def own_processes_find_the_source(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", source_environment()["PYTHONPATH"])


def timed(capsys, *arguments):
    assert main(["bench", "--size", "96x64", "--frames", "2", "--json", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_bench_tells_the_seconds_of_every_stage_and_the_peak_of_a_process_of_its_own(capsys):
    told = timed(capsys, "--recipe", "flow-closed-form", "--memory", "2,4")
    assert set(told["stages"]) == {"guide_flow", "closed_form", "refine", "read", "engine"}
    assert sum(told["stages"].values()) <= told["total"] * 1.01
    assert told["rvm"] is None
    assert all(told["peak_bytes"][length] > 50 << 20 for length in ("2", "4"))  # also of longer shots than are timed


def test_a_recipe_with_networks_is_timed_beside_rvms_bare_network(capsys):
    told = timed(capsys, "--recipe", "hstsg-compact")
    assert told["runtime"] == "torch"
    assert told["rvm"] > 0
    assert "hstsg_compact" in told["stages"]
