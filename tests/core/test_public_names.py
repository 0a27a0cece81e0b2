import seqmatte
from seqmatte.cache import Cache


def test_the_package_offers_these_names_and_no_others():
    assert seqmatte.__all__ == [
        "Cache", "Colour", "Device", "Engine", "FramePath", "FrameRange", "Guide", "Result", "SeqmatteError", "Shot",
        "matte",
    ]  # fmt: skip
    assert all(getattr(seqmatte, name) is not None for name in seqmatte.__all__)


def test_the_example_of_the_package_runs(tiny_shot, tmp_path):
    shot = tiny_shot.shot(recipe="flow-closed-form")
    results = list(seqmatte.matte(shot, [1, 2], cache=Cache(tmp_path / "cache")))
    assert [result.frame for result in results] == [1, 2]
    assert all(0 <= result.confidence <= 1 for result in results)
