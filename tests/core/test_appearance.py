import numpy as np
import pytest

from seqmatte import appearance
from seqmatte.background import Background
from seqmatte.colour_tables import Colours
from seqmatte.encoding import Encoding
from seqmatte.expectation import Expectation

HEIGHT, WIDTH, EDGE = 24, 60, 20


def found(subject, background, encoding):
    """The true alpha, and what colours alone say of it: a ramp of EDGE pixels between two plain sides."""
    alpha = np.clip((np.arange(WIDTH) - EDGE + 1) / (EDGE + 1), 0, 1).astype(np.float32)
    alpha = np.repeat(1 - alpha[None], HEIGHT, 0)
    behind = np.broadcast_to(np.array(background, np.float32), (HEIGHT, WIDTH, 3)).copy()
    light = alpha[..., None] * np.array(subject, np.float32) + (1 - alpha[..., None]) * behind
    plate = np.asarray(encoding.encode(light.astype(np.float32)), np.float32)
    sure, bare = alpha == 1, alpha == 0
    nothing = np.zeros((HEIGHT, WIDTH), np.float32)
    awaited = Expectation(nothing + 0.5, nothing + 0.6)
    known = Background(np.asarray(encoding.encode(behind), np.float32), nothing + 1)
    colours = Colours.seen([plate], [sure], [bare])
    palette = appearance.palette(plate[sure], 3)
    asked = ~(sure | bare)
    seen = appearance.opinion(plate, sure, bare, asked, known, palette, colours, nothing, awaited, encoding)
    return alpha[asked], seen.alpha[asked]


@pytest.mark.parametrize(
    ("subject", "background", "encoding"),
    [
        ((0.02, 0.015, 0.01), (0.7, 0.8, 0.9), Encoding()),
        ((0.8, 0.7, 0.6), (0.02, 0.03, 0.02), Encoding()),
        ((0.1, 0.08, 0.05), (9.0, 7.0, 5.0), Encoding(0.0, 0.5, 16.0)),
    ],
    ids=["dark hair before a window", "blond hair before the night", "hair before a lamp"],
)
def test_a_mixture_is_weighed_in_linear_light_however_the_plate_is_encoded(subject, background, encoding):
    truth, said = found(subject, background, encoding)
    assert np.abs(said - truth).mean() < 0.03


def test_colours_too_bright_for_any_file_are_still_given_an_alpha():
    _, said = found((0.1, 0.1, 0.1), (65000.0, 65000.0, 65000.0), Encoding(0.0, 0.5, 16.0))
    assert np.isfinite(said).all()
    assert 0 <= said.min() and said.max() <= 1


def test_of_two_subject_colours_that_explain_a_pixel_the_one_that_could_do_little_else_counts_more():
    encoding, nothing = Encoding(), np.zeros((HEIGHT, WIDTH), np.float32)
    none, step = np.zeros((HEIGHT, WIDTH), bool), np.array((0.1, 0.08, 0.06), np.float32)
    light = {times: np.float32(0.05) + times * step for times in (0.0, 0.9, 1.0, 4.0)}
    encoded = {times: np.asarray(encoding.encode(colour), np.float32) for times, colour in light.items()}
    plate = np.broadcast_to(encoded[0.9], (HEIGHT, WIDTH, 3)).copy()
    known = Background(np.broadcast_to(encoded[0.0], plate.shape).copy(), nothing + 1)
    palette = np.stack((encoded[1.0], encoded[4.0]))
    colours = Colours.seen([plate], [none], [none])
    awaited = Expectation(nothing + 0.5, nothing + 0.6)
    seen = appearance.opinion(plate, none, none, ~none, known, palette, colours, nothing, awaited, encoding)
    halfway = 0.5 * (0.9 + 0.9 / 4)
    assert seen.alpha.min() > halfway + 0.1
