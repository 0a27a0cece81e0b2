"""What tells a file from what it was before, without reading it."""

from __future__ import annotations

import os
from typing import NamedTuple


class Stamp(NamedTuple):
    """size in bytes; times in nanoseconds. changed: of any change, a link made or an owner given too."""

    size: int
    written: int
    changed: int
    inode: int

    @property
    def writing(self) -> tuple[int, int, int]:
        """What writing changes and a link does not. Tools that put the time back are told by `changed` alone."""
        return self.size, self.written, self.inode


def stamp_of(path: str | os.PathLike[str]) -> Stamp | None:
    """The stamp of a file; None where there is none to be seen."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return Stamp(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def written_since(path: str | os.PathLike[str], before: Stamp | None) -> bool:
    """Whether the file was written, put there or taken away after the stamp; a link made to it meanwhile is nothing."""
    now = stamp_of(path)
    return (now and now.writing) != (before and before.writing)
