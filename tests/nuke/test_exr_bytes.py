import shutil

import numpy as np
import OpenImageIO as oiio
import pytest


@pytest.fixture
def digest(hostile_nuke):
    from seqmatte_nuke.exr_bytes import digest

    return digest


def write(path, pixels, compression="zips", remark="", x=0):
    spec = oiio.ImageSpec(pixels.shape[1], pixels.shape[0], pixels.shape[2], "float")
    spec.channelnames = ("A",)
    spec.x = x
    spec.attribute("compression", compression)
    spec.attribute("DateTime", "2026:01:01 00:00:00" + remark)
    if remark:
        spec.attribute("nuke/node_hash", remark)
    out = oiio.ImageOutput.create(str(path))
    assert out.open(str(path), spec) and out.write_image(pixels) and out.close()
    # Of pixels that are not H x W x C OpenImageIO writes what lies behind them in memory.
    assert np.array_equal(oiio.ImageBuf(str(path)).get_pixels(oiio.FLOAT), pixels)
    return str(path)


PIXELS = np.random.default_rng(1).random((37, 53, 1)).astype(np.float32)


@pytest.mark.parametrize("compression", ["none", "rle", "zips", "zip", "piz"])
def test_remarks_do_not_count_and_every_pixel_does(tmp_path, digest, compression):
    first = digest(write(tmp_path / "a.exr", PIXELS, compression))
    assert digest(write(tmp_path / "b.exr", PIXELS, compression, remark="12345")) == first
    changed = PIXELS.copy()
    changed[36, 52] += 1e-6
    assert digest(write(tmp_path / "c.exr", changed, compression)) != first


def test_the_windows_count(tmp_path, digest):
    assert digest(write(tmp_path / "a.exr", PIXELS)) != digest(write(tmp_path / "b.exr", PIXELS, x=4))


def test_a_file_of_another_kind_is_told_apart_by_its_bytes(tmp_path, digest):
    whole = write(tmp_path / "a.exr", PIXELS)
    content = open_bytes(whole)
    for name, made in (("empty", b""), ("text", b"hello"), ("cut", content[:60]), ("head", content[:4])):
        (tmp_path / name).write_bytes(made)
        shutil.copy(tmp_path / name, tmp_path / f"{name}.copy")
        assert digest(str(tmp_path / name)) == digest(str(tmp_path / f"{name}.copy")) != digest(whole)


def open_bytes(path):
    with open(path, "rb") as file:
        return file.read()
