import numpy as np

from seqmatte.layer import Layer
from seqmatte.methods import refiner


def test_the_refiner_is_believed_over_a_broad_part_and_hardly_at_a_rim():
    solved = np.zeros((100, 200), np.float32)
    rim, part = solved.copy(), solved.copy()
    rim[50] = 0.3
    part[20:80, 40:160] = 1
    assert refiner._failed(rim, solved).max() < 0.1
    assert refiner._failed(part, solved)[50, 100] == 1
    assert refiner._failed(solved, solved).max() == 0


def test_a_stray_that_the_second_opinion_denies_without_doubt_is_given_up():
    found = np.zeros((4, 4), np.float32)
    guess = np.zeros((4, 4, 2), np.float32)
    guess[0, :, 1], guess[1, :, 1], guess[2] = 1, 0.5, (0.8, 1)
    believed = refiner._confirmed(found, Layer(guess, ("A", "confidence")))
    assert believed[0].min() == 1
    assert believed[1:].max() == 0
