"""What tells a file from what it was before, without reading it."""

from __future__ import annotations

import os

Stamp = tuple[int, int, int, int]


def stamp_of(path: str | os.PathLike[str]) -> Stamp | None:
    """Size, time of writing, time of any change (tools that mend headers put the other one back) and inode.

    Times are in nanoseconds. None where there is no file to be seen.
    """
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino
