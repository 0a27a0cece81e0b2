import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlink import FramePath, FrameRange
from unhurried import unhurried


@unhurried
@given(st.lists(st.integers(-2000, 2000), max_size=40))
def test_a_range_reads_back_what_it_prints(frames):
    made = FrameRange(frames)
    assert list(made) == sorted(set(frames))
    if frames:
        assert FrameRange.parse(str(made)) == made


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("5", [5]),
        ("1-3,5,7-11:2", [1, 2, 3, 5, 7, 9, 11]),
        ("1-7x3", [1, 4, 7]),
        ("-3--1", [-3, -2, -1]),
        (" 1 - 3 , 2 ", [1, 2, 3]),
    ],
)
def test_ranges_are_read_as_artists_and_farms_write_them(text, frames):
    assert list(FrameRange.parse(text)) == frames


@pytest.mark.parametrize("text", ["", "a", "3-1", "1-5:0", "1,,2", "1.5", "1-999999999999"])
def test_a_range_that_cannot_be_read_is_shown(text):
    with pytest.raises(ValueError, match="frames"):
        FrameRange.parse(text)


def test_long_runs_print_short():
    assert str(FrameRange(range(1001, 1101))) == "1001-1100"
    assert str(FrameRange([1, 2, 3, 10, 20])) == "1-3,10,20"


@pytest.mark.parametrize("pattern", ["a.####.exr", "a.%04d.exr", "a.@@@@.exr", "a.$F4.exr"])
def test_every_spelling_of_a_frame_number_names_the_same_file(pattern):
    assert FramePath(pattern).path(7) == "a.0007.exr"
    assert FramePath(pattern).path(12345) == "a.12345.exr"


def test_a_negative_frame_keeps_its_padding_and_with_printf_its_sign_counts():
    assert FramePath("a.####.exr").path(-7) == "a.-0007.exr"
    assert FramePath("a.%04d.exr").path(-7) == "a." + "%04d" % -7 + ".exr" == "a.-007.exr"  # noqa: UP031


def test_frames_before_0_are_found_as_printf_names_them(tmp_path):
    for frame in range(-2, 2):
        (tmp_path / f"p.{frame:04d}.exr").touch()
    assert list(FramePath(tmp_path / "p.%04d.exr").frames()) == [-2, -1, 0, 1]


def test_frames_on_disk_leave_out_dot_files_and_other_paddings(tmp_path):
    folder = tmp_path / "pläte v01 #1"
    folder.mkdir()
    for name in ("p.0001.exr", "p.0003.exr", "p.12.exr", ".p.0002.exr.tmp.exr", "p.0004.exr.bak", "p.10000.exr"):
        (folder / name).touch()
    plate = FramePath(folder / "p.####.exr")
    assert list(plate.frames()) == [1, 3, 10000]
    assert plate.path(1) == str(folder / "p.0001.exr")


def test_a_still_has_no_frames():
    assert not FramePath("clean.exr").is_sequence
    assert FramePath("clean.exr").path(12) == "clean.exr"
