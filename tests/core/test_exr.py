"""EXR files: names, windows, metadata, half and float, whole or not at all."""

from __future__ import annotations

import os
import struct
import subprocess
import sys

import numpy as np
import OpenImageIO as oiio
import pytest

from seqmatte import exr
from seqmatte.errors import OutputError, PlateError
from seqmatte.layer import Header, Layer
from shots import source_environment

PLATE_METADATA = {
    "smpte:TimeCode": ("timecode", (18356486, 0)),
    "smpte:KeyCode": ("keycode", (1, 2, 3, 4, 5, 6, 7)),
    "FramesPerSecond": ("rational", (24000, 1001)),
    "chromaticities": ("float[8]", tuple(np.float32((0.64, 0.33, 0.3, 0.6, 0.15, 0.06, 0.3127, 0.329)).tolist())),
    "nuke/node_hash": ("string", "häsh 01"),
    "worldToCamera": ("matrix", tuple(float(i) for i in range(16))),
}


def layer_of(*channels, width=9, height=7, header=None, seed=0, **facts):
    pixels = np.random.default_rng(seed).normal(size=(height, width, len(channels))).astype(np.float32)
    return Layer(pixels, channels, header, facts)


def test_channels_come_back_by_name_whatever_their_order_in_the_file(tmp_path):
    layer = layer_of("matte.A", "depth.Z", "R", "A", "G", "B")
    exr.write(tmp_path / "a.exr", layer, half=())
    assert exr.channel_names(tmp_path / "a.exr") != layer.channels
    assert np.array_equal(layer["matte.A"], exr.read(tmp_path / "a.exr", ["matte.A"])["matte.A"])
    picked = exr.read(tmp_path / "a.exr", ["depth.Z", "R"])
    assert ("depth.Z", "R") == picked.channels
    assert np.array_equal(layer.take("depth.Z", "R"), picked.pixels)


def test_what_write_returns_is_what_read_gives_back(tmp_path):
    layer = layer_of(
        "fg.R", "A", "R", "G", "B", "confidence", quality=0.1, frames=7, kept=True, recipe="a b", big=2**40
    )
    stored = exr.write(tmp_path / "a.exr", layer, half=("R", "G", "B", "fg.R"))
    back = exr.read(tmp_path / "a.exr")
    assert stored.channels == back.channels == layer.channels
    assert np.array_equal(stored.pixels, back.pixels)
    assert dict(stored.facts) == dict(back.facts)
    assert np.array_equal(layer["A"], back["A"])
    assert not np.array_equal(layer["R"], back["R"])


def test_half_rounding_is_the_same_in_memory_and_on_disk_over_the_whole_range(tmp_path):
    random = np.random.default_rng(1)
    values = random.normal(size=30000) * 10.0 ** random.uniform(-9, 4.5, 30000)
    values = np.concatenate([values, [0.0, -0.0, 65504, 65519, -65504, 2.0**-24, 2.0**-25, 6e-8]])
    layer = Layer(values.astype(np.float32).reshape(1, -1, 1), ("R",))
    exr.write(tmp_path / "a.exr", layer)
    back = exr.read(tmp_path / "a.exr").pixels
    assert np.array_equal(exr.quantised(layer).pixels.view(np.uint32), back.view(np.uint32))


def test_values_beyond_half_are_clipped_and_counted_instead_of_becoming_infinite(tmp_path):
    layer = Layer(np.float32([[[1e5, -7e4, 1.0]]]), ("R", "G", "B"))
    stored = exr.write(tmp_path / "a.exr", layer)
    assert [65504, -65504, 1] == exr.read(tmp_path / "a.exr").pixels.ravel().tolist()
    assert 2 == stored.facts["clipped"] == exr.read(tmp_path / "a.exr").facts["clipped"]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_values_are_refused_and_the_old_file_stays(tmp_path, bad):
    path = tmp_path / "a.exr"
    exr.write(path, layer_of("A"))
    before = path.read_bytes()
    with pytest.raises(OutputError, match="1 values are not finite"):
        exr.write(path, Layer(np.float32([[[bad], [1]]]), ("A",)))
    assert before == path.read_bytes()
    assert ["a.exr"] == os.listdir(tmp_path)


@pytest.mark.parametrize("origin", [(0, 0), (-4, -3), (5, 2), (-2000, 1000)])
def test_windows_aspect_and_metadata_survive(tmp_path, origin):
    header = Header((*origin, 9, 7), (0, 0, 12, 10), 2.0, PLATE_METADATA)
    exr.write(tmp_path / "a.exr", layer_of("R", "G", "B", header=header))
    back = exr.read(tmp_path / "a.exr").header
    assert (header.data, header.display, header.pixel_aspect) == (back.data, back.display, back.pixel_aspect)
    assert PLATE_METADATA == dict(back.attributes)
    assert back == exr.read_header(tmp_path / "a.exr")


def test_whole_number_boxes_and_vectors_of_a_plate_are_carried_on_as_what_they_are(tmp_path):
    def whole(vector, length=0):
        return oiio.TypeDesc(oiio.BASETYPE.INT, vector, oiio.VECSEMANTICS.VECTOR, length)

    spec = oiio.ImageSpec(9, 7, 3, "half")
    spec.attribute("crop", whole(oiio.AGGREGATE.VEC2, 2), (1, -2, 30, 40))
    spec.attribute("grid", whole(oiio.AGGREGATE.VEC3), (5, 6, -7))
    spec.attribute("size", whole(oiio.AGGREGATE.VEC2), (8, 9))
    out = oiio.ImageOutput.create(str(tmp_path / "a.exr"))
    assert out.open(str(tmp_path / "a.exr"), spec)
    assert out.write_image(np.zeros((7, 9, 3), np.float32))
    assert out.close()
    exr.write(tmp_path / "b.exr", exr.read(tmp_path / "a.exr"))
    back = exr.read(tmp_path / "b.exr").header.attributes
    assert {"crop": (1, -2, 30, 40), "grid": (5, 6, -7), "size": (8, 9)} == {name: back[name][1] for name in back}
    for name in ("a.exr", "b.exr"):
        content = (tmp_path / name).read_bytes()
        assert all(typed in content for typed in (b"crop\0box2i\0", b"grid\0v3i\0", b"size\0v2i\0"))


def test_latin1_metadata_of_older_programs_is_carried_on_as_text(tmp_path):
    header = Header((0, 0, 9, 7), (0, 0, 9, 7), attributes={"artist/name": ("string", "GrXn")})
    exr.write(tmp_path / "a.exr", layer_of("A", header=header))
    content = (tmp_path / "a.exr").read_bytes()
    (tmp_path / "a.exr").write_bytes(content.replace(b"GrXn", b"Gr\xfcn"))
    read = exr.read(tmp_path / "a.exr")
    exr.write(tmp_path / "b.exr", read)
    assert {"artist/name": ("string", "Grün")} == dict(exr.read(tmp_path / "b.exr").header.attributes)


def test_another_reader_sees_half_colour_beside_float_alpha(tmp_path):
    exr.write(tmp_path / "a.exr", layer_of("R", "G", "B", "A"))
    with exr.opened(tmp_path / "a.exr") as source:
        spec = source.spec()
        assert ["half", "half", "half", "float"] == [str(spec.channelformat(i)) for i in range(4)]
        assert 3 == spec.alpha_channel


def test_equal_layers_give_equal_bytes(tmp_path):
    header = Header((0, 0, 9, 7), (0, 0, 9, 7), attributes={"DateTime": ("string", "2001:01:01 00:00:00")})
    exr.write(tmp_path / "a.exr", layer_of("R", "A", header=header, quality=0.5))
    exr.write(tmp_path / "b.exr", layer_of("R", "A", quality=0.5))
    assert (tmp_path / "a.exr").read_bytes() == (tmp_path / "b.exr").read_bytes()


def test_an_aces_container_flag_from_the_plate_does_not_stop_the_result(tmp_path):
    header = Header((0, 0, 9, 7), (0, 0, 9, 7), attributes={"acesImageContainerFlag": ("int", 1)})
    exr.write(tmp_path / "a.exr", layer_of("A", header=header))
    assert "acesImageContainerFlag" not in exr.read_header(tmp_path / "a.exr").attributes


def test_a_compression_that_would_silently_become_another_is_refused(tmp_path):
    with pytest.raises(OutputError, match="htj2k"):
        exr.write(tmp_path / "a.exr", layer_of("A"), compression="htj2k")
    assert [] == os.listdir(tmp_path)


@pytest.mark.parametrize("compression", ["none", "zips", "zip:1", "piz"])
def test_lossless_compressions_keep_every_bit(tmp_path, compression):
    layer = layer_of("A", "confidence", width=70, height=40)
    exr.write(tmp_path / "a.exr", layer, half=(), compression=compression)
    assert exr.pixel_digest(layer) == exr.pixel_digest(exr.read(tmp_path / "a.exr"))


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(OutputError, match=r"folder .*nowhere does not exist"):
        exr.write(tmp_path / "nowhere" / "a.exr", layer_of("A"))


def test_a_path_with_spaces_and_umlauts_works(tmp_path):
    folder = tmp_path / "Grün ✓ shot 01"
    folder.mkdir()
    exr.write(folder / "mätte 日本.0001.exr", layer_of("A"))
    assert ("A",) == exr.read(folder / "mätte 日本.0001.exr").channels
    assert ["mätte 日本.0001.exr"] == os.listdir(folder)


def test_asking_for_a_channel_that_is_not_there_lists_those_that_are(tmp_path):
    exr.write(tmp_path / "a.exr", layer_of("R", "depth.Z"))
    with pytest.raises(PlateError, match=r"no part with the channels A; it has R, depth\.Z"):
        exr.read(tmp_path / "a.exr", ["A"])


def test_the_part_that_has_the_channels_is_read_from_a_multi_part_file(tmp_path):
    path = str(tmp_path / "m.exr")
    specs = [oiio.ImageSpec(4, 3, 3, oiio.HALF), oiio.ImageSpec(4, 3, 1, oiio.FLOAT)]
    specs[1].channelnames = ("matte.A",)
    specs[0].attribute("name", "rgb")
    specs[1].attribute("name", "matte")
    out = oiio.ImageOutput.create(path)
    assert out.open(path, specs)
    assert out.write_image(np.zeros((3, 4, 3), np.float32))
    assert out.open(path, specs[1], "AppendSubimage")
    assert out.write_image(np.full((3, 4, 1), 0.3, np.float32))
    assert out.close()
    assert ("R", "G", "B", "matte.A") == exr.channel_names(path)
    assert (exr.read(path, ["matte.A"]).pixels == np.float32(0.3)).all()


def with_attributes(path, *attributes):
    """Puts attributes into the header of an EXR of one chunk. Each: name, type, bytes."""
    added = b"".join(b"%s\0%s\0%s%s" % (n, kind, struct.pack("<i", len(value)), value) for n, kind, value in attributes)
    content, end = path.read_bytes(), 8
    while content[end]:
        size_at = content.index(b"\0", content.index(b"\0", end) + 1) + 1
        end = size_at + 4 + struct.unpack_from("<i", content, size_at)[0]
    (chunk,) = struct.unpack_from("<Q", content, end + 1)
    path.write_bytes(content[:end] + added + b"\0" + struct.pack("<Q", chunk + len(added)) + content[end + 9 :])


def test_double_numbers_and_matrices_of_a_camera_are_kept_as_floats(tmp_path):
    matrix = tuple(i / 4 for i in range(16))
    exr.write(tmp_path / "a.exr", layer_of("A"))
    camera = (b"worldToNDC", b"m44d", struct.pack("<16d", *matrix)), (b"focal", b"double", struct.pack("<d", 34.7))
    with_attributes(tmp_path / "a.exr", *camera, (b"centre", b"v2d", struct.pack("<2d", 0.5, -2)))
    exr.write(tmp_path / "b.exr", exr.read(tmp_path / "a.exr"))
    kept = exr.read_header(tmp_path / "b.exr").attributes
    assert ("matrix", matrix) == kept["worldToNDC"]
    assert ("float", float(np.float32(34.7))) == kept["focal"]
    assert (0.5, -2.0) == kept["centre"][1]


def write_with_whole_numbers(path, pixels, *names):
    """Channels of whole numbers (uint) but for R, which is half."""
    spec = oiio.ImageSpec(pixels.shape[1], pixels.shape[0], len(names), oiio.UINT)
    spec.channelnames = names
    spec.channelformats = tuple(oiio.TypeHalf if name == "R" else oiio.TypeUInt for name in names)
    out = oiio.ImageOutput.create(str(path))
    assert out.open(str(path), spec)
    # As OpenImageIO has it, 1 is the largest whole number.
    scale = [1.0 if name == "R" else 1 / (2**32 - 1) for name in names]
    assert out.write_image(pixels * np.float64(scale))
    assert out.close()


def test_whole_numbers_in_a_channel_are_what_they_are(tmp_path):
    pixels = np.zeros((4, 6, 3))
    pixels[1:3, 2:5] = (0.25, 1, 7)
    write_with_whole_numbers(tmp_path / "a.exr", pixels, "R", "matte", "id")
    with exr.opened(tmp_path / "a.exr") as source:
        assert "uint" in str(source.spec().channelformat(1))
    assert np.array_equal(exr.read(tmp_path / "a.exr", ["R", "matte", "id"]).pixels, pixels)
    assert np.array_equal(exr.read(tmp_path / "a.exr", ["id"]).pixels, pixels[:, :, 2:])


def test_digests_differ_by_pixels_and_channels_but_not_by_facts():
    layer = layer_of("R", "A")
    digests = {exr.pixel_digest(x) for x in (layer, layer_of("R", "A", seed=1), Layer(layer.pixels, ("R", "G")))}
    assert 3 == len(digests)
    assert exr.pixel_digest(layer) == exr.pixel_digest(layer_of("R", "A", quality=1.0))


LIMITED = """
import resource, signal, sys
import numpy as np
from seqmatte import exr
from seqmatte.errors import OutputError
from seqmatte.layer import Layer
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
noise = np.random.default_rng(0).random((200, 200, 1), np.float32)
try:
    exr.write(sys.argv[1], Layer(noise, ("A",)))
except OutputError as error:
    print(error)
"""


def test_a_file_that_cannot_be_finished_leaves_the_old_one_and_no_temporary(tmp_path):
    path = tmp_path / "a.exr"
    exr.write(path, layer_of("A"))
    before = path.read_bytes()
    said = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, check=True, env=source_environment()
    ).stdout
    assert "cannot write" in said
    assert str(path) in said
    assert before == path.read_bytes()
    assert ["a.exr"] == os.listdir(tmp_path)


FULL_AT_THE_END = """
import os, resource, signal, sys
import numpy as np
from seqmatte import exr
from seqmatte.errors import OutputError
from seqmatte.layer import Layer
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
side, lost = int(sys.argv[2]), int(sys.argv[3])
layer = Layer(np.random.default_rng(0).random((side, side, 1), np.float32), ("A",))
exr.write(sys.argv[1] + ".whole", layer)
size = os.path.getsize(sys.argv[1] + ".whole") - lost
resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
try:
    exr.write(sys.argv[1], layer)
except OutputError as error:
    print(error)
"""


@pytest.mark.parametrize(("side", "lost"), [(48, 1), (48, 200), (200, 1), (4, 1), (4, 400)])
def test_a_disk_that_is_full_at_the_last_bytes_leaves_no_cut_file(tmp_path, side, lost):
    path = tmp_path / "a.exr"
    command = [sys.executable, "-c", FULL_AT_THE_END, str(path), str(side), str(lost)]
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=source_environment()).stdout
    assert "cannot write" in said
    assert "tmp.exr" not in said
    assert ["a.exr.whole"] == os.listdir(tmp_path)


UNPRIVILEGED = """
import os, sys
import numpy as np
from seqmatte import exr
from seqmatte.errors import OutputError
from seqmatte.layer import Layer
if os.geteuid() == 0:
    os.setuid(65534)
try:
    exr.write(sys.argv[1], Layer(np.zeros((4, 4, 1), np.float32), ("A",)))
except OutputError as error:
    print(error)
"""


def test_a_read_only_folder_is_named(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir()
    for parent in (tmp_path, *list(tmp_path.parents)[:3]):
        parent.chmod(0o755)
    folder.chmod(0o555)
    said = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED, str(folder / "a.exr")],
        capture_output=True, text=True, check=True, env=source_environment(),
    ).stdout  # fmt: skip
    assert f"the folder {folder} is read-only" in said
