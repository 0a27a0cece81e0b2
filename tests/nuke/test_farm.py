"""A node that a farm solves: the bundle, run by the command line, and what the node shows of it."""

import hashlib
import json
import os
import subprocess
from pathlib import Path

ALL = list(range(1, 13))


def digests(files):
    return {frame: file and hashlib.sha256(Path(file).read_bytes()).hexdigest() for frame, file in files.items()}


def test_a_farm_job_solves_the_node_elsewhere(script):
    """The bundle's tasks, run by the command line with a cache of their own, give what the node gives."""
    script.node["keys"].setValue("3 9")
    script.nuke.frame(9)
    script.solve("solve_frame")
    script.solve("bundle")
    bundle = script.results / "farm"
    job = json.loads((bundle / "template.json").read_text())
    tasks = job["steps"][0]["parameterSpace"]["taskParameterDefinitions"][0]["range"]
    assert tasks == ["1-2", "3-6", "7-8", "9-12"]
    for task in tasks:
        assert script.node["status"].value().startswith("at the farm")
        command = [os.environ["SEQMATTE_PYTHON"], "-m", "seqmatte", "matte", str(bundle / "shot.json"), "--only", task]
        subprocess.run([*command, "--cache", str(script.folder / "farm cache")], check=True, capture_output=True)
        script.press("reload")
    assert script.node["status"].value() == "ready, 12/12 ready"
    made = {frame: str(script.results / f"matte/matte.{frame:04d}.exr") for frame in ALL}
    from_farm = digests(made)
    script.solve()
    assert digests(script.shown()) == from_farm


def test_a_node_that_a_farm_solves_shows_what_the_farm_makes(script):
    """It was never solved here, so it showed the plate until now."""
    script.node["show"].setValue("plate")
    script.solve("bundle")
    shot = script.results / "farm/shot.json"
    command = [os.environ["SEQMATTE_PYTHON"], "-m", "seqmatte", "matte", str(shot)]
    subprocess.run([*command, "--cache", str(script.folder / "farm cache")], check=True, capture_output=True)
    script.press("reload")
    assert script.node["show"].value() == "result"
    assert script.shown() == {frame: str(script.results / f"matte/matte.{frame:04d}.exr") for frame in ALL}


def test_a_farm_job_that_cannot_be_written_is_told_and_nuke_goes_on(script):
    script.solve()
    (script.results / "farm").write_text("in the way")
    script.solve("bundle")
    assert [line for line in script.nuke.printed if "SeqMatte: farm job: " in line and "/farm" in line]
    assert script.node["status"].value().startswith("ready, 12/12")
