"""Whether two EXRs hold the same picture, and whether one holds several views', without decoding them.

Nuke writes the date and its own state into each file, so that the same mask rendered twice differs in bytes. What a
result is named by is the content; so a guide keeps its old file when only such remarks have changed.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable

# Scan lines in one chunk by the number of the compression (OpenEXR file layout, "Chunk layout").
_LINES = {0: 1, 1: 1, 2: 1, 3: 16, 4: 32, 5: 16, 6: 32, 7: 32, 8: 32, 9: 256}
_KEPT = (
    "channels", "compression", "dataWindow", "displayWindow", "lineOrder", "pixelAspectRatio",
    "screenWindowCenter", "screenWindowWidth",
)  # fmt: skip
_PLAIN = 0x02  # version 2, no flags: one part, scan lines, names up to 31 characters
_LONG_NAMES = 0x402


def digest(path: str) -> str:
    """A sha256 of the pixels and windows of a scan-line EXR; of the bytes of any other file. Raises OSError."""
    with open(path, "rb") as file:
        content = file.read()
    made = hashlib.sha256()
    try:
        attributes, end = _header(content)
        for name in _KEPT:
            made.update(name.encode() + attributes.get(name, b""))
        made.update(content[end + 8 * _chunks(attributes) :])
    except (ValueError, LookupError, struct.error):
        return hashlib.sha256(content).hexdigest()
    return made.hexdigest()


def _header(content: bytes) -> tuple[dict[str, bytes], int]:
    """The attributes by name, and where the header ends. Raises ValueError for another layout than one part's."""
    magic, version = struct.unpack_from("<II", content)
    if magic != 20000630 or version not in (_PLAIN, _LONG_NAMES):
        raise ValueError("not a scan-line EXR of one part")
    attributes, at = {}, 8
    while content[at]:
        name_end = content.index(b"\0", at)
        type_end = content.index(b"\0", name_end + 1)
        (size,) = struct.unpack_from("<i", content, type_end + 1)
        attributes[content[at:name_end].decode()] = content[type_end + 5 : type_end + 5 + size]
        at = type_end + 5 + size
    return attributes, at + 1


def _chunks(attributes: dict[str, bytes]) -> int:
    _, top, _, bottom = struct.unpack("<4i", attributes["dataWindow"])
    lines = _LINES[attributes["compression"][0]]
    return -(-(int(bottom) - int(top) + 1) // lines)


def holds_views(path: str, views: Iterable[str]) -> bool:
    """Whether an EXR's header tells of pictures of several views: a list of them, or channels or parts named by one."""
    try:
        with open(path, "rb") as stream:
            head = stream.read(1 << 16)
    except OSError:
        return False  # who reads it says what is wrong
    named = (f"{view}.".encode() for view in views)
    return b"multiView\0" in head or b"view\0string\0" in head or any(name in head for name in named)
