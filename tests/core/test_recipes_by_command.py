"""Every recipe that runs networks, by the command line, over a plate with overscan and odd sizes."""

import gc
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from filled_weights import GUIDELESS, RECIPES, SMALLER, filled_for
from seqlink import FramePath
from seqmatte import cli, exr, recipe, weights
from seqmatte.errors import WeightsError
from seqmatte.layer import Header
from seqmatte.methods.networked import Networked
from shots import source_environment, write_tiny_shot

FRAMES = [1001, 1002, 1003]


@pytest.fixture(scope="module")
def overscanned(tmp_path_factory):
    """97 x 61 pixels that begin left of and above a display window of 80 x 50."""
    header = Header((-9, -5, 97, 61), (0, 0, 80, 50), 2.0)
    return write_tiny_shot(tmp_path_factory.mktemp("plate"), first=FRAMES[0], count=len(FRAMES), header=header)


@pytest.fixture(scope="module")
def own_home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    patch = pytest.MonkeyPatch()
    patch.setenv("SEQMATTE_HOME", str(home))
    yield home
    patch.undo()
    shutil.rmtree(home, ignore_errors=True)


def words_for(name, shot, folder):
    """What is typed to matte the shot by a recipe, results and cache in the folder."""
    words = ["matte", shot.plate, "--recipe", name, "--out", folder / "matte.####.exr", "--cache", folder / "cache"]
    if name not in GUIDELESS:
        words += ["--mask", f"{FRAMES[0]}={shot.guide(FRAMES[0]).path}"]
    if name.startswith("bgm"):
        words += ["--clean", shot.plate]
    for method, options in SMALLER.get(name, {}).items():
        words += [word for option, value in options.items() for word in ("--set", f"{method}.{option}={value}")]
    return [str(word) for word in words]


def events_of(words, capsys):
    """Runs the command in this process; what it told of each frame."""
    capsys.readouterr()
    assert cli.main([*words, "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [event for event in told if event["event"] == "frame"]


def check_files(shot, folder):
    out = FramePath(folder / "matte.####.exr")
    assert sorted(path.name for path in folder.glob("*.exr")) == [f"matte.{frame}.exr" for frame in FRAMES]
    for frame in FRAMES:
        matte = exr.read(out.path(frame))
        assert matte.channels == ("R", "G", "B", "A")
        assert (matte.header.data, matte.header.display) == (shot.header.data, shot.header.display)
        assert matte.header.pixel_aspect == shot.header.pixel_aspect
        assert np.isfinite(matte.pixels).all()
        assert 0 <= matte["A"].min() <= matte["A"].max() <= 1


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_writes_every_frame_and_a_second_run_finds_them_all(name, overscanned, own_home, tmp_path, capsys):
    files = filled_for(name, own_home / "files")
    words = words_for(name, overscanned, tmp_path)
    words += [word for network, file in files.items() for word in ("--weights", f"{network}={file}")]
    first = events_of(words, capsys)
    assert [event["frame"] for event in first] == FRAMES
    assert all(event["steps"] > 0 and 0 <= event["confidence"] <= 1 for event in first)
    check_files(overscanned, tmp_path)
    assert [event["steps"] for event in events_of(words, capsys)] == [0] * len(FRAMES)
    gc.collect()


def test_added_weights_serve_a_process_of_its_own(overscanned, own_home, tmp_path, capsys):
    for file in filled_for("rvm", own_home / "files").values():
        assert cli.main(["weights", "add", file]) == 0
    command = [sys.executable, "-m", "seqmatte", *words_for("rvm", overscanned, tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=source_environment(), check=False)
    assert done.returncode == 0, done.stderr
    check_files(overscanned, tmp_path)


WANTING = [name for name in RECIPES if name not in ("hstsg-compact", "combined", "flow-refiner")]


@pytest.mark.parametrize("name", WANTING)
def test_without_weights_a_recipe_says_which_file_to_get(name, overscanned, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SEQMATTE_HOME", str(tmp_path / "home"))
    assert cli.main(words_for(name, overscanned, tmp_path)) == WeightsError.code
    network = next(
        kind.network for kind in map(recipe.method_class, recipe.RECIPES[name].methods) if issubclass(kind, Networked)
    )
    said = capsys.readouterr().err
    assert f"there are no weights for {network}" in said
    assert "seqmatte weights add" in said
    assert any(text in said for text in ("Get ", "Train it: seqmatte train"))
    assert not os.path.exists(tmp_path / "cache")
    assert weights.missing(network).split(". ")[0] in said
