"""Wrong files get a sentence that names file, frame or field. All files here are real."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest

from seqlink.frames import FramePath
from seqlink.shot import Colour, Guide
from seqmatte.errors import ColourError, GuideError, PlateError
from seqmatte.layer import Header
from seqmatte.plate_files import read_plate
from seqmatte.source import Source
from shots import random_picture, write_picture, write_tiny_shot, write_with_oiio

pytestmark = pytest.mark.usefixtures("no_studio_config")


def spoiled(path, how):
    content = Path(path).read_bytes()
    changed = {
        "missing": None,
        "zero bytes": b"",
        "garbage": os.urandom(4000),
        "text": b"this is not a picture\n" * 40,
        "cut in its header": content[:100],
        "cut in its pixels": content[: len(content) * 2 // 3],
        "cut at its last byte": content[:-40],
    }[how]
    os.unlink(path)
    if changed is not None:
        Path(path).write_bytes(changed)


BROKEN = {
    "missing": "missing",
    "zero bytes": r"empty \(0 bytes\)",
    "garbage": "not a readable picture",
    "text": "not a readable picture",
    "cut in its header": "not a readable picture",
    "cut in its pixels": "cut short or damaged",
    "cut at its last byte": "cut short or damaged",
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_spoiled_frame_is_named_with_its_file_and_its_fault(tiny_shot, digests, how):
    path = tiny_shot.plate.path(5)
    spoiled(path, how)
    reader = Source(tiny_shot.shot(), digests)
    with pytest.raises(PlateError, match=BROKEN[how]) as caught:
        reader.layer("plate", 5, "scene")
    assert 5 == caught.value.frame
    assert path == caught.value.path
    assert "frame 5" in str(caught.value)
    assert path in str(caught.value)


@pytest.mark.parametrize("how", BROKEN)
def test_the_other_frames_of_a_shot_with_a_spoiled_one_stay_good(tiny_shot, digests, how):
    spoiled(tiny_shot.plate.path(5), how)
    reader = Source(tiny_shot.shot(), digests)
    assert reader.layer("plate", 4, "encoded") is not None
    assert reader.layer("plate", 6, "scene") is not None


@pytest.mark.parametrize("how", BROKEN)
def test_a_frame_that_is_mended_is_read(tiny_shot, digests, how):
    path = tiny_shot.plate.path(5)
    good = Path(path).read_bytes()
    spoiled(path, how)
    reader = Source(tiny_shot.shot(), digests)
    with pytest.raises(PlateError):
        reader.layer("plate", 5, "scene")
    Path(path).write_bytes(good)
    assert Source(tiny_shot.shot(), digests).layer("plate", 5, "scene") is not None


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.dpx"])
def test_cut_files_of_other_formats_are_refused_too(tmp_path, digests, name):

    for frame in (1, 2):
        write_with_oiio(tmp_path / f"p.{frame:04d}{name[1:]}", random_picture(64, 64, 3), oiio.UINT16)
    path = tmp_path / f"p.0002{name[1:]}"
    path.write_bytes(path.read_bytes()[:9000])
    tiny = write_tiny_shot(tmp_path / "tiny", width=64, height=64, count=2)
    shot = tiny.shot(plate=FramePath(tmp_path / f"p.####{name[1:]}"), colour=Colour(space="srgb_tx"))
    reader = Source(shot, digests)
    assert reader.layer("plate", 1, "scene") is not None
    with pytest.raises(PlateError, match=r"p\.0002"):
        reader.layer("plate", 2, "scene")


def test_random_damage_never_gets_past_as_anything_but_a_plate_error(tmp_path):
    tiny = write_tiny_shot(tmp_path / "tiny", count=1, grain=0.1)
    good, path = Path(tiny.plate.path(1)).read_bytes(), tmp_path / "damaged.exr"
    random, refused = np.random.default_rng(5), 0
    for _ in range(150):
        damaged = bytearray(good)
        for place in random.integers(0, 700, int(random.choice([1, 5, 20]))):
            damaged[place] = random.integers(0, 256)
        path.write_bytes(damaged)
        try:
            read_plate(path, frame=1)
        except PlateError as error:
            assert str(path) in str(error)
            refused += 1
    assert refused > 50


def test_gaps_in_the_plate_are_listed_as_ranges_before_computing(tiny_shot, digests):
    for frame in (3, 7, 8, 9):
        os.unlink(tiny_shot.plate.path(frame))
    with pytest.raises(PlateError, match=r"the plate has no frames 3,7-9; on disk are 1-2,4-6,10-12"):
        Source(tiny_shot.shot(), digests).check()


def test_a_plate_that_is_not_there_at_all_says_what_is(tiny_shot, digests):
    wrong = FramePath(tiny_shot.folder / "plate.%06d.exr")
    with pytest.raises(PlateError, match=r"has no frames 1-12; in the folder are .*plate\.0001\.exr"):
        Source(tiny_shot.shot(plate=wrong), digests).check()
    nowhere = FramePath(tiny_shot.folder / "nowhere" / "plate.####.exr")
    with pytest.raises(PlateError, match=r"the folder .*nowhere does not exist"):
        Source(tiny_shot.shot(plate=nowhere), digests).check()


def test_an_empty_frame_is_found_before_computing(tiny_shot, digests):
    spoiled(tiny_shot.plate.path(9), "zero bytes")
    with pytest.raises(PlateError, match=r"empty \(0 bytes\)") as caught:
        Source(tiny_shot.shot(), digests).check()
    assert 9 == caught.value.frame


def test_a_gap_in_the_clean_plate_is_named_as_such(tiny_shot, digests):
    for frame in (1, 2):
        shutil.copy(tiny_shot.plate.path(frame), tiny_shot.folder / f"clean.{frame:04d}.exr")
    with pytest.raises(PlateError, match="the clean plate has no frames 3-12"):
        Source(tiny_shot.shot(clean=FramePath(tiny_shot.folder / "clean.####.exr")), digests).check()


def test_a_size_that_changes_within_the_shot_names_both(tiny_shot, digests):
    write_picture(Path(tiny_shot.plate.path(6)), np.zeros((40, 60, 3)), ("R", "G", "B"), Header.of_size(60, 40))
    with pytest.raises(PlateError, match="frame 6 is 60 x 40, but the shot's first frame 1 is 64 x 48"):
        Source(tiny_shot.shot(), digests).layer("plate", 6, "scene")


def test_a_size_that_changes_is_found_before_computing_in_the_clean_plate_too(tiny_shot, digests):
    small = Header.of_size(60, 40)
    clean = FramePath(tiny_shot.folder / "clean.####.exr")
    for frame in tiny_shot.frames:
        shutil.copy(tiny_shot.plate.path(frame), clean.path(frame))
    shot = tiny_shot.shot(clean=clean)
    Source(shot, digests).check()
    for pattern, frame in ((clean, 5), (tiny_shot.plate, 4)):
        write_picture(Path(pattern.path(frame)), np.zeros((40, 60, 3)), ("R", "G", "B"), small)
        with pytest.raises(PlateError, match=f"frame {frame} is 60 x 40, but the shot's first frame 1 is 64 x 48"):
            Source(shot, digests).check()


@pytest.mark.parametrize("how", ["garbage", "text", "cut in its header"])
def test_a_file_that_is_no_picture_is_found_before_computing(tiny_shot, digests, how):
    spoiled(tiny_shot.plate.path(9), how)
    with pytest.raises(PlateError, match=r"not a readable picture.*plate\.0009\.exr") as caught:
        Source(tiny_shot.shot(), digests).check()
    assert 9 == caught.value.frame


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("kind", ["mask", "trimap"])
def test_a_spoiled_guide_is_named_with_its_frame(tiny_shot, digests, how, kind):
    shot = tiny_shot.shot(4, kind=kind)
    spoiled(shot.guides[0].path, how)
    with pytest.raises(GuideError, match=BROKEN[how]) as caught:
        Source(shot, digests).check()
    assert 4 == caught.value.frame
    assert shot.guides[0].path == caught.value.path


def test_a_mask_of_another_size_names_both_sizes(tiny_shot, digests):
    shot = tiny_shot.shot(4)
    write_picture(Path(shot.guides[0].path), np.ones((30, 40, 1)), ("A",))
    with pytest.raises(GuideError, match=r"the mask is 40 x 30, the plate 64 x 48; draw it .* \(frame 4, "):
        Source(shot, digests).check()


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("mask", 0, "empty .*; draw the subject, or take the guide away"),
        ("mask", 1, "full .*; leave some background, or take the guide away"),
        ("trimap", 0, "empty"),
        ("trimap", 1, "full"),
        ("trimap", 0.5, "unknown everywhere"),
        ("alpha", 0, "empty"),
        ("alpha", 1, "full"),
    ],
)
def test_a_guide_that_says_nothing_is_refused(tiny_shot, digests, kind, value, said):
    shot = tiny_shot.shot(4, kind=kind)
    write_picture(Path(shot.guides[0].path), np.full((48, 64, 1), value), ("A",))
    with pytest.raises(GuideError, match=rf"the {kind} is {said}.*frame 4"):
        Source(shot, digests).check()


def test_a_mask_drawn_wholly_outside_the_plate_is_empty(tiny_shot, digests):
    header = Header((200, 10, 8, 8), (0, 0, 64, 48))
    write_picture(tiny_shot.folder / "m.exr", np.ones((8, 8, 1)), ("A",), header)
    shot = tiny_shot.shot().replace(guides=(Guide(2, str(tiny_shot.folder / "m.exr")),))
    with pytest.raises(GuideError, match="empty"):
        Source(shot, digests).check()


def test_a_mask_in_whole_numbers_is_a_mask(tiny_shot, digests):
    spec = oiio.ImageSpec(64, 48, 1, oiio.UINT)
    spec.channelnames = ("A",)
    out = oiio.ImageOutput.create("openexr")
    assert out.open(str(tiny_shot.folder / "m.exr"), spec)
    drawn = (tiny_shot.alpha[2] > 0.5)[:, :, None]
    assert out.write_image(drawn.astype(np.uint32))
    assert out.close()
    shot = tiny_shot.shot().replace(guides=(Guide(2, str(tiny_shot.folder / "m.exr")),))
    reader = Source(shot, digests)
    reader.check()
    assert np.array_equal(reader.layer("guide", 2).pixels[:, :, 0], drawn[:, :, 0])


def test_an_unknown_colour_space_names_the_field(tiny_shot, digests):
    with pytest.raises(ColourError, match=r"colour space 'LogC9' is not in config .*field colour\.space"):
        Source(tiny_shot.shot(colour=Colour(space="LogC9")), digests).check()


def test_paths_with_spaces_and_letters_of_any_script_work(tmp_path, digests):
    tiny = write_tiny_shot(tmp_path / "Grün ✓ シ 01 (v2) [b] #3")
    reader = Source(tiny.shot(3), digests)
    reader.check()
    assert reader.layer("plate", 2, "encoded") is not None
    spoiled(tiny.plate.path(4), "cut in its pixels")
    with pytest.raises(PlateError, match="Grün ✓ シ 01"):
        reader.layer("plate", 4, "scene")


def test_a_plate_that_changes_after_its_key_was_made_is_refused(tiny_shot, digests):
    reader = Source(tiny_shot.shot(), digests)
    reader.key("plate", 5, "scene")
    shutil.copy(tiny_shot.plate.path(6), tiny_shot.plate.path(5))
    with pytest.raises(PlateError, match=r"changed while it was used; run again .*frame 5"):
        reader.layer("plate", 5, "scene")
    assert Source(tiny_shot.shot(), digests).layer("plate", 5, "scene") is not None


def test_a_plate_rewritten_over_and_over_never_gives_pixels_of_another_key(tiny_shot, digests):
    path, stop = tiny_shot.plate.path(5), threading.Event()
    versions = [Path(tiny_shot.plate.path(frame)).read_bytes() for frame in (5, 6)]
    known = {}
    for frame in (5, 6):
        reader = Source(tiny_shot.shot(), digests)
        known[reader.key("plate", frame, "scene")] = reader.layer("plate", frame, "scene").pixels

    def rewrite():
        turn = 0
        while not stop.is_set():
            turn += 1
            Path(path + ".new").write_bytes(versions[turn % 2])
            # Each writing has a time of its own, as any two do on a disk; this loop is faster than a clock's tick.
            os.utime(path + ".new", ns=(turn, turn))
            os.replace(path + ".new", path)

    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        outcomes = [asked(Source(tiny_shot.shot(), digests)) for _ in range(60)]
    finally:
        stop.set()
        writer.join()
    given = [outcome for outcome in outcomes if outcome is not None]
    assert all(np.array_equal(known[key], pixels) for key, pixels in given)
    assert len(outcomes) == 60


def asked(reader):
    """(key, pixels) of frame 5, None where it was refused because it changed."""
    try:
        return reader.key("plate", 5, "scene"), reader.layer("plate", 5, "scene").pixels
    except PlateError as error:
        assert "changed" in error.message
        return None


def test_broken_values_in_a_plate_are_counted_and_healed_for_algorithms(tiny_shot, digests):
    pixels = tiny_shot.composite(5)
    pixels[10, 10] = np.nan
    pixels[20, 20, 0] = np.inf

    write_with_oiio(tiny_shot.plate.path(5), pixels, oiio.HALF, colorInteropID="lin_rec709_scene")
    reader = Source(tiny_shot.shot(), digests)
    for space in ("scene", "encoded"):
        plate = reader.layer("plate", 5, space)
        assert (3, 1) == (plate.facts["nan"], plate.facts["inf"])
        assert np.isfinite(plate.pixels).all()
