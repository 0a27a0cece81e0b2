"""Several views: whose mattes lie where, and which of them failed."""

import hashlib
from pathlib import Path

import pytest


@pytest.fixture
def nuke(hostile_nuke):
    """Under hostile defaults alone: what is tried here is not the node."""
    return hostile_nuke


def digests(script, view="main"):
    return {
        frame: file and hashlib.sha256(Path(file).read_bytes()).hexdigest()
        for frame, file in script.shown(view).items()
    }


def test_a_view_that_is_added_takes_nothing_from_the_one_that_is_solved(script, nuke):
    script.solve()
    before = digests(script)
    nuke.addView("right")
    script.press("reload")
    assert digests(script) == before
    assert script.node["status"].value().startswith("partial, 0/12")
    script.solve("check")
    assert nuke.told == [] and "stale" not in script.node["status"].value()
    script.solve()
    assert digests(script) == before
    assert set(script.shown().values()).isdisjoint(script.shown("right").values())
    assert script.node["status"].value().startswith("ready, 12/12")
    nuke.answers[:] = [True]
    script.press("clear")
    assert not list(script.results.rglob("matte.*.exr"))


def test_of_two_views_only_the_one_that_fails_is_marked(script, nuke):
    from seqmatte_nuke import record

    nuke.addView("right")
    script.solve()
    render = nuke.hooks.render

    def spoiled(write, frame, view, path):
        render(write, frame, view, path)
        if view == "right" and write["channels"].value() == "alpha":
            Path(path).write_bytes(b"no picture")

    nuke.hooks.render = spoiled
    script.solve()
    left, right = (record.read(str(script.results / view)) for view in ("main", "right"))
    assert (left.outcome, left.message, left.failed) == ("ready", "", {})
    assert right.outcome == "failed" and "right/guides" in right.message
    assert script.node["status"].value().startswith("failed")
    nuke.hooks.render = render
    script.solve()
    assert script.node["status"].value().startswith("ready, 12/12")
