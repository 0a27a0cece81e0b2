"""The second runtime: graphs written as ONNX and run by onnxruntime through the same methods."""

import argparse
import sys

import numpy as np
import pytest
import torch

from seqmatte import cli, networks, runtime, weights
from seqmatte.cache import Cache
from seqmatte.device import Device
from seqmatte.engine import Engine
from seqmatte.errors import DeviceError
from seqmatte.layer import Layer
from seqmatte.method import View
from seqmatte.methods.rvm import Rvm, RvmParams
from seqmatte.networks import graphs
from seqmatte.networks.examples import picture
from shots import write_tiny_shot

# What methods and errors are tried with here; test_networks.py writes every network.
WRITTEN = {"refiner": {}, "rvm": {"detail": 0.5}}


@pytest.fixture(scope="module")
def stocked(tmp_path_factory):
    """Files of weights by network, and a user's folder that graphs are written to."""
    folder = tmp_path_factory.mktemp("runtime")
    patch = pytest.MonkeyPatch()
    patch.setenv("SEQMATTE_HOME", str(folder / "home"))
    files = {}
    for name in WRITTEN:
        torch.manual_seed(5)
        network = networks.build(name)
        if name == "refiner":
            torch.nn.init.normal_(network.leave.weight, std=0.05)
        files[name] = str(folder / f"{name}.pth")
        torch.save(network.state_dict(), files[name])
    yield files
    patch.undo()


def opened(stocked, name, kind, **more):
    found = weights.find(name, override=stocked[name])
    return runtime.opened(found, Device("cpu"), kind, options=WRITTEN[name], **more)


@pytest.mark.parametrize("kind", runtime.RUNTIMES)
def test_the_threads_that_a_machine_allows_change_no_bit_of_the_default_recipe(tmp_path, kind):
    tiny = write_tiny_shot(tmp_path / "shot", width=320, height=200, count=2)
    made, before = [], torch.get_num_threads()
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            engine = Engine(tiny.shot(1, recipe="auto", runtime=kind), Cache(tmp_path / f"{kind} {threads}"))
            made.append([engine.layer(name, 2).pixels.tobytes() for name in ("guess", "matte")])
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert made[0] == made[1]


def test_a_method_walks_alike_in_both_runtimes_from_a_graph_that_is_written_once(stocked):
    plates = [Layer(picture(3, 48, 64, seed)[0].permute(1, 2, 0).numpy().copy(), ("R", "G", "B")) for seed in range(3)]
    made = {}
    for kind in runtime.RUNTIMES:
        method = Rvm(RvmParams(detail=0.5))
        method.weights, method.runtime = weights.find("rvm", override=stocked["rvm"]), kind
        method.open(Device("cpu"))
        state, made[kind] = None, []
        for frame, plate in enumerate(plates):
            state, layer = method.step(state, View(frame, lambda name, offset, space, p=plate: p))
            made[kind].append(layer["A"])
        made[f"{kind} key"] = method.weights_digest
    np.testing.assert_allclose(made["onnx"], made["torch"], atol=1e-4)
    assert made["onnx key"] != made["torch key"]
    from seqmatte.keys import home

    written = sorted((home() / "onnx").iterdir())
    opened(stocked, "rvm", "onnx")
    assert sorted((home() / "onnx").iterdir()) == written


def test_a_graph_whose_file_is_damaged_is_written_again(stocked, tmp_path, monkeypatch):
    monkeypatch.setenv("SEQMATTE_HOME", str(tmp_path))
    opened(stocked, "refiner", "onnx")
    (graph,) = (tmp_path / "onnx").glob("*.onnx")
    whole = graph.read_bytes()
    for left in (0, 1000):
        graph.write_bytes(whole[:left])
        opened(stocked, "refiner", "onnx")
        assert graph.stat().st_size == pytest.approx(len(whole), rel=0.01)


def test_results_of_a_graph_have_other_keys_where_another_exporter_wrote_it(stocked, monkeypatch):
    from seqmatte import onnx_export
    from seqmatte.methods.rvm import Rvm

    def digest():
        method = Rvm(Rvm.Params())
        method.weights, method.runtime = weights.find("rvm", override=str(stocked["rvm"])), "onnx"
        return method.weights_digest

    before = digest()
    monkeypatch.setattr(onnx_export, "exporter", lambda: "another")
    assert digest() != before


def test_of_several_gpus_the_one_that_is_named_computes_and_repeats(tmp_path, monkeypatch):
    import onnxruntime

    asked = []

    class Taken:
        def __init__(self, path, options, providers):
            asked.extend(providers)

        def get_providers(self):
            return ["CUDAExecutionProvider"]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Taken)
    runtime.session(tmp_path / "any.onnx", "CUDAExecutionProvider", Device("cuda:1").number)
    ((name, chosen),) = asked
    assert (name, chosen["device_id"], chosen["use_tf32"]) == ("CUDAExecutionProvider", "1", "0")
    assert chosen["cudnn_conv_algo_search"] == "DEFAULT"


def test_cuda_where_onnxruntime_has_none_is_an_error_and_no_fall_back(stocked, monkeypatch):
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(DeviceError, match="asked for and this onnxruntime has none; install 'seqmatte\\[gpu\\]'"):
        runtime.provider_for(Device("cuda"))
    assert runtime.provider_for(Device("auto")) == "CPUExecutionProvider"
    with pytest.raises(DeviceError, match="no such device: 'tpu'"):
        runtime.provider_for(Device("tpu"))


def test_a_session_that_fell_back_is_refused(tmp_path, monkeypatch):
    import onnxruntime

    class Fallen:
        def __init__(self, path, options, providers):
            pass

        def get_providers(self):
            return ["CPUExecutionProvider"]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Fallen)
    with pytest.raises(DeviceError, match="asked for CUDAExecutionProvider and fell back to CPUExecutionProvider"):
        runtime.session(tmp_path / "any.onnx", "CUDAExecutionProvider")


def test_without_onnxruntime_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(DeviceError, match="pip install 'seqmatte\\[cpu\\]'"):
        runtime.provider_for(Device("cpu"))


def test_without_the_exporter_the_extra_is_named(stocked, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(DeviceError, match="pip install 'seqmatte\\[export\\]'"):
        cli_export("refiner", tmp_path / "x.onnx", stocked["refiner"])


def cli_export(name, out, file):
    from seqmatte.commands import export

    parser = argparse.ArgumentParser()
    export.add_arguments(parser)
    return export.run(parser.parse_args([name, "--out", str(out), "--weights", file]))


def test_the_fast_precision_is_torchs_alone(stocked):
    with pytest.raises(DeviceError, match="the onnx runtime computes in float32 only"):
        opened(stocked, "rvm", "onnx", precision="fast")


def test_every_network_has_a_graph_and_another_name_is_refused_with_the_known_ones(capsys):
    assert set(graphs.PARTS) == set(networks.names())
    assert cli.main(["export", "rvn"]) == DeviceError.code
    assert "there is no network 'rvn' to export; known: amm, bgm1" in capsys.readouterr().err


@pytest.mark.parametrize("name", networks.names())
def test_a_graph_names_all_that_goes_in_and_out(name):
    with torch.device("meta"):
        network = networks.build(name)
        options = {"mode": "full"} if name == "bgm2" else {}
        for part in graphs.parts(name, network, options).values():
            given = part.example(64, 64)
            assert len(given) == len(part.inputs)
            assert len(part(*given)) == len(part.outputs)
            assert not set(part.inputs) & set(part.outputs)
        assert {n for n in part.outputs if n.startswith("next_")} <= {f"next_{n}" for n in part.inputs}
