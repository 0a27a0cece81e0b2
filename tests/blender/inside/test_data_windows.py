"""Keys on plates whose data windows change, or lie elsewhere than the display.

Blender knows no data windows: it shows each frame's own as a whole picture, in the middle.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import bpy
import numpy as np
import OpenImageIO as oiio
import pytest
import rig

import shots
from seqmatte import exr

Window = tuple[int, int, int, int]
CROP: Window = (9, 5, 40, 38)  # holds the whole disc on 1001 to 1005


def crop(comp: rig.Comp, window: Window, *frames: int) -> None:
    """Writes frames of the plate again with less of the picture, as a crop or a renderer would."""
    x, y, width, height = window
    for frame in frames:
        path = Path(comp.tiny.plate.path(frame))
        pixels = exr.read(path).pixels[y : y + height, x : x + width]
        header = replace(comp.tiny.header, data=window)
        shots.write_picture(path, pixels, ("R", "G", "B"), header)


def drawn_over(comp: rig.Comp, frame: int, window: Window) -> list[tuple[float, float]]:
    """The outline of the disc as an artist draws it over the frame that Blender shows them."""
    x, y, width, height = window
    alpha = comp.tiny.alpha[frame]
    rows, columns = np.nonzero(alpha > 0.5)
    centre = (columns.mean() + 0.5 - x, height - (rows.mean() + 0.5 - y))
    radius = float(np.sqrt((alpha > 0.5).sum() / np.pi))
    return [rig.outline(centre, radius, turn, width, height) for turn in np.linspace(0, 2 * np.pi, 24, False)]


def key(comp: rig.Comp, frame: int, window: Window, way: str) -> None:
    """A key of one kind or another, as it is drawn over a frame with that data window."""
    x, y, width, height = window
    if way == "painted":
        hard = (comp.tiny.alpha[frame] > 0.5)[y : y + height, x : x + width]
        comp.key(frame, source="IMAGE", image=rig.paint("Paint", hard.astype(np.float32)))
        return
    mask = rig.mask("Head", drawn_over(comp, frame, window))
    if way == "linked":
        comp.link_mask(mask)
        comp.key(frame)
    else:
        comp.key(frame, source="MASK", mask=mask)


def off(comp: rig.Comp, frame: int) -> float:
    """How far the alpha of a frame lies from the truth over the display, none where the result has no pixels."""
    made = oiio.ImageBuf(comp.record().source[frame])
    made = oiio.ImageBufAlgo.crop(made, oiio.ROI(0, 64, 0, 48))
    alpha = made.get_pixels(oiio.FLOAT)[:, :, made.spec().channelnames.index("A")]
    return float(np.abs(alpha - comp.tiny.alpha[frame]).mean())


@pytest.mark.parametrize("way", ["mask", "linked", "painted"])
@pytest.mark.parametrize("cropped", [(1003,), (1001, 1002), (1001, 1002, 1003, 1004, 1005)])
def test_a_key_lies_where_it_was_drawn_whichever_frames_are_cropped(comp: rig.Comp, way: str, cropped: tuple[int, ...]):
    crop(comp, CROP, *cropped)
    comp.plate.image.reload()
    key(comp, 1003, CROP if 1003 in cropped else (0, 0, 64, 48), way)
    comp.solve()
    assert off(comp, 1003) < 0.03


def test_a_key_lies_where_it_was_drawn_on_a_data_window_that_is_only_moved(comp: rig.Comp):
    moved = (7, 4, 64, 48)
    for frame in comp.frames:
        path = Path(comp.tiny.plate.path(frame))
        shots.write_picture(path, exr.read(path).pixels, ("R", "G", "B"), replace(comp.tiny.header, data=moved))
        comp.tiny.alpha[frame][:] = np.roll(comp.tiny.alpha[frame], (4, 7), (0, 1))
    comp.key(1003, source="MASK", mask=rig.mask("Head", drawn_over(comp, 1003, moved)))
    comp.solve()
    assert off(comp, 1003) < 0.03
    assert comp.status.note == "plate.1001.exr: read directly"  # Blender centres plate and matte alike


def test_a_second_blender_lays_keys_as_this_one_does_and_the_panel_tells_that_blender_centres(comp: rig.Comp):
    crop(comp, CROP, 1003)
    key(comp, 1003, CROP, "mask")
    bpy.ops.seqmatte.check(node=comp.matte.name, second_blender=False)
    (guide,) = (comp.result(1001).parent / "guides").iterdir()
    here = guide.read_bytes()
    guide.unlink()
    comp.solve(second_blender=True)
    assert guide.read_bytes() == here
    assert comp.status.note == (
        "plate.1001.exr: read directly; its data window changes: a matte lies where its file says, "
        "and Blender centres the frame"
    )


def test_keys_on_frames_of_a_movie_clip_lie_where_they_were_drawn(comp: rig.Comp):
    crop(comp, CROP, 1003)
    node = comp.tree.nodes.new("CompositorNodeMovieClip")
    node.clip = bpy.data.movieclips.load(comp.tiny.plate.path(1001))
    node.clip.frame_start = 1001
    comp.tree.links.new(node.outputs["Image"], comp.matte.inputs["Image"])
    key(comp, 1001, (0, 0, 64, 48), "linked")
    mask = rig.mask("Cropped", drawn_over(comp, 1003, CROP))
    comp.key(1003, source="MASK", mask=mask)
    comp.solve()
    assert max(off(comp, frame) for frame in comp.frames) < 0.03


@pytest.mark.parametrize(
    "content", [b"", b"\x76\x2f\x31\x01", b"\x76\x2f\x31\x01\2\0\0\0dataWindow\0box2i\0\xff\xff\xff\xff"]
)
def test_a_frame_with_a_key_that_is_no_whole_exr_is_named(comp: rig.Comp, content: bytes):
    key(comp, 1003, (0, 0, 64, 48), "mask")
    Path(comp.tiny.plate.path(1003)).write_bytes(content)
    assert f"{comp.tiny.plate.path(1003)} is no whole EXR: write it again." in rig.message_of(comp.solve)
    Path(comp.tiny.plate.path(1003)).unlink()
    assert f"{comp.tiny.plate.path(1003)} does not exist." in rig.message_of(comp.solve)
