"""Pieces of the published trimap networks, each beside the plain operation that it stands for."""

import json

import numpy as np
import pytest
import torch

from parity_vectors import OURS
from seqmatte import networks
from seqmatte.networks import context_aware, deformable, fba, guided_attention, normalised, tgm, unpool


@torch.no_grad()
def test_guided_attention_in_blocks_of_queries_is_the_same_as_all_at_once(monkeypatch):
    layer = guided_attention.GuidedContextualAttention(16).eval()
    unknown = torch.zeros(2, 1, 12, 16)
    unknown[..., 3:7, 5:9] = 1
    inputs = (torch.rand(2, 16, 12, 16), torch.rand(2, 16, 12, 16), unknown)
    whole = layer(*inputs)
    monkeypatch.setattr(guided_attention, "SCORES_AT_ONCE", 48 * 7)
    torch.testing.assert_close(layer(*inputs), whole)


@torch.no_grad()
def test_overlapping_patches_are_summed_as_folding_sums_them():
    mixed = torch.rand(2, 3 * 16, 5, 7)
    folded = torch.nn.functional.fold(mixed.flatten(2), (10, 14), 4, padding=1, stride=2)
    torch.testing.assert_close(guided_attention.overlapped(mixed), folded)


@pytest.mark.parametrize("size", [(8, 10), (9, 11)])
def test_pooling_by_places_is_max_pooling_and_unpooling_with_indices(size):
    """Whole windows of zeros among them, as a ReLU leaves them: there the first place counts."""
    x = torch.randint(0, 3, (2, 4, *size)).float()
    top, places = unpool.pooled(x)
    expected, indices = torch.nn.functional.max_pool2d(x, 2, 2, return_indices=True)
    assert torch.equal(top, expected)
    values = torch.rand_like(top)
    spread = torch.nn.functional.max_unpool2d(values, indices, 2, 2, output_size=size)
    assert torch.equal(unpool.unpooled(values, places), spread)


@torch.no_grad()
def test_a_grid_of_means_is_adaptive_average_pooling():
    x = torch.rand(1, 2, 7, 13)
    for bins in (1, 2, 3, 6):
        expected = torch.nn.functional.adaptive_avg_pool2d(x, bins)
        torch.testing.assert_close(fba.GridMean(bins)(x), expected)


def test_spectral_norm_estimates_the_largest_singular_value_and_keeps_it_in_evaluation():
    torch.manual_seed(1)
    layer = normalised.SpectralConv(3, 8, 3)
    for _ in range(500):
        layer(torch.rand(1, 3, 5, 5))
    layer.eval()
    before = layer.module.weight_u.clone()
    largest = torch.linalg.svdvals(layer.module().flatten(1).detach())[0]
    assert largest == pytest.approx(1, rel=1e-3)
    assert torch.equal(layer.module.weight_u, before)


def test_context_aware_without_its_foreground_has_no_keys_for_it():
    keys = networks.build("context_aware", foreground=False).state_dict().keys()
    whole = json.loads((OURS / "cam.keys.json").read_text())
    assert keys == {key for key in whole if "patch.seg_decoder" not in key and "patch_seg_logits" not in key}


def test_a_clip_is_walked_from_every_annotated_frame_and_both_ways_between_them():
    assert tgm.parts(8, [2, 5]) == [
        ((2, 1, 0), (2,)),
        ((2, 3, 4), (2, 5)),
        ((5, 4, 3), (5, 2)),
        ((5, 6, 7), (5,)),
    ]


class Recorder:
    """Stands for the network: notes which frames are remembered for good, and forgets their pixels."""

    def __init__(self):
        self.kept = []

    def remember(self, memory, frame, shares, keep=True):
        self.kept.append((int(frame), keep))
        return tgm.Memory(torch.zeros(2, 128, 1), torch.zeros(2, 512, 1))

    def __call__(self, frame, keys, values):
        return torch.zeros(1, 3, 1, 1)


def test_propagation_remembers_the_last_frame_and_every_fifth_for_good():
    recorder = Recorder()
    frames = [torch.tensor(t) for t in range(8)]
    walk = tgm.walked(recorder, frames, {0: torch.ones(1, 3, 1, 1)}, tuple(range(8)), (0,))
    assert [number for number, _ in walk] == list(range(8))
    assert recorder.kept == [(0, True), *((t, t == 5) for t in range(1, 7))]


@torch.no_grad()
def test_a_propagated_clip_keeps_the_annotated_trimap():
    network = networks.build("tgm")
    frames = [torch.rand(1, 3, 32, 48) for _ in range(3)]
    known = torch.zeros(1, 3, 32, 48)
    known[:, 0], known[:, 1, 8:24], known[:, 0, 8:24] = 1, 1, 0
    trimaps = tgm.propagated(network, frames, {1: known})
    assert torch.equal(trimaps[1], known.argmax(1, keepdim=True) * (128 / 255))
    assert all(torch.isin(trimap, torch.tensor((0, 128 / 255, 1))).all() for trimap in trimaps)


def test_context_aware_weights_turn_from_tensorflow_names_and_layouts():
    block = "comp/encoder/xception_65/entry_flow/block1/unit_1/xception_module/separable_conv1"
    rng = np.random.default_rng(1)
    variables = {
        f"{block}_depthwise/depthwise_weights": rng.random((3, 3, 64, 1)),
        f"{block}_pointwise/weights": rng.random((1, 1, 64, 128)),
        f"{block}_pointwise/BatchNorm/moving_variance": rng.random(128),
        f"{block}_pointwise/BatchNorm/gamma/Momentum": rng.random(128),
        "logits/logits/patch_mat_logits_4/biases": rng.random(1),
        "comp_proj/comp_proj_1/weights": rng.random((3, 3, 64, 8)),
        "global_step": np.array(7),
    }
    state = context_aware.from_tensorflow(variables)
    keys = json.loads((OURS / "cam.keys.json").read_text())
    assert {key: list(value.shape) for key, value in state.items()} == {key: keys[key] for key in state}
    assert len(state) == 5
    taken = state["comp_proj.comp_proj_1.conv.weight"][5, 40, 2, 1]
    assert taken == np.float32(variables["comp_proj/comp_proj_1/weights"][2, 1, 40, 5])


@torch.no_grad()
def test_features_kept_while_sliding_give_the_same_matte():
    network = networks.build("tcvom", base="index")
    frames, unknown = torch.rand(4, 1, 4, 64, 96), torch.ones(1, 1, 64, 96)
    kept = [network.extract(frame) for frame in frames]
    for t in (1, 2):
        slid = network.fuse(kept[t - 1][0], kept[t], kept[t + 1][0], unknown)
        assert torch.equal(slid.pred, network(*frames[t - 1 : t + 2], unknown).pred)


@torch.no_grad()
def test_a_deformable_convolution_that_moves_nothing_is_a_convolution_at_half_strength():
    layer = deformable.DeformableConv(16)
    x = torch.rand(2, 16, 9, 11)
    plain = torch.nn.functional.conv2d(x, layer.weight, padding=1)
    torch.testing.assert_close(layer(x, torch.rand_like(x)), plain / 2)


@torch.no_grad()
def test_whole_moves_of_a_deformable_convolution_shift_the_picture_and_bring_in_zeros():
    x = torch.rand(1, 3, 8, 10)
    shifted = deformable.sampled(x, torch.full((1, 8, 10), 2.0), torch.full((1, 8, 10), -1.0))
    torch.testing.assert_close(shifted[..., :6, 1:], x[..., 2:, :-1])
    assert shifted[..., 6:, :].abs().max() < 1e-5
    assert shifted[..., 0].abs().max() < 1e-5
