import json
import os
import subprocess
from pathlib import Path

import openjd.model
import pytest
from openjd.model import StepParameterSpaceIterator, create_job, decode_job_template

from fakes.toy_engine import PATHS, command
from seqlink import Colour, FramePath, FrameRange, Shot, farm


def job_of(bundle):
    """The job as a farm makes it from the bundle, checked against the specification."""
    template = decode_job_template(template=json.loads((bundle / "template.json").read_text()))
    values = json.loads((bundle / "parameter_values.json").read_text())["parameterValues"]
    given = openjd.model.preprocess_job_parameters(
        job_template=template,
        job_parameter_values={row["name"]: row["value"] for row in values},
        job_template_dir=bundle,
        current_working_dir=bundle,
    )
    return create_job(job_template=template, job_parameter_values=given)


def tasks_of(job):
    return [task["Frames"].value for task in StepParameterSpaceIterator(space=job.steps[0].parameterSpace)]


def arguments_of(job, frames):
    """The command line of a task, with every parameter put in its place."""
    run = job.steps[0].script.actions.onRun
    values = {f"Param.{name}": parameter.value for name, parameter in job.parameters.items()}
    values["Task.Param.Frames"] = frames
    written = [str(argument) for argument in [run.command, *run.args]]
    for name, value in values.items():
        written = [argument.replace("{{" + name + "}}", value) for argument in written]
    return written


def test_the_bundle_is_a_job_with_one_task_a_span(tiny_shot, tmp_path):
    shot = tiny_shot.shot(3, 9, out=FramePath(tmp_path / "out" / "m.####.exr"))
    tasks = [FrameRange.parse(text) for text in ("1-2", "3-5", "6-8", "9-12")]
    bundle = tmp_path / "bundle"
    farm.write_bundle(shot, tasks, bundle, name="ab_010")
    job = job_of(bundle)
    assert job.name == "matte ab_010"
    assert tasks_of(job) == ["1-2", "3-5", "6-8", "9-12"]
    assert sorted(os.listdir(bundle)) == [
        "asset_references.json",
        "parameter_values.json",
        "shot.json",
        "template.json",
    ]


def test_its_tasks_run_one_by_one_make_what_one_run_makes(tiny_shot, tmp_path):
    """Each task's own command line, in the order of a farm that knows no order."""
    whole, cut = (tiny_shot.shot(3, 9, recipe="toy", out=FramePath(tmp_path / n / "m.####.exr")) for n in ("a", "b"))
    tasks = ["1-2", "3-6", "7-8", "9-12"]
    bundle = tmp_path / "bundle"
    farm.write_bundle(cut, tasks, bundle, device="cpu", cache=str(tmp_path / "shared"))
    job = job_of(bundle)
    toy = command(tmp_path)[:2]
    env = {**os.environ, **PATHS, "SEQMATTE_HOME": str(tmp_path / "home")}
    (tmp_path / "whole.json").write_text(whole.to_json())
    for arguments in (
        [toy[0], "matte", str(tmp_path / "whole.json"), "--cache", str(tmp_path / "own")],
        *(arguments_of(job, frames) for frames in reversed(tasks_of(job))),
    ):
        subprocess.run([*toy, *arguments[1:]], env=env, check=True, capture_output=True)
    for frame in range(1, 13):
        a, b = (FramePath(tmp_path / n / "m.####.exr").path(frame) for n in ("a", "b"))
        assert Path(a).read_bytes() == Path(b).read_bytes()


def test_a_farm_that_copies_files_is_told_each_one(tiny_shot, tmp_path):
    shot = tiny_shot.shot(3, out=FramePath(tmp_path / "out" / "m.####.exr"), clean=FramePath("/plates/clean.exr"))
    farm.write_bundle(shot, ["1-12"], tmp_path / "bundle")
    references = json.loads((tmp_path / "bundle" / "asset_references.json").read_text())["assetReferences"]
    files = references["inputs"]["filenames"]
    assert tiny_shot.plate.path(1) in files and tiny_shot.plate.path(12) in files
    assert shot.guides[0].path in files and files.count("/plates/clean.exr") == 1
    assert references["outputs"]["directories"] == [str(tmp_path / "out")]


def test_a_farm_that_copies_files_is_told_the_cards_of_weights_and_the_colour_config_too(tiny_shot, tmp_path):
    own, card, config = (tmp_path / name for name in ("own.safetensors", "own.json", "config.ocio"))
    for path in (own, card, config):
        path.write_text("{}")
    shot = tiny_shot.shot(3, out=FramePath(tmp_path / "m.####.exr"), colour=Colour(config=str(config)))
    shot = shot.replace(weights={"hstsg-compact": str(own), "refiner": str(tmp_path / "bare.pth")})
    farm.write_bundle(shot, ["1-12"], tmp_path / "bundle")
    references = json.loads((tmp_path / "bundle" / "asset_references.json").read_text())["assetReferences"]
    files = references["inputs"]["filenames"]
    assert {str(own), str(card), str(config), str(tmp_path / "bare.pth")} <= set(files)
    assert str(tmp_path / "bare.json") not in files


def test_more_tasks_than_a_farm_takes_are_joined_and_none_is_lost():
    values = farm.template([FrameRange([frame]) for frame in range(1, 5000)])
    ranges = values["steps"][0]["parameterSpace"]["taskParameterDefinitions"][0]["range"]
    assert len(ranges) <= farm.MOST_TASKS
    assert FrameRange.parse(",".join(ranges)) == FrameRange(range(1, 5000))


def test_a_task_too_long_to_write_is_cut_and_none_is_lost():
    scattered = FrameRange(frame * frame for frame in range(1, 400))
    values = farm.template([scattered])
    ranges = values["steps"][0]["parameterSpace"]["taskParameterDefinitions"][0]["range"]
    assert max(map(len, ranges)) <= farm.LONGEST_TASK
    assert FrameRange.parse(",".join(ranges)) == scattered


def test_nothing_left_to_compute_is_no_job():
    with pytest.raises(ValueError, match="nothing left to compute"):
        farm.template([])


def test_a_shot_without_a_place_for_results_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"shot\.out"):
        farm.write_bundle(Shot(FramePath("p.####.exr"), FrameRange([1])), ["1"], tmp_path)


def test_tasks_that_overlap_become_one_and_the_others_stay_as_they_are():
    made = farm.template(["30-40", "1-10", "8-20", "21-29"])
    tasks = made["steps"][0]["parameterSpace"]["taskParameterDefinitions"][0]["range"]
    assert tasks == ["1-20", "21-29", "30-40"]
