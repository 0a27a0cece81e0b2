"""Several subjects of one shot: all are checked before the first is computed, and each has files of its own."""

import numpy as np
import pytest

from seqlink import FramePath, Guide
from seqmatte import cli, overwriting
from seqmatte.answers import Answers
from seqmatte.errors import GuideError, ShotError
from shots import write_picture

RECIPE = ("--recipe", "flow-closed-form")


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQMATTE_HOME", str(tmp_path / "home"))


def run(*arguments):
    return cli.main([str(argument) for argument in arguments])


def bad_guide(tiny, how):
    """A second subject's words; what is said of them."""
    if how == "outside the shot":
        return f"b:99={tiny.guide(1).path}", "outside the shot"
    if how == "missing":
        return f"b:2={tiny.folder / 'nowhere.exr'}", "nowhere.exr"
    write_picture(tiny.folder / "empty.exr", np.zeros((48, 64, 1)), ("A",), tiny.header)
    return f"b:2={tiny.folder / 'empty.exr'}", "the mask is empty"


@pytest.mark.parametrize("how", ["outside the shot", "missing", "empty"])
@pytest.mark.parametrize("command", ["matte", "matte --dry-run", "status"])
def test_the_second_subjects_bad_guide_is_found_before_the_first_is_begun(tiny_shot, tmp_path, capsys, command, how):
    bad, said = bad_guide(tiny_shot, how)
    name, *more = command.split()
    out = ["--out", tmp_path / "out" / "m.####.exr"] if name == "matte" else []
    words = ("--mask", f"a:1={tiny_shot.guide(1).path}", "--mask", bad, *out, *more, *RECIPE)
    assert run(name, tiny_shot.plate, *words, "--cache", tmp_path / "cache") == GuideError.code
    told = capsys.readouterr()
    assert said in told.err
    assert told.out == ""
    assert not (tmp_path / "out").exists()
    assert not list((tmp_path / "cache").glob("??/*"))


@pytest.mark.parametrize("how", ["outside the shot", "missing", "empty"])
def test_hosts_too_are_told_of_the_second_subjects_bad_guide_before_a_frame_is_made(tiny_shot, tmp_path, how):
    bad, said = bad_guide(tiny_shot, how)
    where, path = bad.partition(":")[2].split("=")
    guides = (tiny_shot.guide(1, subject="a"), Guide(int(where), path, "mask", "b"))
    shot = tiny_shot.shot(out=FramePath(tmp_path / "out.####.exr"), recipe=RECIPE[1]).replace(guides=guides)
    told = []
    with pytest.raises(GuideError, match=said):
        Answers(str(tmp_path / "cache"), "cpu").render({"shot": shot.to_dict()}, lambda: False, told.append)
    assert not told


@pytest.mark.parametrize("subject", ["a@b", "a%d", "a####", "a$F4"])
def test_the_number_of_a_frame_goes_into_no_subjects_name(tiny_shot, tmp_path, subject):
    words = [f"--alpha={name}:1={tiny_shot.guide(1, 'alpha').path}" for name in (subject, "other")]
    out = ("--out", tmp_path / "out" / "still.exr", "--cache", tmp_path / "cache")
    assert run("frame", tiny_shot.plate, 1, *words, *out, *RECIPE) == 0
    made = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert made == sorted([f"{subject}.still.exr", "other.still.exr"])


@pytest.mark.parametrize("subject", ["", " ", "..", ".hidden", "two\nlines", "in/out", "in\\out", "a:b", "why?"])
def test_a_subjects_name_that_cannot_stand_in_a_files_is_refused(tiny_shot, tmp_path, subject):
    guide = Guide(1, tiny_shot.guide(1).path, subject=subject)
    shot = tiny_shot.shot().replace(guides=(guide,), out=FramePath(tmp_path / "m.####.exr"))
    with pytest.raises(ShotError, match="cannot stand in a file's name"):
        overwriting.refuse(shot)


def test_a_colon_without_a_name_before_it_is_no_name(tiny_shot, capsys):
    assert run("status", tiny_shot.plate, "--mask", f":1={tiny_shot.guide(1).path}", *RECIPE) == ShotError.code
    assert "the subject '' cannot stand in a file's name" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["status", "matte"])
def test_subjects_that_differ_only_in_case_are_refused(tiny_shot, tmp_path, capsys, command):
    words = [f"--mask={name}:1={tiny_shot.guide(1).path}" for name in ("Head", "head")]
    assert run(command, tiny_shot.plate, *words, *RECIPE) == ShotError.code
    assert "the subjects 'Head' and 'head' differ only in case" in capsys.readouterr().err
