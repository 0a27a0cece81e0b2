"""Users without a home folder, or with one that they may not look into, as in the containers of farms."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import pytest

from shots import source_environment

pytestmark = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user"
)

WORK = """
import os, shutil, sqlite3, sys, tempfile
from seqmatte import doctor, exr, report, weights
from seqmatte.cache import Cache
from seqmatte.errors import CacheError
from seqmatte.keys import FileDigests
os.setuid(54321)
print(FileDigests().of(sys.argv[1]))
print(weights.find("refiner").path)
try:
    Cache(sys.argv[2] if len(sys.argv) > 2 else None).put_state("ab", {})
    print("kept")
except CacheError as error:
    print(error)
for check in doctor._guarded(doctor.cache_folder(None)):
    print(check.name, check.found)
"""


def work(place, *more, **environment):
    """What is said, line by line, by a user who owns nothing and reads a plate at `place`."""
    base = {k: v for k, v in source_environment().items() if k not in ("HOME", "SEQMATTE_HOME", "XDG_CACHE_HOME")}
    command = [sys.executable, "-c", WORK, str(place), *map(str, more)]
    done = subprocess.run(command, capture_output=True, text=True, env={**base, **environment}, cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def plate(tmp_path):
    for folder in (tmp_path, *list(tmp_path.parents)[:3]):
        folder.chmod(0o755)
    (tmp_path / "plate.exr").write_bytes(b"pixels")
    return tmp_path / "plate.exr"


def test_who_has_no_home_needs_only_to_name_the_cache(plate, tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    digest, found, kept, _ = work(plate, tmp_path / "cache")
    assert digest == hashlib.sha256(b"pixels").hexdigest()
    assert "weights_shipped" in found
    assert kept == "kept"


def test_who_has_no_home_is_told_what_to_name(plate):
    *_, cache, doctor = work(plate)
    assert cache.startswith("this user has no home folder; name a folder in the environment variable SEQMATTE_HOME")
    assert doctor.startswith("cache folder this user has no home folder")


def test_a_home_that_may_not_be_looked_into_hides_no_shipped_weights(plate, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o700)
    _, found, cache, _ = work(plate, HOME=str(tmp_path / "locked"))
    assert "weights_shipped" in found
    assert cache.startswith("the cache folder cannot be made: the folder may not be written (permissions)")
