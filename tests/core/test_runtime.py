"""The second runtime: graphs written as ONNX and run by onnxruntime through the same methods."""

import argparse
import shutil
import sys

import numpy as np
import pytest
import torch

from seqmatte import cli, networks, onnx_export, runtime, weights
from seqmatte.cache import Cache
from seqmatte.device import Device
from seqmatte.engine import Engine
from seqmatte.errors import DeviceError
from seqmatte.layer import Layer
from seqmatte.method import View
from seqmatte.methods.rvm import Rvm, RvmParams
from seqmatte.networks import graphs
from seqmatte.networks.examples import picture
from seqmatte.networks.part import Part
from shared_graphs import OPTIONS
from shots import write_tiny_shot


@pytest.fixture
def stocked(shared_graphs):
    """Files of weights by network, in a user's folder that has their graphs or will."""
    return {name: shared_graphs.weights(name).path for name in ("refiner", "rvm")}


def opened(stocked, name, kind, **more):
    found = weights.find(name, override=stocked[name])
    return runtime.opened(found, Device("cpu"), kind, options=OPTIONS[name], **more)


@pytest.mark.parametrize("kind", runtime.RUNTIMES)
def test_the_threads_that_a_machine_allows_change_no_bit_of_the_default_recipe(tmp_path, kind, shared_graphs):
    for name in ("hstsg-compact", "refiner") if kind == "onnx" else ():
        shared_graphs.written(name)
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


def test_a_method_walks_alike_in_both_runtimes_from_a_graph_that_is_written_once(stocked, shared_graphs, monkeypatch):
    shared_graphs.written("rvm")
    monkeypatch.setattr(onnx_export, "write", lambda *_: pytest.fail("it was written again"))
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


def halved():
    """A graph that is soon written."""
    network = torch.nn.Conv2d(3, 1, 3)
    return Part(network, lambda x: (network(x) / 2,), ("plate",), ("half",), lambda h, w: (picture(3, h, w),))


@pytest.mark.parametrize("left", [0, 1000])
def test_a_graph_whose_file_is_damaged_is_written_again(tmp_path, left):
    graph = onnx_export.Graph(halved(), tmp_path / "half.onnx")
    whole = graph.file().read_bytes()
    graph.place.write_bytes(whole[:left])
    assert graph.file().stat().st_size == pytest.approx(len(whole), rel=0.01)
    plate = picture(3, 24, 40)
    (half,) = runtime.session(graph.place, "CPUExecutionProvider").run(None, {"plate": plate.numpy()})
    torch.testing.assert_close(torch.from_numpy(half), graph.part(plate)[0].detach())


def test_a_network_is_opened_from_its_damaged_graph_written_again(stocked, shared_graphs, tmp_path, monkeypatch):
    (graph,) = shared_graphs.written("refiner")[1].values()
    folder = tmp_path / "onnx"
    folder.mkdir()
    (folder / graph.place.name).write_bytes(graph.place.read_bytes()[:1000])
    shutil.copy(graph.place.with_suffix(".sha256"), folder)
    monkeypatch.setenv("SEQMATTE_HOME", str(tmp_path))
    opened(stocked, "refiner", "onnx")
    assert (folder / graph.place.name).stat().st_size == pytest.approx(graph.place.stat().st_size, rel=0.01)


def test_results_of_a_graph_have_other_keys_where_another_exporter_wrote_it(stocked, monkeypatch):
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
