"""Pictures brought into one data window: plate frames that have smaller ones, and guides as they were drawn.

A guide that says nothing there is refused.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from seqlink.shot import Guide
from seqmatte.errors import GuideError
from seqmatte.layer import Header, Layer, Pixels

# How far a trimap's values may lie from 0, 0.5 and 1: 8-bit files have no exact half.
TRIMAP_TOLERANCE = 0.05
_BLANK = 1e-3


# x, y, width, height.
Window = tuple[int, int, int, int]


def around(windows: Collection[Window]) -> Window:
    """The smallest data window that holds all of these."""
    left, top = min(w[0] for w in windows), min(w[1] for w in windows)
    right, bottom = max(w[0] + w[2] for w in windows), max(w[1] + w[3] for w in windows)
    return left, top, right - left, bottom - top


def meet(one: Window, other: Window) -> bool:
    """Whether two windows have a pixel in common."""
    return all(one[i] < other[i] + other[i + 2] and other[i] < one[i] + one[i + 2] for i in (0, 1))


def on_canvas(picture: Layer, canvas: Header) -> Layer:
    """The picture in the canvas's data window, black around its own; itself where they are one."""
    header = picture.header
    if header is None or header.data == canvas.data:
        return picture
    planes = [_into_window(plane, *header.data[:2], canvas) for plane in np.moveaxis(picture.pixels, 2, 0)]
    return replace(picture, pixels=np.stack(planes, 2), header=replace(header, data=canvas.data))


def guide_on_plate(drawn: Layer, plate: Header, guide: Guide) -> Layer:
    """The guide in the plate's data window, H x W x 1, a trimap's values exactly 0, 0.5, 1.

    Raises GuideError, naming frame and file, for another size, a trimap with other values, and a guide that is empty,
    full, or unknown everywhere.
    """
    values = _placed(drawn, plate, guide)
    if guide.kind == "trimap":
        values = _snapped(values, guide)
    _refuse_blank(values, guide)
    return Layer(np.ascontiguousarray(values[:, :, None]), drawn.channels, plate, drawn.facts)


def _placed(drawn: Layer, plate: Header, guide: Guide) -> Pixels:
    header = drawn.header or Header.of_size(drawn.width, drawn.height)
    values = drawn.pixels[:, :, 0]
    # Hosts write a roto cropped to its own bounds: within the same display it has a place, and is 0 around.
    if header.display[2:] == plate.display[2:]:
        x = header.data[0] - header.display[0] + plate.display[0]
        y = header.data[1] - header.display[1] + plate.display[1]
        return _into_window(values, x, y, plate)
    if header.data[2:] == plate.data[2:]:
        return values
    if header.data[2:] == plate.display[2:]:
        return _into_window(values, plate.display[0], plate.display[1], plate)
    sizes = f"{header.data[2]} x {header.data[3]}, the plate {plate.data[2]} x {plate.data[3]}"
    if plate.data != plate.display:
        sizes += f" in a display of {plate.display[2]} x {plate.display[3]}"
    raise GuideError(f"the {guide.kind} is {sizes}; draw it at the plate's size", frame=guide.frame, path=guide.path)


def _into_window(values: Pixels, x: int, y: int, plate: Header) -> Pixels:
    """Values whose top left pixel lies at x, y, cut to the plate's data window, 0 where there are none."""
    left, top, width, height = plate.data
    made = np.zeros((height, width), np.float32)
    x0, x1 = max(x, left), min(x + values.shape[1], left + width)
    y0, y1 = max(y, top), min(y + values.shape[0], top + height)
    if x0 < x1 and y0 < y1:
        made[y0 - top : y1 - top, x0 - left : x1 - left] = values[y0 - y : y1 - y, x0 - x : x1 - x]
    return made


def _snapped(values: Pixels, guide: Guide) -> Pixels:
    nearest = np.round(values * 2) / 2
    off = np.abs(values - nearest) > TRIMAP_TOLERANCE
    if off.any():
        example = float(values[off][0])
        raise GuideError(
            f"the trimap has {int(off.sum())} pixels that are neither 0, 0.5 nor 1, such as {example:.3g}; "
            "give it as an alpha if its soft values are meant, or switch antialiasing off where it comes from a roto",
            frame=guide.frame,
            path=guide.path,
        )
    return nearest.astype(np.float32)


def _refuse_blank(values: Pixels, guide: Guide) -> None:
    low, high = float(values.min()), float(values.max())
    said = ""
    if high < _BLANK:
        said = "empty (0 everywhere in the plate); draw the subject, or take the guide away where there is none"
    elif low > 1 - _BLANK:
        said = "full (1 everywhere); leave some background, or take the guide away where there is none"
    if guide.kind == "trimap" and low == high == 0.5:
        said = "unknown everywhere; mark some sure foreground and background"
    if guide.kind == "mask" and _BLANK <= high <= 0.5:
        said = f"nowhere above 0.5 (its most is {high:.2g}); draw it at full opacity, or give it as an alpha"
    if said:
        raise GuideError(f"the {guide.kind} is {said}", frame=guide.frame, path=guide.path)
