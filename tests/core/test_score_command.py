"""What `seqmatte score` compares, and what it says that it did not compare."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from seqmatte import cli, exr
from seqmatte.errors import PlateError, ShotError
from seqmatte.layer import Layer


def run(*arguments):
    return cli.main([str(argument) for argument in arguments])


def cells(text):
    return {line.split()[0]: line.split() for line in text.splitlines()}


def test_one_picture_is_not_scored_as_many(tiny_shot, tmp_path, capsys):
    truth = tiny_shot.truth
    for result, true, which in ((truth.path(1), truth.path(2), "result"), (truth, truth.path(2), "truth")):
        assert run("score", result, true, "--frames", "1-3") == PlateError.code
        assert f"the {which} is one picture for 3 frames; write the number as ####" in capsys.readouterr().err
    assert run("score", truth.path(1), truth.path(2), "--frames", "1") == 0


def test_only_neighbours_are_compared_over_time(tiny_shot, tmp_path, capsys):
    words = ("score", tiny_shot.plate.pattern.replace("plate", "other"), tiny_shot.truth)
    for frame in tiny_shot.frames:
        shutil.copy(tiny_shot.truth.path(1), tiny_shot.folder / f"other.{frame:04d}.exr")
    assert run(*words, "--frames", "1,3,4") == 0
    gapped = capsys.readouterr().out
    assert run(*words, "--frames", "3-4") == 0
    whole = capsys.readouterr().out
    assert cells(gapped)["3"][-2:] == ["-", "-"]
    assert cells(gapped)["4"][-2:] == cells(whole)["4"][-2:] == cells(whole)["mean"][-2:]
    assert cells(gapped)["mean"][6:8] == cells(whole)["mean"][-2:]
    assert "(-: the frame just before is not scored" in gapped
    assert "(-:" not in whole
    assert run(*words, "--frames", "1,3", "--json") == 0
    scored = json.loads(capsys.readouterr().out)
    assert scored["dtSSD"] is None
    assert [row["MESSDdt"] for row in scored["frames"]] == [None, None]


def test_frames_without_a_foreground_are_named(tiny_shot, tmp_path, capsys):
    for frame in (1, 2, 3):
        shutil.copy(tiny_shot.truth.path(frame), tmp_path / f"m.{frame:04d}.exr")
    alpha = exr.read(tiny_shot.truth.path(2), ["A"])
    exr.write(tmp_path / "m.0002.exr", Layer(alpha.pixels, ("A",), alpha.header), half=())
    words = ("score", tmp_path / "m.####.exr", tiny_shot.truth, "--frames", "1-3")
    assert run(*words) == 0
    assert capsys.readouterr().out.splitlines()[0] == "foreground 0.000; frames 2 hold none"
    assert run(*words, "--json") == 0
    scored = json.loads(capsys.readouterr().out)
    assert (scored["foreground"], scored["without_foreground"]) == (0, "2")


def test_pictures_of_one_display_are_compared_whatever_their_data_windows_are(tiny_shot, tmp_path, capsys):
    for frame in (1, 2, 3):
        truth = exr.read(tiny_shot.truth.path(frame))
        rows, columns = np.nonzero(truth["A"])
        top, left = rows.min() - (frame == 2), columns.min()
        cut = truth.pixels[top : rows.max() + 1, left : columns.max() + 1]
        trimmed = replace(truth.header, data=(left, top, cut.shape[1], cut.shape[0]))
        exr.write(tmp_path / f"trimmed.{frame:04d}.exr", Layer(cut, truth.channels, trimmed))
        wide = np.pad(0.5 * truth.pixels, ((4, 4), (8, 8), (0, 0)))
        overscan = replace(truth.header, data=(-8, -4, wide.shape[1], wide.shape[0]))
        exr.write(tmp_path / f"wide.{frame:04d}.exr", Layer(wide, truth.channels, overscan))
    assert run("score", tmp_path / "trimmed.####.exr", tiny_shot.truth, "--frames", "1-3", "--json") == 0
    assert json.loads(capsys.readouterr().out)["SAD"] == 0
    sums = []
    for true in (tmp_path / "trimmed.####.exr", tiny_shot.truth):
        assert run("score", tmp_path / "wide.####.exr", true, "--frames", "1-3", "--json") == 0
        sums.append(json.loads(capsys.readouterr().out))
    assert sums[0] == sums[1]
    assert sums[0]["SAD"] > 0.1 and sums[0]["foreground"] > 0


def test_an_unset_variable_does_not_score_every_frame(tiny_shot, capsys):
    assert run("score", tiny_shot.truth, tiny_shot.truth, "--frames", "") == ShotError.code
    assert "--frames is empty" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--only", "--frames"])
def test_an_unset_variable_does_not_matte_every_frame(tiny_shot, tmp_path, capsys, flag):
    words = ("--mask", f"1={tiny_shot.guide(1).path}", "--out", tmp_path / "out" / "m.####.exr", flag, "")
    assert run("matte", tiny_shot.plate, *words, "--recipe", "flow-closed-form") == ShotError.code
    assert f"{flag} is empty: write frames as 1001-1100, or leave {flag} out" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
