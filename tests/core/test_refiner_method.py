import numpy as np

from seqmatte.methods import refiner


def test_the_refiner_is_believed_over_a_broad_part_and_hardly_at_a_rim():
    solved = np.zeros((200, 400), np.float32)
    rim, part = solved.copy(), solved.copy()
    rim[100] = 0.3
    part[40:160, 80:320] = 1
    assert refiner._failed(rim, solved).max() < 0.1
    assert refiner._failed(part, solved)[100, 200] == 1
    assert refiner._failed(solved, solved).max() == 0


def test_a_stray_that_the_second_opinion_denies_without_doubt_is_given_up():
    found = np.zeros((4, 4), np.float32)
    guess = np.zeros((2, 4, 4), np.float32)
    guess[1, 0], guess[1, 1], guess[:, 2] = 1, 0.5, [[0.8], [1]]
    believed = refiner._confirmed(found, guess)
    assert believed[0].min() == 1
    assert believed[1:].max() == 0


def test_at_a_rim_the_opinions_meet_half_way_and_where_one_has_failed_the_network_decides():
    solved, guess = np.zeros((2, 100, 200), np.float32)
    solved[50], guess[50] = 0.2, 0.6
    solved[:, 120:] = 1
    found = solved.copy()
    found[:, 120:] = 0
    opinions = {
        "alpha": solved[None],
        "guess": np.stack((guess, 0 * guess)),
        "free": np.ones((1, 100, 200), np.float32),
    }
    agreed = refiner._agreed(found, opinions)
    assert np.abs(agreed[50, :60] - 0.4).max() < 0.05
    assert agreed[:, 160:].max() == 0


def test_where_nothing_may_change_closed_form_stands():
    solved, guess = np.full((50, 50), 0.3, np.float32), np.full((50, 50), 0.9, np.float32)
    opinions = {"alpha": solved[None], "guess": np.stack((guess, guess)), "free": np.zeros((1, 50, 50), np.float32)}
    assert np.array_equal(refiner._agreed(solved, opinions), solved)
