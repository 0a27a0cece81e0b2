"""The published networks give the numbers of their references, with the same keys and shapes.

Those of part A stand here, the trimap networks of part B in parity_trimap.py, and run from here too. Each vector names
its weights by a seed (tests/parity/fill.py), its inputs and its cases. Another folder of the same layout is taken from
SEQMATTE_PARITY_DIR.
"""

import json
import re

import numpy as np
import pytest
import torch

import parity_trimap
from parity import fill
from parity_vectors import FOLDER, LIMIT, OURS
from seqmatte import networks
from seqmatte.networks import blocks, hmmn, stcn

globals().update({name: found for name, found in vars(parity_trimap).items() if name.startswith("test_")})


def rvm(model):
    return networks.build("rvm", backbone=model["variant"], refiner=model["refiner"])


def rvm_cases(network, inputs, cases):
    for case, facts in cases.items():
        detail = facts["options"]["downsample_ratio"]
        clip = inputs["hr" if case == "refine" else "clip"]
        if case == "clip":
            yield "clip/pha", network(clip[None], None, detail)[1]
            continue
        state = None
        for t, plate in enumerate(clip[:, None]):
            if case == "seg":
                logits, state = network.segment(plate, state, detail)
                yield f"seg/seg{t}", logits
                continue
            foreground, alpha, state = network(plate, state, detail)
            yield f"{case}/fgr{t}", foreground
            yield f"{case}/pha{t}", alpha
        for index, hidden in enumerate(state, 1):
            yield f"{case}/r{index}", hidden


def bgm2(model):
    return networks.build(
        "bgm2", backbone=model["backbone"], part=model["type"], kernel=model.get("refine_kernel_size", 3)
    )


def bgm2_cases(network, inputs, cases):
    for case, facts in cases.items():
        options = facts["options"]
        if case == "base":
            outputs = network(inputs["src"], inputs["bgr"])
            yield from zip(("base/pha", "base/fgr", "base/err", "base/hid"), outputs, strict=True)
            continue
        pictures = slice(None) if case == "sampling" else slice(1)
        matte = network(
            inputs["src"][pictures],
            inputs["bgr"][pictures],
            options["backbone_scale"],
            options["refine_mode"],
            options.get("refine_sample_pixels", 80_000),
            options.get("refine_threshold", 0.1),
        )
        names = ("pha", "fgr", "pha_sm", "fgr_sm", "err_sm", "ref_sm")
        yield from ((f"{case}/{name}", made) for name, made in zip(names, matte, strict=True))


def bgm1(model):
    if "n_blocks1" in model:
        return networks.build("bgm1", shared=model["n_blocks1"], own=model["n_blocks2"])
    return networks.build("bgm1", part="discriminator")


def bgm1_cases(network, inputs, cases):
    if "image" in inputs and len(inputs) == 1:
        yield "forward/score", network(inputs["image"])
        return
    outputs = network(inputs["image"], inputs["back"], inputs["seg"], inputs["multi"])
    yield from zip(("forward/alpha", "forward/fg"), outputs, strict=True)


def padded_to_16(clip, masks):
    return blocks.padded(clip)[0], blocks.padded(masks)[0]


def stcn_cases(network, inputs, cases):
    clip, masks = padded_to_16(inputs["clip"], inputs["masks"])
    look = network.look(clip[:1])
    yield "key/k16", look.key
    yield "key/f16_thin", look.thin[:, :128]
    for name, feature in zip(("f4", "f8", "f16"), look.features[1:], strict=True):
        yield f"key/{name}", feature[:, :32]
    yield "value/v16", network.values(clip[:1], look, masks)[:, :128, None]
    for case in sorted(cases.keys() - {"key", "value"}):
        options = cases[case]["options"]
        given = {0: {target: masks[target, None] for target in range(options.get("num_objects", 1))}}
        if case == "late":
            entry = int(re.search(r"object 2 in frame (\d+)", cases[case]["desc"])[1])
            given[entry] = {1: masks[1, None]}
        frames = clip[: options["frames"], None]
        memory = {"top_k": options["top_k"], "every": options["mem_every"], "include_last": options["include_last"]}
        yield f"{case}/prob", torch.stack(list(stcn.propagate(network, frames, given, **memory)), 1)


def hstsg_cases(network, inputs, cases):
    options = cases["propagate"]["options"]
    clip, masks = padded_to_16(inputs["clip"][: options["frames"]], inputs["masks"])
    frames = clip[:, None]
    state = network.begin([network.guided(frames[0], masks)])
    state = network.hold(frames[0], state).state
    for t, frame in enumerate(frames[1:], 1):
        made = network(frame, state, options["top_k"], options["similarity"], options["update_adjacent"])
        state = made.state
        yield f"propagate/mask{t}", made.mask
        yield f"propagate/alpha{t}", made.alpha
    for level, raw, crossed in zip((16, 8, 4), made.state.recent[-1].reads, made.crossed, strict=True):
        yield f"propagate/read_v{level}", raw[:, :16]
        yield f"propagate/cross_v{level}", crossed[:, :16]


def amm_cases(network, inputs, cases):
    yield "seg/seg0", network.segment(inputs["clip"][:1])[0]
    for case in ("frames", "refine"):
        detail, state = cases[case]["options"]["downsample_ratio"], None
        for t, plate in enumerate(inputs["clip" if case == "frames" else "hr"][:, None]):
            before = state
            foreground, alpha, state = network(plate, state, detail)
            yield f"{case}/fgr{t}", foreground
            yield f"{case}/pha{t}", alpha
            if case == "frames":
                yield f"frames/low{t}", torch.cat(network.low(plate, before)[:2], 1)
                yield f"frames/key{t}", state.keys[:, 0]
                yield f"frames/value{t}", state.values[:, 0]


def context_motion_cases(network, inputs, cases):
    state = None
    for t, plate in enumerate(inputs["clip"][:, None]):
        alpha, foreground, state = network(plate, state)
        yield f"frames/alpha{t}", alpha
        yield f"frames/fgr{t}", foreground
    yield "frames/hidden", state.hidden
    yield "frames/fea", state.context
    height, width = (4 * side for side in cases["flow"]["outputs"]["flow"][-2:])
    pictures = torch.nn.functional.interpolate(inputs["clip"][:2], size=(height, width), mode="bilinear").flip(1)
    yield "flow/flow", network.flow(pictures[1:], pictures[:1])


def hmmn_cases(network, inputs, cases):
    entry = network.memorise(inputs["clip"][:1], inputs["masks"])
    for name, part in entry._asdict().items():
        yield f"memorize/{name}", part[:, :16]
    options = cases["propagate"]["options"]
    frames = inputs["clip"][: options["frames"], None]
    walk = hmmn.propagate(network, frames, inputs["masks"], options["mem_every"])
    for t, (logits, _) in enumerate(walk, 1):
        yield f"propagate/logit{t}", logits.transpose(0, 1)


FAMILIES = {
    "HMMN": (lambda model: networks.build("hmmn"), hmmn_cases),
    "context-motion": (lambda model: networks.build("context_motion"), context_motion_cases),
    "AMM": (lambda model: networks.build("amm"), amm_cases),
    "HSTSG": (lambda model: networks.build("hstsg"), hstsg_cases),
    "STCN": (lambda model: networks.build("stcn"), stcn_cases),
    "BGMv2": (bgm2, bgm2_cases),
    "BackgroundMatting v1": (bgm1, bgm1_cases),
    "RVM": (rvm, rvm_cases),
}


def vectors():
    known = ("rvm_", "bgm", "stcn", "hmmn", "own_")
    return sorted(file for file in FOLDER.glob("*.npz") if file.name.startswith(known))


def rebuilt_inputs(spec):
    """The inputs, made again from their recipe and checked against their fingerprint."""
    made = {}
    for name, recipe in spec["inputs"].items():
        array = getattr(fill, recipe["fn"])(*recipe["args"])
        assert fill.checksum(array) == recipe["crc"], name
        made[name] = torch.from_numpy(array)
    return made


def shapes(network):
    return {key: list(value.shape) for key, value in network.state_dict().items()}


def published_shapes(file):
    return json.loads(file.with_suffix(".keys.json").read_text())


@pytest.mark.parametrize("file", vectors(), ids=lambda file: file.stem)
def test_a_published_network_gives_its_reference_numbers(file):
    arrays = np.load(file)
    spec = json.loads(str(arrays["spec"]))
    build, run = FAMILIES[spec["model"]["family"]]
    network = build(spec["model"])
    assert shapes(network) == published_shapes(file)
    fill.fill_module(network, spec["seed"])
    expected = {name for name in arrays.files if name != "spec"}
    with torch.inference_mode():
        made = dict(run(network, rebuilt_inputs(spec), spec["cases"]))
    assert expected <= made.keys()
    differences = {name: float(np.abs(made[name].numpy() - arrays[name]).max()) for name in expected}
    assert {name: d for name, d in differences.items() if not d <= LIMIT} == {}


def test_the_single_target_stcn_has_the_published_keys():
    published = json.loads((OURS / "stcn_single_object.keys.json").read_text())
    assert shapes(networks.build("stcn", others=False)) == published
