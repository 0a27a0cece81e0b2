"""What an artist does, from the first matte to a farm without the adapter: strict stand-in, real engine, real EXRs."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest

ALL = list(range(1, 13))


def digests(files):
    return {frame: file and hashlib.sha256(Path(file).read_bytes()).hexdigest() for frame, file in files.items()}


def move_mask(script, *frames):
    """An artist moves the roto on some frames."""
    for frame in frames:
        script.masks[frame] = script.masks[frame - 1].copy()


def test_a_plate_that_is_read_as_it_is_is_never_written_again(script):
    script.solve()
    assert script.written == [("MatteMaskWrite", 3, "main")]
    shot = json.loads((script.results / "shot.json").read_text())
    assert shot["plate"] == str(script.tiny.plate).replace("####", "%04d")


def test_a_plate_with_work_on_it_is_written_as_raw_float_and_gives_the_same_matte(script):
    script.solve()
    direct = {frame: script.read_pixels(path) for frame, path in script.shown().items()}
    script.grade()
    script.solve()
    assert [row for row in script.written if row[0] == "MattePlateWrite"] == [
        ("MattePlateWrite", frame, "main") for frame in ALL
    ]
    for frame, path in script.shown().items():
        assert (script.read_pixels(path) == direct[frame]).all()


def test_the_nodes_own_writes_are_disabled_whenever_a_script_could_be_saved(script):
    states = []
    render = script.nuke.hooks.render

    def watched(write, *rest):
        states.append((write.name(), script.node.node("MattePlateWrite")["disable"].value()))
        render(write, *rest)

    script.nuke.hooks.render = watched
    script.solve()
    assert states == [("MatteMaskWrite", True)]
    assert all(script.node.node(name)["disable"].value() for name in ("MattePlateWrite", "MatteMaskWrite"))


def test_a_correction_changes_the_frames_that_it_reaches_and_no_other(script):
    script.node["keys"].setValue("3 9")
    script.solve()
    before = digests(script.shown())
    move_mask(script, 9)
    script.solve("check")
    assert "stale 7-12" in script.node["status"].value()
    assert script.node["status"].value().startswith("stale, 6/12 ready")
    walked = script.folder / "walked"
    script.solve()
    after = digests(script.shown())
    assert {frame for frame in ALL if before[frame] != after[frame]} == set(range(7, 13))
    assert script.node["status"].value().startswith("ready, 12/12")
    assert not walked.exists()


def test_what_a_partial_solve_leaves_behind_is_called_stale_until_it_is_done(script):
    script.node["keys"].setValue("3 9")
    script.solve()
    old_mask = script.masks[9]
    move_mask(script, 9)
    script.nuke.frame(10)
    script.solve("solve_from_here")
    assert script.node["status"].value().startswith("stale, 9/12 ready, stale 7-9")
    script.masks[9] = old_mask
    script.solve("check")
    assert script.node["status"].value().startswith("stale, 9/12 ready, stale 10-12")
    script.solve()
    assert script.node["status"].value().startswith("ready, 12/12 ready")


def test_an_option_that_changes_results_makes_them_stale(script):
    script.solve()
    script.node["toy__frame"].setValue(5)
    script.solve("check")
    assert "stale 1-12" in script.node["status"].value()


def test_an_undo_finds_the_old_results_and_computes_nothing(script):
    script.node["toy__walked"].setValue(str(script.folder / "walked"))
    script.node["keys"].setValue("3 9")
    script.solve()
    before, old_mask = digests(script.shown()), script.masks[9]
    move_mask(script, 9)
    script.solve()
    (script.folder / "walked").unlink()
    script.masks[9] = old_mask
    script.solve()
    assert digests(script.shown()) == before
    assert not (script.folder / "walked").exists()


def test_solve_from_here_and_this_frame_make_only_what_they_say(script):
    script.nuke.frame(10)
    script.solve("solve_from_here")
    assert [frame for frame, file in script.shown().items() if file] == [10, 11, 12]
    assert script.node["status"].value().startswith("partial, 3/12 ready")
    script.nuke.frame(5)
    script.solve("solve_frame")
    assert [frame for frame, file in script.shown().items() if file] == [5, 10, 11, 12]


def test_frames_arrive_while_the_rest_is_computed(script, monkeypatch):
    from seqmatte_nuke import results, session

    monkeypatch.setattr(results, "SHOWN_SECONDS", 0.0)
    gate = script.gate(1, 2, 3, 4, 5)
    script.press("solve")
    job = session.running(script.node["seqmatte_uid"].value())
    # The gate holds the fifth frame: four are counted, by their files and by the engine's events, which come later.
    script.nuke.pump(lambda: "4/12 ready" in script.node["status"].value() and job.done == 4)
    assert script.node["status"].value().startswith("solving")
    assert script.node.node("MatteResult")["version"].value() > 0
    assert script.nuke.boxes == ["SeqMatte: SeqMatte1"]
    assert script.nuke.label_of(script.node).startswith("SeqMatte1\n4/12")
    script.open_all(gate)
    script.finish()
    assert script.nuke.boxes == []
    assert script.nuke.label_of(script.node) == "SeqMatte1"


def test_the_worst_frames_come_first_when_asked_for_problems(script):
    script.solve()
    visited = []
    for _ in range(12):
        script.press("next_problem")
        visited.append(script.nuke.frame())
    assert visited == sorted(ALL, key=lambda frame: (1 / (1 + frame % 7), frame))
    script.press("next_problem")
    assert script.nuke.frame() == visited[0]


def test_problems_beyond_the_range_of_now_are_nobodys(script):
    script.solve()
    script.node["last"].setValue(5)
    for _ in range(6):
        script.press("next_problem")
        assert script.nuke.frame() <= 5


def test_a_node_of_another_kind_is_told_to_be_none(script, adapter):
    adapter.press("solve", script.nuke.createNode("Group", inpanel=False))
    assert script.nuke.told == ["Group1 is no Matte node; one that was made a gizmo has to be a Group again."]


def test_a_frame_that_fails_is_named_and_comes_first(script):
    script.node["toy__trouble"].setValue("weights")
    script.node["toy__frame"].setValue(8)
    script.solve()
    assert script.node["status"].value().startswith("failed")
    assert "weights of toy are missing" in script.node["status"].value()
    assert any("weights of toy are missing" in line for line in script.nuke.printed)


def test_a_plate_frame_that_is_missing_is_named(script):
    os.unlink(script.tiny.plate.path(8))
    script.solve()
    assert script.node["status"].value().startswith("failed")
    assert "8" in script.node["status"].value().split("\n")[1]


def test_a_plate_of_the_artists_in_the_nodes_own_folder_stays_as_it_is(script, tmp_path):
    from shots import write_tiny_shot

    script.read_other(write_tiny_shot(tmp_path / "mine" / "plate"))
    (tmp_path / "mine" / "plate" / "new").mkdir()
    (tmp_path / "mine" / "plate" / "new" / "notes.txt").write_text("the artist's")
    script.node["folder"].setValue(str(tmp_path / "mine"))
    before = {path: path.read_bytes() for path in (tmp_path / "mine" / "plate").rglob("*") if path.is_file()}
    script.grade()
    script.solve()
    assert script.node["status"].value().startswith("ready")
    assert {path: path.read_bytes() for path in before} == before


def test_of_a_file_with_several_views_each_views_own_picture_is_written_for_the_engine(script):
    from seqmatte import exr

    script.nuke._views[:] = ["left", "right"]
    plain = exr.read(script.tiny.plate.path(1))
    both = exr.Layer(
        np.concatenate([plain.pixels, plain.pixels[:, :, :1]], 2), (*plain.channels, "right.R"), plain.header
    )
    exr.write(script.tiny.plate.path(1), both)
    script.solve()
    assert {(name, view) for name, _, view in script.written} == {
        (name, view) for name in ("MattePlateWrite", "MatteMaskWrite") for view in ("left", "right")
    }


def test_each_view_is_solved_for_itself(script):
    script.nuke._views[:] = ["left", "right"]
    script.solve()
    assert script.written == [("MatteMaskWrite", 3, "left"), ("MatteMaskWrite", 3, "right")]
    left, right = script.shown("left"), script.shown("right")
    assert all(left.values()) and all(right.values()) and left != right
    for frame in ALL:
        assert (script.read_pixels(left[frame]) == script.read_pixels(right[frame])).all()
    script.node["view_names"].setValue("middle")
    script.press("solve")
    assert script.nuke.told == ["There is no view 'middle' in this script; there are left, right."]


def test_an_overscan_plate_and_its_matte_have_the_same_windows(script, tmp_path):
    from seqmatte import exr
    from seqmatte.layer import Header
    from shots import write_tiny_shot

    header = Header((-6, 3, 64, 48), (0, 0, 52, 60), 2.0)
    script.read_other(write_tiny_shot(tmp_path / "overscan", header=header))
    script.solve()
    made = exr.read(script.shown()[7]).header
    assert (made.data, made.display, made.pixel_aspect) == (header.data, header.display, 2.0)


def test_proxy_mode_is_off_while_guides_are_written_and_on_again_whatever_happens(script):
    proxies = []
    script.nuke.root()["proxy"].setValue(True)

    def stopped(write, frame, view, path):
        proxies.append(script.nuke.root()["proxy"].value())
        raise RuntimeError("Cancelled")

    script.nuke.hooks.render = stopped
    script.press("solve")
    assert proxies == [False]
    assert script.nuke.root()["proxy"].value() is True
    assert script.nuke.told == ["Nuke stopped while it wrote frames for the engine: Cancelled"]
    assert script.node.node("MatteMaskWrite")["disable"].value() is True


def test_the_mask_is_written_as_raw_float_without_remarks(script):
    write = script.node.node("MatteMaskWrite")
    found = {name: write[name].value() for name in ("raw", "datatype", "channels", "metadata", "autocrop", "file_type")}
    assert found == {
        "raw": True,
        "datatype": "32 bit float",
        "channels": "alpha",
        "metadata": "no metadata",
        "autocrop": False,
        "file_type": "exr",
    }


def test_without_a_window_a_batch_solves_and_fails_loudly(script):
    script.nuke.GUI = False
    script.press("solve")
    assert all(script.shown().values())
    script.node["keys"].setValue("")
    with pytest.raises(RuntimeError, match="No key frames"):
        script.press("solve")
    script.node["keys"].setValue("3")
    os.unlink(script.tiny.plate.path(8))
    with pytest.raises(RuntimeError, match="8"):
        script.press("solve")


def test_a_batch_is_told_what_went_wrong_as_it_is_and_not_as_a_bug(script):
    """By what the engine refuses, and by a frame that fails."""
    script.nuke.GUI = False
    os.unlink(script.tiny.plate.path(8))
    with pytest.raises(RuntimeError, match=r"\Athe plate has no frames 8; on disk are 1-7,9-12"):
        script.press("solve")
    assert script.node["status"].value().startswith("failed")
    script.node["last"].setValue(7)
    script.node["toy__trouble"].setValue("weights")
    script.node["toy__frame"].setValue(5)
    with pytest.raises(RuntimeError, match=r"\Aweights of toy are missing"):
        script.press("solve")
