"""The refiner with the weights that ship: what it leaves alone, and which of two opinions it follows."""

import numpy as np
import pytest

from seqmatte import weights
from seqmatte.device import Device
from seqmatte.encoding import Encoding
from seqmatte.layer import Header, Layer, single
from seqmatte.method import View
from seqmatte.methods.refiner import Refiner, RefinerParams

HEIGHT, WIDTH = 128, 192
SUBJECT, GROUND = (0.8, 0.3, 0.2), (0.2, 0.35, 0.6)


@pytest.fixture(scope="module")
def method():
    made = Refiner(RefinerParams())
    made.weights = weights.find("refiner")
    made.open(Device("cpu"))
    return made


def disc(radius):
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    away = np.hypot(y - HEIGHT / 2, x - WIDTH / 2)
    return np.clip(radius - away + 0.5, 0, 1).astype(np.float32)


def opinion(alpha, sure):
    return np.stack((alpha, np.full_like(alpha, sure)), 2)


def refined(method, truth, solved, guess, sure=0.95):
    """What the method makes of the second of three frames that are all alike, the first of which is guided."""
    rng = np.random.default_rng(7)
    colours = truth[..., None] * SUBJECT + (1 - truth[..., None]) * GROUND + rng.normal(0, 0.01, (HEIGHT, WIDTH, 1))
    pixels = colours.astype(np.float32)
    header, facts = Header.of_size(WIDTH, HEIGHT), {"encoding": str(Encoding())}
    soft = (solved > 0) & (solved < 1)
    layers = {
        ("plate", "encoded"): Layer(pixels, ("R", "G", "B"), header, facts),
        ("plate", "scene"): Layer(Encoding().decode(pixels), ("R", "G", "B"), header),
        "trimap": Layer(
            np.dstack((np.where(soft, 0.5, solved), solved, np.ones_like(solved))).astype(np.float32),
            ("trimap", "alpha", "confidence"),
        ),
        "solved": Layer(opinion(solved, 0.5), ("A", "confidence")),
        "snapped": Layer(opinion(guess, sure), ("A", "confidence")),
    }
    mask = single((truth > 0.5).astype(np.float32), "mask")

    def view(frame):
        def fetch(name, offset, space):
            if name == "guide":
                return mask if frame + offset == 0 else None
            return layers.get((name, space or "scene") if name == "plate" else name)

        return View(frame, fetch, lambda at, offset: min(max(at + offset, 0), 2))

    _, made = method.step(method.start([view(0)]), view(1))
    return made["A"]


def test_where_both_opinions_are_right_they_stand(method):
    truth = disc(40)
    assert np.abs(refined(method, truth, truth, truth) - truth).mean() < 0.002


def test_a_part_that_closed_form_took_out_of_the_subject_comes_back_where_the_memory_is_certain(method):
    truth = disc(40)
    solved = truth.copy()
    solved[50:70, 80:110] = 0
    made = refined(method, truth, solved, truth, sure=0.98)
    assert made[50:70, 80:110].mean() > 0.7
    assert made[truth == 0].mean() < 0.01


def test_a_stray_that_the_memory_denies_without_doubt_is_given_up(method):
    truth, stray = disc(30), np.zeros((HEIGHT, WIDTH), np.float32)
    stray[8:40, 8:40] = 1
    made = refined(method, truth, np.maximum(truth, stray), truth, sure=0.98)
    assert made[stray == 1].mean() < 0.05


def test_where_nothing_is_open_to_doubt_closed_form_stands_to_the_bit(method):
    solid = np.zeros((HEIGHT, WIDTH), np.float32)
    solid[:, :96] = 1
    assert np.array_equal(refined(method, solid, solid, solid, sure=0.5), solid)
