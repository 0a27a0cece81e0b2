"""The command line as a stranger meets it: real processes, real files, the weight-free recipe."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from seqlink import FramePath
from seqmatte import cli, exr, shot_file, weights
from seqmatte.errors import ShotError, WeightsError
from shots import write_tiny_shot

RECIPE = ("--recipe", "flow-closed-form")


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQMATTE_HOME", str(tmp_path / "home"))


@pytest.fixture
def guided(tiny_shot):
    return tiny_shot, f"{tiny_shot.frames[0]}={tiny_shot.guide(tiny_shot.frames[0]).path}"


def run(*arguments):
    return cli.main([str(argument) for argument in arguments])


def start(*arguments, of=("-m", "seqmatte"), **more):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, *of, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **more)


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_the_help_of_every_command_ends_with_an_example_and_imports_nothing_heavy(command):
    code = (
        "import sys, contextlib\nfrom seqmatte import cli\n"
        "with contextlib.suppress(SystemExit): cli.main([sys.argv[1], '--help'])\n"
        "heavy = {'torch', 'cv2', 'onnxruntime'} & set(sys.modules)\nprint('heavy:', sorted(heavy))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-c", code, command], capture_output=True, text=True, env=environment, check=True
    )
    assert f"seqmatte {command}" in done.stdout.split("example")[-1]
    assert "heavy: []" in done.stdout or command == "sample"


def test_without_a_command_the_help_lists_all_of_them(capsys):
    assert run() == 2
    listed = capsys.readouterr().out
    assert all(name in listed for name in cli.COMMANDS)


def test_one_mask_in_and_every_frame_out_with_the_plates_windows(guided, tmp_path, capsys):
    tiny, mask = guided
    out = tmp_path / "out folder ä" / "matte.####.exr"
    assert run("matte", tiny.plate, "--mask", mask, "--out", out, "--cache", tmp_path / "cache", *RECIPE) == 0
    assert FramePath(out).frames() == tiny.frames
    result = exr.read(FramePath(out).path(5))
    assert result.channels == ("R", "G", "B", "A")
    assert (result.header.data, result.header.display) == (tiny.header.data, tiny.header.display)
    assert abs(result["A"] - tiny.alpha[5]).mean() < 0.05
    assert "look first at" in capsys.readouterr().err


def test_a_rerun_computes_nothing_and_touches_no_file(guided, tmp_path, capsys):
    tiny, mask = guided
    out = tmp_path / "matte.####.exr"
    words = ("matte", tiny.plate, "--mask", mask, "--out", out, "--cache", tmp_path / "cache", "--json", *RECIPE)
    assert run(*words) == 0
    before = {frame: os.stat(FramePath(out).path(frame)).st_mtime_ns for frame in tiny.frames}
    capsys.readouterr()
    assert run(*words) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {event["steps"] for event in events if event["event"] == "frame"} == {0}
    assert before == {frame: os.stat(FramePath(out).path(frame)).st_mtime_ns for frame in tiny.frames}


def test_a_saved_shot_document_gives_the_same_bytes_as_its_options(guided, tmp_path):
    tiny, mask = guided
    first, second, cache = tmp_path / "a.####.exr", tmp_path / "b.####.exr", tmp_path / "cache"
    saved = tmp_path / "shot.json"
    options = ("--mask", mask, "--set", "refine.strength=0.5", "--frames", "1-4", *RECIPE)
    assert run("matte", tiny.plate, *options, "--out", first, "--cache", cache, "--save", saved) == 0
    assert shot_file.read(saved).params == {"refine": {"strength": "0.5"}}
    assert run("matte", saved, "--out", second, "--cache", tmp_path / "other") == 0
    for frame in range(1, 5):
        assert Path(FramePath(first).path(frame)).read_bytes() == Path(FramePath(second).path(frame)).read_bytes()


def test_a_folder_with_its_shot_document_can_be_moved(tmp_path):
    tiny = write_tiny_shot(tmp_path / "show" / "sh010", count=2)
    words = (tiny.plate, "--mask", f"1={tiny.guide(1).path}", *RECIPE, "--cache", tmp_path / "cache")
    assert run("matte", *words, "--out", tmp_path / "first.####.exr", "--save", tmp_path / "show" / "shot.json") == 0
    moved = (tmp_path / "show").rename(tmp_path / "elsewhere")
    document = json.loads((moved / "shot.json").read_text())
    assert document["guides"][0]["path"].startswith("sh010/")
    assert document["out"] == str(tmp_path / "first.####.exr")
    assert run("matte", moved / "shot.json", "--out", tmp_path / "second.####.exr", "--cache", tmp_path / "cache") == 0
    assert (tmp_path / "first.0002.exr").read_bytes() == (tmp_path / "second.0002.exr").read_bytes()


def test_status_says_what_an_edit_reaches_before_anything_is_computed(guided, tmp_path, capsys):
    tiny, mask = guided
    cache = ("--mask", mask, "--mask", f"6={tiny.guide(6).path}", "--cache", tmp_path / "cache", *RECIPE)
    assert run("matte", tiny.plate, "--out", tmp_path / "m.####.exr", *cache) == 0
    capsys.readouterr()
    assert run("status", tiny.plate, *cache, "--json") == 0
    assert json.loads(capsys.readouterr().out)["missing"] == ""
    correction = f"12={tiny.guide(12, 'trimap').path}"
    assert run("status", tiny.plate, "--trimap", correction, *cache, "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["missing"].endswith("-12")
    assert plan["cached"].startswith("1-")


def test_a_dry_run_computes_nothing(guided, tmp_path, capsys):
    tiny, mask = guided
    assert run("matte", tiny.plate, "--mask", mask, "--cache", tmp_path / "cache", "--dry-run", *RECIPE) == 0
    assert "missing  1-12" in capsys.readouterr().out
    assert not (tmp_path / "cache").exists()


def test_one_frame_is_found_by_its_number(guided, tmp_path, capsys):
    tiny, mask = guided
    out = tmp_path / "m.####.exr"
    assert run("frame", tiny.plate, 3, "--mask", mask, "--out", out, "--cache", tmp_path / "c", *RECIPE) == 0
    assert list(FramePath(out).frames()) == [3]


def test_two_subjects_get_files_of_their_own(tiny_shot, tmp_path):
    head, body = tiny_shot.guide(1).path, tiny_shot.guide(2, "alpha").path
    out = tmp_path / "m.####.exr"
    words = ("--mask", f"head:1={head}", "--alpha", f"body:2={body}", "--frames", "1-3", "--cache", tmp_path / "c")
    assert run("matte", tiny_shot.plate, *words, "--out", out, *RECIPE) == 0
    names = sorted(path.name for path in tmp_path.glob("*.exr"))
    assert names == [f"{who}.m.000{n}.exr" for who in ("body", "head") for n in (1, 2, 3)]


def test_alpha_alone_and_confidence_maps_can_be_had(guided, tmp_path):
    tiny, mask = guided
    words = ("--mask", mask, "--frames", "1-2", "--cache", tmp_path / "c", "--set", "refine.outputs=alpha", *RECIPE)
    out, maps = tmp_path / "m.####.exr", tmp_path / "conf.####.exr"
    assert run("matte", tiny.plate, *words, "--out", out, "--confidence", maps) == 0
    assert exr.read(FramePath(out).path(2)).channels == ("A",)
    sure = exr.read(FramePath(maps).path(2))
    assert sure.channels == ("Y",)
    assert 0 <= sure.pixels.min() <= sure.pixels.max() <= 1


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("matte", "PLATE", "--out", "OUT"), 5, "--mask"),
        (("matte", "PLATE", "--mask", "MASK"), 3, "--out"),
        (("matte", "PLATE", "--mask", "one=MASK", "--out", "OUT"), 3, "no frame number"),
        (("matte", "PLATE", "--mask", "99=nowhere.exr", "--out", "OUT"), 5, "99"),
        (("matte", "PLATE", "--mask", "1=nowhere.exr", "--out", "OUT"), 5, "nowhere.exr"),
        (("matte", "PLATE", "--mask", "MASK", "--out", "OUT", "--recipe", "best"), 6, "available: auto"),
        (("matte", "PLATE", "--mask", "MASK", "--out", "OUT", "--set", "refine.strenght=1"), 3, "refine.strenght"),
        (("matte", "PLATE", "--mask", "MASK", "--out", "OUT", "--colour", "LogQ9"), 11, "LogQ9"),
        (("matte", "PLATE", "--mask", "MASK", "--out", "OUT", "--frames", "5-1"), 3, "5-1"),
        (("matte", "nowhere.####.exr", "--mask", "MASK", "--out", "OUT"), 4, "nowhere"),
        (("matte", "nowhere.json", "--out", "OUT"), 3, "nowhere.json"),
        (("matte", "PLATE", "--mask", "MASK", "--out", "OUT", "--device", "cuda:7"), 8, "CUDA"),
        (("cache", "prune", "--limit", "many"), 3, "many"),
    ],
)
def test_wrong_words_are_answered_with_a_sentence_and_a_code(guided, tmp_path, capsys, words, code, said):
    tiny, mask = guided
    known = {"PLATE": tiny.plate, "MASK": mask, "OUT": tmp_path / "m.####.exr"}
    assert run(*[known.get(word, word.replace("MASK", mask)) for word in words]) == code
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


# Frame 6 waits in its step until a file is there.
GATED = """
import sys, time
from pathlib import Path
from seqmatte import cli
from seqmatte.methods.closed_form import ClosedForm
step = ClosedForm.step
def waiting(self, state, view):
    while view.frame == 6 and not Path(sys.argv[1]).exists():
        time.sleep(0.002)
    return step(self, state, view)
ClosedForm.step = waiting
sys.exit(cli.main(sys.argv[2:]))
"""


def test_ctrl_c_keeps_finished_frames_and_the_same_command_goes_on(tiny_shot, tmp_path):
    mask, out, gate = f"1={tiny_shot.guide(1).path}", tmp_path / "m.####.exr", tmp_path / "gate"
    words = ("matte", tiny_shot.plate, "--mask", mask, "--out", out, "--cache", tmp_path / "cache", *RECIPE)
    process = start(gate, *words, of=("-c", GATED))
    while not FramePath(out).frames():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert any("stopping after this step" in line for line in iter(process.stderr.readline, ""))
    gate.touch()
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "finished frames are kept" in said
    done = len(FramePath(out).frames())
    assert 0 < done < 12
    assert run(*words, "--frames", f"1-{done + 1}") == 0


def test_the_sample_command_writes_a_shot_that_the_matte_command_takes(tmp_path, capsys):
    size = ("--width", 96, "--height", 64, "--frames", 3, "--first", 7)
    assert run("sample", tmp_path / "s", *size) == 0
    assert run("matte", tmp_path / "s" / "shot.json", "--out", tmp_path / "m.####.exr", *RECIPE) == 0
    capsys.readouterr()
    assert run("score", tmp_path / "m.####.exr", tmp_path / "s" / "truth.####.exr", "--json") == 0
    scored = json.loads(capsys.readouterr().out)
    assert 0 < scored["MAD"] < 60
    assert len(scored["frames"]) == 3
    assert 0 < scored["foreground"] < 60
    assert run("score", tmp_path / "s" / "truth.####.exr", tmp_path / "s" / "truth.####.exr") == 0
    assert capsys.readouterr().out.splitlines()[0] == "foreground 0.000"
    assert run("score", tmp_path / "s" / "mask.####.exr", tmp_path / "s" / "truth.####.exr", "--frames", "7") == 0
    assert "foreground" not in capsys.readouterr().out


def test_the_cache_command_counts_prunes_and_clears(guided, tmp_path, capsys):
    tiny, mask = guided
    cache = tmp_path / "cache"
    assert run("matte", tiny.plate, "--mask", mask, "--out", tmp_path / "m.####.exr", "--cache", cache, *RECIPE) == 0
    capsys.readouterr()
    assert run("cache", "--cache", cache, "--json") == 0
    assert json.loads(capsys.readouterr().out)["entries"] >= 36
    assert run("cache", "clear", "--cache", cache, "--json") == 0
    assert json.loads(capsys.readouterr().out)["freed"] > 0
    assert not list(cache.glob("??/*.exr"))


def test_a_farm_job_holds_every_frame_unless_those_missing_in_a_shared_cache_are_asked_for(guided, tmp_path, capsys):
    tiny, mask = guided
    shot = ["--mask", mask, *RECIPE, "--out", str(tmp_path / "out" / "m.####.exr"), "--cache", str(tmp_path / "cache")]
    assert cli.main(["matte", str(tiny.plate), *shot, "--only", "1-2"]) == 0
    capsys.readouterr()
    bundle = ["bundle", str(tiny.plate), *shot, "--folder", str(tmp_path / "job")]
    for more, frames in (([], "1-12"), (["--missing"], "3-12")):
        assert cli.main([*bundle, *more]) == 0
        assert capsys.readouterr().out.endswith(f": 1 task: {frames}\n")
    assert cli.main([*bundle[:-4], "--folder", str(tmp_path / "job"), "--missing"]) == ShotError.code
    assert "name it with --cache" in capsys.readouterr().err


def test_a_frame_before_zero_may_stand_after_its_flag(tmp_path, capsys):
    tiny = write_tiny_shot(tmp_path / "shot", first=-2, count=3)
    shot = [str(tiny.plate), "--mask", f"-2={tiny.guide(-2).path}", "--frames", "-2-0", *RECIPE]
    assert cli.main(["matte", *shot, "--dry-run", "--cache", str(tmp_path / "cache")]) == 0
    assert "-2-0" in capsys.readouterr().out


@pytest.mark.parametrize("command", [("status",), ("matte", "--out", "m.####.exr")])
def test_all_gaps_of_a_plate_are_told_at_once(guided, tmp_path, capsys, command):
    tiny, mask = guided
    for frame in (3, 6, 7):
        os.unlink(tiny.plate.path(frame))
    name, *more = command
    assert cli.main([name, str(tiny.plate), "--mask", mask, *more, "--cache", str(tmp_path / "cache")]) == 4
    assert "has no frames 3,6-7; on disk are 1-2,4-5,8-12" in capsys.readouterr().err


def test_scores_carry_their_frames_numbers_and_errors_name_frame_and_file(tiny_shot, tmp_path, capsys):
    truth = str(tiny_shot.truth)
    assert cli.main(["score", truth, truth, "--frames", "1,3,5"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[2:-1]] == ["1", "3", "5"]
    assert cli.main(["score", truth, truth, "--frames", "1,3,5", "--json"]) == 0
    assert [row["frame"] for row in json.loads(capsys.readouterr().out)["frames"]] == [1, 3, 5]
    other = write_tiny_shot(tmp_path / "other", width=32)
    assert cli.main(["score", str(other.truth), truth]) == 4
    said = capsys.readouterr().err
    assert "the result is 32 x 48, the truth 64 x 48; conform the one to the other (frame 1," in said
    assert other.truth.path(1) in said


def test_who_reads_json_lines_reads_of_the_failure_too(guided, tmp_path, capsys):
    tiny, mask = guided
    os.unlink(tiny.plate.path(3))
    shot = [str(tiny.plate), "--mask", mask, *RECIPE, "--cache", str(tmp_path / "cache"), "--json"]
    assert cli.main(["matte", *shot, "--out", str(tmp_path / "m.####.exr")]) == 4
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["event"], told["code"], told["path"]) == ("error", 4, str(tiny.plate))
    assert told["message"].startswith("the plate has no frames 3")


def test_weights_may_be_named_by_the_folder_that_train_wrote(guided, tmp_path, capsys):
    tiny, mask = guided
    (tmp_path / "adapted").mkdir()
    for suffix in (".json", ".safetensors"):
        shutil.copy(weights.SHIPPED / f"hstsg-compact{suffix}", tmp_path / "adapted" / f"weights{suffix}")
    words = ("matte", tiny.plate, "--mask", mask, "--save", tmp_path / "shot.json", "--dry-run", "--weights")
    assert run(*words, tmp_path / "adapted") == 0
    found = str(tmp_path / "adapted" / "weights.safetensors")
    assert shot_file.read(tmp_path / "shot.json").weights == {"hstsg-compact": found}
    assert run(*words, f"hstsg-compact={tmp_path / 'adapted'}") == 0
    assert shot_file.read(tmp_path / "shot.json").weights == {"hstsg-compact": found}
    assert run(*words, "hstsg-compact=") == run(*words, f"={found}") == ShotError.code
    assert run(*words, tmp_path / "nowhere") == WeightsError.code
    assert f"there are no weights at {tmp_path / 'nowhere'}; name the folder" in capsys.readouterr().err
