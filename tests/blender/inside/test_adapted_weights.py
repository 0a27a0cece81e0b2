"""Weights that were fitted to a shot: made from what a solve leaves, and named in the node."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import bpy
import pytest
import rig
from paper import drawn

SHIPPED = Path(__file__).parents[3] / "core" / "seqmatte" / "weights_shipped"


@pytest.fixture
def keyed(comp: rig.Comp) -> rig.Comp:
    for frame in (1001, 1003, 1005):
        comp.key(frame, source="MASK", mask=rig.mask("Head", comp.disc(frame)))
    return comp


def test_a_solve_leaves_the_shot_that_train_reads_and_a_shell_can_matte(keyed: rig.Comp, engine: str):
    keyed.solve()
    before, folder = keyed.digests(), keyed.result(1001).parent
    shot = json.loads((folder / "shot.json").read_text("utf-8"))
    assert shot == {**keyed.record().shot, "out": str(folder / "matte.####.exr")}
    run = [engine, "-m", "seqmatte"]
    train = ["train", "--shot", str(folder / "shot.json"), "--out", str(folder / "adapted"), "--minutes", "0.01"]
    ran = subprocess.run([*run, *train], capture_output=True, text=True)
    assert ran.returncode == 0 and (folder / "adapted").is_dir(), ran.stderr
    subprocess.run([*run, "matte", str(folder / "shot.json")], check=True, capture_output=True)
    assert keyed.digests() == before
    bpy.ops.seqmatte.clear(node=keyed.matte.name)
    assert [path.name for path in folder.iterdir()] == ["adapted"]


def test_weights_named_in_the_node_go_into_the_shot_and_to_the_engine(tmp_path: Path):
    comp = rig.Comp(tmp_path, count=1)
    comp.key(1001, source="MASK", mask=rig.mask("Head", comp.disc(1001)))
    comp.group.seqmatte.recipe = "hstsg-compact"
    comp.group.seqmatte.weights = "//adapted/"
    place = tmp_path / "adapted" / "weights.safetensors"
    assert f"Adapted Weights: there are no weights at {place.parent}" in rig.message_of(comp.solve)
    place.parent.mkdir()
    for suffix in (".json", ".safetensors"):
        shutil.copyfile(SHIPPED / f"hstsg-compact{suffix}", place.with_suffix(suffix))
    comp.solve()
    assert comp.status.word == "ready" and comp.record().shot["weights"] == {"hstsg-compact": str(place)}
    comp.group.seqmatte.show_options = True
    assert "[Adapted Weights: //adapted/]" in drawn()
    place.write_bytes(b"no weights")
    assert str(place) in rig.message_of(comp.solve)
