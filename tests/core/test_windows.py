"""Data and display windows of plates, clean plates and guides, that differ from frame to frame and from each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seqlink.frames import FramePath, FrameRange
from seqlink.shot import Colour, Guide
from seqmatte import encoding, exr
from seqmatte.errors import PlateError
from seqmatte.layer import Header
from seqmatte.source import Source
from shots import guide_pixels, write_picture, write_tiny_shot

pytestmark = pytest.mark.usefixtures("no_studio_config")


OVERSCAN = Header((-8, -6, 64, 48), (0, 0, 48, 36))


@pytest.mark.parametrize(
    ("window", "display"),
    [
        (OVERSCAN.data, OVERSCAN.display),
        ((10, 3, 20, 25), OVERSCAN.display),
        ((0, 0, 64, 48), (0, 0, 64, 48)),
        ((0, 0, 48, 36), (0, 0, 48, 36)),
        ((100, 200, 48, 36), (100, 200, 48, 36)),
    ],
    ids=[
        "the plate's windows",
        "cropped to its bounds",
        "the data window's size",
        "the display's size",
        "other origin",
    ],
)
def test_a_guide_is_placed_by_its_windows(tmp_path, digests, window, display):
    tiny = write_tiny_shot(tmp_path / "over", header=OVERSCAN)
    whole = guide_pixels(tiny.alpha[1], "alpha")
    x, y = (window[0] - display[0], window[1] - display[1])
    if window[2:] == OVERSCAN.data[2:]:
        x, y = OVERSCAN.data[:2]
    top, left = y - OVERSCAN.data[1], x - OVERSCAN.data[0]
    cut = np.s_[top : top + window[3], left : left + window[2]]
    write_picture(tmp_path / "m.exr", whole[cut][:, :, None], ("A",), Header(window, display), half=())
    shot = tiny.shot().replace(guides=(Guide(1, str(tmp_path / "m.exr"), "alpha"),))
    expected = np.zeros_like(whole)
    expected[cut] = whole[cut]
    assert np.array_equal(expected, Source(shot, digests).layer("guide", 1)["alpha"])


def test_frames_whose_data_windows_differ_lie_in_one_that_holds_them_all(tmp_path, digests):
    tiny = write_tiny_shot(tmp_path / "over", header=OVERSCAN)
    whole = {frame: exr.read(tiny.plate.path(frame)).take("R", "G", "B") for frame in tiny.frames}
    windows = {1: (0, 0, 40, 30), 2: (-8, -6, 20, 48), 5: (10, 3, 46, 12)}
    for frame in tiny.frames:
        x, y, width, height = window = windows.get(frame, (2, 2, 8, 8))
        cut = np.s_[y + 6 : y + 6 + height, x + 8 : x + 8 + width]
        header = Header(window, OVERSCAN.display, attributes={"colorInteropID": ("string", "lin_rec709_scene")})
        write_picture(Path(tiny.plate.path(frame)), whole[frame][cut], ("R", "G", "B"), header)
    reader = Source(tiny.shot(), digests)
    for frame in (1, 5, 7):
        x, y, width, height = windows.get(frame, (2, 2, 8, 8))
        cut = np.s_[y + 6 : y + 6 + height, x + 8 : x + 8 + width]
        expected = np.zeros((48, 64, 3), np.float32)
        expected[cut] = whole[frame][cut]
        plate = reader.layer("plate", frame, "scene")
        assert plate.header.data == OVERSCAN.data
        assert np.array_equal(expected, plate.pixels)
    assert reader.layer("guide", 1).header.data == OVERSCAN.data


def test_a_data_window_that_grows_the_shots_own_changes_every_key(tmp_path, digests):
    tiny = write_tiny_shot(tmp_path / "over", header=OVERSCAN)
    before = Source(tiny.shot(), digests).key("plate", 3, "scene")
    larger = Header((-8, -6, 70, 48), OVERSCAN.display, attributes=exr.read(tiny.plate.path(9)).header.attributes)
    write_picture(Path(tiny.plate.path(9)), np.ones((48, 70, 3), np.float32), ("R", "G", "B"), larger)
    assert Source(tiny.shot(), digests).key("plate", 3, "scene") != before


def overscanned(tiny, *frames):
    """The shot with some frames wider by 8 pixels all around, on black."""
    wide = Header((-8, -8, tiny.header.data[2] + 16, tiny.header.data[3] + 16), tiny.header.display)
    for frame in frames:
        pixels = np.zeros((wide.data[3], wide.data[2], 3), np.float32)
        pixels[8:-8, 8:-8] = exr.read(tiny.plate.path(frame), ["R", "G", "B"]).pixels
        attributes = exr.read_header(tiny.plate.path(frame)).attributes
        write_picture(tiny.plate.path(frame), pixels, ("R", "G", "B"), replace(wide, attributes=attributes))
    return tiny


@pytest.mark.parametrize("name", ["plate", "guide"])
def test_a_picture_that_another_frames_overscan_moves_has_another_key(tmp_path, digests, name):
    shot = overscanned(write_tiny_shot(tmp_path), 1).shot(5)
    whole, part = (Source(shot.replace(frames=FrameRange(range(first, 13))), digests) for first in (1, 2))
    space = "scene" if name == "plate" else None
    assert whole.layer(name, 5, space).pixels.shape != part.layer(name, 5, space).pixels.shape
    assert whole.key(name, 5, space) != part.key(name, 5, space)
    again = Source(shot.replace(frames=FrameRange(range(3, 13))), digests)
    assert part.key(name, 5, space) == again.key(name, 5, space)


def test_the_encoding_does_not_depend_on_what_the_process_was_asked_before(tmp_path, digests, monkeypatch):
    shot = overscanned(write_tiny_shot(tmp_path, count=5), 2).shot(1)

    def encodings(*ranges):
        monkeypatch.setattr(encoding, "_CHOSEN", type(encoding._CHOSEN)())
        return [str(Source(shot.replace(frames=FrameRange(frames)), digests).encoding) for frames in ranges]

    without, overscan = (1, 3, 5), (1, 2, 3, 5)
    assert encodings(without, overscan) == encodings(overscan, without)[::-1]


def test_a_data_window_outside_the_display_does_not_widen_the_others(tmp_path, digests):
    tiny = write_tiny_shot(tmp_path, count=4)
    stray = Header((-5000, -3000, 4, 4), tiny.header.display, attributes=tiny.header.attributes)
    write_picture(tiny.plate.path(3), np.ones((4, 4, 3)), ("R", "G", "B"), stray)
    reader = Source(tiny.shot(), digests)
    assert reader.canvas.data == tiny.header.data
    assert reader.layer("plate", 3, "scene").pixels.max() == 0


def test_data_windows_far_larger_than_the_display_are_refused(tmp_path, digests):
    tiny = write_tiny_shot(tmp_path, count=3)
    wide = Header((-300, -300, 700, 700), tiny.header.display, attributes=tiny.header.attributes)
    write_picture(tiny.plate.path(2), np.ones((700, 700, 3)), ("R", "G", "B"), wide)
    with pytest.raises(PlateError, match="crop the frame with the largest"):
        _ = Source(tiny.shot(), digests).canvas


def test_a_contradicting_tag_is_found_before_computing_and_a_stray_data_window_is_none(tmp_path, digests):
    tiny = write_tiny_shot(tmp_path, count=8)
    stray = Header((-5000, -3000, 4, 4), tiny.header.display, attributes=tiny.header.attributes)
    write_picture(tiny.plate.path(3), np.ones((4, 4, 3)), ("R", "G", "B"), stray)
    Source(tiny.shot(), digests).check()
    other = replace(tiny.header, attributes={"colorInteropID": ("string", "lin_ap1_scene")})
    write_picture(tiny.plate.path(2), exr.read(tiny.plate.path(2)).pixels, ("R", "G", "B"), other)
    with pytest.raises(PlateError, match="frame 2 says colorInteropID lin_ap1_scene"):
        Source(tiny.shot(), digests).check()
    Source(tiny.shot().replace(colour=Colour(space="lin_rec709_scene")), digests).check()


def test_frames_of_different_pixel_aspects_are_refused_with_both(tiny_shot, digests):
    plate = exr.read(tiny_shot.plate.path(7))
    exr.write(tiny_shot.plate.path(7), plate.with_header(replace(plate.header, pixel_aspect=2.0)))
    with pytest.raises(PlateError, match="frame 7 has a pixel aspect of 2, the shot's first 1"):
        Source(tiny_shot.shot(), digests).check()


def test_a_clean_plate_may_be_painted_without_a_pixel_aspect(tmp_path, digests):
    square = write_tiny_shot(tmp_path / "square", count=1).header
    tiny = write_tiny_shot(tmp_path / "wide", count=3, header=replace(square, pixel_aspect=2.0))
    for frame in tiny.frames:
        write_picture(tmp_path / f"clean.{frame:04d}.exr", np.ones((48, 64, 3)), ("R", "G", "B"), square)
    reader = Source(tiny.shot(clean=FramePath(tmp_path / "clean.####.exr")), digests)
    reader.check()
    assert reader.layer("clean", 2, "scene") is not None
