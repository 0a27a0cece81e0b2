"""Reads from memory, against the sums they stand for."""

import math

import pytest
import torch

from seqmatte.networks import memory


def test_the_l2_affinity_is_the_negative_squared_distance_up_to_the_querys_own_term():
    keys, query = torch.randn(2, 6, 5), torch.randn(2, 6, 7)
    distance = (keys.unsqueeze(3) - query.unsqueeze(2)).square().sum(1)
    expected = (query.square().sum(1, keepdim=True) - distance) / math.sqrt(6)
    torch.testing.assert_close(memory.affinity(keys, query, "l2"), expected)


def test_an_unknown_similarity_is_an_error_that_lists_the_known_ones():
    with pytest.raises(ValueError, match="dot or l2"):
        memory.affinity(torch.randn(1, 2, 3), torch.randn(1, 2, 3), "cosine")


def test_reading_the_best_of_all_positions_is_reading_all():
    scores, values = torch.randn(2, 9, 4), torch.randn(2, 3, 9)
    readout, positions = memory.read_best(scores, values, 100)
    assert positions.shape == (2, 9, 4)
    torch.testing.assert_close(readout, memory.read_all(scores, values))


def test_reading_the_best_position_alone_copies_its_value():
    scores, values = torch.randn(1, 9, 4), torch.randn(1, 3, 9)
    readout, positions = memory.read_best(scores, values, 1)
    torch.testing.assert_close(readout[0], values[0][:, scores[0].argmax(0)])
    assert torch.equal(positions[0, 0], scores[0].argmax(0))


def test_the_cells_below_a_coarse_cell_are_the_block_it_covers():
    fine = torch.arange(2 * 4 * 6).view(2, 4, 6)  # two frames of 4 x 6 under two of 2 x 3
    position = torch.tensor([[[1 * 6 + 1 * 3 + 2]]])  # frame 1, row 1, column 2
    below = memory.positions_below(position, width=3, factor=2)
    assert below.flatten().tolist() == fine[1, 2:4, 4:6].flatten().tolist()


def test_a_guided_read_with_every_coarse_cell_is_the_dense_read_of_the_finer_level():
    keys, values, query = torch.randn(2, 5, 2, 4, 6), torch.randn(2, 3, 2, 4, 6), torch.randn(2, 5, 4, 6)
    everything = torch.arange(2 * 2 * 3).view(1, -1, 1).expand(2, -1, 2 * 3)
    readout, _ = memory.read_below(keys, values, query, everything, factor=2)
    dense = memory.read_all(memory.affinity(keys.flatten(2), query.flatten(2)), values.flatten(2))
    torch.testing.assert_close(readout.flatten(2), dense)


def test_a_guided_read_ranks_the_cells_that_its_own_queries_like_best():
    keys, query = torch.randn(1, 5, 1, 4, 6), torch.randn(1, 5, 4, 6)
    everything = torch.arange(6).view(1, -1, 1).expand(1, -1, 6)
    _, ranked = memory.read_below(keys, keys, query, everything, factor=2, keep=1)
    best = memory.affinity(keys.flatten(2), query.flatten(2)).argmax(1)
    assert torch.equal(ranked[:, 0], best)


def test_blocks_put_back_give_the_picture():
    picture = torch.randn(2, 3, 8, 12)
    torch.testing.assert_close(memory.from_blocks(memory.to_blocks(picture, 4), 4, picture.shape[-2:]), picture)


def test_a_window_over_everything_is_the_dense_read_of_all_frames():
    query, keys, values = torch.randn(1, 4, 3, 5), torch.randn(1, 2, 4, 3, 5), torch.randn(1, 2, 6, 3, 5)
    scores = memory.affinity(keys.transpose(1, 2).flatten(2), query.flatten(2))
    dense = memory.read_all(scores, values.transpose(1, 2).flatten(2))
    torch.testing.assert_close(memory.window_attention(query, keys, values, radius=5).flatten(2), dense)


def test_both_window_reads_agree_at_the_borders_too():
    query, keys, values = torch.randn(2, 8, 7, 9), torch.randn(2, 8, 7, 9), torch.randn(2, 5, 7, 9)
    walked = memory.window_attention(query, keys[:, None], values[:, None], 2)
    torch.testing.assert_close(memory.read_near(query, keys, values, 2), walked)
