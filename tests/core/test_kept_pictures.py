"""Pictures that a source keeps: each read once, as many as are looked at, shared by threads."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from seqmatte import kept_pictures, plate_files, source
from seqmatte.errors import PlateError
from seqmatte.source import Source

pytestmark = pytest.mark.usefixtures("no_studio_config")


def test_many_threads_asking_at_once_read_a_file_once(tiny_shot, digests, monkeypatch):
    reader, read, gate = Source(tiny_shot.shot(), digests), [], threading.Barrier(6)
    original = plate_files.read_plate

    def counted(path, **options):
        read.append(path)
        return original(path, **options)

    assert reader.encoding
    monkeypatch.setattr(source.plate_files, "read_plate", counted)

    def ask(number):
        gate.wait()
        return reader.layer("plate", 8, "encoded" if number % 2 else "scene").pixels.sum()

    with ThreadPoolExecutor(6) as pool:
        sums = list(pool.map(ask, range(6)))
    assert [tiny_shot.plate.path(8)] == read
    assert 2 == len(set(sums))


def test_memory_stays_bounded_whatever_is_asked(tiny_shot, digests, monkeypatch):
    monkeypatch.setattr(kept_pictures, "KEPT_BYTES", 5 * 48 * 64 * 3 * 4)
    monkeypatch.setattr(kept_pictures, "KEPT_PICTURES", 2)
    reader = Source(tiny_shot.shot(), digests)
    for frame in tiny_shot.frames:
        reader.layer("plate", frame, "scene")
    assert 5 == len(reader._pictures._found)
    assert ("plate", 12, "scene") in reader._pictures._found


def test_of_large_pictures_as_many_are_kept_as_a_frame_looks_at(tiny_shot, digests, monkeypatch):
    monkeypatch.setattr(kept_pictures, "KEPT_BYTES", 1)
    monkeypatch.setattr(kept_pictures, "KEPT_PICTURES", 4)
    reader = Source(tiny_shot.shot(), digests)
    for frame in tiny_shot.frames:
        reader.layer("plate", frame, "scene")
    assert 4 == len(reader._pictures._found)


def test_a_prefetched_error_waits_for_whoever_asks(tiny_shot, digests):
    os.unlink(tiny_shot.plate.path(5))
    reader = Source(tiny_shot.shot(), digests)
    reader.prefetch("plate", 5, "scene")
    with pytest.raises(PlateError, match="missing"):
        reader.layer("plate", 5, "scene")


def test_layers_cannot_be_written_into_by_those_who_share_them(tiny_shot, digests):
    plate = Source(tiny_shot.shot(), digests).layer("plate", 2, "scene")
    with pytest.raises(ValueError, match="read-only"):
        plate.pixels[0, 0] = 1
