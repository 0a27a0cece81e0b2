import numpy as np
import pytest

from seqmatte import recipe, weights
from seqmatte.cache import Cache
from seqmatte.engine import Engine
from seqmatte.errors import WeightsError
from seqmatte.events import Warning
from shots import write_tiny_shot


def test_auto_is_the_recipe_that_measured_best(tiny_shot):
    shot = tiny_shot.shot(recipe="auto")
    assert recipe.resolve(shot).name == "combined"
    assert recipe.automatic(shot) == ("combined", "")


def test_auto_without_the_shipped_weights_is_weight_free_and_says_so(tiny_shot, tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "SHIPPED", tmp_path / "none")
    heard = []
    shot = tiny_shot.shot(recipe="auto")
    results = list(Engine(shot, Cache(tmp_path / "cache"), listener=heard.append).render([1]))
    assert [result.frame for result in results] == [1]
    (note,) = [event.message for event in heard if isinstance(event, Warning)]
    assert note.startswith("recipe flow-closed-form instead of combined: there are no weights for hstsg-compact")


def test_weights_that_an_artist_names_are_not_gone_without(tiny_shot, tmp_path):
    shot = tiny_shot.shot(recipe="auto").replace(weights={"refiner": str(tmp_path / "none.safetensors")})
    with pytest.raises(WeightsError, match=r"none\.safetensors"):
        Engine(shot, Cache(tmp_path / "cache"))


@pytest.mark.parametrize("name", ["flow-closed-form", "hstsg-compact", "combined", "flow-refiner"])
def test_an_alpha_of_the_artists_comes_out_as_it_went_in_faintest_wisps_and_all(name, tmp_path):
    tiny = write_tiny_shot(tmp_path / "shot", width=96, height=80, count=2)
    tiny.alpha[1] = np.tile(np.linspace(0, 1, 96, dtype=np.float32), (80, 1))
    engine = Engine(tiny.shot(1, kind="alpha", recipe=name), Cache(tmp_path / "cache"))
    assert np.array_equal(engine.layer("matte", 1)["A"], tiny.alpha[1])
