"""What an engine reads before it is asked for: a walk's plates, and results that are cached already."""

import threading
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from seqmatte import engine, kept_pictures, plate_files
from seqmatte.cache import Cache
from seqmatte.engine import Engine
from seqmatte.source import Source


@pytest.fixture
def shot(tiny_shot):
    return tiny_shot.shot(1, recipe="flow-closed-form")


def test_each_frame_asks_ahead_for_the_farthest_plate_that_the_one_before_it_looked_at_one_further(
    shot, tiny_shot, tmp_path, monkeypatch
):
    asked, done = {}, []
    prefetch = Source.prefetch

    class Prompt(ThreadPoolExecutor):
        """Whatever is read ahead is read before the walk goes on, however slow this machine's threads are."""

        def submit(self, *call):
            wait([made := super().submit(*call)])
            return made

    monkeypatch.setattr(engine, "ThreadPoolExecutor", Prompt)
    monkeypatch.setattr(
        Source, "prefetch", lambda self, *read: (asked.setdefault(len(done), set()).add(read), prefetch(self, *read))
    )
    for result in Engine(shot, Cache(tmp_path)).render():
        done.append(result.frame)
    # Frame 4 is being made, 3 is done: the farthest that 3 looked at (6 frames on) is asked for for 5.
    wanted = set().union(*(reads for count, reads in asked.items() if count <= 4))
    assert {("plate", 11, "encoded")} <= wanted
    assert ("plate", 5, "scene") in wanted
    last = tiny_shot.frames[-1]
    assert all(1 <= frame <= last for reads in asked.values() for _, frame, _ in reads)


def test_plates_too_large_to_keep_many_are_not_read_over_and_over(shot, tmp_path, monkeypatch):
    monkeypatch.setattr(kept_pictures, "KEPT_BYTES", 1)
    read, reads = plate_files.read_plate, []
    monkeypatch.setattr(plate_files, "read_plate", lambda path, **more: (reads.append(path), read(path, **more))[1])
    made = list(Engine(shot, Cache(tmp_path)).render())
    assert len(reads) <= 3 * len(made)


def test_a_cancel_does_not_wait_for_what_was_to_be_read_ahead(shot, tmp_path, monkeypatch):
    begun, first, ended = [], threading.Event(), threading.Event()

    def slow(self, name, frame, space=None):
        begun.append(frame)
        first.set()
        ended.wait(300)

    class Ended(ThreadPoolExecutor):
        """What is being read when it is told to stop goes on until it was told."""

        def shutdown(self, wait=True, *, cancel_futures=False):
            super().shutdown(False, cancel_futures=cancel_futures)
            ended.set()
            super().shutdown(wait)

    monkeypatch.setattr(engine, "ThreadPoolExecutor", Ended)
    monkeypatch.setattr(Source, "prefetch", slow)
    results = Engine(shot, Cache(tmp_path)).render()
    next(results), next(results)
    assert first.wait(300)
    results.close()
    assert len(begun) == 1


def test_a_cached_frame_is_read_while_the_one_before_it_is_handed_on_and_is_the_same(shot, tmp_path, monkeypatch):
    first = [(result.key, result.confidence) for result in Engine(shot, Cache(tmp_path)).render()]
    readers, get = [], Cache.get
    monkeypatch.setattr(
        Cache, "get", lambda self, key: (readers.append(threading.current_thread().name), get(self, key))[1]
    )
    again = [(result.key, result.confidence) for result in Engine(shot, Cache(tmp_path)).render()]
    assert again == first
    assert len(readers) == len(first)
    assert all(name.startswith("shelf") for name in readers)


def test_a_cached_frame_that_is_damaged_is_made_again_though_it_was_read_ahead(shot, tmp_path):
    cache = Cache(tmp_path)
    paths = [cache.path(result.key) for result in Engine(shot, cache).render()]
    whole = paths[3].read_bytes()
    paths[3].write_bytes(whole[:-50])
    steps = [result.steps for result in Engine(shot, cache).render()]
    assert [count > 0 for count in steps] == [index == 3 for index in range(len(paths))]
    assert paths[3].read_bytes() == whole


def test_a_finished_frame_is_not_kept_in_memory(shot, tmp_path):
    engine = Engine(shot, Cache(tmp_path))
    keys = {result.key for result in engine.render()}
    assert not keys & set(engine._shelf._kept)
