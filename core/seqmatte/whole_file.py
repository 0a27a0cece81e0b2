"""Files that appear whole or not at all, whatever dies meanwhile and whoever else writes them."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

_serial = itertools.count()

# Bytes in a file's name, on every system in use.
LONGEST_NAME = 255


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], suffix: str = "tmp") -> Iterator[Path]:
    """A place to write to, hidden beside `path`; what lies there afterwards is flushed to disk and takes its name.

    After an error nothing has changed. Another place for each host, process and call. suffix: what the place's name
    ends with, for writers that go by it. Raises OSError.
    """
    target = Path(path)
    beside = target.with_name(_hidden(target.name, f".{socket.gethostname()}.{os.getpid()}.{next(_serial)}.{suffix}"))
    try:
        yield beside
        _flushed(beside)
        _renamed(beside, target)
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()


def make_folder(folder: Path) -> None:
    """Makes a folder, and the one that it lies in, where they are missing. A new one is open to those to whom the one
    that it lies in is: the habits of its first user (umask) must not lock out the others. Raises OSError.
    """
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(exist_ok=True)
        with contextlib.suppress(OSError):  # not ours, or a disk without permissions
            shutil.copymode(folder.parent, folder)


def _hidden(name: str, ending: str) -> str:
    """.NAME with the ending; of a long name only as much as the system leaves room for beside it."""
    room = LONGEST_NAME - len(os.fsencode(ending)) - 1
    return f".{os.fsencode(name)[:room].decode('utf-8', 'ignore')}{ending}"


def write(path: str | os.PathLike[str], content: bytes) -> None:
    """The whole file or none of it; its folder must be there. Raises OSError."""
    with replacing(path) as beside:
        beside.write_bytes(content)


def _flushed(path: Path) -> None:
    # Windows flushes only what is open for writing.
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _renamed(path: Path, target: Path) -> None:
    # Windows refuses while a reader holds the target open; readers are short.
    for wait in (0.05, 0.2, 0.8, 2.0):
        try:
            path.replace(target)
            return
        except PermissionError:
            if os.name != "nt":
                raise
            time.sleep(wait)
    path.replace(target)
