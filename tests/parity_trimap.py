"""The published trimap networks give the numbers of their references, with the same keys and shapes.

Each vector names its weights by a seed and gains (tests/parity/fill_b.py) and holds its inputs. FBA divides by
|F - B|^2 + 0.1 after 53 standardised layers: in float32 the references themselves are 3e-4 off, so it is held to 1e-4
in double precision.
"""

import dataclasses

import numpy as np
import pytest
import torch

from parity import fill_b
from parity_vectors import LIMIT, Probes, Vector, check, files
from seqmatte import networks
from seqmatte.networks import fba, guided_attention, tcvom, tgm, trimap_coding
from seqmatte.training import losses_trimap

# What FBA's float32 references leave open; models in double precision are held to LIMIT.
FLOAT32_FBA = 5e-4
MEAN, DEVIATION = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


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


@pytest.mark.parametrize("name", files("dvm"))
@torch.no_grad()
def test_dvm_gives_the_reference_alphas(name):
    vector = Vector(name)
    network = vector.network("dvm")
    probes = Probes(network, vector)
    pictures = ((vector["images_u8"] / 255 - MEAN) / DEVIATION).permute(0, 3, 1, 2)
    coarse, refined = network(torch.cat((pictures, vector["trimaps_u8"][:, None] / 255), 1))
    check(vector, {"pred": coarse, "pred_refined": refined}, probes)


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
