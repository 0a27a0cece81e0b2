"""What a plate's numbers mean: told, tagged, or asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seqlink.shot import Colour
from seqmatte import colour, colour_config
from seqmatte.errors import ColourError
from seqmatte.layer import Header

PLAIN = Header.of_size(4, 3)
BT709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
AP1 = (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767)
# ACES TB-2014-004 and the CTL's AP1 to Rec.709 with Bradford adaptation, column vectors.
AP1_TO_709 = [[1.70505, -0.62179, -0.08326], [-0.13026, 1.14080, -0.01055], [-0.02400, -0.12897, 1.15297]]


@pytest.fixture(autouse=True)
def no_studio_config(monkeypatch):
    monkeypatch.delenv("OCIO", raising=False)


def tagged(**attributes):
    return replace(PLAIN, attributes=attributes)


def interop(tag):
    return tagged(colorInteropID=("string", tag))


def chromaticities(values):
    return tagged(chromaticities=("float[8]", tuple(np.float32(values).tolist())))


def random_light(seed=0, shape=(5, 7, 3)):
    return np.random.default_rng(seed).normal(0.3, 0.5, shape).astype(np.float32)


def test_an_untagged_plate_without_a_word_is_asked_about():
    with pytest.raises(ColourError, match=r"no colour tag: say what the plate is with --colour, such as 'ACEScg'"):
        colour.resolve(Colour(), PLAIN)


@pytest.mark.parametrize(
    ("header", "space"),
    [
        (interop("lin_ap1_scene"), "ACEScg"),
        (interop("lin_rec709_scene"), "Linear Rec.709 (sRGB)"),
        (chromaticities(AP1), "ACEScg"),
        (chromaticities(BT709), "Linear Rec.709 (sRGB)"),
        (tagged(colorInteropID=("string", "lin_ap1_scene"), chromaticities=("float[8]", BT709)), "ACEScg"),
    ],
)
def test_tags_are_believed_the_interop_id_first(header, space):
    found = colour.resolve(Colour(), header)
    assert space == found.space == found.scene
    assert "tag" in found.found
    assert space in found.found


def test_the_flag_wins_over_the_tag():
    found = colour.resolve(Colour(space="lin_rec709"), interop("lin_ap1_scene"))
    assert "Linear Rec.709 (sRGB)" == found.space
    assert "as told" in found.found


def test_a_strange_tag_is_named_in_the_question():
    with pytest.raises(ColourError, match="house_log_v3 is not a colour space of"):
        colour.resolve(Colour(), interop("house_log_v3"))


def test_an_unknown_space_gets_the_close_ones_named():
    with pytest.raises(ColourError, match=r"did you mean .*ACEScg"):
        colour.resolve(Colour(space="ACESgc"), PLAIN)


def test_data_spaces_are_refused():
    with pytest.raises(ColourError, match="is data, not colour"):
        colour.resolve(Colour(space="Raw"), PLAIN)


@pytest.mark.parametrize("space", ["ACEScg", "lin_rec709", "ACES2065-1", "Linear ARRI Wide Gamut 4"])
def test_a_linear_plate_is_delivered_bit_for_bit(space):
    found = colour.resolve(Colour(space=space), PLAIN)
    light = random_light()
    assert found.to_scene(light) is light
    assert found.is_linear


def test_a_log_plate_is_delivered_in_the_scene_linear_role():
    found = colour.resolve(Colour(space="ARRI LogC3 (EI800)"), PLAIN)
    assert "ACEScg" == found.scene
    # ARRI: LogC3 at EI 800 puts 18 % grey at code value 0.391; neutral stays neutral whatever the primaries.
    grey = found.to_scene(np.full((2, 2, 3), 0.391007, np.float32))
    assert np.allclose(0.18, grey, atol=2e-4)


def test_an_srgb_picture_becomes_light():
    found = colour.resolve(Colour(space="srgb_tx"), PLAIN)
    light = found.to_rec709(found.to_scene(np.full((1, 1, 3), 0.5, np.float32)))
    assert np.allclose(((0.5 + 0.055) / 1.055) ** 2.4, light, atol=1e-5)


def test_acescg_reaches_rec709_by_the_published_matrix_negatives_and_highlights_included():
    found = colour.resolve(Colour(space="ACEScg"), PLAIN)
    light = random_light() * 20
    expected = light @ np.float32(AP1_TO_709).T
    assert np.allclose(expected, found.to_rec709(light), atol=2e-3)
    assert found.to_rec709(light).dtype == np.float32


def test_rec709_needs_no_matrix():
    found = colour.resolve(Colour(space="lin_rec709"), PLAIN)
    light = random_light()
    assert np.array_equal(light, found.to_rec709(light))


def test_a_display_picture_is_within_a_screen():
    found = colour.resolve(Colour(space="ACEScg"), PLAIN)
    shown = found.to_display(np.linspace(-1, 100, 60, dtype=np.float32).reshape(4, 5, 3))
    assert 0 <= shown.min() < shown.max() <= 1
    assert shown.shape == (4, 5, 3)


def test_the_studios_config_is_honoured_and_the_flag_stands_above_it(monkeypatch):
    monkeypatch.setenv("OCIO", "ocio://cg-config-v1.0.0_aces-v1.3_ocio-v2.1")
    found = colour.resolve(Colour(), interop("lin_ap1_scene"))
    assert "ocio://cg-config-v1.0.0_aces-v1.3_ocio-v2.1" == found.config_name
    assert "$OCIO" in found.found
    told = colour.resolve(Colour(config=colour_config.BUILT_IN), interop("lin_ap1_scene"))
    assert colour_config.BUILT_IN == told.config_name
    assert found.identity != told.identity


def test_an_empty_variable_means_the_pinned_config(monkeypatch):
    monkeypatch.setenv("OCIO", "")
    assert colour_config.BUILT_IN == colour.resolve(Colour(space="ACEScg"), PLAIN).config_name


@pytest.mark.parametrize("name", ["/nowhere/config.ocio", "ocio://bogus"])
def test_a_config_that_is_not_there_is_named(name):
    with pytest.raises(ColourError, match=f"config {name} .as told. cannot be used"):
        colour.resolve(Colour(config=name), PLAIN)


RAW = """ocio_profile_version: 2
roles: {default: raw}
displays: {d: [!<View> {name: v, colorspace: raw}]}
colorspaces:
  - !<ColorSpace> {name: raw, isdata: true}
"""

OLD_STYLE = """ocio_profile_version: 2
roles: {default: lin, scene_linear: lin, %s}
displays: {d: [!<View> {name: v, colorspace: lin}]}
colorspaces:
  - !<ColorSpace> {name: lin, encoding: scene-linear}
  - !<ColorSpace>
    name: aces
    to_scene_reference: !<MatrixTransform> {matrix: [2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1]}
"""


def test_a_config_without_scene_linear_is_refused(tmp_path):
    path = written(tmp_path, RAW)
    with pytest.raises(ColourError, match="no role scene_linear"):
        colour.resolve(Colour(config=path, space="raw"), PLAIN)


def test_a_config_without_rec709_is_bridged_by_its_interchange_role(tmp_path):
    path = written(tmp_path, OLD_STYLE % "aces_interchange: aces")
    found = colour.resolve(Colour(config=path, space="lin"), PLAIN)
    # Here the reference is twice ACES2065-1; a neutral stays neutral on its way to Rec.709.
    assert np.allclose(0.5, found.to_rec709(np.ones((1, 1, 3), np.float32)), atol=1e-3)


def test_a_config_that_cannot_reach_rec709_says_what_to_add(tmp_path):
    path = written(tmp_path, OLD_STYLE % "color_picking: lin")
    found = colour.resolve(Colour(config=path, space="lin"), PLAIN)
    with pytest.raises(ColourError, match="give it an alias lin_rec709"):
        found.to_rec709(random_light())


def test_results_are_tagged_with_what_they_are():
    log = colour.resolve(Colour(space="ARRI LogC4"), interop("nonsense"))
    assert ("string", "lin_ap1_scene") == log.tagged_as_scene(interop("nonsense")).attributes["colorInteropID"]
    linear = colour.resolve(Colour(), chromaticities(AP1))
    assert chromaticities(AP1) == linear.tagged_as_scene(chromaticities(AP1))
    told = colour.resolve(Colour(space="lin_rec709"), chromaticities(AP1))
    assert {"colorInteropID": ("string", "lin_rec709_scene")} == told.tagged_as_scene(chromaticities(AP1)).attributes


def test_identity_tells_spaces_apart():
    spaces = ["ACEScg", "lin_rec709", "ARRI LogC4", "srgb_tx"]
    assert 4 == len({colour.resolve(Colour(space=space), PLAIN).identity for space in spaces})


def test_identity_tells_a_plate_by_its_own_tag_from_one_that_was_told_to_be_the_same():
    header = chromaticities(AP1)
    found = colour.resolve(Colour(), header)
    told = colour.resolve(Colour(space=found.space), header)
    assert found.tagged_as_scene(header) != told.tagged_as_scene(header)
    assert found.identity != told.identity


WITH_LUT = """ocio_profile_version: 2
search_path: luts
roles: {default: lin, scene_linear: lin}
displays: {d: [!<View> {name: v, colorspace: lin}]}
colorspaces:
  - !<ColorSpace> {name: lin, aliases: [lin_rec709], encoding: scene-linear}
  - !<ColorSpace>
    name: camera
    to_scene_reference: !<FileTransform> {src: "one/a, b.spi1d", interpolation: linear}
"""


def lut_config(folder, middle=0.25):
    lut = folder / "luts" / "one" / "a, b.spi1d"
    lut.parent.mkdir(parents=True, exist_ok=True)
    lut.write_text(f"Version 1\nFrom 0.0 1.0\nLength 3\nComponents 1\n{{\n0.0\n{middle}\n1.0\n}}\n")
    return Colour(config=written(folder, WITH_LUT), space="camera")


def grey(found):
    return float(found.to_scene(np.full((1, 1, 3), 0.5, np.float32))[0, 0, 0])


def test_a_lut_edited_in_place_is_seen_in_pixels_and_identity(tmp_path):
    before = colour.resolve(lut_config(tmp_path), PLAIN)
    first, was = grey(before), before.identity
    (lut,) = tmp_path.glob("luts/one/*")
    inode = lut.stat().st_ino
    lut.write_text(lut.read_text().replace("0.25", "0.75"))
    assert lut.stat().st_ino == inode
    after = colour.resolve(Colour(config=before.config_name, space="camera"), PLAIN)
    assert (first, grey(after)) == (0.25, 0.75)
    assert after.identity != was


def test_an_untouched_config_is_loaded_once(tmp_path):
    told = lut_config(tmp_path)
    assert colour.resolve(told, PLAIN).config is colour.resolve(told, PLAIN).config


def test_a_config_copied_elsewhere_keeps_its_identity(tmp_path):
    here, there = (colour.resolve(lut_config(tmp_path / name), PLAIN) for name in ("here", "there"))
    assert here.identity == there.identity


def test_a_lut_that_is_missing_is_named_until_it_is_there(tmp_path):
    told = lut_config(tmp_path)
    (lut,) = tmp_path.glob("luts/one/*")
    lut.rename(tmp_path / "away")
    with pytest.raises(ColourError, match=r"camera of config .* cannot be used: .*a, b\.spi1d"):
        _ = colour.resolve(told, PLAIN).identity
    (tmp_path / "away").rename(lut)
    assert grey(colour.resolve(told, PLAIN)) == 0.25


def written(folder: Path, text: str) -> str:
    path = folder / "config.ocio"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("LogC3", "ARRI LogC3 (EI800)"),
        ("logc", "ARRI LogC4"),
        ("rec709", "Camera Rec.709"),
        ("sRGB", "sRGB Encoded Rec.709 (sRGB)"),
        ("slog3", "S-Log3 S-Gamut3"),
    ],
)
def test_a_space_that_is_half_named_is_met_with_those_whose_name_holds_the_word(said, meant):
    with pytest.raises(ColourError) as refused:
        colour.resolve(Colour(space=said), PLAIN)
    assert "did you mean" in str(refused.value) and meant in str(refused.value)
