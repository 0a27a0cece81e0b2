"""Which files the engine is given for what is linked, and that the picture comes back in its place."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
import pytest
import rig

from seqmatte.layer import Header


def keyed(comp: rig.Comp, frame: int) -> rig.Comp:
    comp.link_mask(rig.mask("Head", comp.disc(frame)))
    comp.key(frame)
    return comp


def assert_bit_equal(comp: rig.Comp, frame: int, shift: int = 0) -> None:
    np.testing.assert_array_equal(comp.render(frame), rig.read(comp.record().source[frame + shift]))


def assert_near_truth(comp: rig.Comp, frame: int, shift: int = 0) -> None:
    assert np.abs(comp.render(frame)[:, :, 3] - comp.tiny.alpha[frame + shift]).mean() < 0.03


def test_a_plate_numbered_otherwise_than_the_scene_keeps_its_own_numbers(tmp_path: Path):
    comp = rig.Comp(tmp_path, first=1001, count=4)
    comp.plate.frame_start = 1
    comp.group.seqmatte.start, comp.group.seqmatte.end = 1, 4
    comp.scene.frame_start, comp.scene.frame_end = 1, 4
    comp.link_mask(rig.mask("Head", comp.disc(1002)))
    comp.key(2)
    comp.solve()
    assert comp.record().shot["frames"] == "1001-1004" and comp.record().shot["guides"][0]["frame"] == 1002
    assert list(comp.status.ready) == [1, 2, 3, 4]
    assert_bit_equal(comp, 3, shift=1000)
    assert_near_truth(comp, 3, shift=1000)


def test_a_movie_clip_is_read_directly_under_its_own_numbers(tmp_path: Path):
    comp = rig.Comp(tmp_path, first=1001, count=4)
    node = comp.tree.nodes.new("CompositorNodeMovieClip")
    node.clip = bpy.data.movieclips.load(comp.tiny.plate.path(1001))
    node.clip.frame_start = 11
    comp.tree.links.new(node.outputs["Image"], comp.matte.inputs["Image"])
    assert bpy.ops.seqmatte.range(node=comp.matte.name) == {"FINISHED"}
    assert (comp.group.seqmatte.start, comp.group.seqmatte.end) == (11, 14)
    comp.link_mask(rig.mask("Head", comp.disc(1002)))
    comp.key(12)
    comp.solve()
    assert comp.record().shot["plate"] == str(comp.tiny.plate)
    assert_bit_equal(comp, 13, shift=990)
    assert_near_truth(comp, 13, shift=990)


def test_a_plate_made_by_nodes_is_exported_and_its_matte_fits(tmp_path: Path):
    comp = rig.Comp(tmp_path, count=4)
    flip = comp.tree.nodes.new("CompositorNodeFlip")
    comp.tree.links.new(comp.plate.outputs["Image"], flip.inputs["Image"])
    comp.tree.links.new(flip.outputs["Image"], comp.matte.inputs["Image"])
    comp.link_mask(rig.mask("Head", [(1 - x, y) for x, y in comp.disc(1002)]))
    comp.key(1002)
    comp.solve()
    assert comp.status.note == "Flip: exported, it is made by nodes"
    assert_bit_equal(comp, 1003)
    alpha, truth = comp.render(1003)[:, :, 3], comp.tiny.alpha[1003]
    assert np.abs(alpha[:, ::-1] - truth).mean() < 0.08 < 0.12 < np.abs(alpha - truth).mean()


def test_exporting_leaves_the_artists_outputs_scene_and_frame_alone(tmp_path: Path):
    comp = rig.Comp(tmp_path, count=3)
    flip = comp.tree.nodes.new("CompositorNodeFlip")
    comp.tree.links.new(comp.plate.outputs["Image"], flip.inputs["Image"])
    comp.tree.links.new(flip.outputs["Image"], comp.matte.inputs["Image"])
    rig.part("compositor").add_file_output(comp.tree, str(tmp_path / "artist"), flip.outputs["Image"])
    keyed(comp, 1002)
    comp.scene.frame_set(1003)
    names = [sorted(block.name for block in blocks) for blocks in (bpy.data.scenes, bpy.data.node_groups)]
    comp.solve()
    assert not (tmp_path / "artist").exists() and comp.scene.frame_current == 1003
    assert names == [sorted(block.name for block in blocks) for blocks in (bpy.data.scenes, bpy.data.node_groups)]


def test_a_second_solve_of_an_exported_plate_computes_nothing(tmp_path: Path):
    comp = rig.Comp(tmp_path, count=3)
    blur = comp.tree.nodes.new("CompositorNodeFlip")
    comp.tree.links.new(comp.plate.outputs["Image"], blur.inputs["Image"])
    comp.tree.links.new(blur.outputs["Image"], comp.matte.inputs["Image"])
    keyed(comp, 1002)
    comp.solve()
    written = {path: path.stat().st_mtime_ns for path in comp.result(1001).parent.rglob("*.exr")}
    comp.solve()
    assert written == {path: path.stat().st_mtime_ns for path in comp.result(1001).parent.rglob("*.exr")}


def test_a_second_blender_exports_the_same_files_as_this_one(tmp_path: Path):
    comp = rig.Comp(tmp_path, count=3)
    flip = comp.tree.nodes.new("CompositorNodeFlip")
    comp.tree.links.new(comp.plate.outputs["Image"], flip.inputs["Image"])
    comp.tree.links.new(flip.outputs["Image"], comp.matte.inputs["Image"])
    keyed(comp, 1002)
    comp.solve(second_blender=False)
    first = exported(comp)
    bpy.ops.seqmatte.clear(node=comp.matte.name)
    comp.solve(second_blender=True)
    assert exported(comp) == first and len(first) == 4 and comp.status.word == "ready"


def exported(comp: rig.Comp) -> dict[str, bytes]:
    folder = comp.result(1001).parent
    return {path.name: path.read_bytes() for name in ("plate", "guides") for path in (folder / name).iterdir()}


def test_a_plate_of_another_space_is_exported_in_the_numbers_of_the_working_one(tmp_path: Path):
    comp = keyed(rig.Comp(tmp_path, count=2), 1002)
    comp.plate.image.colorspace_settings.name = "ACEScg"
    comp.solve()
    assert comp.status.note == "plate.1001.exr: exported, it is converted from ACEScg"
    assert comp.record().shot["colour"]["space"] == "Linear Rec.709"
    assert comp.record().shot["colour"]["config"].endswith("colormanagement/config.ocio")
    assert_bit_equal(comp, 1001)


def test_the_working_space_of_the_file_is_the_space_of_the_shot(tmp_path: Path):
    space = "ACEScg" if bpy.app.version >= (5, 0, 0) else "Linear Rec.709"  # older files have no choice
    if space == "ACEScg":
        bpy.ops.wm.set_working_color_space(working_space=space, convert_colors=False)
    comp = keyed(rig.Comp(tmp_path, count=2), 1002)
    comp.plate.image.colorspace_settings.name = space
    comp.solve()
    assert comp.record().shot["colour"]["space"] == space and comp.status.note.endswith("read directly")
    assert_bit_equal(comp, 1001)


def test_an_overscan_plate_comes_back_where_it_was(tmp_path: Path):
    header = Header(data=(-6, -4, 76, 56), display=(0, 0, 64, 48))
    comp = keyed(rig.Comp(tmp_path, count=3, header=header), 1002)
    comp.solve()
    result = rig.read(comp.record().source[1003])
    assert result.shape[:2] == (56, 76)
    assert np.abs(result[:, :, 3] - comp.tiny.alpha[1003]).mean() < 0.03
    written = rig.part("compositor").add_file_output(comp.tree, str(tmp_path / "whole"), comp.matte.outputs["Image"])
    cropped = comp.render(1003)
    assert written.inputs[0].is_linked
    np.testing.assert_array_equal(rig.read(tmp_path / "whole" / "picture.1003.exr"), result)
    # Blender places a picture of another size than the render's by resampling it, 1e-6 off in 5.0.
    np.testing.assert_allclose(cropped, result[4:52, 6:70], atol=3e-6)


def test_a_painted_mask_is_a_key_and_keeps_its_paint(comp: rig.Comp):
    picture = (comp.tiny.alpha[1002] > 0.5).astype(np.float32)
    image = rig.paint("Paint", picture)
    comp.key(1002, source="IMAGE", image=image)
    comp.solve()
    (guide,) = comp.record().shot["guides"]
    np.testing.assert_array_equal(rig.read_first(guide["path"]), picture)
    assert_near_truth(comp, 1003)
    comp.save()
    bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath)
    pixels = np.empty(64 * 48 * 4, np.float32)
    bpy.data.images["Paint"].pixels.foreach_get(pixels)
    np.testing.assert_array_equal(pixels.reshape(48, 64, 4)[::-1, :, 0], picture)


def test_a_mask_file_is_given_to_the_engine_as_it_is(comp: rig.Comp):
    guide = comp.tiny.guide(1002)  # one channel, A, which Blender cannot show
    comp.key(1002, source="IMAGE", image=bpy.data.images.load(guide.path))
    comp.solve()
    assert comp.record().shot["guides"] == [
        {"frame": 1002, "path": guide.path, "kind": "mask", "subject": "matte"},
    ]
    assert_near_truth(comp, 1003)


def test_a_sequence_of_trimaps_gives_each_key_its_own_file(comp: rig.Comp):
    first, last = comp.tiny.guide(1001, "trimap"), comp.tiny.guide(1005, "trimap")
    image = bpy.data.images.load(first.path)
    image.source = "SEQUENCE"
    comp.key(1001, source="IMAGE", image=image, kind="trimap")
    comp.key(1005, source="IMAGE", image=image, kind="trimap")
    comp.solve()
    assert [row["path"] for row in comp.record().shot["guides"]] == [first.path, last.path]
    comp.group.seqmatte.keys[1].frame = 1003
    assert "has no file" in rig.message_of(comp.solve)


def test_soft_paint_reaches_the_engine_as_it_was_painted(comp: rig.Comp):
    image = rig.paint("Soft", np.full((48, 64), 0.5, np.float32) * (comp.tiny.alpha[1002] > 0.1))
    comp.key(1002, source="IMAGE", image=image)
    bpy.ops.seqmatte.check(node=comp.matte.name)
    (path,) = (comp.result(1001).parent / "guides").iterdir()
    assert abs(rig.read_first(path).max() - 0.5) < 0.005


def test_paint_of_another_size_than_the_plate_is_refused_with_both_sizes(comp: rig.Comp):
    comp.key(1002, source="IMAGE", image=rig.paint("Small", np.ones((24, 32), np.float32)))
    assert "32 x 24, the plate 64 x 48" in rig.message_of(comp.solve)


@pytest.mark.parametrize("scale", [1, 50])
def test_a_mask_is_drawn_at_the_plates_size_whatever_the_scene_renders_at(comp: rig.Comp, scale: int):
    comp.scene.render.resolution_percentage = 100 if scale == 1 else scale
    comp.scene.render.resolution_x = 40
    mask = rig.mask("Head", comp.disc(1002))
    comp.key(1002, source="MASK", mask=mask)
    bpy.ops.seqmatte.check(node=comp.matte.name)
    (path,) = (comp.result(1001).parent / "guides").iterdir()
    drawn = rig.read_first(path)
    assert drawn.shape == (48, 64) and np.abs(drawn - (comp.tiny.alpha[1002] > 0.5)).mean() < 0.02


def test_shape_keys_give_each_key_its_own_frame_of_the_mask(comp: rig.Comp):
    mask = rig.mask("Head", comp.disc(1001))
    rig.shape_keys(comp.scene, mask, {frame: comp.disc(frame) for frame in (1001, 1005)})
    comp.link_mask(mask)
    comp.key(1001)
    comp.key(1005)
    bpy.ops.seqmatte.check(node=comp.matte.name)
    for path in (comp.result(1001).parent / "guides").iterdir():
        truth = comp.tiny.alpha[int(path.name.split(".")[0])] > 0.5
        assert np.abs(rig.read_first(path) - truth).mean() < 0.02


def test_a_clean_plate_goes_into_the_shot_or_is_refused_with_the_reason(comp: rig.Comp):
    keyed(comp, 1002)
    comp.group.seqmatte.clean = bpy.data.images.new("not a file", 8, 8)
    assert "must be an EXR in the working space, but it is a generated" in rig.message_of(comp.solve)
    comp.group.seqmatte.clean = bpy.data.images.load(comp.tiny.plate.path(1001))
    comp.solve()
    assert comp.record().shot["clean"] == comp.tiny.plate.path(1001)


def test_two_nodes_on_one_plate_have_results_of_their_own(comp: rig.Comp):
    keyed(comp, 1002)
    other = comp.add_matte(comp.plate)
    comp.solve()
    assert rig.part("status").of(other.node_tree).word == "not solved"
    assert rig.part("node").folder(other.node_tree) != rig.part("node").folder(comp.group)


def test_a_duplicated_node_gets_its_own_group_and_folder_when_it_is_solved(comp: rig.Comp):
    keyed(comp, 1002)
    comp.solve()
    before, uid = comp.digests(), comp.group.seqmatte.uid
    copy = comp.tree.nodes.new("CompositorNodeGroup")
    copy.node_tree = comp.group  # what Shift-D makes
    for name in ("Image", "Mask"):
        comp.tree.links.new(comp.matte.inputs[name].links[0].from_socket, copy.inputs[name])
    copy.node_tree.seqmatte.options_guide_flow.inner = 4.0
    bpy.ops.seqmatte.solve(node=copy.name)
    assert copy.node_tree != comp.group and copy.node_tree.seqmatte.uid != uid == comp.group.seqmatte.uid
    assert comp.digests() == before and comp.status.word == "ready"
    assert rig.part("status").of(copy.node_tree).word == "ready"
    comp.tree.links.new(copy.outputs["Image"], comp.output.inputs[0])
    record = rig.part("record").read(rig.part("node").folder(copy.node_tree))
    np.testing.assert_array_equal(comp.render(1003), rig.read(record.source[1003]))


def test_a_group_that_was_copied_whole_is_told_apart_too(comp: rig.Comp):
    keyed(comp, 1002)
    comp.solve()
    copy = comp.tree.nodes.new("CompositorNodeGroup")
    copy.node_tree = comp.group.copy()
    for name in ("Image", "Mask"):
        comp.tree.links.new(comp.matte.inputs[name].links[0].from_socket, copy.inputs[name])
    bpy.ops.seqmatte.solve(node=copy.name)
    node = rig.part("node")
    assert node.folder(copy.node_tree) != node.folder(comp.group)
    assert copy.node_tree.nodes["RESULT"].image != comp.group.nodes["RESULT"].image


def test_a_node_of_a_missing_add_on_before_the_matte_is_named(tmp_path: Path):
    comp = keyed(rig.Comp(tmp_path, count=3), 1002)

    class Foreign(bpy.types.CompositorNodeCustomGroup):
        bl_idname = "ForeignNode"
        bl_label = "Foreign"

        def init(self, context):
            self.node_tree = bpy.data.node_groups.new("inside", "CompositorNodeTree")
            for way in ("INPUT", "OUTPUT"):
                self.node_tree.interface.new_socket(name="Image", in_out=way, socket_type="NodeSocketColor")

    bpy.utils.register_class(Foreign)
    foreign = comp.tree.nodes.new("ForeignNode")
    comp.tree.links.new(comp.plate.outputs["Image"], foreign.inputs[0])
    comp.tree.links.new(foreign.outputs[0], comp.matte.inputs["Image"])
    comp.save()
    bpy.utils.unregister_class(Foreign)
    bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath)
    said = rig.message_of(lambda: bpy.ops.seqmatte.solve(node="Matte 1"))
    assert "belongs to an add-on that is not here" in said


def test_a_mask_that_a_matte_would_be_written_over_is_refused_and_stays(comp: rig.Comp):
    guide = Path(comp.tiny.guide(1002).path)
    place = comp.result(1003)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(guide.read_bytes())
    comp.key(1002, source="IMAGE", image=bpy.data.images.load(str(place)))
    assert "would be written over by a matte" in rig.message_of(comp.solve)
    assert place.read_bytes() == guide.read_bytes()


def test_paint_that_comes_through_the_socket_is_packed_too(comp: rig.Comp):
    image = rig.paint("Socket", (comp.tiny.alpha[1002] > 0.5).astype(np.float32))
    node = comp.tree.nodes.new("CompositorNodeImage")
    node.image = image
    comp.tree.links.new(node.outputs["Image"], comp.matte.inputs["Mask"])
    comp.key(1002)
    assert image.is_dirty and not image.packed_file
    comp.solve()
    assert image.packed_file
    assert_near_truth(comp, 1003)


def test_a_file_of_the_artists_that_is_called_as_a_matte_is_stays_when_the_range_shrinks(comp: rig.Comp):
    comp.key(1004, source="IMAGE", image=bpy.data.images.load(comp.tiny.guide(1004).path))
    comp.solve(start="ALL")
    theirs = comp.result(1003).with_name("matte.0007.exr")
    theirs.write_bytes(b"theirs")
    comp.group.seqmatte.start = 1004
    comp.solve()
    assert sorted(comp.digests()) == [1004, 1005]
    assert theirs.read_bytes() == b"theirs"
