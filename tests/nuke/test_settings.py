"""Which engine a node is solved by: the artist's settings, the studio's environment, and a change of either."""

import json
import os
from pathlib import Path

import pytest

from seqlink import settings as kept


@pytest.fixture
def nuke(hostile_nuke):
    """Under hostile defaults alone: what is tried here is not the node."""
    return hostile_nuke


def finish(script, node):
    script.node = node
    script.finish()
    return node["status"].value()


def begun(script):
    """A solve that waits in its third frame; its gate."""
    gate = script.gate(1, 2)
    script.press("solve")
    script.nuke.pump(lambda: (script.results / "matte/matte.0001.exr").exists())
    return gate


def test_another_device_is_for_the_next_solve_and_ends_none_that_runs(script, adapter, monkeypatch):
    from seqmatte_nuke import session

    gate, first, second = begun(script), script.node, script.second_node(adapter)
    old = session.worker()
    monkeypatch.setenv("SEQMATTE_DEVICE", "auto")
    adapter.press("solve", second)
    assert finish(script, second).startswith("ready, 12/12")
    assert session.worker() is not old and old.running
    script.node = first
    script.open_all(gate)
    assert finish(script, first).startswith("ready, 12/12")
    assert not old.running


def test_an_engine_of_other_settings_ends_when_the_next_job_begins(script, monkeypatch):
    from seqmatte_nuke import session

    script.solve()
    old = session.worker()
    monkeypatch.setenv("SEQMATTE_DEVICE", "auto")
    gate = script.gate(1, 2)
    script.press("solve")
    script.nuke.pump(lambda: not old.running)
    script.open_all(gate)
    assert finish(script, script.node).startswith("ready, 12/12")


def test_a_solve_that_waits_for_another_node_is_cancelled_at_once(script, adapter):
    gate, first, second = begun(script), script.node, script.second_node(adapter)
    adapter.press("solve", second)
    adapter.press("cancel", second)
    assert finish(script, second).startswith("cancelled")
    script.node = first
    script.open_all(gate)
    assert finish(script, first).startswith("ready, 12/12")


def test_a_farm_job_shares_the_cache_of_the_settings(script):
    script.solve("bundle")
    values = json.loads((script.results / "farm/parameter_values.json").read_text())["parameterValues"]
    assert {"name": "Cache", "value": os.environ["SEQMATTE_CACHE"]} in values


def test_what_the_studio_sets_is_used_by_the_trial_and_not_kept_for_the_artist(script, monkeypatch):
    program = os.environ["SEQMATTE_PYTHON"]
    kept.save(kept.Settings("", "/mine/cache", "cuda:1"))
    monkeypatch.delenv("SEQMATTE_PYTHON")
    script.nuke.answers[:] = [program]
    script.press("engine")
    assert "asks for the device cpu" in script.nuke.told[0]
    assert kept.load(environment={}) == kept.Settings(program, "/mine/cache", "cuda:1")


def test_where_the_studio_names_the_python_the_artist_is_told_that_it_wins(script, tmp_path):
    studio = os.environ["SEQMATTE_PYTHON"]
    mine = tmp_path / "my_python"
    mine.write_text(Path(studio).read_text())
    mine.chmod(0o755)
    script.nuke.answers[:] = [str(mine)]
    script.press("engine")
    assert script.nuke.told[0].endswith(f"But SEQMATTE_PYTHON is set, and wins: {studio} is used.")
    assert kept.load(environment={}).python == str(mine)
