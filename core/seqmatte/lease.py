"""Leases: what running jobs claim of a cache, so that pruning by any process spares it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seqmatte import whole_file

# A lease that was not renewed for this long belongs to a process that is gone.
LEASE_SECONDS = 600.0

_NAME = re.compile(r".+-\d+-\d+\.json")


class Lease:
    """A running job's claim on keys; renewed as the job goes on. A cache that cannot be written has no leases."""

    def __init__(self, folder: Path, keys: list[str]) -> None:
        self._path = folder / f"{socket.gethostname()}-{os.getpid()}-{time.monotonic_ns()}.json"
        self._content = json.dumps({"started": time.time(), "keys": keys}).encode()
        self._renewed = time.monotonic()
        self._write()

    def renew(self) -> None:
        """Says that the job still runs. Cheap: touches a file at most twice a minute.

        The file is written again where it is gone: a computer that slept may wake after another one swept it away.
        """
        if time.monotonic() - self._renewed > LEASE_SECONDS / 20:
            self._renewed = time.monotonic()
            try:
                os.utime(self._path)
            except FileNotFoundError:
                self._write()
            except OSError:  # as for all of a lease: it is no reason to stop the job
                pass

    def _write(self) -> None:
        with contextlib.suppress(OSError):
            whole_file.make_folder(self._path.parent)
            whole_file.write(self._path, self._content)

    def end(self) -> None:
        self._renewed = float("inf")
        with contextlib.suppress(OSError):
            self._path.unlink()


def leases_held(folder: Path) -> list[dict[str, Any]]:
    """The leases in a folder whose jobs still run: when each was "started", and its "keys"."""
    found = []
    for path in _files(folder):
        with contextlib.suppress(OSError, ValueError):
            if time.time() - path.stat().st_mtime < LEASE_SECONDS and not _ended(path):
                found.append(json.loads(path.read_text()))
    return found


def sweep_leases(folder: Path) -> None:
    """Takes away leases that were never ended."""
    for path in _files(folder):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > LEASE_SECONDS:
                path.unlink()


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.glob("*.json") if is_lease(path, path.name))


def is_lease(path: Path, name: str) -> bool:
    """Whether a file of this name, in the folder that it lies in, is a lease."""
    return path.parent.name == "leases" and _NAME.fullmatch(name) is not None


def _ended(lease: Path) -> bool:
    """Whether a lease was taken on this machine by a process that is no more."""
    host, process, _ = lease.stem.rsplit("-", 2)
    if host != socket.gethostname() or os.name == "nt":  # where a signal of 0 would end the process
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
