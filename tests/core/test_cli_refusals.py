"""What the command line refuses, and with which words: before anything is computed or written over."""

import json
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest

from seqlink import FrameRange
from seqmatte import cli, colour_config, shot_file
from seqmatte.engine import Engine
from seqmatte.errors import CacheError, DeviceError, GuideError, OutputError, PlateError, ShotError
from shots import write_tiny_shot

RECIPE = ("--recipe", "flow-closed-form")


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQMATTE_HOME", str(tmp_path / "home"))


@pytest.fixture
def guided(tiny_shot):
    """The words that name the plate and one mask."""
    return (tiny_shot.plate, "--mask", f"1={tiny_shot.guide(1).path}", *RECIPE)


def run(*arguments):
    return cli.main([str(argument) for argument in arguments])


def test_a_saved_document_finds_its_colour_config_from_any_folder(guided, tmp_path, monkeypatch):
    import PyOpenColorIO as ocio

    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.ocio").write_text(ocio.Config.CreateFromFile(colour_config.BUILT_IN).serialize())
    assert run("matte", *guided, "--config", "my.ocio", "--save", "shot.json", "--dry-run") == 0
    assert shot_file.read("shot.json").colour.config == str(tmp_path / "my.ocio")
    assert run("matte", *guided, "--config", colour_config.BUILT_IN, "--save", "shot.json", "--dry-run") == 0
    assert shot_file.read("shot.json").colour.config == colour_config.BUILT_IN


def test_a_bundle_is_not_written_over_the_document_it_was_made_from(guided, tmp_path, capsys):
    saved = tmp_path / "shot.json"
    assert run("matte", *guided, "--save", saved, "--dry-run") == 0
    before = saved.read_bytes()
    assert run("bundle", saved, "--out", tmp_path / "m.####.exr", "--folder", tmp_path) == OutputError.code
    assert "--folder" in capsys.readouterr().err
    assert saved.read_bytes() == before
    assert not (tmp_path / "template.json").exists()


def test_with_several_subjects_each_frame_is_in_one_task(tiny_shot, tmp_path):
    words = [f"--mask=head:{frame}={tiny_shot.guide(frame).path}" for frame in (1, 6, 12)]
    words += [f"--mask=body:{frame}={tiny_shot.guide(frame).path}" for frame in (1, 9)]
    out = ("--out", tmp_path / "m.####.exr", "--folder", tmp_path / "job")
    assert run("bundle", tiny_shot.plate, *words, *out, *RECIPE) == 0
    made = json.loads((tmp_path / "job" / "template.json").read_text())
    tasks = made["steps"][0]["parameterSpace"]["taskParameterDefinitions"][0]["range"]
    assert sorted(frame for task in tasks for frame in FrameRange.parse(task)) == list(tiny_shot.frames)


@pytest.mark.parametrize("said", [MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")])
def test_memory_that_runs_out_is_a_sentence_and_an_event(guided, monkeypatch, capsys, said):
    def run_out(self, frames=None):
        raise said

    monkeypatch.setattr(Engine, "render", run_out)
    assert run("matte", *guided, "--out", "m.####.exr", "--json") == DeviceError.code
    told = capsys.readouterr()
    assert json.loads(told.out.splitlines()[-1])["code"] == DeviceError.code
    assert "out of memory; lower" in told.err
    assert "Traceback" not in told.err


def test_a_plates_folder_that_may_not_be_read_is_the_plates_fault(tmp_path, capsys, monkeypatch):
    # Permissions do not bind root, which CI is, so the system's own answer is given in its place.
    def refuse(folder):
        raise PermissionError(13, "Permission denied", str(folder))

    (tmp_path / "closed").mkdir()
    monkeypatch.setattr("os.listdir", refuse)
    assert run("matte", tmp_path / "closed/x.####.exr", "--out", tmp_path / "m.####.exr") == PlateError.code
    told = capsys.readouterr().err
    assert "cannot be read" in told
    assert "written" not in told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("demo --frames 0 --out FOLDER", "frames: 0 is outside 1"),
        ("demo --frames -2 --out FOLDER", "frames: -2 is outside 1"),
        ("bench --frames 0", "--frames 0"),
        ("bench --memory x", "'x' is no length of a shot"),
        ("bench --networks rvm --sizes 0x0", "'0x0' is no size"),
        ("export refiner --option banana=1 --out FOLDER/x.onnx", "refiner has no such option; it has: none"),
        ("export hstsg-compact --option side=foo --out FOLDER/x.onnx", "hstsg-compact has no such option"),
        ("cache --limit infG", "--limit infG"),
        ("cache prune --limit -5G", "--limit -5G"),
    ],
)
def test_a_number_or_a_name_that_cannot_be_meant_is_refused_in_a_sentence(words, said, tmp_path, capsys):
    assert run(*words.replace("FOLDER", str(tmp_path / "made")).split()) == ShotError.code
    assert said in capsys.readouterr().err
    assert not (tmp_path / "made").exists()


def test_what_is_not_scored_may_hold_what_it_likes(tmp_path, capsys):
    light = np.full((4, 6, 5), 0.5, np.float32)
    _as_a_renderer(tmp_path / "a.0001.exr", light)
    light[0, 0, 4] = np.inf
    _as_a_renderer(tmp_path / "b.0001.exr", light)
    assert run("score", tmp_path / "b.####.exr", tmp_path / "a.####.exr") == 0
    light[0, 0, 0] = np.inf
    _as_a_renderer(tmp_path / "b.0001.exr", light)
    assert run("score", tmp_path / "b.####.exr", tmp_path / "a.####.exr") == PlateError.code
    assert "b.0001.exr" in capsys.readouterr().err


def _as_a_renderer(path, pixels):
    """Writes R, G, B, A, Z as they are; our own writer refuses an infinite depth."""
    spec = oiio.ImageSpec(pixels.shape[1], pixels.shape[0], 5, "float")
    spec.channelnames = ("R", "G", "B", "A", "Z")
    output = oiio.ImageOutput.create(str(path))
    assert output.open(str(path), spec)
    assert output.write_image(pixels)
    output.close()


def test_a_picture_in_colours_is_no_matte_to_score(tiny_shot, capsys):
    assert run("score", tiny_shot.truth, tiny_shot.plate) == PlateError.code
    assert "no matte in it: its channels are R, G, B" in capsys.readouterr().err


def test_a_single_number_a_movie_and_a_folder_say_what_to_write_instead(tiny_shot, tmp_path, capsys):
    first = tiny_shot.truth.path(1)
    assert run("score", first, first) == PlateError.code
    assert "write the number as ####, as in truth.####.exr" in capsys.readouterr().err
    assert run("matte", tiny_shot.plate.path(1)) == PlateError.code
    assert "write the number as ####, as in plate.####.exr" in capsys.readouterr().err
    (tmp_path / "clip.mov").write_bytes(b"moov")
    assert run("matte", tmp_path / "clip.mov") == PlateError.code
    assert "movies are not read: convert it to an EXR sequence" in capsys.readouterr().err
    assert run("matte", tiny_shot.folder) == PlateError.code
    assert "a folder: name the frames in it" in capsys.readouterr().err


def test_a_bundle_without_a_place_for_results_names_the_option(guided, tmp_path, capsys):
    assert run("bundle", *guided, "--folder", tmp_path / "job") == ShotError.code
    assert "--out matte.####.exr" in capsys.readouterr().err
    assert not (tmp_path / "job").exists()


def test_the_environment_names_cache_and_device_where_no_option_does(guided, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SEQMATTE_CACHE", str(tmp_path / "shared"))
    assert run("cache", "--json") == 0
    assert json.loads(capsys.readouterr().out)["folder"] == str(tmp_path / "shared")
    assert run("cache", "--json", "--cache", tmp_path / "own") == 0
    assert json.loads(capsys.readouterr().out)["folder"] == str(tmp_path / "own")
    monkeypatch.setenv("SEQMATTE_DEVICE", "abacus")
    assert run("matte", *guided, "--out", tmp_path / "m.####.exr") == DeviceError.code
    assert "abacus" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--json", "--dry-run", "--dry"])
def test_a_negative_frame_may_stand_behind_a_flag_without_a_value(tmp_path, flag):
    tiny = write_tiny_shot(tmp_path / "plate", first=-5, count=2)
    words = ("--mask", f"-5={tiny.guide(-5).path}", "--out", tmp_path / "m.####.exr", *RECIPE)
    assert run("frame", tiny.plate, *words, flag, "-5") == 0


def test_each_of_several_subjects_is_counted_and_named_for_itself(tiny_shot, tmp_path, capsys):
    words = [f"--alpha={subject}:1={tiny_shot.guide(1, 'alpha').path}" for subject in ("head", "body")]
    out = ("--out", tmp_path / "m.####.exr", "--cache", tmp_path / "cache")
    assert run("matte", tiny_shot.plate, *words, "--frames", "1", *out, *RECIPE) == 0
    told = capsys.readouterr().err
    assert "head: 1 frame; look first at 1" in told
    assert "body: 1 frame; look first at 1" in told
    assert run("matte", tiny_shot.plate, words[0], "--frames", "1-2", *out, *RECIPE) == 0
    assert "\n2 frames; look first at" in capsys.readouterr().err


@pytest.mark.parametrize("action", ["clear", "prune"])
def test_a_cache_folder_that_is_not_there_is_not_cleared(tmp_path, capsys, action):
    assert run("cache", action, "--cache", tmp_path / "typo") == CacheError.code
    assert "no such cache folder" in capsys.readouterr().err
    assert not (tmp_path / "typo").exists()


def test_small_caches_are_told_in_megabytes(tmp_path, capsys):
    assert run("cache", "--cache", tmp_path) == 0
    assert capsys.readouterr().out.endswith("0 entries, 0.0 MB, 0 running jobs\n")


def test_an_antialiased_trimap_is_told_what_to_switch_off(tiny_shot, tmp_path, capsys):
    soft = tiny_shot.guide(1, "alpha").path
    words = ("--trimap", f"1={soft}", "--out", tmp_path / "m.####.exr", "--cache", tmp_path / "cache", *RECIPE)
    assert run("matte", tiny_shot.plate, *words) == GuideError.code
    assert "or switch antialiasing off where it comes from a roto" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["status", "matte --dry-run", "bundle"])
def test_an_option_that_the_recipe_has_no_use_for_is_told(guided, tmp_path, capsys, command):
    name, *more = command.split()
    more += ["--folder", tmp_path / "job", "--out", tmp_path / "m.####.exr"] if name == "bundle" else []
    used, unused = ("--set", "closed_form.degrain=0.5"), ("--set", "hstsg_compact.side=480")
    words = (name, *guided, *used, *more)
    assert run(*words) == 0
    assert "warning" not in capsys.readouterr().err
    assert run(*words, *unused) == 0
    told = capsys.readouterr().err
    assert "warning: --set hstsg_compact.side=480 changes nothing: recipe flow-closed-form has no hstsg_compact" in told
    assert told.count("warning") == 1


def test_training_nothing_is_wrong_usage(capsys):
    with pytest.raises(SystemExit) as ended:
        run("train", "--minutes", 1)
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith("seqmatte train: say what to train: ")
    assert "see: seqmatte train --help" in told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("hstsg-compact --minutes nan", "argument --minutes: nan: more than 0 minutes"),
        ("hstsg-compact --minutes 0", "argument --minutes: 0: more than 0 minutes"),
        ("--shot shot.json --minutes -3", "argument --minutes: -3: more than 0 minutes"),
        ("hstsg-compact --steps -1", "argument --steps: -1: a whole number from 1"),
        ("hstsg-compact --batch 0", "argument --batch: 0: a whole number from 1"),
        ("hstsg-compact --seed 99999999999999", "argument --seed: 99999999999999: a whole number from 0"),
        ("banana", "argument NETWORK: invalid choice: 'banana' (choose from 'amm', "),
    ],
)
def test_a_training_of_no_length_or_of_no_network_is_wrong_usage(words, said, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        run("train", *words.split(), "--out", tmp_path / "run")
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_what_the_system_refuses_is_a_sentence_with_an_exit_code(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert run("sample", tmp_path / "file" / "shot", "--frames", 2) == 10
    said = capsys.readouterr().err
    assert said.startswith("seqmatte sample: ")
    assert "Traceback" not in said


def test_other_padding_than_the_pattern_says_is_told(tmp_path, capsys):
    (tmp_path / "p.8.exr").touch()
    assert run("matte", tmp_path / "p.####.exr", "--out", tmp_path / "m.####.exr") == PlateError.code
    assert "no frame of the plate is on disk; in the folder are p.8.exr" in capsys.readouterr().err


def test_wrong_usage_is_told_as_a_line_of_json_where_those_are_read(capsys):
    with pytest.raises(SystemExit):
        run("matte", "plate.####.exr", "--nonsense", "--json")
    said = json.loads(capsys.readouterr().out)
    assert said == {"event": "error", "code": 2, "message": "unrecognized arguments: --nonsense"}


def test_a_plate_that_the_shell_has_spelt_out_is_told_how_to_be_named(capsys):
    with pytest.raises(SystemExit):
        run("matte", "plate.1001.exr", "plate.1002.exr", "--out", "m.####.exr")
    assert "name a sequence once, with #### for the frame number" in capsys.readouterr().err


def test_stopping_what_makes_no_frames_promises_none(tmp_path, capsys, monkeypatch):
    def stopped(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("seqmatte.commands.score.run", stopped)
    assert run("score", "a.####.exr", "b.####.exr", "--json") == 130
    told = capsys.readouterr()
    assert told.err.strip() == "seqmatte score: stopped"
    assert json.loads(told.out) == {"event": "error", "code": 130, "message": "stopped"}


def test_a_bundle_that_cannot_be_written_names_its_folder(tiny_shot, tmp_path, capsys):
    (tmp_path / "job").write_text("a file")
    words = ("--alpha", f"1={tiny_shot.guide(1, 'alpha').path}", "--recipe", "flow-closed-form")
    assert run("bundle", tiny_shot.plate, *words, "--out", tmp_path / "m.####.exr", "--folder", tmp_path / "job") == 10
    assert f"the bundle cannot be written: a file stands where its folder should be ({tmp_path / 'job'})" in (
        capsys.readouterr().err
    )


def test_a_graph_that_cannot_be_written_is_told_before_the_exporter_works_for_minutes(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("seqmatte.onnx_export.write", lambda *_: pytest.fail("it worked for minutes"))
    (tmp_path / "graphs").write_text("a file")
    assert run("export", "hstsg-compact", "--out", tmp_path / "graphs" / "net.onnx") == 10
    assert "the graph cannot be written: a file stands where its folder should be" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="the one folder that even root may not write to")
def test_a_graph_for_a_read_only_folder_is_refused_before_the_exporter_works_for_minutes(capsys, monkeypatch):
    monkeypatch.setattr("seqmatte.onnx_export.write", lambda *_: pytest.fail("it worked for minutes"))
    assert run("export", "refiner", "--out", "/proc/net.onnx") == 10
    assert "the graph cannot be written" in capsys.readouterr().err
