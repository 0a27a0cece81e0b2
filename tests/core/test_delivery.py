"""Results in the artist's folder, and what is said where they cannot be put there."""

import shutil

import pytest

from seqlink import FramePath
from seqmatte import cli
from seqmatte.cache import Cache
from seqmatte.delivery import deliver
from seqmatte.engine import Engine
from seqmatte.errors import CacheError, OutputError


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQMATTE_HOME", str(tmp_path / "home"))


@pytest.fixture
def matte_to(tiny_shot, tmp_path):
    """Makes one frame of one mask; results and maps go where the words say."""

    def run(*words):
        alpha = ("--alpha", f"1={tiny_shot.guide(1, 'alpha').path}", "--only", "1", "--recipe", "flow-closed-form")
        return cli.main([str(w) for w in ("matte", tiny_shot.plate, *alpha, "--cache", tmp_path / "cache", *words)])

    return run


@pytest.mark.parametrize("flag", ["--out", "--confidence"])
@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("file/m.####.exr", "a file stands where its folder should be"),
        ("file/below/m.####.exr", "a file stands where its folder should be"),
        ("folder.####.exr", "a folder has that name"),
        ("l" + 250 * "o" + "ng.####.exr", "the name is longer than the disk allows"),
        (260 * "d" + "/m.####.exr", "the name is longer than the disk allows"),
    ],
)
def test_where_a_picture_cannot_be_put_is_a_sentence(matte_to, tmp_path, capsys, flag, place, said):
    (tmp_path / "file").touch()
    (tmp_path / "folder.0001.exr").mkdir()
    results = [] if flag == "--out" else ["--out", tmp_path / "out" / "m.####.exr"]
    assert matte_to(*results, flag, tmp_path / place) == OutputError.code
    told = capsys.readouterr().err
    assert f"cannot be written: {said}" in told or f"cannot write: {said}" in told
    assert "Errno" not in told
    assert ".tmp" not in told


@pytest.mark.parametrize("flag", ["--out", "--confidence"])
def test_a_name_as_long_as_the_disk_allows_is_written(matte_to, tmp_path, flag):
    name = 246 * "n" + ".####.exr"
    results = [] if flag == "--out" else ["--out", tmp_path / "out" / "m.####.exr"]
    assert matte_to(*results, flag, tmp_path / "long" / name) == 0
    assert [path.name for path in (tmp_path / "long").iterdir()] == [name.replace("####", "0001")]


def test_a_cache_that_is_taken_away_meanwhile_is_told_as_such(tiny_shot, tmp_path):
    shot = tiny_shot.shot(1, kind="alpha").replace(recipe="flow-closed-form")
    result = Engine(shot, Cache(tmp_path / "cache")).result(1)
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(CacheError, match="gone from the cache") as caught:
        deliver(result, FramePath(tmp_path / "out" / "m.####.exr"))
    assert (caught.value.frame, caught.value.path) == (1, result.path)
