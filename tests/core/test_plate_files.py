"""Plate frames and guides of every layout that artists have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import OpenImageIO as oiio
import pytest

from seqmatte import plate_files
from seqmatte.errors import GuideError, PlateError
from seqmatte.healing import heal
from seqmatte.layer import Header
from shots import random_picture as picture
from shots import write_picture, write_with_oiio


def write_parts(path, parts):
    """parts: (name, channels, pixels) each."""
    specs = []
    for name, channels, pixels in parts:
        spec = oiio.ImageSpec(pixels.shape[1], pixels.shape[0], pixels.shape[2], oiio.FLOAT)
        spec.channelnames = channels
        spec.attribute("name", name)
        specs.append(spec)
    out = oiio.ImageOutput.create(str(path))
    assert out.open(str(path), specs)
    for index, (_, _, pixels) in enumerate(parts):
        assert index == 0 or out.open(str(path), specs[index], "AppendSubimage")
        assert out.write_image(pixels)
    assert out.close()


def test_colour_is_taken_out_of_a_file_of_many_layers(tmp_path):
    pixels = picture(5, 8, 9)
    channels = ("fg.B", "R", "depth.Z", "A", "fg.R", "B", "G", "fg.G", "fg.A")
    write_picture(tmp_path / "a.exr", pixels, channels, half=())
    plain = plate_files.read_plate(tmp_path / "a.exr")
    assert ("R", "G", "B", "A") == plain.channels
    assert np.array_equal(pixels[:, :, [1, 6, 5, 3]], plain.pixels)
    fg = plate_files.read_plate(tmp_path / "a.exr", layer="fg")
    assert np.array_equal(pixels[:, :, [4, 7, 0, 8]], fg.pixels)


def test_a_part_is_taken_by_its_name(tmp_path):
    beauty, fg = picture(5, 8, 3), picture(5, 8, 3, seed=1)
    write_parts(tmp_path / "a.exr", [("beauty", ("R", "G", "B"), beauty), ("fg", ("R", "G", "B"), fg)])
    assert np.array_equal(beauty, plate_files.read_plate(tmp_path / "a.exr").pixels)
    assert np.array_equal(fg, plate_files.read_plate(tmp_path / "a.exr", layer="fg").pixels)


def test_the_first_part_with_colour_is_the_plate_even_where_a_later_one_has_an_alpha_too(tmp_path):
    beauty, diffuse = picture(5, 8, 3), picture(5, 8, 4, seed=1)
    write_parts(tmp_path / "a.exr", [("rgb", ("R", "G", "B"), beauty), ("diffuse", ("R", "G", "B", "A"), diffuse)])
    plate = plate_files.read_plate(tmp_path / "a.exr")
    assert ("R", "G", "B") == plate.channels
    assert np.array_equal(beauty, plate.pixels)


def test_each_of_two_views_in_one_part_is_taken_by_its_name(tmp_path):
    names = ("R", "G", "B", "left.R", "left.G", "left.B")
    both = picture(5, 8, 6)
    spec = oiio.ImageSpec(8, 5, 6, oiio.FLOAT)
    spec.channelnames = names
    spec.attribute("multiView", oiio.TypeDesc("string[2]"), ("right", "left"))
    out = oiio.ImageOutput.create("openexr")
    assert out.open(str(tmp_path / "a.exr"), spec)
    assert out.write_image(both)
    assert out.close()
    assert np.array_equal(both[:, :, :3], plate_files.read_plate(tmp_path / "a.exr", layer="right").pixels)
    assert np.array_equal(both[:, :, 3:], plate_files.read_plate(tmp_path / "a.exr", layer="left").pixels)


def test_a_part_without_colour_is_told_by_what_it_lacks(tmp_path):
    write_parts(tmp_path / "a.exr", [("depth", ("Z",), picture(5, 8, 1)), ("rgb", ("R", "G", "B"), picture(5, 8, 3))])
    with pytest.raises(PlateError, match=r"no R, G, B or Y in layer 'depth': its channels are Z, R, G, B; its layers"):
        plate_files.read_plate(tmp_path / "a.exr", layer="depth")


def test_colour_is_found_in_a_later_part_and_under_nukes_long_names(tmp_path):
    depth, colour = picture(5, 8, 1), picture(5, 8, 3)
    names = ("fg.red", "fg.green", "fg.blue")
    write_parts(tmp_path / "a.exr", [("depth", ("Z",), depth), ("x", names, colour)])
    assert np.array_equal(colour, plate_files.read_plate(tmp_path / "a.exr", layer="fg").pixels)


def test_a_grey_plate_becomes_three_equal_channels(tmp_path):
    grey = picture(5, 8, 1)
    write_picture(tmp_path / "a.exr", grey, ("Y",), half=())
    plate = plate_files.read_plate(tmp_path / "a.exr")
    assert ("R", "G", "B") == plate.channels
    assert (plate.pixels == grey).all()


@pytest.mark.parametrize("data", [(-8, -6, 20, 15), (3, 2, 6, 5), (-100, 50, 7, 9)])
def test_overscan_and_cropped_windows_are_kept_whole(tmp_path, data):
    header = Header(data, (0, 0, 12, 9), 1.5, {"smpte:TimeCode": ("timecode", (18356486, 0))})
    pixels = picture(data[3], data[2], 3)
    write_picture(tmp_path / "a.exr", pixels, ("R", "G", "B"), header, half=())
    plate = plate_files.read_plate(tmp_path / "a.exr")
    assert header == plate.header == plate_files.read_plate_header(tmp_path / "a.exr")
    assert np.array_equal(pixels, plate.pixels)


@pytest.mark.parametrize(
    ("name", "kind", "step"),
    [
        ("a.tif", oiio.UINT16, 65535),
        ("a.png", oiio.UINT8, 255),
        ("b.png", oiio.UINT16, 65535),
        ("a.dpx", oiio.UINT16, 65535),
    ],
)
def test_integer_formats_arrive_as_shares_of_full(tmp_path, name, kind, step):
    pixels = picture(6, 10, 3)
    write_with_oiio(tmp_path / name, pixels, kind)
    plate = plate_files.read_plate(tmp_path / name)
    assert np.abs(plate.pixels - pixels).max() <= 0.51 / step + 1e-7


def test_dpx_keeps_its_timecode_and_ten_bits(tmp_path):
    path = str(tmp_path / "a.dpx")
    spec = oiio.ImageSpec(16, 9, 3, oiio.UINT16)
    spec.attribute("oiio:BitsPerSample", 10)
    spec.attribute("smpte:TimeCode", oiio.TypeDesc("timecode"), (18356486, 0))
    out = oiio.ImageOutput.create(path)
    assert out.open(path, spec)
    codes = (np.arange(9 * 16 * 3).reshape(9, 16, 3) * 37 % 1024).astype(np.float32)
    assert out.write_image(codes / 1023)
    assert out.close()
    plate = plate_files.read_plate(path)
    assert np.allclose(codes / 1023, plate.pixels, atol=1.6e-5)
    assert ("timecode", (18356486, 0)) == plate.header.attributes["smpte:TimeCode"]


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_colour_beside_unassociated_alpha_is_not_dimmed(tmp_path, name):
    pixels = np.full((4, 6, 4), 0.8, np.float32)
    pixels[:, :3, 3] = 0.25
    write_with_oiio(tmp_path / name, pixels, oiio.UINT16, oiio__UnassociatedAlpha=1)
    plate = plate_files.read_plate(tmp_path / name)
    assert np.allclose(0.8, plate.take("R", "G", "B"), atol=1e-4)
    assert np.allclose(0.25, plate["A"][:, :3], atol=1e-4)


def test_broken_values_are_counted_and_healed_from_their_neighbours(tmp_path):
    pixels = np.full((9, 12, 3), 0.5, np.float32)
    pixels[4, 5, 1] = np.nan
    pixels[4, 6] = np.inf
    pixels[0, 0, 2] = -np.inf
    write_with_oiio(tmp_path / "a.exr", pixels, oiio.HALF)
    plate = plate_files.read_plate(tmp_path / "a.exr")
    assert {"nan": 1, "inf": 4} == dict(plate.facts)
    assert (plate.pixels == 0.5).all()


def test_values_broken_all_around_become_the_nearest_sound_ones_or_the_brightest_light():
    pixels = np.full((11, 11, 2), 3.0, np.float32)
    pixels[:, 5:, 0] = 1.0
    pixels[2:9, 2:9] = np.nan
    pixels[5, 5] = np.inf
    pixels[3, 7] = -np.inf
    healed, nan, inf = heal(pixels)
    assert (94, 4) == (nan, inf)
    assert (healed[..., 1] == 3).all()
    assert 3.0 == healed[5, 5, 0] == healed[4, 3, 0]
    assert 1.0 == healed[4, 7, 0] == healed[3, 7, 0]
    assert (heal(np.full((3, 3, 1), np.nan, np.float32))[0] == 0).all()


def test_a_sound_picture_is_not_copied():
    pixels = picture(4, 4, 3)
    assert heal(pixels)[0] is pixels


def test_the_wrong_channels_are_listed_with_the_layers_to_choose_from(tmp_path):
    write_picture(tmp_path / "a.exr", picture(4, 4, 4), ("fg.R", "fg.G", "fg.B", "Z"))
    with pytest.raises(PlateError, match=r"no plain R, G, B or Y: its channels are .*; its layers are fg \(frame 12"):
        plate_files.read_plate(tmp_path / "a.exr", frame=12)
    with pytest.raises(PlateError, match="no layer 'bg'"):
        plate_files.read_plate(tmp_path / "a.exr", layer="bg")


@pytest.mark.parametrize("channel", ["A", "Y", "R", "V", "matte.A", "mask.red"])
def test_a_guide_of_one_channel_is_read_whatever_its_name(tmp_path, channel):
    soft = picture(5, 8, 1)
    write_picture(tmp_path / "m.exr", soft, (channel,), half=())
    guide = plate_files.read_guide(tmp_path / "m.exr", "alpha")
    assert ("alpha",) == guide.channels
    assert np.array_equal(soft, guide.pixels)


def test_of_a_guide_with_colour_and_alpha_the_alpha_counts_if_it_varies(tmp_path):
    pixels = picture(5, 8, 4)
    write_picture(tmp_path / "m.exr", pixels, ("R", "G", "B", "A"), half=())
    assert np.array_equal(pixels[:, :, 3:], plate_files.read_guide(tmp_path / "m.exr", "mask").pixels)
    pixels[:, :, 3], pixels[:, :, 1:3] = 1, pixels[:, :, :1]
    write_picture(tmp_path / "m.exr", pixels, ("R", "G", "B", "A"), half=())
    assert np.array_equal(pixels[:, :, :1], plate_files.read_guide(tmp_path / "m.exr", "mask").pixels)


@pytest.mark.parametrize("name", ["mask", "matte.hero", "roto.A", "Roto.alpha"])
def test_a_guide_beside_a_picture_is_found_by_its_name(tmp_path, name):
    pixels = picture(5, 8, 4)
    write_picture(tmp_path / "m.exr", pixels, ("R", "G", "B", name), half=())
    assert np.array_equal(pixels[:, :, 3:], plate_files.read_guide(tmp_path / "m.exr", "mask").pixels)


def test_a_picture_is_no_guide_and_of_several_mattes_none_is_chosen(tmp_path):
    write_picture(tmp_path / "p.exr", picture(5, 8, 3), ("R", "G", "B"), half=())
    with pytest.raises(GuideError, match=r"is a picture, with no matte in it \(its channels are R, G, B\).*or as A"):
        plate_files.read_guide(tmp_path / "p.exr", "mask")
    write_picture(tmp_path / "m.exr", picture(5, 8, 2), ("matte.hero", "matte.dog"), half=())
    with pytest.raises(GuideError, match="holds several mattes"):
        plate_files.read_guide(tmp_path / "m.exr", "mask")


def test_a_grey_layer_called_as_a_matte_is_one_matte(tmp_path):
    pixels = np.repeat(picture(5, 8, 1), 4, axis=2)
    pixels[:, :, 3] = 1
    names = ("mask.R", "mask.G", "mask.B", "mask.A")
    write_picture(tmp_path / "m.exr", pixels, names, half=())
    assert np.array_equal(pixels[:, :, :1], plate_files.read_guide(tmp_path / "m.exr", "mask").pixels)
    write_picture(tmp_path / "c.exr", np.concatenate([picture(5, 8, 3), pixels[:, :, 3:]], 2), names, half=())
    with pytest.raises(GuideError, match="holds several mattes"):
        plate_files.read_guide(tmp_path / "c.exr", "mask")


def test_a_guide_in_a_later_part_is_found(tmp_path):
    colour, matte = picture(5, 8, 3), picture(5, 8, 1)
    write_parts(tmp_path / "m.exr", [("beauty", ("R", "G", "B"), colour), ("roto", ("A",), matte)])
    assert np.array_equal(matte, plate_files.read_guide(tmp_path / "m.exr", "mask").pixels)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_an_eight_bit_png_is_a_guide(tmp_path, channels):
    pixels = np.repeat(picture(5, 8, 1), channels, axis=2)
    if channels == 4:
        pixels[:, :, 3] = 1
    write_with_oiio(tmp_path / "m.png", pixels, oiio.UINT8)
    guide = plate_files.read_guide(tmp_path / "m.png", "mask")
    assert np.abs(guide.pixels - pixels[:, :, :1]).max() < 0.0021


def test_a_guide_on_another_scale_or_with_broken_values_is_refused(tmp_path):
    write_picture(tmp_path / "m.exr", picture(4, 4, 1) * 255, ("A",))
    with pytest.raises(GuideError, match=r"the mask runs from .* opaque must be 1 \(frame 7, .*m\.exr"):
        plate_files.read_guide(tmp_path / "m.exr", "mask", frame=7)
    broken = picture(4, 4, 1)
    broken[1, 1] = np.nan
    write_with_oiio(tmp_path / "n.exr", broken, oiio.FLOAT, ("A",))
    with pytest.raises(GuideError, match="1 values that are not finite"):
        plate_files.read_guide(tmp_path / "n.exr", "mask")


def test_only_film_metadata_comes_along_from_a_tiff(tmp_path):
    write_with_oiio(tmp_path / "a.tif", picture(4, 4, 3), oiio.UINT8, Artist="x", XResolution=72.0)
    assert {} == dict(plate_files.read_plate(tmp_path / "a.tif").header.attributes)
    assert replace(Header.of_size(4, 4)) == plate_files.read_plate_header(tmp_path / "a.tif")
