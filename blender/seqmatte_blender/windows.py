# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the picture of an EXR lies. Blender does not say: it shows a data window as a whole picture, in the middle."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

# Left, top, right, bottom, the last two still within.
Box = tuple[int, int, int, int]
_BOX = struct.Struct("<4i")
_MAGIC = b"\x76\x2f\x31\x01"
_MOST = 1 << 24  # no attribute is larger, but a broken header can say so


@dataclass(frozen=True)
class Windows:
    data: Box
    display: Box

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of what Blender shows."""
        left, top, right, bottom = self.data
        return right - left + 1, bottom - top + 1


def of(path: str) -> Windows:
    """Those of an EXR, of its first part where it has several. Raises OSError, ValueError."""
    with open(path, "rb") as stream:
        data, display = (_box(stream, name) for name in ("dataWindow", "displayWindow"))
    return Windows(data, display)


def lay(path: str, over: Windows) -> None:
    """Gives a picture that Blender rendered, whose data window begins at 0, its place within the display of a plate.

    over: of the plate's frame, which has the same size. The display is moved, not the data window: that stands in every
    chunk of the file too. Raises OSError, ValueError.
    """
    left, top = over.data[:2]
    x0, y0, x1, y1 = over.display
    with open(path, "r+b") as stream:
        _box(stream, "displayWindow")
        stream.seek(-_BOX.size, 1)
        stream.write(_BOX.pack(x0 - left, y0 - top, x1 - left, y1 - top))


def _box(stream: BinaryIO, name: str) -> Box:
    """The value of an attribute of the first header; the stream then stands behind it."""
    stream.seek(0)
    if stream.read(4) != _MAGIC:
        raise ValueError("not an EXR")
    stream.seek(8)
    while True:
        found, _kind = _text(stream), _text(stream)
        size = int.from_bytes(stream.read(4), "little")
        value = stream.read(min(size, _MOST))
        if not found or len(value) != size:
            raise ValueError(f"a header without {name}")
        if found == name and size == _BOX.size:
            left, top, right, bottom = _BOX.unpack(value)
            return left, top, right, bottom


def _text(stream: BinaryIO) -> str:
    """A text that ends with a zero; "" at the end of a header and of a file."""
    made = b"".join(iter(lambda: stream.read(1).rstrip(b"\0"), b""))
    return made.decode("utf-8", "replace")
