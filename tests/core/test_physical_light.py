"""Plates in physical units: candelas and lux run far beyond what half floats hold."""

from dataclasses import replace

import numpy as np
import pytest

from core.soft_edges import blob, plate_layers, view
from seqmatte import exr
from seqmatte.cache import Cache
from seqmatte.device import Device
from seqmatte.engine import Engine
from seqmatte.events import Warning
from seqmatte.layer import Layer
from seqmatte.methods.refine import Refine
from shots import write_tiny_shot


def lit(folder, gain):
    """A shot of two frames in 32 bit, its light times `gain`."""
    tiny = write_tiny_shot(folder, count=2, width=96, height=72)
    for frame in tiny.frames:
        plate = exr.read(tiny.plate.path(frame))
        exr.write(tiny.plate.path(frame), replace(plate, pixels=plate.pixels * np.float32(gain)), half=())
    return tiny


@pytest.mark.parametrize("recipe", ["flow-closed-form", "combined"])
@pytest.mark.parametrize("gain", [2.0**17, 2.0**22])
def test_a_plate_in_candelas_is_matted_as_an_ordinary_one(recipe, gain, tmp_path):
    error = {}
    for times in (1.0, gain):
        tiny = lit(tmp_path / str(times), times)
        shot = tiny.shot(1, recipe=recipe, params={"refine": {"depth": "float"}})
        made = Engine(shot, Cache(tmp_path / "cache")).layer("matte", 2)
        error[times] = np.abs(made["A"] - tiny.alpha[2]).mean()
        assert made["R"].max() > 0.5 * times * tiny.foreground[2].max()
    assert error[gain] < 1.2 * error[1.0] + 0.001


def test_light_that_half_floats_cannot_hold_is_told_of(tmp_path):
    told, tiny = [], lit(tmp_path / "shot", 2.0**19)
    engine = Engine(tiny.shot(1, recipe="flow-closed-form"), Cache(tmp_path / "cache"), listener=told.append)
    list(engine.render([1]))
    (warning,) = [event for event in told if isinstance(event, Warning)]
    assert "--set refine.depth=float" in warning.message
    assert warning.frame == 1


def test_one_wild_pixel_of_a_clean_plate_does_not_blacken_the_edge():
    scene = blob(80, 100)
    clean = scene.background.astype(np.float32).copy()
    clean[0, 0] = np.finfo(np.float32).max
    method = Refine(Refine.Params())
    method.reads = tuple(read for read in Refine.reads if read.layer != "camera")
    method.open(Device("cpu"))
    layers = {**plate_layers(scene), "clean": Layer(clean, ("R", "G", "B"))}
    alpha = Layer(np.dstack((scene.alpha, np.ones_like(scene.alpha))), ("A", "confidence"), facts={"correction": 0.0})
    _, made = method.step(method.start([]), view(1, **layers, alpha=alpha))
    soft = (scene.alpha > 0.3) & (scene.alpha < 1)
    assert (made.take("R", "G", "B")[soft].max(1) > 0).all()
