import numpy as np

from seqmatte import expectation
from seqmatte.expectation import Expectation
from seqmatte.guide import Band, from_mask, from_trimap
from seqmatte.propagation import Motion

HEIGHT, WIDTH = 60, 200


def half_mask():
    return from_mask(np.repeat((np.arange(WIDTH) < 100)[None], HEIGHT, 0).astype(np.float32), 9, 5)


def still(off=0.0, left_behind=0.0):
    nothing = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    doubt, left = (np.full((HEIGHT, WIDTH), value, np.float32) for value in (off, left_behind))
    return Motion(nothing, nothing, doubt, left, nothing)


def plate(shift=0):
    random = np.random.default_rng(3)
    made = np.repeat(random.random((HEIGHT, WIDTH + 20, 1)), 3, 2).astype(np.float32)
    return np.ascontiguousarray(made[:, 20 - shift : 20 - shift + WIDTH])


def test_a_mask_is_expected_to_be_soft_about_its_outline_and_sure_far_from_it():
    awaited = expectation.of_guide("mask", half_mask())
    row = awaited.alpha[30]
    assert (np.diff(row) <= 0).all()
    assert 0.6 < row[98] and row[102] < 0.4
    assert row[70] > 0.99 and row[130] < 0.01
    assert awaited.spread[30, 99] > 1.2 * awaited.spread[30, 70]


def test_the_inside_of_a_trimaps_band_is_not_guessed_at():
    band = from_trimap(np.full((HEIGHT, WIDTH), 0.5, np.float32))
    awaited = expectation.of_guide("trimap", band)
    found = np.full((HEIGHT, WIDTH), 0.9, np.float32)
    assert np.allclose(awaited.alpha, 0.5)
    assert (awaited.after(found) > 0.7).all()


def test_an_alpha_is_expected_as_it_was_given():
    alpha = np.linspace(0, 1, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)
    assert np.array_equal(expectation.of_guide("alpha", Band(alpha, np.ones_like(alpha))).alpha, alpha)


def test_an_edge_goes_with_the_motion_that_explains_the_plate():
    last = expectation.of_guide("mask", half_mask()).alpha
    eight = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    eight[..., 0] = -8
    # The pixels at the edge were found to stay, as the background behind them does; the subject went 8 to the right.
    way = still()
    way = Motion(way.way, way.background, way.off, way.left_behind, eight)
    moved = expectation.carried(last, plate(8), plate(0), way, 0, 0.2).alpha
    stayed = expectation.carried(last, plate(0), plate(0), way, 0, 0.2).alpha
    assert np.abs(moved[:, 20:-20] - np.roll(last, 8, 1)[:, 20:-20]).max() < 0.1
    assert np.abs(stayed[:, 20:-20] - last[:, 20:-20]).max() < 0.1


def test_less_is_expected_where_the_motion_is_in_doubt_or_left_the_pixel_behind():
    last = expectation.of_guide("mask", half_mask()).alpha
    same = expectation.carried(last, plate(), plate(), still(), 0, 0.2).spread
    doubted = expectation.carried(last, plate(), plate(), still(off=4), 0, 0.2).spread
    left = expectation.carried(last, plate(), plate(), still(left_behind=1), 0, 0.2).spread
    assert (doubted > same).all() and (left > doubted).all()


def test_what_was_sure_is_hardly_moved_by_what_was_found():
    alpha, spread = np.zeros((4, 4), np.float32), np.full((4, 4), 0.2, np.float32)
    sure = Expectation(alpha, spread)
    found = np.ones((4, 4), np.float32)
    assert (sure.after(found) < 0.2).all()
    assert (sure.without(np.ones((4, 4), bool)).after(found) > 0.6).all()
