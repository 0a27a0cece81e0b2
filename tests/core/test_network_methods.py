"""The networks as methods: recipes end to end on a tiny shot, with weights that are the same everywhere."""

import itertools
import os
import shutil

import cv2
import numpy as np
import pytest
import torch

from core import soft_edges
from filled_weights import GUIDELESS, SMALLER, filled, filled_for
from seqlink import FramePath, FrameRange
from seqmatte import exr, recipe, weights
from seqmatte.cache import Cache
from seqmatte.device import Device
from seqmatte.engine import Engine
from seqmatte.layer import Layer
from seqmatte.method import View
from seqmatte.methods.hstsg_compact import HstsgCompact, HstsgCompactParams
from seqmatte.open_methods import OpenMethods
from seqmatte.tile import Tiling, tiled
from shots import write_picture, write_tiny_shot


@pytest.fixture(scope="module")
def stocked(tmp_path_factory):
    """A user's folder that is filled with weights as they are asked for."""
    home = tmp_path_factory.mktemp("home")
    before = os.environ.get("SEQMATTE_HOME")
    os.environ["SEQMATTE_HOME"] = str(home)
    yield home / "weights"
    shutil.rmtree(home / "weights", ignore_errors=True)
    os.environ.pop("SEQMATTE_HOME")
    if before is not None:
        os.environ["SEQMATTE_HOME"] = before


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_tiny_shot(tmp_path_factory.mktemp("tiny"), count=3)


def shot_for(name, tiny, stocked, **changes):
    """The shot with its weights named, so that nothing is shipped or left over that could stand in."""
    files = filled_for(name, stocked)
    clean = FramePath(str(tiny.plate)) if name.startswith("bgm") else None
    made = tiny.shot(1, recipe=name, weights=files, clean=clean, **{"params": SMALLER.get(name, {}), **changes})
    return made.replace(guides=()) if name in GUIDELESS else made


@pytest.mark.parametrize("name", ["flow-gca", "flow-fba"])
def test_a_trimap_networks_alpha_leaves_what_is_known_alone(name, tiny, stocked, tmp_path):
    engine = Engine(shot_for(name, tiny, stocked), Cache(tmp_path))
    alpha, trimap = engine.layer("alpha", 2), engine.layer("trimap", 2)["trimap"]
    band = trimap == 0.5
    assert np.array_equal(alpha["A"][~band], trimap[~band])
    assert not np.array_equal(alpha["A"][band], trimap[band])
    assert alpha.facts["correction"] == 1.0
    assert ("F.R" in alpha.channels) == (name == "flow-fba")
    engine.flush()


def test_a_networks_foreground_is_in_the_plates_own_light(stocked, tmp_path):
    # A plate of one colour, whatever primaries it is in: a foreground that FBA took from it is that colour.
    for tag in ("lin_rec709_scene", "lin_ap1_scene"):
        tiny = write_tiny_shot(tmp_path / tag, count=1, tag=tag)
        engine = Engine(shot_for("flow-fba", tiny, stocked), Cache(tmp_path / f"cache-{tag}"))
        alpha = engine.layer("alpha", 1)
        band = engine.layer("trimap", 1)["trimap"] == 0.5
        plate = engine.plate(1).take("R", "G", "B")
        found = alpha.take("F.R", "F.G", "F.B")
        assert np.array_equal(found[~band], plate.astype(np.float16).astype(np.float32)[~band])
        # Fused with the picture, F lies near it.
        assert np.abs(found[band] - plate[band]).mean() < 0.35
        engine.flush()


@pytest.mark.parametrize(
    ("name", "lead", "limit"), [("amm", 2, 1e-5), ("rvm", 24, 1 / 255), ("context-motion", 8, 1e-4)]
)
def test_the_lead_of_a_recurrent_network_makes_up_for_the_frames_before(name, lead, limit, stocked, tmp_path):
    tiny = write_tiny_shot(tmp_path / "long", count=lead + 6, width=48, height=32, grain=0.02)
    shot = shot_for(name, tiny, stocked)
    kind = recipe.method_class(recipe.RECIPES[name].methods[0])
    assert kind.reach.lead == lead
    method = recipe.build(shot)[0]
    method.open(Device("cpu"))
    engine = Engine(shot, Cache(tmp_path / "cache"))
    plates = {frame: engine._sources.layer("plate", frame, "encoded") for frame in tiny.frames}

    def walked(first):
        state = None
        for frame in range(first, len(plates) + 1):
            state, made = method.step(state, View(frame, lambda name, offset, space, f=frame: plates[f]))
        return made["A"]

    last = len(plates)
    assert np.abs(walked(1) - walked(last - lead)).max() <= limit


@pytest.mark.parametrize("precision", ["float32", "fast"])
@pytest.mark.parametrize("name", ["rvm", "hstsg-compact", "hstsg"])
def test_a_thawed_walk_goes_on_bit_for_bit(name, precision, tiny, stocked, tmp_path):
    shot = shot_for(name, tiny, stocked, params={name.replace("-", "_"): {"precision": precision}})
    engine = Engine(shot, Cache(tmp_path), opened=OpenMethods())
    method = engine._walker._opened.get(next(iter(engine.plan.methods.values())), Device("cpu"))
    views = {frame: engine._walker._view(method.name, method.reads, frame) for frame in tiny.frames}
    state = method.start([views[1]] if shot.guides else [])
    for frame in (1, 2):
        state, _ = method.step(state, views[frame])
    # As the cache stores it: row by row, whatever the layout was.
    thawed = method.thaw({key: np.array(array, order="C") for key, array in method.freeze(state).items()})
    one, other = method.step(state, views[3])[1], method.step(thawed, views[3])[1]
    assert np.array_equal(one.pixels, other.pixels)


@pytest.mark.parametrize("name", ["flow-closed-form", "hstsg-compact", "combined", "flow-refiner"])
def test_a_frame_that_is_black_keeps_the_matte_that_was_there_and_the_next_goes_on(name, tmp_path, monkeypatch):
    # With the weights that are shipped.
    monkeypatch.setenv("SEQMATTE_HOME", str(tmp_path / "home"))
    whole, dipped = (write_tiny_shot(tmp_path / which, width=96, height=80, count=5) for which in ("whole", "dipped"))
    header = exr.read_header(dipped.plate.path(3))
    write_picture(dipped.plate.path(3), np.zeros((80, 96, 3)), ("R", "G", "B"), header)
    engines = [Engine(tiny.shot(1, recipe=name), Cache(tmp_path / "cache")) for tiny in (whole, dipped)]
    black, after = (engines[1].layer("matte", frame) for frame in (3, 4))
    assert black["A"].mean() > 0.8 * whole.alpha[3].mean()
    assert black.facts["confidence"] < after.facts["confidence"]
    undisturbed, found = (np.abs(e.layer("matte", 4)["A"] - whole.alpha[4]).mean() for e in engines)
    assert found < undisturbed + 0.02


@pytest.mark.parametrize("name", ["flow-closed-form", "combined"])
def test_an_alpha_that_an_artist_drew_on_a_black_frame_is_sure(name, tmp_path, monkeypatch):
    monkeypatch.setenv("SEQMATTE_HOME", str(tmp_path / "home"))
    tiny = write_tiny_shot(tmp_path / "shot", width=96, height=80, count=3)
    header = exr.read_header(tiny.plate.path(2))
    write_picture(tiny.plate.path(2), np.zeros((80, 96, 3)), ("R", "G", "B"), header)
    shot = tiny.shot(1, recipe=name).replace(guides=(tiny.guide(1), tiny.guide(2, "alpha")))
    assert Engine(shot, Cache(tmp_path / "cache")).layer("matte", 2).facts["confidence"] == 1


@pytest.mark.parametrize("names", [("flow-refiner", "combined"), ("combined", "flow-refiner")])
def test_a_worker_that_made_one_recipe_makes_the_other_as_a_fresh_one_does(names, tmp_path, monkeypatch):
    monkeypatch.setenv("SEQMATTE_HOME", str(tmp_path / "home"))
    tiny, opened = write_tiny_shot(tmp_path / "shot", count=3), OpenMethods()
    for name in names:
        shot = tiny.shot(1, recipe=name)
        shared = Engine(shot, Cache(tmp_path / "shared"), opened=opened).layer("matte", 2)
        fresh = Engine(shot, Cache(tmp_path / "fresh")).layer("matte", 2)
        assert np.array_equal(shared.pixels, fresh.pixels)


def test_a_guide_on_the_compact_network_stands_where_the_artist_is_sure(tiny, stocked, tmp_path):
    for kind in ("trimap", "alpha"):
        shot = shot_for("hstsg-compact", tiny, stocked).replace(guides=(tiny.guide(1, kind),))
        engine = Engine(shot, Cache(tmp_path / kind))
        made, drawn = engine.layer("guess", 1), engine._sources.layer("guide", 1, None).pixels[:, :, 0]
        known = (drawn <= 0) | (drawn >= 1)
        assert made["confidence"][known].min() == 1
        assert np.array_equal(made["alpha"][known], drawn[known])
        assert np.array_equal(engine.layer("alpha", 1)["A"][known], drawn[known])
        if kind == "alpha":
            assert np.array_equal(engine.layer("alpha", 1)["A"], drawn)
        engine.flush()


def test_a_trimap_is_remembered_as_the_alpha_that_it_stands_for():
    shot = soft_edges.blob(96, 128)
    method = HstsgCompact(HstsgCompactParams())
    method.weights = weights.find("hstsg-compact", override=str(weights.SHIPPED / "hstsg-compact.safetensors"))
    method.open(Device("cpu"))

    def remembered(pixels, kind):
        guide = Layer(pixels[:, :, None], (kind,))
        return method.start([soft_edges.view(guide=guide, **soft_edges.plate_layers(shot))]).guided["value4"]

    truth = remembered(shot.alpha, "alpha")
    trimap, as_drawn = (remembered(shot.trimap, kind) for kind in ("trimap", "alpha"))
    assert (trimap - truth).norm() < 0.03 * truth.norm()
    assert (as_drawn - truth).norm() > 0.3 * truth.norm()


@pytest.mark.parametrize(("side", "enlarge", "height"), [(960, 1.5, 76), (100, 2.0, 75), (960, 1.0, 51), (40, 1.5, 30)])
@pytest.mark.parametrize("kind", ["mask", "trimap", "alpha"])
def test_a_small_plate_is_looked_at_enlarged_and_its_matte_has_its_own_size(side, enlarge, height, kind):
    shot = soft_edges.blob(51, 68)
    method = HstsgCompact(HstsgCompactParams(side=side, enlarge=enlarge))
    method.weights = weights.find("hstsg-compact", override=str(weights.SHIPPED / "hstsg-compact.safetensors"))
    method.open(Device("cpu"))
    drawn = {"mask": (shot.alpha > 0.5).astype(np.float32), "trimap": shot.trimap, "alpha": shot.alpha}[kind]
    view = soft_edges.view(guide=Layer(drawn[:, :, None], (kind,)), **soft_edges.plate_layers(shot))
    state, made = method.step(method.start([view]), view)
    assert state.guided["value4"].shape[-2] == -(-height // 16) * 4
    assert made.pixels.shape[:2] == (51, 68)
    assert np.abs(made["alpha"] - shot.alpha).mean() < 0.06


def test_tcvom_sees_the_one_neighbour_twice_at_the_ends_of_a_shot():
    from seqmatte.methods.tcvom import _around

    def view(frame, last):
        return View(frame, lambda *_: None, lambda at, offset: min(max(at + offset, 1), last))

    assert [_around(view(frame, 3)) for frame in (1, 2, 3)] == [(1, 0, 1), (-1, 0, 1), (-1, 0, -1)]
    assert _around(view(1, 1)) == (0, 0, 0)


def test_the_order_of_asking_changes_nothing_of_a_network_that_keeps_features(tiny, stocked, tmp_path):
    shot = shot_for("tcvom", tiny, stocked)
    opened = OpenMethods()

    def alphas(order, folder):
        engine = Engine(shot, Cache(folder), opened=opened)
        made = {frame: engine.layer("alpha", frame).pixels for frame in order}
        engine.flush()
        return made

    upward, downward = alphas((1, 2, 3), tmp_path / "up"), alphas((3, 2, 1), tmp_path / "down")
    assert all(np.array_equal(upward[frame], downward[frame]) for frame in tiny.frames)


# How far tiles may take alpha from the whole frame's, at small sizes and with weights that see far. The refiner sees no
# further than its margin: in double precision nothing differs, in single precision what filled weights make of
# rounding. FBA's norms are over all that it is given, so its tiles have no such limit.
TILED = {
    "refiner": ({"tile": 768}, 5e-5),
    "dim": ({"tile": 160, "overlap": 64}, 0.05),
    "gca": ({"tile": 160, "overlap": 64}, 0.02),
    "tcvom": ({"tile": 160, "overlap": 64}, 0.05),
    "context_aware": ({"tile": 224, "overlap": 96}, 0.03),
}


@pytest.mark.parametrize("name", TILED)
def test_tiles_give_what_the_whole_frame_gives(name, stocked):
    settings, limit = TILED[name]
    height, width = (64, 1100) if name == "refiner" else (192, 320)
    noise = np.random.default_rng(0).random((height, width, 3), np.float32)
    plate = Layer(cv2.GaussianBlur(noise, (0, 0), 3), ("R", "G", "B"), facts={"encoding": "0,1,1"})
    band = np.zeros((height, width), np.float32)
    band[height // 5 : -height // 5, 60:-60], band[height // 3 : -height // 3, 80:-80] = 0.5, 1
    trimap = Layer(np.stack((band, band, np.full_like(band, 0.5)), 2), ("trimap", "alpha", "confidence"))
    mask = Layer((band == 1).astype(np.float32)[:, :, None], ("mask",))
    found = Layer(trimap.pixels[:, :, 1:], ("A", "confidence"))
    layers = {"plate": plate, "guide": mask, "solved": found, "snapped": found}
    view = View(1, lambda layer, offset, space: layers.get(layer, trimap), lambda frame, offset: frame)
    kind = recipe.method_class(name)

    def made(**more):
        method = kind(kind.Params(**more))
        method.weights = weights.find(name, override=filled(name, stocked))
        method.open(Device("cpu"))
        return method.step(method.start([view]), view)[1]["A"]

    assert np.abs(made(tile=8192) - made(**settings)).max() <= limit


def test_no_piece_of_a_4k_frame_is_larger_than_a_tile():
    sizes = []

    def run(rows, columns):
        sizes.append((rows.stop - rows.start, columns.stop - columns.start))
        return torch.ones(1, *sizes[-1])

    wanted = torch.zeros(2160, 3840, dtype=torch.bool)
    wanted[500:1500, 500:2000] = True
    made = tiled(Tiling(1024, overlap=192), wanted, run)
    assert max(max(size) for size in sizes) == 1024
    assert len(sizes) < len(Tiling(1024, 192).cuts(2160)) * len(Tiling(1024, 192).cuts(3840))
    torch.testing.assert_close(made[0][wanted], torch.ones(int(wanted.sum())), atol=1e-5, rtol=0)


def test_a_network_with_a_margin_looks_only_about_what_is_wanted_and_gives_the_same_there():
    picture, places = torch.rand(1, 1, 480, 640), []
    kernel = torch.ones(1, 1, 33, 33) / 33**2

    def run(rows, columns):
        places.append((rows, columns))
        return torch.nn.functional.conv2d(picture[..., rows, columns], kernel, padding=16)[0]

    wanted = torch.zeros(480, 640, dtype=torch.bool)
    wanted[101:140, 590:620] = True
    made = tiled(Tiling(256, overlap=96, margin=48, stride=32), wanted, run)
    assert places == [(slice(32, 188), slice(512, 640))]
    whole = torch.nn.functional.conv2d(picture, kernel, padding=16)[0]
    torch.testing.assert_close(made[:, wanted], whole[:, wanted])
    assert made.shape == whole.shape


def test_tiles_that_would_not_get_on_are_refused():
    with pytest.raises(ValueError, match="tiles of 64 cannot share 64 pixels"):
        Tiling(64, overlap=64)


def test_every_pixel_is_in_a_tile_and_tiles_begin_on_the_networks_grid():
    for length in (1024, 1025, 1856, 1857, 3840, 8192):
        cuts = Tiling(1024, 192).cuts(length)
        assert cuts[0][0] == 0
        assert cuts[-1][1] == length
        assert all(start % 32 == 0 for start, _ in cuts)
        assert all(left[1] - right[0] == 192 for left, right in itertools.pairwise(cuts))


def test_a_fast_network_stays_near_the_exact_one(tiny, stocked, tmp_path):
    made = []
    for precision in ("float32", "fast"):
        shot = shot_for("rvm", tiny, stocked, params={"rvm": {"precision": precision}})
        engine = Engine(shot, Cache(tmp_path / precision))
        made.append(engine.layer("alpha", 1)["A"])
        engine.flush()
    assert 0 < np.abs(made[0] - made[1]).mean() < 0.02


def test_frames_of_any_length_begin_chunks_at_the_same_numbers(tiny, stocked):
    spans = recipe.method_class("rvm").reach.spans(FrameRange(range(20, 100)), ())
    assert [span.frames[0] for span in spans] == [20, 48, 96]
    assert spans[1].lead == tuple(range(24, 48))
