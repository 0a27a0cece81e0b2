"""The procedural shot: its truth is exact, and the same seed gives the same bytes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from seqlink.params import parse
from seqlink.shot import Colour
from seqmatte import exr, sample, shot_file
from seqmatte.colour import resolve
from seqmatte.contact_sheet import Shown, write_contact_sheet
from seqmatte.errors import OutputError, ShotError
from seqmatte.layer import Header
from seqmatte.sample_scene import Params, Scene

SMALL = {"width": 160, "height": 90, "frames": 4, "first": 11}


@pytest.mark.parametrize("extras", [{}, {"lookalike": True, "occluder": True}, {"lights": False, "space": "Rec.709"}])
def test_the_plate_is_the_truth_over_a_background_that_does_not_depend_on_it(extras):
    scene = Scene(parse(Params, {**SMALL, "grain": 0.0, **extras}))
    for index in (0, 20):
        plate, truth = scene.frame(index)
        alpha = truth[:, :, 3:]
        assert 0 <= alpha.min() < alpha.max() <= 1
        behind = plate - truth[:, :, :3]
        assert behind.min() > -1e-5
        assert np.abs(behind[alpha[:, :, 0] > 0.99999]).max() < 1e-3


def test_soft_and_hairy_edges_motion_and_bright_lights_are_in_it():
    scene = Scene(parse(Params, {"width": 320, "height": 180}))
    plate, truth = scene.frame(3)
    alpha = truth[:, :, 3]
    assert plate.max() > 2
    assert 0.02 < ((alpha > 0.02) & (alpha < 0.98)).mean() < 0.3
    assert np.abs(scene.frame(9)[1][:, :, 3] - alpha).mean() > 0.02


def test_an_occluder_takes_the_subject_away_where_it_passes():
    bare = Scene(parse(Params, {**SMALL, "grain": 0}))
    hidden = Scene(parse(Params, {**SMALL, "grain": 0, "occluder": True}))
    covered = [bare.frame(index)[1][:, :, 3].sum() - hidden.frame(index)[1][:, :, 3].sum() for index in range(0, 40, 5)]
    assert max(covered) > 200
    assert min(covered) >= 0


def test_a_lookalike_changes_the_plate_and_not_the_truth():
    bare = Scene(parse(Params, {**SMALL, "grain": 0})).frame(0)
    doubled = Scene(parse(Params, {**SMALL, "grain": 0, "lookalike": True})).frame(0)
    assert np.array_equal(bare[1], doubled[1])
    assert (np.abs(bare[0] - doubled[0]) > 0.05).mean() > 0.05


def test_a_written_shot_is_complete_and_repeatable(tmp_path):
    params = parse(Params, SMALL)
    told = []
    shot = sample.write_sample(tmp_path / "a", params, guided=(12, 14), done=lambda *count: told.append(count))
    sample.write_sample(tmp_path / "b", params, guided=(12, 14))
    names = sorted(path.name for path in (tmp_path / "a").glob("*.exr"))
    assert 4 + 4 + 2 + 2 == len(names)
    assert all((tmp_path / "a" / n).read_bytes() == (tmp_path / "b" / n).read_bytes() for n in names)
    assert [(1, 4), (2, 4), (3, 4), (4, 4)] == told
    assert shot == shot_file.read(tmp_path / "a" / "shot.json")
    assert "11-14" == str(shot.frames) == str(shot.plate.frames())
    assert (12, 14) == tuple(guide.frame for guide in shot.guides)


def test_guides_agree_with_the_truth(tmp_path):
    sample.write_sample(tmp_path, parse(Params, {**SMALL, "width": 320, "height": 180}))
    alpha = exr.read(tmp_path / "truth.0011.exr", ["A"])["A"]
    trimap = exr.read(tmp_path / "trimap.0011.exr")["A"]
    assert {0.0, 0.5, 1.0} == set(np.unique(trimap))
    assert (alpha[trimap == 0] <= 0.001).all()
    assert (alpha[trimap == 1] >= 0.999).all()
    mask = exr.read(tmp_path / "mask.0011.exr")["A"]
    body = alpha > 0.5
    assert (body & (mask > 0.5)).sum() / (body | (mask > 0.5)).sum() > 0.85


@pytest.mark.parametrize(("space", "tag"), [("ACEScg", "lin_ap1_scene"), ("Rec.709", "lin_rec709_scene")])
def test_the_colour_space_is_in_the_files(tmp_path, space, tag):
    sample.write_sample(tmp_path, parse(Params, {**SMALL, "frames": 1, "space": space}))
    assert ("string", tag) == exr.read_header(tmp_path / "plate.0011.exr").attributes["colorInteropID"]


def test_a_contact_sheet_shows_three_rows_in_display_light(tmp_path):
    sample.write_sample(tmp_path, parse(Params, SMALL))
    shown = [
        Shown(frame, exr.read(tmp_path / f"plate.{frame:04d}.exr"), exr.read(tmp_path / f"truth.{frame:04d}.exr"))
        for frame in (11, 14)
    ]
    colour = resolve(Colour(space="ACEScg"), Header.of_size(1, 1))
    write_contact_sheet(tmp_path / "sheet.png", shown, colour, width=400)
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    height, width = sheet.shape[:2]
    assert 380 <= width <= 400
    plate, alpha, comp = np.array_split(sheet[: height - 6], 3)
    assert np.ptp(alpha[24:].astype(int), axis=2).max() == 0
    assert np.ptp(plate[24:].astype(int), axis=2).max() > 20
    corner = comp[26:40, 8:22].reshape(-1, 3)
    assert 2 == len(np.unique(corner, axis=0))
    with pytest.raises(OutputError, match="contact sheet cannot be written"):
        write_contact_sheet(tmp_path / "nowhere" / "sheet.png", shown, colour)


def test_a_guide_outside_the_shot_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ShotError, match="no guide can lie on 1: the shot's frames are 11-14"):
        sample.write_sample(tmp_path / "shot", parse(Params, SMALL), guided=(1, 12))
    assert not (tmp_path / "shot").exists()


def test_a_shorter_sample_leaves_nothing_of_the_longer_one_before_it(tmp_path):
    sample.write_sample(tmp_path, parse(Params, SMALL), guided=(12, 14))
    shot = sample.write_sample(tmp_path, parse(Params, {**SMALL, "frames": 2}))
    assert str(shot.plate.frames()) == "11-12"
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [
        *("mask.0011.exr", "plate.0011.exr", "plate.0012.exr", "shot.json"),
        *("trimap.0011.exr", "truth.0011.exr", "truth.0012.exr"),
    ]


def test_a_sample_does_not_go_among_the_frames_of_a_plate_that_is_none(tmp_path):
    (tmp_path / "plate.0020.exr").write_bytes(b"an artist's")
    with pytest.raises(OutputError, match="frames 20 of another plate"):
        sample.write_sample(tmp_path, parse(Params, SMALL))
    assert [path.name for path in tmp_path.iterdir()] == ["plate.0020.exr"]


@pytest.mark.parametrize("name", ["plate.0012.exr", "mask.0011.exr", "trimap.0011.exr", "shot.json"])
def test_a_sample_is_never_written_over_what_an_artist_has_there(tmp_path, name):
    (tmp_path / name).write_bytes(b"an artist's")
    with pytest.raises(OutputError, match=r"another .*: give the sample a folder of its own"):
        sample.write_sample(tmp_path, parse(Params, SMALL))
    assert [b"an artist's"] == [path.read_bytes() for path in tmp_path.iterdir()]


def test_a_sample_that_was_stopped_is_written_anew(tmp_path):
    def stop(_count, _total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sample.write_sample(tmp_path, parse(Params, SMALL), done=stop)
    assert "11-14" == str(sample.write_sample(tmp_path, parse(Params, SMALL)).plate.frames())


def test_a_sample_with_negative_frames_is_found_by_its_document(tmp_path):
    shot = sample.write_sample(tmp_path, parse(Params, {**SMALL, "first": -2, "frames": 3}))
    assert shot.plate.frames() == shot.frames
    assert [guide.path for guide in shot.guides] == [str(tmp_path / "mask.-0002.exr")]
