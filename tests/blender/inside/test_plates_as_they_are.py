"""Plates, names and settings that were taken for what they are not."""

from __future__ import annotations

import shutil
from pathlib import Path

import bpy
import numpy as np
import OpenImageIO as oiio
import pytest
import rig
from paper import drawn


@pytest.fixture
def keyed(comp: rig.Comp) -> rig.Comp:
    comp.key(1001, source="MASK", mask=rig.mask("Head", comp.disc(1001)))
    return comp


def exported(comp: rig.Comp, frame: int) -> np.ndarray:
    return rig.read(Path(rig.part("node").exported(comp.group).path(frame)))


def test_a_plate_is_exported_in_the_working_space_whatever_space_the_output_overrides(keyed: rig.Comp):
    flip = keyed.tree.nodes.new("CompositorNodeFlip")
    keyed.tree.links.new(keyed.plate.outputs["Image"], flip.inputs["Image"])
    keyed.tree.links.new(flip.outputs["Image"], keyed.matte.inputs["Image"])
    bpy.ops.seqmatte.check(node=keyed.matte.name)
    before = exported(keyed, 1003)
    output = keyed.scene.render.image_settings
    output.color_management = "OVERRIDE"
    output.linear_colorspace_settings.name = "ACEScg"
    bpy.ops.seqmatte.check(node=keyed.matte.name)
    np.testing.assert_array_equal(exported(keyed, 1003), before)
    assert output.color_management == "OVERRIDE"


def still(comp: rig.Comp, name: str) -> bpy.types.Image:
    path = comp.folder / name
    shutil.copyfile(comp.tiny.plate.path(1001), path)
    return bpy.data.images.load(str(path))


@pytest.mark.parametrize("name", ["shot@2x.exr", "take #1.exr", "a%04d.exr"])
def test_a_still_whose_name_holds_a_sign_of_frames_is_exported_and_as_a_clean_plate_refused(keyed: rig.Comp, name: str):
    node = keyed.tree.nodes.new("CompositorNodeImage")
    node.image = still(keyed, name)
    keyed.tree.links.new(node.outputs["Image"], keyed.matte.inputs["Image"])
    keyed.solve()
    assert keyed.status.word == "ready" and "exported, its name has a sign" in keyed.status.note
    keyed.group.seqmatte.clean = node.image
    assert "its name has a sign that stands for the frame's number" in rig.message_of(keyed.solve)


def test_a_sequence_whose_name_holds_such_a_sign_is_read_directly(keyed: rig.Comp):
    for frame in keyed.frames:
        shutil.copyfile(keyed.tiny.plate.path(frame), keyed.folder / f"shot@2x #1.{frame}.exr")
    keyed.plate.image.filepath = str(keyed.folder / "shot@2x #1.1001.exr")
    keyed.solve()
    assert keyed.status.note.endswith("read directly") and keyed.status.word == "ready"


def png_plate(comp: rig.Comp) -> None:
    for frame in comp.frames:
        light = oiio.ImageBuf(comp.tiny.plate.path(frame)).get_pixels(oiio.FLOAT)[:, :, :3].clip(0, 1)
        made = oiio.ImageBuf(oiio.ImageSpec(*light.shape[1::-1], 3, "uint8"))
        made.set_pixels(oiio.ROI.All, np.ascontiguousarray(light))
        made.write(str(comp.folder / f"p.{frame}.png"))
    node = rig.add_plate(comp.tree, str(comp.folder / "p.1001.png"), 1001, 5)
    comp.tree.links.new(node.outputs["Image"], comp.matte.inputs["Image"])


def test_a_range_beyond_an_exported_sequence_is_refused_at_both_ends(keyed: rig.Comp):
    png_plate(keyed)
    keyed.group.seqmatte.end = 1008
    assert "The range 1001 to 1008 is longer than the plate" in rig.message_of(keyed.solve)
    keyed.group.seqmatte.start, keyed.group.seqmatte.end = 998, 1005
    assert "which has 1001 to 1005" in rig.message_of(keyed.solve)
    keyed.group.seqmatte.start = 1001
    bpy.ops.seqmatte.check(node=keyed.matte.name)
    assert "exported, it is no EXR" in keyed.status.note


def test_a_scene_that_does_not_use_its_nodes_is_matted_and_left_so(keyed: rig.Comp):
    if rig.part("compositor").IS_5:  # which has no such switch
        keyed.solve()
    else:
        keyed.scene.use_nodes = False
        keyed.solve()
        assert not keyed.scene.use_nodes
    assert keyed.status.word == "ready"


def test_a_matte_node_in_a_group_is_to_be_taken_out_and_its_missing_frames_are_named(keyed: rig.Comp):
    keyed.solve()
    outer = bpy.data.node_groups.new("outer", "CompositorNodeTree")
    inner = outer.nodes.new("CompositorNodeGroup")
    inner.node_tree, inner.name = keyed.group, "inner"
    keyed.tree.nodes.new("CompositorNodeGroup").node_tree = outer
    keyed.result(1002).unlink()
    frames = rig.part("seqlink").FrameRange(keyed.frames)
    before, uid = keyed.digests(), keyed.group.seqmatte.uid
    keyed.solve()  # shared with the one in the group, as a duplicate would be
    assert keyed.group.seqmatte.uid != uid == inner.node_tree.seqmatte.uid
    keyed.tree.nodes.remove(keyed.matte)
    assert rig.part("operators").holes(keyed.scene, frames) == ["inner: no matte on disk for 1002"]
    said = rig.message_of(lambda: bpy.ops.seqmatte.solve(node="inner"))
    assert "Take inner out of its group to solve it" in said and "Take inner out of its group to solve it." in drawn()
    other = keyed.add_matte(keyed.plate)
    keyed.tree.nodes.active = None
    assert "Choose a Matte node, or add one:" in drawn()
    keyed.tree.nodes.remove(other)
    folder = Path(rig.part("node").folder(inner.node_tree))
    assert len(before) == 4 == len(list(folder.glob("matte.*.exr")))
