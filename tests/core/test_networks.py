"""What holds of every network that can be built: sizes, gradients, precision, memory, published figures."""

import copy
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from seqmatte import networks, onnx_export, runtime
from seqmatte.errors import RecipeError
from seqmatte.networks import counting, graphs
from seqmatte.networks.examples import block, example, picture
from shared_graphs import OPTIONS, built

TARGETS = json.loads((Path(__file__).parents[1] / "parity" / "targets-A.json").read_text())
HEIGHT, WIDTH = 49, 67
# The heaviest are tried smaller, or over fewer frames.
SMALLER = {"context_aware": (35, 51)}
SHORTER = {"dvm": {"shift": 1, "step": 1}}

# Learnt numbers that no output reads, and why.
UNREAD = {
    "bgm1": ("model_enc_multi.",),  # the released network computes them and then joins the clean plate instead
    # Outputs of the published training at coarser sizes; the restored file holds them.
    "context_aware": tuple(f"logits.logits.patch_{b}_logits_{i}." for b in ("mat", "seg") for i in range(4)),
    "context_motion": ("flow.deconv2.",),  # in PWC-Net's checkpoint, unused by its authors
}

# How far bfloat16 may take an output, as a share of its mean: 0.02, and more where sharp choices are made.
BFLOAT16 = {"hstsg": 0.06, "hstsg-compact": 0.12}

# Outputs that `forward` leaves out: other heads, and the filter that only a coarser look needs.
ALSO = {
    "amm": lambda net, x: (net(x["plate"], detail=0.5), net.segment(x["plate"]), net.low(x["plate"])),
    "hstsg-compact": lambda net, x: (net.step(net.encode(x["plate"]), x["memory"])[0].coarse_logits,),
    "rvm": lambda net, x: (net(x["plate"], detail=0.5), net.segment(x["plate"])),
}


def tensors(made):
    """Every floating tensor in a network's result, states included."""
    if isinstance(made, torch.Tensor):
        return [made] if made.is_floating_point() else []
    if dataclasses.is_dataclass(made):
        made = [getattr(made, field.name) for field in dataclasses.fields(made)]
    return [x for part in made for x in tensors(part)] if isinstance(made, list | tuple) else []


@pytest.fixture(scope="module", params=networks.names())
def tried(request):
    """A network, its example, what it made of it, and everything that it can make."""
    name = request.param
    network = built(name, **SHORTER.get(name, {}))
    inputs = example(name, network, *SMALLER.get(name, (HEIGHT, WIDTH)))
    made = network(**inputs)
    every = tensors((made, ALSO[name](network, inputs) if name in ALSO else ()))
    return name, network, inputs, made, every


def test_a_network_gives_finite_numbers_at_odd_sizes(tried):
    _, _, _, _, every = tried
    assert every
    assert all(torch.isfinite(x).all() for x in every)


def test_every_parameter_is_learnt(tried):
    name, network, _, _, every = tried
    sum(x.float().square().mean() for x in every if x.requires_grad).backward()
    unread = UNREAD.get(name, ())
    still = {
        key
        for key, parameter in network.named_parameters()
        if parameter.requires_grad
        and (parameter.grad is None or not parameter.grad.any())
        and not key.startswith(unread)
    }
    assert still == set()


def test_bfloat16_stays_close(tried):
    name, network, inputs, made, _ = tried
    # In the layout that methods give it for precision=fast.
    laid_out = copy.deepcopy(network).to(memory_format=torch.channels_last)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        rough = tensors(laid_out(**inputs))
    exact = [x.detach() for x in tensors(made)]
    assert len(rough) == len(exact)
    for a, b in zip(rough, exact, strict=True):
        assert (a.float() - b).abs().mean() <= BFLOAT16.get(name, 0.02) * b.abs().mean() + 1e-3


# Lighter forms whose graph is of the same parts, and what a call has fixed.
WRITTEN = {
    "amm": ({}, {"detail": 0.5}),
    "bgm2": ({}, {"mode": "full"}),
    "context_motion": ({"encoder": "mobilenetv2"}, {}),
    "dvm": ({"shift": 1, "step": 1}, {}),
}
# What is remembered of places that a flow points to just outside the picture is zero or not by a rounding.
JUMPS = {"context_motion": {"next_hidden": 5e-3}}


# Minutes each, most of it in the exporter: converted where SEQMATTE_EVERY_GRAPH is set, as before a release.
LONG_TO_WRITE = () if os.environ.get("SEQMATTE_EVERY_GRAPH") else ("tcvom", "hmmn", "hstsg", "dvm")


def its_graphs(name, shared, folder):
    """Each part of a network's graph and the file that it is written to."""
    if name in OPTIONS:
        return [(graph.part, graph.place) for graph in shared.written(name)[1].values()]
    variant, options = WRITTEN.get(name, ({}, {}))
    parts = graphs.parts(name, built(name, **variant), options)
    for kind, part in parts.items():
        onnx_export.write(part, folder / kind)
    return [(part, folder / kind) for kind, part in parts.items()]


@pytest.mark.parametrize("name", [name for name in networks.names() if name not in LONG_TO_WRITE])
def test_onnxruntime_gives_what_torch_gives_at_another_size_than_it_was_written_at(name, shared_graphs, tmp_path):
    for part, path in its_graphs(name, shared_graphs, tmp_path):
        session = runtime.session(path, "CPUExecutionProvider")
        with torch.no_grad():
            # One target where it was written with two.
            given = {
                key: x[:1].contiguous() if key in part.rows else x.contiguous()
                for key, x in zip(part.inputs, part.example(64, 224), strict=True)
            }
            ours = dict(zip(part.outputs, part(*given.values()), strict=True))
        theirs = session.run(part.outputs, {one.name: given[one.name].numpy() for one in session.get_inputs()})
        for (key, tensor), array in zip(ours.items(), theirs, strict=True):
            limit = JUMPS.get(name, {}).get(key, 1e-4)
            torch.testing.assert_close(torch.from_numpy(array), tensor, atol=limit, rtol=1e-4)


def test_an_unknown_network_is_refused_with_the_known_names():
    with pytest.raises(RecipeError, match=r"unknown network 'rvn'; known: amm, .*tgm"):
        networks.build("rvn")


def test_naming_networks_does_not_load_torch():
    code = "import sys, seqmatte.networks as n; assert 'rvm' in n.names(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})


@pytest.mark.parametrize("backbone", ["mobilenetv3", "resnet50"])
def test_rvm_gives_a_clip_as_it_gives_its_frames(backbone):
    network = built("rvm", backbone=backbone)
    clip = torch.cat([picture(3, 51, 67, seed) for seed in range(3)])
    with torch.inference_mode():
        foregrounds, alphas, last = network(clip[None], None, 0.6)
        state = None
        for t, plate in enumerate(clip[:, None]):
            foreground, alpha, state = network(plate, state, 0.6)
            torch.testing.assert_close(alphas[:, t], alpha, atol=1e-4, rtol=0)
            torch.testing.assert_close(foregrounds[:, t], foreground, atol=1e-4, rtol=0)
    for whole, stepped in zip(last, state, strict=True):
        torch.testing.assert_close(whole, stepped, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["amm", "context_motion", "rvm"])
def test_a_blank_state_is_the_start(name):
    network = built(name)
    plate = picture(3, 51, 67)
    with torch.inference_mode():
        begun, blank = network(plate, None), network(plate, network.blank_state(plate))
    for a, b in zip(tensors(begun), tensors(blank), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


FRAMES = 4
SIZE = (32, 48)


@pytest.fixture(scope="module")
def hstsg():
    return built("hstsg")


def hstsg_walk(network, guides, **options):
    """Steps over a few frames from guides: frame number -> masks."""
    frames = [4 * picture(3, *SIZE, seed) - 2 for seed in range(FRAMES)]
    made = []
    with torch.inference_mode():
        state = network.begin([network.guided(frames[t], masks) for t, masks in guides.items()])
        for t, frame in enumerate(frames):
            step = network.hold(frame, state, guides[t]) if t in guides else network(frame, state, **options)
            state = step.state
            made.append(step)
    return made


@pytest.fixture(scope="module")
def one_guide(hstsg):
    """A walk from one guided frame with one target."""
    return hstsg_walk(hstsg, {0: block(*SIZE)})


def test_hstsg_carries_several_targets_from_several_guided_frames(hstsg):
    corner = torch.zeros(1, 1, *SIZE)
    corner[..., :8, :8] = 1
    masks = torch.cat((block(*SIZE), corner))
    made = hstsg_walk(hstsg, {0: masks, 2: masks})
    assert [step.alpha.shape[0] for step in made] == [2] * FRAMES
    assert torch.equal(made[2].mask, masks)
    assert len(made[-1].state.guided) == 2
    # Frame 2 is guided, so of the two frames before frame 4 only frame 3 is held as recent.
    assert [frame is None for frame in made[-1].state.lately] == [True, False]


def test_hstsg_reads_large_frames_in_bands_without_a_difference(hstsg, one_guide, monkeypatch):
    monkeypatch.setattr("seqmatte.networks.hstsg.AFFINITY", 1)
    banded = hstsg_walk(hstsg, {0: block(*SIZE)})
    for a, b in zip(tensors(one_guide[-1]), tensors(banded[-1]), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_hstsg_can_give_the_two_frames_before_anew(hstsg, one_guide):
    anew = hstsg_walk(hstsg, {0: block(*SIZE)}, update_adjacent=True)
    assert [len(step.earlier) for step in anew] == [0, 0, 1, 2]
    assert torch.equal(one_guide[1].alpha, anew[1].alpha)
    assert not torch.equal(one_guide[1].alpha, anew[3].earlier[1][1])


def test_hstsg_begins_from_stcn_weights():
    from seqmatte.networks.hstsg import weights_from_stcn

    stcn, network = networks.build("stcn"), networks.build("hstsg")
    missing, unexpected = network.load_state_dict(weights_from_stcn(stcn.state_dict()), strict=False)
    ours = ("cfar", "key_proj8", "key_proj4", "value_encoder.value", "decoder.mem", "decoder.alpha", "decoder.up_")
    assert unexpected == []
    assert all(key.startswith(ours) for key in missing)
    assert not network.value_encoder.conv1.weight[:, 4].any()


def figures_at_512(name, **variant):
    return counting.frame_figures(name, (512, 512), **variant)


@pytest.mark.parametrize(
    ("name", "variant", "target"),
    [
        ("rvm", {"backbone": "mobilenetv3"}, TARGETS["rvm_mobilenetv3"]),
        ("rvm", {"backbone": "resnet50"}, TARGETS["rvm_resnet50"]),
        ("amm", {}, TARGETS["amm"]),
        ("bgm1", {}, TARGETS["bgm1_generator"]),
        *(("bgm2", {"part": "base", "backbone": b}, t) for b, t in TARGETS["bgmv2_base"].items()),
        ("context_motion", {}, TARGETS["context_motion"]),
        ("hmmn", {}, TARGETS["hmmn"]),
        ("stcn", {}, TARGETS["stcn"]),
    ],
)
def test_parameters_and_gmacs_are_those_of_the_targets(name, variant, target):
    figures = figures_at_512(name, **variant)
    assert figures.parameters == target["params"]
    published = target.get("published", {})
    for made, wanted in (
        (figures.gmacs, target.get("gmacs_512")),
        (figures.convs, target.get("gmacs_conv_512")),
        (figures.gmacs, published.get("gmacs_512")),
        (figures.parameters / 1e6, published.get("params_M")),
    ):
        assert wanted is None or made == pytest.approx(wanted, rel=0.02)


def test_hstsg_costs_what_its_parts_cost():
    figures, target = figures_at_512("hstsg"), TARGETS["hstsg"]
    assert figures.parameters == target["params"]
    assert figures.convs == pytest.approx(sum(target["gmacs_conv_512"].values()), rel=0.02)


@pytest.mark.parametrize("row", counting.BGM2_FULL, ids=lambda row: str(row[0][1]))
@pytest.mark.parametrize("backbone", counting.BGM2)
def test_mended_patches_count_as_published(row, backbone):
    size, detail, pixels, published = row
    targets, lines = TARGETS["bgmv2_refine"], size[1]
    figures = counting.bgm2_figures(backbone, size, detail, pixels)
    assert figures.parameters == targets["params"][backbone]
    assert figures.gmacs == pytest.approx(targets[f"gmacs_{lines}p"][backbone], rel=0.02)
    assert figures.gmacs == pytest.approx(published[counting.BGM2.index(backbone)], rel=0.02)


def test_the_first_context_motion_frame_costs_no_flow():
    plate = torch.zeros(1, 3, 512, 512, device="meta")
    with torch.device("meta"):
        figures = counting.count(networks.build("context_motion"), lambda network: network(plate))
    assert figures.convs == pytest.approx(TARGETS["context_motion"]["gmacs_conv_512_first"], rel=0.02)


def test_the_compact_hstsg_has_at_most_six_million_parameters():
    with torch.device("meta"):
        assert sum(p.numel() for p in networks.build("hstsg-compact").parameters()) <= 6_000_000
