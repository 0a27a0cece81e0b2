"""Comps as artists have them: animated, with groups, linked data, movies and paint that is not saved yet."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
import OpenImageIO as oiio
import pytest
import rig

import shots

WHOLE = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]


@pytest.fixture
def keyed(comp: rig.Comp) -> rig.Comp:
    comp.key(1001, source="MASK", mask=rig.mask("Head", comp.disc(1001)))
    return comp


def before_the_matte(comp: rig.Comp, kind: str, group: Any = None) -> Any:
    """A node between plate and Matte node."""
    made = comp.tree.nodes.new(kind)
    if group is not None:
        made.node_tree = group
    comp.tree.links.new(comp.plate.outputs["Image"], made.inputs["Image"])
    comp.tree.links.new(made.outputs["Image"], comp.matte.inputs["Image"])
    return made


def graded(comp: rig.Comp) -> tuple[Any, tuple[Any, Any]]:
    """A group between plate and Matte node, and the two nodes within that are its ends."""
    group = bpy.data.node_groups.new("graded", "CompositorNodeTree")
    for way in ("INPUT", "OUTPUT"):
        group.interface.new_socket(name="Image", in_out=way, socket_type="NodeSocketColor")
    before_the_matte(comp, "CompositorNodeGroup", group)
    return group, (group.nodes.new("NodeGroupInput"), group.nodes.new("NodeGroupOutput"))


def colours(path: str) -> np.ndarray:
    return oiio.ImageBuf(path).get_pixels(oiio.FLOAT)[:, :, :3]


def gains(comp: rig.Comp) -> list[float]:
    """How much brighter each exported frame is than the plate's file."""
    files = rig.part("node").exported(comp.group)
    shown = [(colours(files.path(frame)), colours(comp.tiny.plate.path(frame))) for frame in comp.frames]
    return [round(float(one.mean() / other.mean()), 3) for one, other in shown]


@pytest.mark.parametrize("second", [False, True])
def test_an_export_leaves_every_curve_of_the_comp_as_it_was_and_follows_them_each_time(keyed: rig.Comp, second: bool):
    exposure = before_the_matte(keyed, "CompositorNodeExposure").inputs["Exposure"]
    for frame, stops in ((1001, 0), (1005, 4)):
        exposure.default_value = stops
        exposure.keyframe_insert("default_value", frame=frame)
    for _ in range(2):
        bpy.ops.seqmatte.check(node=keyed.matte.name, second_blender=second)
        assert gains(keyed)[::2] == [1, 4, 16]
        bpy.ops.seqmatte.clear(node=keyed.matte.name)
    keyed.save()
    bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath)
    scene = bpy.context.scene
    scene.frame_set(1003)
    tree = rig.part("compositor").tree_of(scene)
    assert tree.nodes["Exposure"].inputs["Exposure"].default_value == pytest.approx(2)


def test_a_mask_that_nodes_move_is_exported_where_it_is_on_each_key_after_the_plate_was(comp: rig.Comp):
    before_the_matte(comp, "CompositorNodeExposure")
    outline = rig.part("compositor").add_mask(comp.tree, rig.mask("Head", comp.disc(1001)))
    moved = comp.tree.nodes.new("CompositorNodeTranslate")
    comp.tree.links.new(outline.outputs["Mask"], moved.inputs["Image"])
    comp.tree.links.new(moved.outputs["Image"], comp.matte.inputs["Mask"])
    for frame, pixels in ((1001, 0), (1005, 12)):
        moved.inputs["X"].default_value = pixels
        moved.inputs["X"].keyframe_insert("default_value", frame=frame)
        comp.key(frame)
    bpy.ops.seqmatte.check(node=comp.matte.name, second_blender=True)
    first, last = (rig.read_first(path) for path in sorted((comp.result(1001).parent / "guides").iterdir()))
    np.testing.assert_array_equal(last[:, 12:], first[:, :-12])
    assert first.any()


def test_a_picture_that_nodes_move_is_a_key_by_its_alpha(comp: rig.Comp):
    before_the_matte(comp, "CompositorNodeExposure")
    inked = np.zeros((*comp.tiny.alpha[1001].shape, 4), np.float32)
    inked[10:30, 10:30] = (0.75, 0.5, 0.25, 1.0)
    path = comp.tiny.folder / "cut.exr"
    shots.write_picture(path, inked, ("R", "G", "B", "A"), comp.tiny.header)
    cut, moved = (comp.tree.nodes.new(f"CompositorNode{kind}") for kind in ("Image", "Translate"))
    cut.image = bpy.data.images.load(str(path))
    moved.inputs["X"].default_value = 7
    comp.tree.links.new(cut.outputs["Image"], moved.inputs["Image"])
    comp.tree.links.new(moved.outputs["Image"], comp.matte.inputs["Mask"])
    comp.key(1001)
    bpy.ops.seqmatte.check(node=comp.matte.name)
    (guide,) = (comp.result(1001).parent / "guides").iterdir()
    np.testing.assert_array_equal(rig.read(guide)[:, 7:], inked[:, :-7])
    assert not rig.read(guide)[:, :7].any()


@pytest.mark.parametrize("within", [False, True])
def test_a_plate_that_was_moved_is_exported_where_it_is_shown(keyed: rig.Comp, within: bool):
    tree, (come, go) = graded(keyed) if within else (keyed.tree, (keyed.plate, keyed.matte))
    moved = tree.nodes.new("CompositorNodeTranslate")
    moved.inputs["X"].default_value = 10
    tree.links.new(come.outputs[0], moved.inputs["Image"])
    tree.links.new(moved.outputs["Image"], go.inputs[0])
    keyed.tree.links.new(keyed.matte.inputs["Image"].links[0].from_socket, keyed.output.inputs[0])
    bpy.ops.seqmatte.check(node=keyed.matte.name)
    exported = colours(rig.part("node").exported(keyed.group).path(1003))
    np.testing.assert_array_equal(exported, keyed.render(1003)[:, :, :3])
    np.testing.assert_array_equal(exported[:, 10:], colours(keyed.tiny.plate.path(1003))[:, :-10])


def test_a_plate_whose_frames_are_animated_is_exported_as_it_is_shown(keyed: rig.Comp):
    for frame, offset in ((1001, 1000), (1005, 996)):
        keyed.plate.frame_offset = offset
        keyed.plate.keyframe_insert("frame_offset", frame=frame)
    keyed.solve()
    assert keyed.status.note == "plate.1001.exr: exported, its frames are animated"
    files = rig.part("node").exported(keyed.group)
    for frame in keyed.frames:  # the offset falls as the frames rise: the plate stands still
        np.testing.assert_array_equal(colours(files.path(frame)), colours(keyed.tiny.plate.path(1001)))


def test_an_output_within_a_group_writes_nothing_when_the_plate_is_exported(keyed: rig.Comp):
    group, (come, go) = graded(keyed)
    group.links.new(come.outputs[0], go.inputs[0])
    theirs = keyed.folder / "theirs"
    output = rig.part("compositor").add_file_output(group, str(theirs), come.outputs[0])
    keyed.solve()
    assert gains(keyed) == [1] * 5 and not theirs.exists() and not output.mute


@pytest.mark.parametrize("second", [False, True])
def test_a_linked_mask_is_drawn_though_one_of_this_file_has_its_name(comp: rig.Comp, second: bool):
    whole = rig.mask("Head", WHOLE)
    library = comp.folder / "roto.blend"
    bpy.data.libraries.write(str(library), {whole}, fake_user=True)
    bpy.data.masks.remove(whole)
    rig.mask("Head", comp.disc(1001))
    with bpy.data.libraries.load(str(library), link=True) as (_, wanted):
        wanted.masks = ["Head"]
    comp.key(1001, source="MASK", mask=wanted.masks[0])
    bpy.ops.seqmatte.check(node=comp.matte.name, second_blender=second)
    (path,) = (comp.result(1001).parent / "guides").iterdir()
    assert rig.read_first(path).mean() > 0.99


def movie(comp: rig.Comp) -> Any:
    """A movie of the plate, written by Blender."""
    render, settings = comp.scene.render, comp.scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "VIDEO"
    settings.file_format, render.ffmpeg.format, render.ffmpeg.codec = "FFMPEG", "AVI", "FFV1"
    render.filepath = str(comp.folder / "movie.avi")
    bpy.ops.render.render(animation=True)
    return bpy.data.images.load(render.filepath)


def test_a_movie_named_by_a_key_is_refused_with_what_to_do(comp: rig.Comp):
    comp.key(1003, source="IMAGE", image=movie(comp))
    said = rig.message_of(comp.solve)
    assert "The key on 1003 names 'movie.avi', a movie" in said and "link that to the Mask socket" in said


def painted(path: str) -> Any:
    """An EXR that was painted over in Blender and not saved."""
    image = bpy.data.images.load(path)
    image.pixels[:] = [0.25, 0.25, 0.25, 1.0] * (image.size[0] * image.size[1])
    image.update()
    assert image.is_dirty
    return image


def test_a_clean_plate_with_paint_that_is_not_saved_is_refused(keyed: rig.Comp):
    keyed.group.seqmatte.clean = painted(keyed.tiny.plate.path(1002))
    assert "but it has paint that is not saved" in rig.message_of(keyed.solve)
