"""The plate, clean and guide layers of a shot, and the keys they go under."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest

from seqlink.frames import FramePath, FrameRange
from seqlink.shot import Colour, Guide
from seqmatte import exr, plate_files
from seqmatte.encoding import Encoding
from seqmatte.errors import ColourError, GuideError, PlateError, ShotError
from seqmatte.source import Source
from shots import guide_pixels, write_picture, write_tiny_shot, write_with_oiio

pytestmark = pytest.mark.usefixtures("no_studio_config")


def test_a_linear_plate_arrives_bit_for_bit_with_its_header(tiny_shot, digests):
    reader = Source(tiny_shot.shot(), digests)
    plate = reader.layer("plate", 5, "scene")
    stored = exr.read(tiny_shot.plate.path(5), ["R", "G", "B"])
    assert np.array_equal(stored.pixels, plate.pixels)
    assert stored.header == plate.header
    assert {"nan": 0, "inf": 0} == dict(plate.facts)


def test_the_encoded_plate_is_the_encoding_of_linear_rec709(tmp_path, digests):
    tiny = write_tiny_shot(tmp_path / "hdr", gain=8, tag="lin_ap1_scene")
    reader = Source(tiny.shot(colour=Colour(encoding="0,0.5,16")), digests)
    scene, encoded = reader.layer("plate", 3, "scene"), reader.layer("plate", 3, "encoded")
    back = Encoding(0, 0.5, 16).decode(encoded.pixels)
    light = reader.colour.to_rec709(scene.pixels)
    assert np.allclose(np.maximum(light, -0.02), back, rtol=1e-5, atol=1e-6)
    assert ("R", "G", "B") == encoded.channels


def test_the_encoding_is_one_for_the_shot_and_follows_its_light(tmp_path, digests):
    ordinary = Source(write_tiny_shot(tmp_path / "a").shot(), digests)
    assert Encoding() == ordinary.encoding
    hot = write_tiny_shot(tmp_path / "b")
    for frame in hot.frames:
        lit = hot.composite(frame)
        lit[:4, :4] = 6.0
        write_picture(Path(hot.plate.path(frame)), lit, ("R", "G", "B"), hot.header)
    assert Encoding(0, 0.5, 8) == Source(hot.shot(), digests).encoding


def test_a_told_encoding_is_taken_and_nonsense_names_the_field(tiny_shot, digests):
    assert Encoding(1, 0.5, 4) == Source(tiny_shot.shot(colour=Colour(encoding="1,0.5,4")), digests).encoding
    with pytest.raises(ShotError, match=r"ev,knee,top.*colour\.encoding"):
        _ = Source(tiny_shot.shot(colour=Colour(encoding="filmic")), digests).encoding


def test_the_guide_is_there_on_its_frame_only_and_named_by_its_kind(tiny_shot, digests):
    reader = Source(tiny_shot.shot(4, 9, kind="alpha"), digests)
    assert ("alpha",) == reader.layer("guide", 4).channels
    assert np.array_equal(tiny_shot.alpha[9], reader.layer("guide", 9)["alpha"])
    assert reader.layer("guide", 5) is None
    assert "none" == reader.key("guide", 5)


def test_each_subject_has_its_own_guides(tiny_shot, digests):
    guides = (tiny_shot.guide(2), Guide(7, tiny_shot.guide(7).path, "mask", "shadow"))
    shot = replace(tiny_shot.shot(), guides=guides)
    assert Source(shot, digests, "shadow").layer("guide", 2) is None
    assert Source(shot, digests, "shadow").layer("guide", 7) is not None
    assert Source(shot, digests).layer("guide", 7) is None


def test_a_shot_without_clean_plate_has_none_and_a_still_serves_every_frame(tiny_shot, digests):
    assert Source(tiny_shot.shot(), digests).layer("clean", 3, "scene") is None
    still = tiny_shot.folder / "clean.exr"
    write_picture(still, tiny_shot.background[1], ("R", "G", "B"), tiny_shot.header)
    reader = Source(tiny_shot.shot(clean=FramePath(still)), digests)
    reader.check()
    assert np.array_equal(reader.layer("clean", 3, "scene").pixels, reader.layer("clean", 9, "scene").pixels)
    assert reader.key("clean", 3, "scene") == reader.key("clean", 9, "scene")


def test_keys_follow_content_space_and_transforms(tiny_shot, digests):
    shot = tiny_shot.shot(1)
    reader = Source(shot, digests)
    keys = [reader.key("plate", 1, "scene"), reader.key("plate", 2, "scene"), reader.key("plate", 1, "encoded")]
    keys += [reader.key("guide", 1), Source(tiny_shot.shot(1, kind="alpha"), digests).key("guide", 1)]
    for other in (Colour(space="ACEScg"), Colour(config="ocio://cg-config-v1.0.0_aces-v1.3_ocio-v2.1")):
        keys.append(Source(shot.replace(colour=other), digests).key("plate", 1, "scene"))
    keys.append(Source(shot.replace(colour=Colour(encoding="1,0.5,8")), digests).key("plate", 1, "encoded"))
    assert len(keys) == len(set(keys))
    again = Source(shot, digests)
    assert keys[:2] == [again.key("plate", 1, "scene"), again.key("plate", 2, "scene")]
    assert keys[2:4] == [again.key("plate", 1, "encoded"), again.key("guide", 1)]


def test_a_file_moved_elsewhere_keeps_its_key(tiny_shot, tmp_path, digests):
    before = Source(tiny_shot.shot(1), digests).key("plate", 4, "encoded")
    moved = tmp_path / "elsewhere"
    os.rename(tiny_shot.folder, moved)
    elsewhere = replace(tiny_shot, folder=moved, plate=FramePath(moved / "plate.####.exr"))
    assert before == Source(elsewhere.shot(1), digests).key("plate", 4, "encoded")


def test_a_layer_chosen_in_the_plate_changes_pixels_and_key(tiny_shot, digests):
    for frame in tiny_shot.frames:
        both = np.concatenate([tiny_shot.foreground[frame], tiny_shot.background[frame]], axis=2)
        names = ("R", "G", "B", "bg.R", "bg.G", "bg.B")
        write_picture(Path(tiny_shot.plate.path(frame)), both, names, tiny_shot.header, half=())
    plain, layered = Source(tiny_shot.shot(), digests), Source(tiny_shot.shot(layer="bg"), digests)
    assert np.array_equal(tiny_shot.background[6], layered.layer("plate", 6, "scene").pixels)
    assert plain.key("plate", 6, "scene") != layered.key("plate", 6, "scene")


def test_a_log_plate_is_delivered_and_tagged_scene_linear(tiny_shot, digests):
    shot = tiny_shot.shot(colour=Colour(space="ARRI LogC3 (EI800)"))
    plate = Source(shot, digests).layer("plate", 2, "scene")
    assert ("string", "lin_ap1_scene") == plate.header.attributes["colorInteropID"]
    stored = exr.read(tiny_shot.plate.path(2), ["R", "G", "B"]).pixels
    assert plate.pixels.max() > stored.max()


@pytest.mark.parametrize("space", ["ACEScg", "ARRI LogC3 (EI800)"])
def test_a_plates_own_alpha_comes_along_untouched(tiny_shot, digests, space):
    for frame in tiny_shot.frames:
        rgba = np.concatenate([tiny_shot.composite(frame), tiny_shot.alpha[frame][:, :, None]], axis=2)
        write_picture(Path(tiny_shot.plate.path(frame)), rgba, ("R", "G", "B", "A"), tiny_shot.header, half=())
    reader = Source(tiny_shot.shot(colour=Colour(space=space)), digests)
    plate = reader.layer("plate", 3, "scene")
    assert np.array_equal(tiny_shot.alpha[3], plate["A"])
    same = np.array_equal(tiny_shot.composite(3).astype(np.float32), plate.pixels[:, :, :3])
    assert (space == "ACEScg") == same
    assert ("R", "G", "B") == reader.layer("plate", 3, "encoded").channels


def test_eight_bit_trimaps_are_snapped_and_soft_ones_refused(tiny_shot, digests):
    shot = tiny_shot.shot(1, kind="trimap")
    path = Path(shot.guides[0].path)
    trimap = guide_pixels(tiny_shot.alpha[1], "trimap")
    write_picture(path, np.where(trimap == 0.5, 128 / 255, trimap)[:, :, None], ("A",), half=())
    assert {0.0, 0.5, 1.0} == set(np.unique(Source(shot, digests).layer("guide", 1).pixels))
    write_picture(path, np.where(trimap == 0.5, 0.214, trimap)[:, :, None], ("A",), half=())
    with pytest.raises(GuideError, match=r"neither 0, 0\.5 nor 1, such as 0\.214"):
        Source(shot, digests).layer("guide", 1)


def test_an_untagged_plate_is_asked_about_before_anything_is_computed(tmp_path, digests):
    tiny = write_tiny_shot(tmp_path / "untagged", tag="")
    with pytest.raises(ColourError, match="--colour"):
        Source(tiny.shot(), digests).check()
    Source(tiny.shot(colour=Colour(space="lin_rec709")), digests).check()


def test_a_shot_that_is_right_passes_its_check(tiny_shot, digests):
    Source(tiny_shot.shot(3, 8), digests).check()
    Source(tiny_shot.shot(4, frames=FrameRange(range(2, 7))), digests).check()


def test_a_frame_tagged_as_another_space_than_the_first_is_refused_unless_the_space_is_told(tmp_path, digests):
    tiny = write_tiny_shot(tmp_path, count=3)
    other = replace(tiny.header, attributes={"colorInteropID": ("string", "lin_ap1_scene")})
    write_picture(tiny.plate.path(2), exr.read(tiny.plate.path(2)).pixels, ("R", "G", "B"), other)
    with pytest.raises(PlateError, match=r"frame 2 says colorInteropID lin_ap1_scene.*lin_rec709_scene.*--colour"):
        Source(tiny.shot(), digests).layer("plate", 2, "scene")
    told = tiny.shot().replace(colour=Colour(space="lin_rec709_scene"))
    assert Source(told, digests).layer("plate", 2, "scene") is not None


def test_primaries_that_another_program_rounded_are_the_same(tmp_path, digests):
    rec709 = (0.64, 0.33, 0.3, 0.6, 0.15, 0.06, 0.3127, 0.329)
    tiny = write_tiny_shot(tmp_path, count=3, tag="")
    for frame, shift in ((1, 0.0), (2, 1e-5), (3, 0.05)):
        tagged = replace(tiny.header, attributes={"chromaticities": ("float[8]", tuple(x + shift for x in rec709))})
        write_picture(tiny.plate.path(frame), exr.read(tiny.plate.path(frame)).pixels, ("R", "G", "B"), tagged)
    reader = Source(tiny.shot().replace(colour=Colour(encoding="0,1,1")), digests)
    assert reader.layer("plate", 2, "scene") is not None
    with pytest.raises(PlateError, match="frame 3 says chromaticities"):
        reader.layer("plate", 3, "scene")


def test_light_at_the_end_of_float_is_kept_and_what_algorithms_see_is_finite(tmp_path, digests):
    tiny = write_tiny_shot(tmp_path, count=2, tag="lin_ap1_scene")
    pixels = exr.read(tiny.plate.path(1)).pixels.copy()
    pixels[5, 5], pixels[6, 6] = (3e38, -3e38, 3e38), (-3e38, 3e38, 0)
    write_picture(tiny.plate.path(1), pixels, ("R", "G", "B"), tiny.header, half=())
    reader = Source(tiny.shot(), digests)
    assert reader.layer("plate", 1, "scene").pixels[5, 5, 0] == np.float32(3e38)
    assert np.isfinite(reader.layer("plate", 1, "encoded").pixels).all()


def test_a_mask_that_is_nowhere_opaque_is_refused(tiny_shot, digests):
    weak = tiny_shot.folder / "weak.exr"
    write_picture(weak, 0.4 * exr.read(tiny_shot.guide(1).path).pixels[:, :, :1], ("A",), tiny_shot.header, half=())
    shot = tiny_shot.shot().replace(guides=(Guide(1, str(weak)),))
    with pytest.raises(GuideError, match=r"nowhere above 0\.5 \(its most is 0\.4\)"):
        Source(shot, digests).layer("guide", 1)


def test_a_guide_whose_alpha_is_broken_is_told_of_and_no_other_channel_stands_in(tiny_shot, digests):
    guide = tiny_shot.guide(4, "alpha")
    values = np.repeat(exr.read(guide.path).pixels, 4, axis=2)
    values[3, 5, 3] = np.nan
    write_with_oiio(guide.path, values, oiio.FLOAT, ("R", "G", "B", "A"))
    with pytest.raises(GuideError, match="1 values that are not finite"):
        Source(tiny_shot.shot().replace(guides=(guide,)), digests).layer("guide", 4)


def test_a_file_that_is_written_again_with_its_time_put_back_is_another(tmp_path, digests):
    path, long_ago = tmp_path / "plate.dpx", (1_600_000_000, 1_600_000_000)
    path.write_bytes(b"one" * 100)
    os.utime(path, long_ago)
    before = digests.of(path)
    with path.open("r+b") as stream:
        stream.write(b"two" * 100)
    os.utime(path, long_ago)
    assert digests.of(path) != before


def test_a_link_made_to_a_plate_while_it_is_read_is_no_change(tiny_shot, tmp_path, digests, monkeypatch):
    read = plate_files.read_plate

    def linked(path, **more):
        os.link(path, tmp_path / "backup.exr")
        return read(path, **more)

    monkeypatch.setattr(plate_files, "read_plate", linked)
    assert Source(tiny_shot.shot(), digests).layer("plate", 5, "scene") is not None


def test_only_what_is_looked_at_is_checked_of_the_clean_plate_and_the_guides(tiny_shot, digests):
    for frame in (1, 2):
        exr.write(tiny_shot.folder / f"clean.{frame:04d}.exr", exr.read(tiny_shot.plate.path(frame)))
    shot = tiny_shot.shot(1, 12, clean=FramePath(tiny_shot.folder / "clean.####.exr"))
    os.unlink(shot.guides[1].path)
    Source(shot, digests).check({"plate": (1, 2, 3), "clean": (1, 2), "guide": (1, 2)})
    with pytest.raises(PlateError, match="the clean plate has no frame"):
        Source(shot, digests).check({"plate": (1, 2, 3), "clean": (1, 2, 3), "guide": (1, 2)})
    with pytest.raises(GuideError):
        Source(shot, digests).check({"plate": (1,), "clean": (1,), "guide": (12,)})
