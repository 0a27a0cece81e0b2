"""Keys made of content: digests of files, remembered by stat, and of plain values."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from seqmatte.errors import CacheError, PlateError
from seqmatte.file_stamp import Stamp, stamp_of, written_since

# A file younger than this when it was hashed may change again within its timestamp's granularity.
SETTLED_SECONDS = 2.0

# How long another process may hold the memory of digests.
PATIENCE_SECONDS = 5.0


def digest(*parts: object) -> str:
    """A sha256 of plain values (numbers, texts, lists, dicts): 64 hex digits."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=list)
    return hashlib.sha256(text.encode()).hexdigest()


def home() -> Path:
    """The user's folder of caches and settings: $SEQMATTE_HOME, else the system's cache folder.

    Raises CacheError for a user who has none, as in containers of farms.
    """
    if named := os.environ.get("SEQMATTE_HOME"):
        return Path(named)
    base = os.environ.get("LOCALAPPDATA") or os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "seqmatte"
    except RuntimeError:
        advice = "name a folder in the environment variable SEQMATTE_HOME, and the cache with --cache"
        raise CacheError(f"this user has no home folder; {advice}") from None


class FileDigests:
    """The sha256 of files, remembered by path and stamp.

    The memory is a local database per machine; where it cannot be read or written, or is held by another process,
    digests are remembered in the process only. Thread-safe.
    """

    def __init__(self, database: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[Stamp, float, str]] = {}
        self._database = self._opened(database)

    def of(self, path: str | os.PathLike[str]) -> str:
        """The digest of a file's bytes.

        Raises FileNotFoundError and other OSErrors as they are, and PlateError when the file changes while it is read.
        """
        real = os.path.realpath(path)
        stamp = stamp_of(real)
        known = self._remembered(real)
        if known and stamp and known[0] == stamp and known[1] - stamp.written / 1e9 > SETTLED_SECONDS:
            return known[2]
        read_at = time.time()
        with open(real, "rb") as file:
            made = hashlib.file_digest(file, "sha256").hexdigest()
        if stamp is None or written_since(real, stamp):
            raise PlateError("the file changed while it was read; wait until it is written", path=path)
        self._remember(real, stamp, read_at, made)
        return made

    def _remembered(self, real: str) -> tuple[Stamp, float, str] | None:
        with self._lock:
            if real in self._seen or self._database is None:
                return self._seen.get(real)
            with self._given_up_on_error():
                query = "select size, time, changed, inode, read_at, digest from stamped where path = ?"
                row = self._database.execute(query, (real,)).fetchone()
                if row:
                    self._seen[real] = (Stamp(*row[:4]), row[4], row[5])
            return self._seen.get(real)

    def _remember(self, real: str, stamp: Stamp, read_at: float, made: str) -> None:
        with self._lock:
            self._seen[real] = (stamp, read_at, made)
            if self._database is not None:
                with self._given_up_on_error():
                    row = (real, *stamp, read_at, made)
                    self._database.execute("insert or replace into stamped values (?, ?, ?, ?, ?, ?, ?)", row)

    @contextlib.contextmanager
    def _given_up_on_error(self) -> Iterator[None]:
        """A database that is damaged, or locked by a computer that died, must not be waited for file by file."""
        try:
            yield
        except sqlite3.Error:
            self._database = None

    @staticmethod
    def _opened(path: Path | None) -> sqlite3.Connection | None:
        table = (
            "create table if not exists stamped "
            "(path text primary key, size int, time int, changed int, inode int, read_at real, digest text)"
        )
        try:
            path = path or home() / "digests.sqlite"
            path.parent.mkdir(parents=True, exist_ok=True)
            database = sqlite3.connect(path, timeout=PATIENCE_SECONDS, isolation_level=None, check_same_thread=False)
            database.execute("pragma journal_mode = wal")
            database.execute("pragma synchronous = off")
            database.execute(table)
            database.execute("drop table if exists files")  # of earlier releases
        except (OSError, sqlite3.Error, CacheError):
            # Only a memory: without it files are hashed again.
            return None
        return database

    def close(self) -> None:
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None
