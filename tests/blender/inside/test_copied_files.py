"""Results belong to one node of one .blend: whoever copies either solves into a folder of its own."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import bpy
import pytest
import rig

SQUARE = [(0.1, 0.2), (0.4, 0.2), (0.4, 0.6), (0.1, 0.6)]


@pytest.fixture
def solved(comp: rig.Comp) -> rig.Comp:
    comp.key(1001, source="MASK", mask=rig.mask("Head", comp.disc(1001)))
    comp.solve()
    comp.save()
    return comp


def the_matte() -> Any:
    ((_, found),) = rig.part("node").every()
    return found


def edit(matte: Any) -> None:
    matte.node_tree.seqmatte.keys[0].mask = rig.mask("Square", SQUARE)


def solve(matte: Any) -> None:
    assert bpy.ops.seqmatte.solve(node=matte.name) == {"FINISHED"}


def folder(matte: Any) -> Path:
    return Path(rig.part("node").folder(matte.node_tree))


def digests(place: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in place.glob("matte.*.exr")}


def assert_apart(matte: Any, first: Path, before: dict[str, str]) -> None:
    """The node has five mattes of its own, and those in the first folder are what they were."""
    mine = digests(folder(matte))
    assert folder(matte) != first and len(mine) == 5 and not set(mine.values()) & set(before.values())
    assert digests(first) == before
    assert rig.part("status").of(matte.node_tree).word == "ready"


@pytest.mark.parametrize("where", ["sh020.blend", "../sh020/comp.blend"])
def test_a_file_saved_under_another_name_solves_into_a_folder_of_its_own(solved: rig.Comp, where: str):
    first, before = folder(solved.matte), digests(folder(solved.matte))
    place = solved.folder / where
    place.parent.mkdir(exist_ok=True)
    solved.save(place)
    assert folder(solved.matte) == first  # until then it shows what it was saved with
    edit(solved.matte)
    solve(solved.matte)
    assert_apart(solved.matte, first, before)
    solve(solved.matte)
    bpy.ops.wm.open_mainfile(filepath=str(solved.folder / "comp.blend"))
    assert folder(the_matte()) == first
    solve(the_matte())
    assert digests(first) == before and folder(the_matte()) == first


def test_check_in_a_copied_file_brings_its_frames_into_a_folder_of_its_own(solved: rig.Comp):
    first, before = folder(solved.matte), digests(folder(solved.matte))
    solved.save(solved.folder / "sh020.blend")
    bpy.ops.seqmatte.check(node=solved.matte.name)
    assert folder(solved.matte) != first
    assert digests(folder(solved.matte)) == digests(first) == before and solved.status.word == "ready"


def test_a_scene_appended_to_another_file_solves_into_a_folder_of_its_own(solved: rig.Comp, tmp_path: Path):
    first, before, name = folder(solved.matte), digests(folder(solved.matte)), solved.scene.name
    matte = brought_into(tmp_path / "sh050" / "comp.blend", solved.folder / "comp.blend", name, link=False)
    edit(matte)
    solve(matte)
    assert_apart(matte, first, before)


def brought_into(blend: Path, source: Path, scene_name: str, link: bool) -> Any:
    """The Matte node of a scene that was appended or linked to a new file; the scene is the window's then."""
    blend.parent.mkdir()
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    with bpy.data.libraries.load(str(source), link=link, relative=True) as (_, wanted):
        wanted.scenes = [scene_name]
    bpy.context.window.scene = wanted.scenes[0]
    return the_matte()


def test_a_project_that_was_moved_renamed_or_copied_goes_on_in_the_folder_it_has(solved: rig.Comp, tmp_path: Path):
    shutil.copytree(solved.folder, tmp_path / "copied")
    for blend in (tmp_path / "copied" / "comp.blend", solved.folder / "comp_v2.blend"):
        if not blend.exists():
            (solved.folder / "comp.blend").rename(blend)
        bpy.ops.wm.open_mainfile(filepath=str(blend))
        place = folder(the_matte())
        assert place.is_relative_to(blend.parent)
        solve(the_matte())
        assert folder(the_matte()) == place


def test_a_folder_that_holds_the_mattes_of_another_node_is_refused_by_solve_and_by_clear(solved: rig.Comp):
    first, before = folder(solved.matte), digests(folder(solved.matte))
    other = solved.add_matte(solved.plate)
    bpy.ops.seqmatte.folder(node=other.name, directory=str(first))
    bpy.ops.seqmatte.key_add(node=other.name)
    other.node_tree.seqmatte.keys[0].source = "MASK"
    edit(other)
    for press in (bpy.ops.seqmatte.solve, bpy.ops.seqmatte.check, bpy.ops.seqmatte.clear):
        said = rig.message_of(lambda press=press: press(node=other.name))
        assert f"{first} holds the mattes of Matte 1 in comp.blend: set another folder" in said
    assert digests(first) == before
    bpy.ops.seqmatte.folder(node=other.name, directory="//other/")
    solve(other)
    assert_apart(other, first, before)


def test_clear_in_a_copied_file_leaves_the_mattes_of_the_first(solved: rig.Comp):
    before = digests(folder(solved.matte))
    solved.save(solved.folder / "sh020.blend")
    assert "in comp.blend" in rig.message_of(lambda: bpy.ops.seqmatte.clear(node=solved.matte.name))
    assert digests(folder(solved.matte)) == before


def test_a_linked_node_reads_the_mattes_of_its_file_and_is_solved_there(solved: rig.Comp, tmp_path: Path):
    first, name = folder(solved.matte), solved.scene.name
    frames = rig.part("seqlink").FrameRange(solved.frames)
    matte = brought_into(tmp_path / "sh060" / "comp.blend", solved.folder / "comp.blend", name, link=True)
    assert folder(matte) == first and rig.part("status").of(matte.node_tree).word == "ready"
    assert rig.part("operators").holes(bpy.context.scene, frames) == []
    said = rig.message_of(lambda: bpy.ops.seqmatte.solve(node=matte.name))
    assert "linked from comp.blend: solve it there, or make it local" in said
    assert not (tmp_path / "sh060" / "seqmatte").exists()


@pytest.mark.parametrize("button", ["range", "key_add", "key_remove", "folder"])
def test_a_linked_node_is_not_changed_where_the_change_would_be_lost(solved: rig.Comp, tmp_path: Path, button: str):
    first, name = folder(solved.matte), solved.scene.name
    matte = brought_into(tmp_path / "sh060" / "comp.blend", solved.folder / "comp.blend", name, link=True)
    options = {"directory": str(tmp_path)} if button == "folder" else {}
    said = rig.message_of(lambda: getattr(bpy.ops.seqmatte, button)(node=matte.name, **options))
    assert "This node is linked from comp.blend: change it there, or make it local." in said
    assert folder(matte) == first and [key.frame for key in matte.node_tree.seqmatte.keys] == [1001]


def test_the_root_of_the_blends_folder_can_be_the_folder_of_results(comp: rig.Comp):
    comp.key(1001, source="MASK", mask=rig.mask("Head", comp.disc(1001)))
    bpy.ops.seqmatte.folder(node=comp.matte.name, directory="//")
    assert folder(comp.matte) == comp.folder
    comp.solve()
    assert folder(comp.matte) == comp.folder and len(comp.digests()) == 5


def test_a_copied_file_is_told_apart_where_the_results_lie_behind_a_link(tmp_path: Path):
    record = rig.part("record")
    disk, project = tmp_path / "large disk" / "results", tmp_path / "project"
    disk.mkdir(parents=True)
    project.mkdir()
    (project / "seqmatte").symlink_to(disk)
    first, copied, results = project / "a.blend", project / "b.blend", str(project / "seqmatte")
    for file in (first, copied):
        file.write_bytes(b"")
    kept = record.Record(uid="1", owner=record.seen_from(results, str(first)))
    assert record.is_anothers(kept, results, str(copied))
    assert not record.is_anothers(kept, results, str(first))
