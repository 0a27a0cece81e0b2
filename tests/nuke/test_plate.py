"""A plate that Nuke renders for the engine: what of it is seen when, and what an undo and a stop leave of it."""

import os

import numpy as np
import OpenImageIO as oiio
import pytest

from shots import write_tiny_shot


@pytest.fixture
def nuke(hostile_nuke):
    """Under hostile defaults alone: what is tried here is not the node."""
    return hostile_nuke


def doubled(script):
    """The Grade is doubled: what its Write renders from now on."""
    render = script.nuke.hooks.render

    def brighter(write, frame, view, path):
        render(write, frame, view, path)
        if write["channels"].value() != "alpha":
            picture = oiio.ImageBuf(path)
            picture.read(force=True, convert="float")
            oiio.ImageBufAlgo.mul(picture, 2.0).write(path)

    script.nuke.hooks.render = brighter


UNSEEN = "The plate is rendered for the engine: what has changed in it, only Solve sees."


def test_what_changed_says_that_the_branch_above_the_plate_is_seen_by_a_solve_alone(script):
    script.grade()
    script.solve()
    doubled(script)
    script.solve("check")
    assert script.node["status"].value().split("\n")[1:] == [UNSEEN]
    before = {frame: script.read_pixels(path) for frame, path in script.shown().items()}
    script.solve()
    assert script.node["status"].value().startswith("ready, 12/12") and UNSEEN not in script.node["status"].value()
    assert all((script.read_pixels(path) != before[frame]).any() for frame, path in script.shown().items())


def test_what_changed_about_a_plate_that_is_read_as_it_is_needs_no_such_remark(script):
    script.solve()
    script.solve("check")
    assert script.node["status"].value().startswith("ready, 12/12") and "\n" not in script.node["status"].value()
    picture = oiio.ImageBuf(script.tiny.plate.path(5))
    picture.read(force=True, convert="float")
    oiio.ImageBufAlgo.mul(picture, np.float32(2.0)).write(script.tiny.plate.path(5))
    script.solve("check")
    assert script.node["status"].value().startswith("stale, ")


def test_what_changed_about_a_plate_that_was_never_rendered_asks_for_a_solve(script):
    script.solve()
    script.grade()
    script.press("check")
    assert script.nuke.told == ["The plate is now rendered for the engine, which only Solve does: press Solve."]
    assert script.node["status"].value().startswith("ready, 12/12")


def test_a_solve_leaves_nothing_for_an_undo_to_take_back(script, monkeypatch):
    from seqmatte_nuke import results

    monkeypatch.setattr(results, "SHOWN_SECONDS", 0.0)
    script.grade()
    script.node["first"].setValue(2)
    script.node["first"].setValue(1)
    assert script.nuke.state.undos[-2:] == [("SeqMatte1", "first")] * 2
    script.nuke.state.undos.clear()
    for button in ("solve", "check", "reload", "solve"):
        script.solve(button)
    assert script.node["show"].value() == "result"
    assert script.nuke.state.undos == []
    assert script.nuke.state.undo_off == 0


def test_escape_while_guides_are_written_is_told_in_a_sentence(script):
    def escaped(write, frame, view, path):
        raise script.nuke.CancelledError("Cancelled")

    script.nuke.hooks.render = escaped
    script.press("solve")
    assert script.nuke.told == ["Nuke stopped while it wrote frames for the engine: Cancelled"]
    assert script.node.node("MatteMaskWrite")["disable"].value() is True
    assert script.nuke.state.undo_off == 0


@pytest.mark.parametrize(
    ("space", "direct"), [("default (linear)", True), ("default (scene_linear)", True), ("sRGB", False)]
)
def test_a_read_whose_default_is_linear_is_read_directly(script, space, direct):
    from seqmatte_nuke import scene

    script.read["raw"].setValue(False)
    script.read["colorspace"].setValue(space)
    assert (scene.direct_plate(script.read) is not None) == direct


def test_a_plate_that_its_read_holds_beyond_its_range_is_matted_as_it_is_seen(script):
    """Files of those frames lie there, and are other pictures than the one that Nuke shows."""
    script.read["last"].setValue(8)
    script.solve()
    assert [frame for name, frame, _ in script.written if name == "MattePlateWrite"] == list(range(1, 13))
    script.node["last"].setValue(8)
    script.written.clear()
    script.solve()
    assert [name for name, _, _ in script.written] == ["MatteMaskWrite"]


def test_a_plate_with_holes_that_its_read_fills_is_matted_as_it_is_seen(script, nuke):
    render = nuke.hooks.render
    os.remove(script.tiny.plate.path(8))
    script.solve()
    assert script.node["status"].value().startswith("failed") and "no frames 8" in script.node["status"].value()
    script.read["on_error"].setValue("nearest frame")

    def nearest(write, frame, view, path):
        render(write, 7 if frame == 8 and write["channels"].value() != "alpha" else frame, view, path)

    nuke.hooks.render = nearest
    script.solve()
    assert script.node["status"].value().startswith("ready, 12/12")
    held, seventh = (script.results / f"plate/plate.{script.node['seqmatte_uid'].value()}.000{n}.exr" for n in (8, 7))
    assert (script.read_pixels(held) == script.read_pixels(seventh)).all()


def test_what_the_engine_says_of_a_frame_names_it(script):
    picture = script.read_pixels(script.tiny.plate.path(5))
    picture[7, 7] = np.nan
    oiio.ImageBuf(picture).write(script.tiny.plate.path(5), "half")
    script.solve()
    assert script.node["status"].value().split("\n")[1].startswith("Frame 5: the plate has ")


def stamps(folder):
    """What another job sees of files that it reads, by name; a change of a name's file is one of its inode."""
    found = {str(path): path.stat() for path in folder.rglob("*.exr")}
    return {name: (one.st_ino, one.st_nlink, one.st_mtime_ns, one.st_ctime_ns) for name, one in found.items()}


def test_a_plate_that_is_rendered_anew_is_never_missing_while_it_is_replaced(script, nuke, monkeypatch):
    script.grade()
    script.solve()
    before, removed, remove = stamps(script.results / "plate"), [], os.remove
    monkeypatch.setattr(os, "remove", lambda path: [removed.append(path), remove(path)])
    script.tiny = write_tiny_shot(script.folder / "another", seed=5)
    script.solve()
    after = stamps(script.results / "plate")
    assert after.keys() == before.keys() and all(after[name] != before[name] for name in before)
    assert not before.keys() & set(removed)
