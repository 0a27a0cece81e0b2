"""The published trimap networks give the numbers of their references, with the same keys and shapes.

Each vector names its weights by a seed and gains (tests/parity/fill_b.py) and holds its inputs. Another folder
of the same layout is taken from SEQMATTE_PARITY_DIR. FBA divides by |F - B|^2 + 0.1 after 53 standardised
layers: in float32 the references themselves are 3e-4 off, so it is held to 1e-4 in double precision.
"""

import dataclasses
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from parity import fill_b
from seqmatte import networks
from seqmatte.networks import (
    context_aware,
    deformable,
    fba,
    guided_attention,
    normalised,
    tcvom,
    tgm,
    trimap_coding,
    unpool,
)
from seqmatte.training import losses_trimap

OURS = Path(__file__).parent / "parity"
FOLDER = Path(os.environ.get("SEQMATTE_PARITY_DIR") or OURS)
LIMIT = 1e-4
# What FBA's float32 references leave open; models in double precision are held to LIMIT.
FLOAT32_FBA = 5e-4


class Vector:
    """One file: its arrays, its facts, and a network with its weights."""

    def __init__(self, name):
        with np.load(FOLDER / f"{name}.npz") as held:
            self.arrays = dict(held)
        self.name = name
        self.meta = json.loads(bytes(self.arrays.pop("meta")))

    def __contains__(self, name):
        return name in self.arrays

    def __getitem__(self, name):
        return torch.from_numpy(self.arrays[name])

    def network(self, *family, **variant):
        network = networks.build(*family, **variant)
        keys = json.loads((FOLDER / f"{self.name}.keys.json").read_text())
        ours = {key: list(value.shape) for key, value in network.state_dict().items()}
        assert ours == keys
        fill_b.fill_module(network, self.meta["seed"], self.meta["gains"])
        return network.eval()


def probe_key(name):
    """The module a probe is of. TCVOM's were named through a wrapper, Context-Aware's by TensorFlow's steps."""
    module = name.removeprefix("mid/").removeprefix("NET.").replace("logits_4.patch", "logits.patch")
    return re.sub(r"\.(Relu|add|BiasAdd|BatchNorm\.FusedBatchNormV3)$", "", module)


class Probes:
    """What each named module gave, in the form the vectors keep: mean, deviation, range and 16 samples."""

    def __init__(self, network, vector):
        self.vector, self.calls, self.seen, self.outputs = vector, {}, {}, {}
        modules = dict(network.named_modules())
        names = {probe_key(name).split("#")[0] for name in vector.arrays if name.startswith("mid/")}
        for name in sorted(names & modules.keys()):
            modules[name].register_forward_hook(self._keeping(name))

    def _keeping(self, name):
        def keep(module, inputs, output):
            output = output[0] if isinstance(output, tuple) else output
            self.calls[name] = self.calls.get(name, 0) + 1
            key = f"{name}#{self.calls[name]}"
            self.outputs[key] = output
            values = output.detach().double().flatten().numpy()
            samples = values[np.round(np.linspace(0, values.size - 1, 16)).astype(int)]
            # TensorFlow's deviation is that of the population.
            spread = values.std(ddof=0 if "color" in self.vector else min(values.size - 1, 1))
            self.seen[key] = np.concatenate(((values.mean(), spread, values.min(), values.max()), samples))

        return keep

    def first_difference(self):
        for name, expected in self.vector.arrays.items():
            key = probe_key(name)
            seen = self.seen.get(key if "#" in key else f"{key}#1")
            if name.startswith("mid/") and seen is not None:
                off = np.abs(seen - expected).max() / max(1.0, np.abs(expected).max())
                if off > LIMIT:
                    return f"begins at {key}, {off:.1e}"
        return "every probe agrees"


def check(vector, outputs, probes, limit=LIMIT):
    """Every named output within the limit of the vector's; the message says where a difference begins."""
    for name, output in outputs.items():
        expected = vector[name].double()
        assert output.shape == expected.shape, name
        off = float((output.double() - expected).abs().max())
        assert off <= limit, f"{name} is {off:.1e} off; {probes.first_difference()}"


def files(*starts):
    return [file.stem for file in sorted(FOLDER.glob("*.npz")) if file.stem.startswith(starts)]


def looked_at(attention, inputs, offset):
    """How much less each patch looks where the reference looks most than where it looks most itself."""
    guidance, _, unknown = inputs
    queries, keys, itself = attention.keys(guidance, unknown)
    rows, columns = offset.shape[-2:]
    shares = guided_attention.attention(queries[0], keys[0], itself[0], 0, rows * columns)
    # The references give it relative to the middle, as the authors draw it.
    row, column = offset[0].long() + torch.tensor((rows // 2, columns // 2))[:, None, None]
    place = (row * columns + column).flatten()
    return shares.amax(0) - shares.gather(0, place[None])[0]


@pytest.mark.parametrize("name", files("gca"))
@torch.no_grad()
def test_gca_gives_the_reference_alpha_and_looks_where_the_reference_looks(name):
    vector = Vector(name)
    network = vector.network("gca")
    probes, looks = Probes(network, vector), []
    for half in (network.encoder, network.decoder):
        half.gca.register_forward_hook(lambda module, inputs, output: looks.append((module, inputs)))
    alpha = network(vector["image_n"], vector["trimap3"])
    check(vector, {"alpha": alpha}, probes)
    for index, (module, inputs) in enumerate(looks, 1):
        scales = torch.cat(module.scales(inputs[2]), 1)
        np.testing.assert_allclose(scales, vector[f"softmax_scale_{index}"], rtol=1e-5)
        assert looked_at(module, inputs, vector[f"offset_{index}"]).max() < 1e-5


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


@pytest.mark.parametrize("name", files("fba"))
@torch.no_grad()
def test_fba_gives_the_reference_alpha_and_colours(name):
    vector = Vector(name)
    network = vector.network("fba", form="2020" if name.endswith("v1") else "current")
    inputs = [vector[key] for key in ("image", "two_channel", "image_n", "trimap6")]
    probes = Probes(network, vector)
    output = network(*inputs)
    check(vector, {"output": output, "raw7": probes.outputs["decoder.conv_up4#1"]}, probes, FLOAT32_FBA)
    alpha, foreground, background = fba.matted_as_published(
        network, vector.arrays["pipe_image_u8"], vector.arrays["pipe_trimap_u8"]
    )
    pipe = {"pipe_alpha": alpha, "pipe_fg": foreground, "pipe_bg": background}
    check(vector, {key: torch.from_numpy(value) for key, value in pipe.items()}, probes, FLOAT32_FBA)
    probes = Probes(network.double(), vector)
    output = network(*(value.double() for value in inputs))
    check(vector, {"output_f64": output, "raw7_f64": probes.outputs["decoder.conv_up4#1"]}, probes)


@pytest.mark.parametrize("name", files("fba"))
def test_fba_trimap_coding_gives_the_reference_channels(name):
    vector = Vector(name)
    two = trimap_coding.two_channel(vector.arrays["trimap_u8"])
    np.testing.assert_array_equal(two, vector.arrays["two_channel"][0])
    np.testing.assert_allclose(trimap_coding.distances(two), vector.arrays["trimap6"][0], atol=1e-6)


def dim_variant(name):
    if "segnet" in name:
        return {"form": "segnet"}
    return {"skip": "noskip" not in name, "kernel": 1 if name.endswith("k1") else 3}


@pytest.mark.parametrize("name", files("dim_"))
@torch.no_grad()
def test_dim_gives_the_reference_alphas(name):
    vector = Vector(name)
    network = vector.network("dim", **dim_variant(name))
    probes = Probes(network, vector)
    if "alpha" in vector:
        check(vector, {"alpha": network(vector["x"])[:, 0]}, probes)
        return
    coarse, refined = network.stages(vector["x"])
    check(vector, {"pred_mattes": coarse, "pred_alpha": refined}, probes)


@pytest.mark.parametrize("name", files("cam"))
@torch.no_grad()
def test_context_aware_gives_the_reference_alpha_and_foreground(name):
    vector = Vector(name)
    network = vector.network("context_aware")
    probes = Probes(network, vector)
    image = vector["image_u8"].permute(2, 0, 1)[None] / 255
    alpha, colour = network(image, vector["trimap_u8"][None, None] / 255)
    check(vector, {"alpha": alpha, "color": colour}, probes)


def test_context_aware_without_its_foreground_has_no_keys_for_it():
    keys = networks.build("context_aware", foreground=False).state_dict().keys()
    whole = json.loads((OURS / "cam.keys.json").read_text())
    assert keys == {key for key in whole if "patch.seg_decoder" not in key and "patch_seg_logits" not in key}


@pytest.mark.parametrize("name", files("tcvom_tgm"))
@torch.no_grad()
def test_trimap_propagation_gives_the_reference_shares(name):
    vector = Vector(name)
    network = vector.network("tgm")
    probes, made, memory = Probes(network, vector), [], None
    frames, shares = vector["frames_n"][:, None], vector["first_mask"]
    for number, frame in enumerate(frames[1:]):
        memory = network.remember(memory, frames[number], shares)
        if number == 0:
            # The references have a row of zeros for the background.
            for stored, kept in (("key", memory.keys), ("value", memory.values)):
                values = torch.cat((torch.zeros_like(kept[:1]), kept)).flatten().double().numpy()
                samples = values[np.round(np.linspace(0, values.size - 1, 16)).astype(int)]
                whole = np.concatenate(((values.mean(), values.std(ddof=1), values.min(), values.max()), samples))
                np.testing.assert_allclose(whole, vector[f"{stored}_probe"], rtol=1e-5, atol=LIMIT)
                assert values.size == np.prod(vector.arrays[f"{stored}_shape"])
        made.append(network(frame, memory.keys, memory.values))
        shares = tgm.shares_of(made[-1])
    logits = torch.cat(made)
    outputs = {"logits": logits, "probs": tgm.shares_of(logits), "pred2_first": probes.outputs["Decoder.pred2#1"]}
    check(vector, outputs, probes)


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


MEAN, DEVIATION = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


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


class Window:
    """A TCVOM vector's three frames as its base is given them, in single or double precision."""

    def __init__(self, vector, base, dtype):
        trimaps = vector.arrays["trimaps_u8"]
        bands = [trimap_coding.unknown(trimap, vector.meta["dilate_kernel"] or 0) for trimap in trimaps]
        codes = [trimap_coding.coded(base, *pair) for pair in zip(trimaps, bands, strict=True)]
        colours = vector["images_u8"].to(dtype) / 255
        pictures = ((colours - MEAN) / DEVIATION).permute(0, 3, 1, 2)
        self.frames = torch.cat((pictures, torch.from_numpy(np.stack(codes)).to(dtype)), 1)[:, None]
        self.unknown = torch.from_numpy(bands[1]).to(dtype)[None, None]
        self.trimap = torch.from_numpy(trimaps[1]).to(dtype)[None, None] / 255
        self.image = colours[1].permute(2, 0, 1)[None]


@pytest.mark.parametrize("name", [name for name in files("tcvom_") if name.split("_")[1] in tcvom.WIDTHS])
@torch.no_grad()
def test_tcvom_gives_the_reference_matte_and_attention(name):
    vector = Vector(name)
    base = name.split("_")[1]
    limit = FLOAT32_FBA if base == "fba" else LIMIT
    network = vector.network("tcvom", base=base, attend="single" not in name, window=vector.meta["agg_window"])
    probes = Probes(network, vector)
    window, unclamped = Window(vector, base, torch.float32), []
    if base == "dim":
        last = network.get_submodule("alpha_pred" if name.endswith("single") else "decoder.alpha_pred")
        last.register_forward_hook(lambda module, inputs, output: unclamped.append(output))
    made = network(*window.frames, window.unknown)
    outputs = {"raw_pred": made.pred}
    matte = tcvom.pasted(made.pred, window.trimap, window.unknown, window.image)
    outputs |= dict(zip(("alpha", "F", "B"), matte.split((1, 3, 3)[: 1 if base != "fba" else 3], 1), strict=False))
    if base == "dim":
        outputs["unclamped"] = unclamped[0]
    check(vector, outputs, probes, limit)
    if made.region is not None:
        assert torch.equal(made.region, vector["small_mask"].float())
        # Dot products of 32 to 256 terms: they are off in proportion to their size.
        size = float(vector["att_prev"].abs().max())
        logits = {"att_prev": made.previous, "att_next": made.following}
        check(vector, logits, probes, 2 * limit if base == "fba" else limit * max(1.0, size / 10))
    if base == "fba":
        window = Window(vector, base, torch.float64)
        made = network.double()(*window.frames, window.unknown)
        check(vector, {"raw_pred_f64": made.pred}, probes)


@torch.no_grad()
def test_features_kept_while_sliding_give_the_same_matte():
    network = networks.build("tcvom", base="index")
    frames, unknown = torch.rand(4, 1, 4, 64, 96), torch.ones(1, 1, 64, 96)
    kept = [network.extract(frame) for frame in frames]
    for t in (1, 2):
        slid = network.fuse(kept[t - 1][0], kept[t], kept[t + 1][0], unknown)
        assert torch.equal(slid.pred, network(*frames[t - 1 : t + 2], unknown).pred)


@pytest.mark.parametrize("name", files("dvm"))
@torch.no_grad()
def test_dvm_gives_the_reference_alphas(name):
    vector = Vector(name)
    network = vector.network("dvm")
    probes = Probes(network, vector)
    pictures = ((vector["images_u8"] / 255 - MEAN) / DEVIATION).permute(0, 3, 1, 2)
    coarse, refined = network(torch.cat((pictures, vector["trimaps_u8"][:, None] / 255), 1))
    check(vector, {"pred": coarse, "pred_refined": refined}, probes)


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


class Clip:
    """The losses' clip: layers and truth of each frame, and the coded frames as a base is given them."""

    def __init__(self, vector):
        grow, alphas = vector.meta["dilate_kernel"], vector.arrays["alpha_u8"]
        self.bands = [trimap_coding.unknown(alpha, grow) for alpha in alphas]
        pairs = zip(self.bands, alphas, strict=True)
        self.trimaps = [np.where(band, np.uint8(128), alpha) for band, alpha in pairs]
        colours = [vector[name].permute(0, 3, 1, 2) / 255 for name in ("fg_rgb_u8", "bg_rgb_u8")]
        layers = (vector["alpha_u8"][:, None] / 255, *colours, torch.from_numpy(np.stack(self.bands))[:, None].float())
        self.truths = [losses_trimap.Truth(*frame) for frame in zip(*(x.split(1) for x in layers), strict=True)]

    def doubled(self):
        """The same in double precision."""
        names = [field.name for field in dataclasses.fields(losses_trimap.Truth)]
        self.truths = [losses_trimap.Truth(*(getattr(t, name).double() for name in names)) for t in self.truths]
        return self

    def coded(self, base):
        for trimap, band, truth in zip(self.trimaps, self.bands, self.truths, strict=True):
            picture = (truth.image - MEAN[:, None, None]) / DEVIATION[:, None, None]
            yield torch.cat((picture, torch.from_numpy(trimap_coding.coded(base, trimap, band))[None]), 1)


def filled_for_losses(vector, base, attend):
    network = networks.build("tcvom", base=base, attend=attend)
    fill_b.fill_module(network, vector.meta["seed"], vector.meta["gains"][base])
    return network


@pytest.mark.parametrize("base", tcvom.WIDTHS)
@pytest.mark.parametrize("name", files("tcvom_losses"))
@torch.no_grad()
def test_the_losses_of_a_clip_and_of_a_frame_are_the_reference_ones(name, base):
    vector = Vector(name)
    clip, network = Clip(vector), filled_for_losses(vector, base, True)
    if base == "fba":
        clip, network = clip.doubled(), network.double()
    frames, truths = list(clip.coded(base)), clip.truths
    middle = range(1, len(frames) - 1)
    kept = [network.extract(frame) for frame in frames]
    fused = [network.fuse(kept[t - 1][0], kept[t], kept[t + 1][0], truths[t].unknown) for t in middle]
    mattes = [losses_trimap.pasted(made.pred, truths[t]) for t, made in zip(middle, fused, strict=True)]
    terms = [
        torch.stack(losses_trimap.frame_terms(base, made.pred, truths[t]))
        for t, made in zip(middle, fused, strict=True)
    ]
    looks = [
        losses_trimap.attention(
            (made.previous, made.following), made.region, truths[t].alpha, (truths[t - 1].alpha, truths[t + 1].alpha)
        )
        for t, made in zip(middle, fused, strict=True)
    ]
    change = losses_trimap.coherence(mattes, truths[1:-1], colours=base == "fba")
    whole = torch.stack((*torch.stack(terms).mean(0), change, torch.stack(looks).mean()))
    np.testing.assert_allclose(whole, vector[f"{base}_vid"], atol=LIMIT)
    alphas = torch.cat([matte.alpha for matte in mattes]).clamp(0, 1)
    np.testing.assert_allclose(
        alphas, vector[f"{base}_vid_alphas"][0, 1:-1].clamp(0, 1), atol=FLOAT32_FBA if base == "fba" else LIMIT
    )
    # The single-frame weights are the same, but for dim's names.
    single = network if base != "dim" else filled_for_losses(vector, base, False)
    single.attend = False
    t = len(frames) // 2
    pred = single(*frames[t - 1 : t + 2], truths[t].unknown).pred
    terms = torch.stack(losses_trimap.frame_terms(base, pred, truths[t]))
    np.testing.assert_allclose(terms, vector[f"{base}_img"], atol=LIMIT)


def test_losses_of_the_unknown_region_count_nothing_else():
    truth, unknown = torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8)
    unknown[..., :4, :] = 1
    alpha = torch.full_like(truth, 0.5)
    assert losses_trimap.dim_alpha(alpha, truth, unknown) == pytest.approx(0.5 * 32 / 33)
    assert losses_trimap.gca_alpha(alpha, truth, unknown) == pytest.approx(0.5)
    assert losses_trimap.gca_alpha(alpha, truth, torch.zeros_like(unknown)) == 0
    layers = losses_trimap.Truth(truth, torch.full((1, 3, 8, 8), 0.8), torch.full((1, 3, 8, 8), 0.2), unknown)
    assert losses_trimap.dim_composition(alpha, layers) == pytest.approx(0.3 * 32 / 33)


def test_fba_losses_vanish_at_the_truth_and_exclude_edges_that_both_layers_have():
    generator = torch.Generator().manual_seed(3)
    alpha, unknown = torch.rand(1, 1, 96, 96, generator=generator), torch.ones(1, 1, 96, 96)
    edges, flat = torch.rand(1, 3, 96, 96, generator=generator), torch.full((1, 3, 96, 96), 0.5)
    truth = losses_trimap.Truth(alpha, edges, flat, unknown)
    distance, scales, _ = losses_trimap.frame_terms("fba", torch.cat((alpha, edges, flat), 1), truth)
    assert distance < 1e-6
    assert scales == 0
    assert losses_trimap.exclusion(edges, edges) > 3 * losses_trimap.exclusion(edges, flat)
