"""The last step: what is delivered is finite, exact where it is sure, and right over another background."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from core.soft_edges import blob, plate_layers, view
from core.test_linear_light import against, alpha_in_encoded_light
from seqlink import FramePath
from seqmatte import exr
from seqmatte.cache import Cache
from seqmatte.device import Device
from seqmatte.encoding import Encoding
from seqmatte.engine import Engine
from seqmatte.events import Warning
from seqmatte.layer import Layer, single
from seqmatte.methods.refine import Refine
from shots import write_tiny_shot

# As in a recipe that makes no such layer.
WITHOUT_CAMERA = tuple(read for read in Refine.reads if read.layer != "camera")


def refined(scene, alpha=None, *, facts=None, extra=(), clean=None, **params):
    method = Refine(Refine.Params(**params))
    method.reads = WITHOUT_CAMERA
    method.open(Device("cpu"))
    alpha = scene.alpha if alpha is None else alpha
    pixels = np.dstack((alpha, np.ones_like(alpha), *extra)).astype(np.float32)
    names = ("A", "confidence", "F.R", "F.G", "F.B")[: pixels.shape[2]]
    layer = Layer(pixels, names, facts={"confidence": 0.75, "correction": 0.0, **(facts or {})})
    clean_layer = None if clean is None else Layer(clean, ("R", "G", "B"))
    _, made = method.step(method.start([]), view(1, **plate_layers(scene), alpha=layer, clean=clean_layer))
    return made


def test_the_foreground_is_the_plate_bit_for_bit_where_alpha_is_one():
    scene = blob(80, 100, grain=0.02)
    made = refined(scene)
    inside = scene.alpha == 1
    assert made.channels == ("R", "G", "B", "A")
    assert made.take("R", "G", "B")[inside].tobytes() == scene.plate[inside].tobytes()
    assert (made.take("R", "G", "B")[scene.alpha == 0] == 0).all()


def test_a_result_in_float_keeps_a_32_bit_plates_own_numbers_and_light_beyond_half(tmp_path):
    tiny = write_tiny_shot(tmp_path / "shot", count=1)
    solid = tiny.alpha[1] >= 1
    plate = exr.read(tiny.plate.path(1))
    pixels = plate.pixels * np.float32(1.0001)
    pixels[tuple(np.argwhere(solid)[0])] = 563966.0
    exr.write(tiny.plate.path(1), replace(plate, pixels=pixels), half=())
    shot = tiny.shot(1, kind="alpha", recipe="flow-closed-form")
    made = {}
    for depth in ("half", "float"):
        asked = shot.replace(params={"refine": {"depth": depth}})
        made[depth] = Engine(asked, Cache(tmp_path / depth)).layer("matte", 1)
    assert made["float"].take("R", "G", "B")[solid].tobytes() == pixels[solid].tobytes()
    assert made["half"].take("R", "G", "B").max() == 65504


def test_the_premultiplied_foreground_is_near_the_truth_over_any_background():
    scene = blob(80, 100)
    made = refined(scene)
    truth = scene.alpha[..., None] * scene.foreground
    soft = (scene.alpha > 0) & (scene.alpha < 1)
    assert np.abs(made.take("R", "G", "B") - truth)[soft].mean() < 0.012


def test_the_outputs_asked_for_are_the_outputs_given():
    scene = blob()
    assert refined(scene, outputs="alpha").channels == ("A",)
    straight = refined(scene, outputs="rgba+straight")
    assert straight.channels == ("R", "G", "B", "A", "fg.R", "fg.G", "fg.B")
    inside = scene.alpha == 1
    assert (straight.take("fg.R", "fg.G", "fg.B")[inside] == scene.plate[inside]).all()
    soft = (scene.alpha > 0.3) & (scene.alpha < 1)
    assert np.abs(straight.take("fg.R", "fg.G", "fg.B") - scene.foreground)[soft].mean() < 0.03


def test_a_glint_on_a_wire_keeps_its_light_where_brightest_is_raised():
    y, x = np.mgrid[:80, :100]
    wire = np.where(abs(y - 40) < 2, 0.6, 0).astype(np.float32)
    glint = (wire > 0) & (abs(x - 50) < 2)
    front = np.where(glint, 12, 0.1)[..., None] * np.ones(3)
    behind, a = np.full_like(front, 0.2), wire[..., None]
    thin = replace(blob(80, 100), plate=(a * front + (1 - a) * behind).astype(np.float32), alpha=wire)
    held, let = (refined(thin, brightest=times).take("R", "G", "B")[glint].mean() for times in (3.0, 1000.0))
    assert held < 3
    assert let > 6


def test_confidence_is_carried_through():
    assert refined(blob()).facts == {"confidence": 0.75}


@pytest.mark.parametrize("outputs", ["rgba", "rgba+straight"])
def test_light_beyond_half_and_broken_alpha_never_come_out_broken(outputs):
    scene = blob(light=1e6)
    scene.plate[:4] = -1e6
    alpha = scene.alpha.copy()
    alpha[10, 10], alpha[11, 11], alpha[12, 12] = np.nan, np.inf, -3
    made = refined(scene, alpha, outputs=outputs)
    assert np.isfinite(made.pixels).all()
    stored = exr.quantised(made, half=made.channels)
    assert np.isfinite(stored.pixels.astype(np.float16)).all()


def test_alpha_of_a_method_that_works_on_encoded_light_is_corrected():
    scene = against(0.05)
    wrong = alpha_in_encoded_light(scene, Encoding(0.0, 0.5, 16.0))
    asked = refined(scene, wrong, facts={"correction": 1.0})
    off = refined(scene, wrong, facts={"correction": 1.0}, strength=0.0)
    unasked = refined(scene, wrong)
    soft = (scene.alpha > 0.02) & (scene.alpha < 0.98)
    error = [np.abs(layer["A"] - scene.alpha)[soft].mean() for layer in (asked, off, unasked)]
    assert error[0] < 0.5 * error[1]
    assert (off["A"] == wrong).all() and (unasked["A"] == wrong).all()


def test_a_foreground_made_by_a_network_is_used_as_it_is():
    scene = blob()
    pure = np.full_like(scene.plate, 0.5)
    made = refined(scene, extra=(pure,), outputs="rgba+straight")
    soft = (scene.alpha > 0) & (scene.alpha < 1)
    assert np.allclose(made.take("R", "G", "B")[soft], 0.5 * scene.alpha[soft][:, None])
    assert (made.take("fg.R", "fg.G", "fg.B")[soft] == 0.5).all()
    inside = scene.alpha == 1
    assert (made.take("R", "G", "B")[inside] == scene.plate[inside]).all()


def test_a_clean_plate_brings_the_foreground_nearer_to_the_truth():
    scene = blob(100, 140)
    stripes = 0.2 * (np.arange(140) // 3 % 2).astype(np.float32)[None, :, None]
    scene.plate[:] += (1 - scene.alpha[..., None]) * stripes
    truth = scene.alpha[..., None] * scene.foreground
    soft = (scene.alpha > 0.02) & (scene.alpha < 0.98)
    without, with_clean = (
        np.abs(refined(scene, clean=clean).take("R", "G", "B") - truth)[soft].mean()
        for clean in (None, scene.background + stripes)
    )
    assert with_clean < 0.5 * without


def striped(grain=0.0):
    """A blob before stripes, the stripes, and an alpha that a soft edge came out too wide of."""
    scene = blob(100, 140, grain=grain)
    stripes = 0.2 * (np.arange(140) // 3 % 2).astype(np.float32)[None, :, None]
    scene.plate[:] += (1 - scene.alpha[..., None]) * stripes
    return scene, scene.background + stripes, cv2.GaussianBlur(scene.alpha, (0, 0), 5)


def off(scene, alpha):
    return np.abs(alpha - scene.alpha).mean()


@pytest.mark.parametrize("outputs", ["rgba", "alpha"])
@pytest.mark.parametrize("grain", [0.0, 0.02])
def test_a_clean_plate_brings_a_soft_edge_nearer_to_the_truth(grain, outputs):
    scene, clean, wide = striped(grain)
    made = refined(scene, wide, clean=clean, outputs=outputs)
    assert off(scene, made["A"]) < 0.7 * off(scene, wide)
    asked = refined(scene, wide, clean=clean, outputs=outputs, clean_alpha=0)
    assert np.array_equal(asked["A"], wide)


@pytest.mark.parametrize("how", ["brighter by a half", "another set", "dark"])
def test_a_clean_plate_that_is_not_of_this_set_leaves_alpha_as_it_is(how):
    scene, clean, wide = striped()
    dots = cv2.resize(np.random.default_rng(1).random((25, 35, 3), np.float32), (140, 100))
    made = refined(scene, wide, clean={"brighter by a half": 1.5 * clean, "another set": dots, "dark": 0 * clean}[how])
    assert np.abs(made["A"] - wide).max() < 0.02


@pytest.mark.parametrize("exposure", [1 / 256, 1, 256])
def test_a_clean_plate_is_judged_alike_in_a_night_shot_and_in_candelas(exposure):
    scene, clean, wide = striped()
    shot = replace(scene, plate=scene.plate * np.float32(exposure))
    layers = {**plate_layers(shot), "alpha": Layer(np.dstack((wide, wide)), ("A", "confidence"))}
    encoding = Encoding(-np.log2(exposure), 0.5, 16.0)
    layers["plate_encoded"] = Layer(encoding.encode(shot.plate), ("R", "G", "B"), facts={"encoding": str(encoding)})
    method = Refine(Refine.Params())
    method.reads = WITHOUT_CAMERA
    method.open(Device("cpu"))
    right, brighter = (
        method.step(None, view(1, **layers, clean=Layer(light, ("R", "G", "B"))))[1]
        for light in (clean * np.float32(exposure), 1.5 * clean * np.float32(exposure))
    )
    assert right.facts["clean"] > 0.9 and brighter.facts["clean"] < 0.1
    assert off(scene, right["A"]) < 0.7 * off(scene, wide)
    assert np.abs(brighter["A"] - wide).max() < 0.02


def test_a_solid_subject_that_looks_like_the_set_stays_solid():
    scene = blob(100, 140)
    random = np.random.default_rng(4)
    clean = np.full_like(scene.plate, 0.2)
    subject = clean + 0.01 + 0.005 * random.standard_normal(clean.shape).astype(np.float32)
    scene.plate[:] = clean + scene.alpha[..., None] * (subject - clean)
    made = refined(scene, clean=clean)
    solid = scene.alpha == 1
    assert (made["A"][solid] == 1).all()
    assert made.take("R", "G", "B")[solid].tobytes() == scene.plate[solid].tobytes()


def test_a_right_clean_plate_is_not_doubted_where_no_alpha_is_quite_0_or_nothing_tells():
    scene, clean, _ = striped()
    for alpha in (np.maximum(scene.alpha, 1e-3), np.full_like(scene.alpha, 0.5)):
        assert refined(scene, alpha, clean=clean).facts["clean"] > 0.5


def test_a_clean_plate_that_is_not_of_this_set_is_told_of(tmp_path):
    tiny = write_tiny_shot(tmp_path / "shot", count=2)
    for name, gain in (("right", 1), ("wrong", 3)):
        for frame in tiny.frames:
            still = np.asarray(gain * tiny.background[frame], np.float32)
            exr.write(tmp_path / f"{name}.{frame:04d}.exr", Layer(still, ("R", "G", "B"), tiny.header))
        told, clean = [], FramePath(tmp_path / f"{name}.####.exr")
        shot = tiny.shot(1, recipe="flow-closed-form", clean=clean)
        list(Engine(shot, Cache(tmp_path / "cache"), listener=told.append).render())
        warned = [event for event in told if isinstance(event, Warning)]
        assert [event.frame for event in warned] == ([] if name == "right" else [1, 2])
        assert all("the clean plate looks unlike the plate" in event.message for event in warned)


def test_a_clean_plate_changes_nothing_that_an_artist_is_sure_of():
    scene, clean, wide = striped()
    method = Refine(Refine.Params())
    method.reads = WITHOUT_CAMERA
    method.open(Device("cpu"))
    layer = Layer(np.dstack((wide, np.ones_like(wide))), ("A", "confidence"), facts={"correction": 0.0})
    layers = {**plate_layers(scene), "alpha": layer, "clean": Layer(clean, ("R", "G", "B"))}
    trimap = np.where((wide > 0.3) & (wide < 0.7), 0.5, (wide >= 0.5)).astype(np.float32)
    for guide in (single(wide, "alpha"), single(trimap, "trimap")):
        _, made = method.step(None, view(1, **layers, guide=guide))
        sure = np.ones_like(wide, bool) if guide.has("alpha") else trimap != 0.5
        assert np.array_equal(made["A"][sure], wide[sure])
        assert guide.has("alpha") or not np.array_equal(made["A"], wide)


def test_the_colours_are_stored_as_half_and_alpha_is_not():
    assert set(Refine(Refine.Params()).half) == {"R", "G", "B", "fg.R", "fg.G", "fg.B"}
