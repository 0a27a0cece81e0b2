import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from seqmatte import exr
from seqmatte.cache import Cache
from seqmatte.errors import CacheError
from seqmatte.keys import digest
from seqmatte.layer import Header, Layer
from shots import source_environment

KEY = digest("some layer")


def a_layer(seed=0, **facts):
    pixels = np.random.default_rng(seed).normal(0.5, 2, (20, 30, 4)).astype(np.float32)
    header = Header((-3, 2, 30, 20), (0, 0, 26, 24), 2.0, {"shot": ("string", "ab_010")})
    return exr.quantised(Layer(pixels, ("R", "G", "B", "A"), header, facts), ("R", "G", "B"))


def put(cache, key=KEY, **facts):
    layer = a_layer(**facts)
    cache.put(key, layer, ("R", "G", "B"))
    return layer


def test_a_layer_comes_back_bit_for_bit_with_its_windows_and_facts(tmp_path):
    cache = Cache(tmp_path)
    layer = put(cache, confidence=0.25)
    found = cache.get(KEY)
    assert found.channels == layer.channels
    assert np.array_equal(found.pixels.view(np.uint32), layer.pixels.view(np.uint32))
    assert (found.header.data, found.header.display) == (layer.header.data, layer.header.display)
    assert found.facts == {"confidence": 0.25}


def test_folders_of_a_shared_cache_are_open_to_whom_it_is_whatever_its_first_user_s_habits(tmp_path):
    root = tmp_path / "shared"
    root.mkdir()
    root.chmod(0o2775)
    before = os.umask(0o077)
    try:
        cache = Cache(root)
        put(cache)
        cache.put_state(digest("a state"), {"memory": np.zeros(3)})
        with cache.lease([KEY]):
            made = [path for path in root.iterdir() if path.is_dir()]
    finally:
        os.umask(before)
    assert {KEY[:2], digest("a state")[:2], "leases"} == {path.name for path in made}
    assert {0o2775} == {path.stat().st_mode & 0o7777 for path in made}


def test_what_was_never_put_is_not_there(tmp_path):
    cache = Cache(tmp_path / "none yet")
    assert cache.get(KEY) is None
    assert KEY not in cache
    assert cache.contents().entries == 0


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "other"])
def test_a_damaged_entry_is_dropped_and_never_served(tmp_path, damage):
    cache = Cache(tmp_path)
    put(cache)
    path = cache.path(KEY)
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[-40] ^= 0xFF
    elif damage == "other":
        put(cache, digest("another"), seed=1)
        content = cache.path(digest("another")).read_bytes()
    path.write_bytes({"cut": content[:-100], "empty": b""}.get(damage, bytes(content)))
    assert cache.get(KEY) is None
    assert not path.exists()


def test_the_same_layer_makes_the_same_bytes(tmp_path):
    first, second = Cache(tmp_path / "a"), Cache(tmp_path / "b")
    put(first)
    put(second)
    assert first.path(KEY).read_bytes() == second.path(KEY).read_bytes()


def test_a_snapshot_comes_back_bit_for_bit_and_a_damaged_one_not_at_all(tmp_path):
    cache = Cache(tmp_path)
    arrays = {"alpha": np.float32([[0.1, -0.0], [1e-42, 3]]), "age": np.int64(7), "empty": np.zeros((0, 3))}
    cache.put_state(KEY, arrays)
    found = cache.get_state(KEY)
    for name, array in arrays.items():
        assert found[name].dtype == np.asarray(array).dtype
        assert found[name].tobytes() == np.asarray(array).tobytes()
    path = next(tmp_path.glob("??/*.npz"))
    path.write_bytes(path.read_bytes()[:-5] + b"12345")
    assert cache.get_state(KEY) is None


def test_pruning_takes_the_longest_unused_first(tmp_path):
    cache = Cache(tmp_path)
    keys = [digest(i) for i in range(4)]
    for age, key in enumerate(keys):
        put(cache, key)
        os.utime(cache.path(key), (1000 + age, 1000 + age))
    size = cache.path(keys[0]).stat().st_size
    assert cache.prune(2 * size + 10) == pytest.approx(2 * size, abs=8)
    assert [key in cache for key in keys] == [False, False, True, True]


def test_the_lease_of_a_process_that_was_killed_holds_nothing(tmp_path):
    cache = Cache(tmp_path)
    put(cache)
    script = (
        "import os, sys\nfrom seqmatte.cache import Cache\n"
        "with Cache(sys.argv[1]).lease([sys.argv[2]]): os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path), KEY], env=source_environment(), check=False)
    assert list((tmp_path / "leases").glob("*.json"))
    assert cache.contents().leases == 0
    assert cache.clear() > 0


def test_pruning_goes_on_past_what_it_may_not_delete(tmp_path, monkeypatch):
    cache = Cache(tmp_path)
    keys = [digest(i) for i in range(3)]
    for key in keys:
        put(cache, key)
    unlink = Path.unlink

    def refused(self, missing_ok=False):
        if self == cache.path(keys[1]):
            raise PermissionError("a colleague's")
        unlink(self, missing_ok)

    monkeypatch.setattr(Path, "unlink", refused)
    size = cache.path(keys[0]).stat().st_size
    assert cache.clear() == pytest.approx(2 * size, abs=8)
    assert [key in cache for key in keys] == [False, True, False]


def test_pruning_spares_what_a_running_job_has_leased(tmp_path):
    cache = Cache(tmp_path)
    keys = [digest(i) for i in range(3)]
    for key in keys:
        put(cache, key)
        os.utime(cache.path(key), (1000, 1000))
    with Cache(tmp_path).lease([keys[1]]):
        cache.clear()
        assert [key in cache for key in keys] == [False, True, False]
    cache.clear()
    assert keys[1] not in cache


def test_a_cache_folder_that_cannot_be_made_says_what_to_do(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CacheError, match="--cache"):
        put(Cache(tmp_path / "file" / "cache"))


@pytest.mark.parametrize("taken", ["clear", "prune"])
def test_a_folder_that_is_no_cache_loses_nothing(tmp_path, taken):
    cache = Cache(tmp_path / "show")
    others = [
        "fg/plate.1001.exr", "fg/.notes", "fg/states.npz", "fg/.fg_plate.exr.swp", f"ab/{KEY}.exr", f"ab/.{KEY}.exr",
        "leases/contract.json", "leases/.contract", "leases/house-12-b.json",
    ]  # fmt: skip
    for name in others:
        path = cache.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        exr.write(path.with_name("p.exr"), a_layer())
        path.with_name("p.exr").replace(path)
        os.utime(path, (1000, 1000))
    assert cache.contents().entries == 0
    assert (cache.clear() if taken == "clear" else cache.prune(10)) == 0
    assert sorted(others) == sorted(str(p.relative_to(cache.root)) for p in cache.root.rglob("*") if p.is_file())


def test_what_dead_writers_left_is_swept_away(tmp_path):
    cache, host = Cache(tmp_path), socket.gethostname()
    folder = cache.path(KEY).parent
    left = [
        folder / f".{KEY}.exr.{host}.77.0.tmp.exr",
        folder / f".{KEY}.npz.a.farm.host.77.12.tmp",
        tmp_path / "leases" / f".{host}-77-123.json.{host}.77.3.tmp",
        tmp_path / "leases" / "farm-7.studio-77-123.json",
    ]
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.write_text("half of it")
    cache.prune(0)
    assert all(path.exists() for path in left)
    for path in left:
        os.utime(path, (1000, 1000))
    cache.prune(0)
    assert not any(path.exists() for path in left)


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="needs a file whose reading fails")
def test_an_entry_that_cannot_be_read_now_stays(tmp_path):
    cache = Cache(tmp_path)
    path = cache.path(KEY)
    path.parent.mkdir()
    path.symlink_to("/proc/self/mem")  # opens, and then gives an input/output error as a share that goes away
    assert cache.get(KEY) is None
    assert path.is_symlink()


def test_a_lease_that_was_swept_away_is_taken_again_when_it_is_renewed(tmp_path, monkeypatch):
    monkeypatch.setattr("seqmatte.lease.LEASE_SECONDS", 0.0)
    cache = Cache(tmp_path)
    with cache.lease([KEY]) as lease:
        (held,) = (tmp_path / "leases").iterdir()
        content = held.read_bytes()
        held.unlink()
        lease.renew()
        assert held.read_bytes() == content
    lease.renew()
    assert not held.exists()
