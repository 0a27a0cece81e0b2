"""Headers of plates, remembered while their files stay as they are, and told in words."""

from __future__ import annotations

from seqmatte import plate_files
from seqmatte.file_stamp import Stamp, stamp_of
from seqmatte.layer import Header

# Headers that a process remembers at most.
_KEPT = 20_000
_HEADERS: dict[tuple[str, str, Stamp | None], Header] = {}


def header_of(path: str, frame: int, layer: str) -> Header:
    """The header of a plate frame, remembered in the process. Raises PlateError."""
    key = (path, layer, stamp_of(path))
    if key not in _HEADERS:
        if len(_HEADERS) >= _KEPT:
            _HEADERS.clear()
        _HEADERS[key] = plate_files.read_plate_header(path, frame=frame, layer=layer)
    return _HEADERS[key]


def windows_of(header: Header) -> str:
    """A picture's windows in words, as 1920 x 1080."""
    x, y, width, height = header.data
    at = f" at {x},{y}" if (x, y) != (0, 0) else ""
    inside = f" in a display of {header.display[2]} x {header.display[3]}" if header.display != header.data else ""
    return f"{width} x {height}{at}{inside}"
