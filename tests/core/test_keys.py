"""The memory of files' digests."""

from __future__ import annotations

import hashlib
import sqlite3
from functools import partial

import pytest

from seqmatte import keys
from seqmatte.keys import FileDigests


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / f"plate.{frame}.exr" for frame in range(1, 5)]
    for path in paths:
        path.write_bytes(path.name.encode())
    return paths


def expected(files):
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]


def test_a_memory_that_somebody_holds_is_waited_for_once_and_not_for_every_frame(tmp_path, files, monkeypatch):
    written = []

    class Counted(sqlite3.Connection):
        def execute(self, words, *values):
            written.extend(["waited for"] if words.startswith("insert") else [])
            return super().execute(words, *values)

    monkeypatch.setattr(keys, "PATIENCE_SECONDS", 0.5)
    FileDigests(tmp_path / "digests.sqlite").close()
    held = sqlite3.connect(tmp_path / "digests.sqlite", isolation_level=None)
    held.execute("begin immediate")
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Counted))
    digests = FileDigests(tmp_path / "digests.sqlite")
    assert expected(files) == [digests.of(path) for path in files]
    assert written == ["waited for"]
    held.close()


def test_a_damaged_memory_costs_no_digest(tmp_path, files):
    made = FileDigests(tmp_path / "digests.sqlite")
    assert expected(files) == [made.of(path) for path in files]
    made.close()
    content = bytearray((tmp_path / "digests.sqlite").read_bytes())
    content[200:] = b"\xaa" * (len(content) - 200)
    (tmp_path / "digests.sqlite").write_bytes(content)
    assert expected(files) == [FileDigests(tmp_path / "digests.sqlite").of(path) for path in files]
