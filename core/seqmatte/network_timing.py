"""One network's frames timed in this process, by torch or by onnxruntime; and RVM's method beside its bare network.

`python -m seqmatte.network_timing` is the process that network_benchmark starts for each column of its table.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

# Height, width.
Size = tuple[int, int]
Row = dict[str, Any]

SIZES: tuple[Size, ...] = ((512, 512), (1080, 1920))
# Seconds for the frames of a size.
LIMIT = 60.0
_TRIES, _ENOUGH = 5, 4.0
PAIRS = 12
# wall: what passes. cpu: what the process computes, for a machine that others use too, on one thread.
CLOCKS: Mapping[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
# As the authors run them: RVM and AMM at 512 pixels of the longer side.
_COARSE = ("rvm", "amm")


@dataclass(frozen=True)
class Asked:
    """What is measured, and how. names: networks, all if none is named."""

    names: tuple[str, ...] = ()
    sizes: tuple[Size, ...] = SIZES
    device: str = "auto"
    clock: str = "wall"
    limit: float = LIMIT


def named(name: str, size: Size) -> Row:
    """The beginning of a row."""
    return {"network": name, "size": f"{size[1]}x{size[0]}"}


def tell(name: str, runtime: str, precision: str, asked: Asked) -> None:
    """A column in this process, told on standard output as it comes."""
    import torch

    torch.manual_seed(0)
    made_ready = _onnx if runtime == "onnx" else _torch
    frames = made_ready(name, precision, asked)
    print("ready", flush=True)
    for size in asked.sizes:
        act, device = frames(size)
        first = _seconds(act, device, asked.clock)
        print(f"first {first}", flush=True)
        print(f"rate {_rate(act, device, asked.clock)}", flush=True)


Frames = Callable[[Size], tuple[Callable[[], object], Any]]


def _torch(name: str, precision: str, asked: Asked) -> Frames:
    """For a size, what makes one frame of it, and where."""
    import torch

    from seqmatte import networks
    from seqmatte.device import Device
    from seqmatte.runtime import TorchRunner

    network = networks.build(name)

    def frame(size: Size) -> tuple[Callable[[], object], Any]:
        runner = TorchRunner(name, network, Device(asked.device).torch(), precision, _options(name, size))
        with torch.inference_mode(), torch.device(runner.device):
            given = _given(name, network, size)
        return lambda: runner.run("step", given), runner.device

    return frame


def _onnx(name: str, precision: str, asked: Asked) -> Frames:
    import tempfile
    from pathlib import Path

    import torch

    from seqmatte import networks, onnx_export
    from seqmatte.device import Device
    from seqmatte.networks.graphs import parts
    from seqmatte.runtime import provider_for, session

    network = networks.build(name)
    opened: dict[str, Any] = {}

    def session_of(options: Mapping[str, Any]) -> Any:
        """Sizes whose graphs are alike share one."""
        if str(options) not in opened:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "network.onnx"
                onnx_export.write(parts(name, network, options)["step"], path)
                opened[str(options)] = session(path, provider_for(Device(asked.device)))
        return opened[str(options)]

    for size in asked.sizes:
        session_of(_options(name, size))

    def frame(size: Size) -> tuple[Callable[[], object], Any]:
        ready = session_of(_options(name, size))
        with torch.no_grad():
            tensors = _given(name, network, size)
        given = {one.name: tensors[one.name].contiguous().numpy() for one in ready.get_inputs()}
        return lambda: ready.run(None, given), torch.device("cpu")

    return frame


def _given(name: str, network: Any, size: Size) -> dict[str, Any]:
    """What a step takes, with one target."""
    from seqmatte.networks.graphs import parts

    part = parts(name, network, _options(name, size))["step"]
    tensors = zip(part.inputs, part.example(*size), strict=True)
    return {key: tensor[:1] if key in part.rows else tensor for key, tensor in tensors}


def compared(size: Size, asked: Asked, pairs: int = PAIRS) -> Row:
    """Seconds a frame of RVM through its method's step and of the bare network in a loop, taken in turn.

    share: the median over the pairs of how much longer the method's step took; what else the machine does falls on
    both of a pair alike.
    """
    import numpy as np
    import torch

    from seqmatte import networks
    from seqmatte.device import Device
    from seqmatte.layer import Layer
    from seqmatte.method import View
    from seqmatte.methods.rvm import Rvm, RvmParams
    from seqmatte.networks.examples import picture
    from seqmatte.runtime import TorchRunner
    from seqmatte.weights import Weights

    torch.manual_seed(0)
    network: Any = networks.build("rvm")
    options = _options("rvm", size)
    detail = float(options["detail"])
    runner = TorchRunner("rvm", network, Device(asked.device).torch(), "float32", options)
    method = Rvm(RvmParams(detail=detail))
    method.weights, method.runner, method._opened = Weights("rvm", "", ""), runner, {detail: runner}
    plate = picture(3, *size)
    layer = Layer(np.ascontiguousarray(plate[0].permute(1, 2, 0).numpy()), ("R", "G", "B"))
    view = View(1, lambda name, offset, space: layer)
    plate = plate.to(runner.device)
    states: list[Any] = [None, None]

    def through() -> None:
        states[0], _ = method.step(states[0], view)

    def bare() -> None:
        with torch.inference_mode():
            *_, states[1] = network(plate, states[1], detail)

    took: list[tuple[float, float]] = []
    for _ in range(pairs + 1):
        took.append((_seconds(through, runner.device, asked.clock), _seconds(bare, runner.device, asked.clock)))
    kept = took[1:]
    method_time, bare_time = (statistics.median(times) for times in zip(*kept, strict=True))
    share = statistics.median(one / other - 1 for one, other in kept)
    return {**named("rvm", size), "method": method_time, "bare": bare_time, "share": share}


def _options(name: str, size: tuple[int, int]) -> dict[str, Any]:
    from seqmatte.methods.recurrent import usual_detail

    if name in _COARSE:
        return {"detail": usual_detail(*size)}
    return {"mode": "full"} if name == "bgm2" else {}


def _rate(act: Callable[[], object], device: Any, clock: str) -> float:
    """Calls a second, by the middle one of a few."""
    taken: list[float] = []
    while len(taken) < _TRIES and sum(taken) < _ENOUGH:
        taken.append(_seconds(act, device, clock))
    return 1 / statistics.median(taken)


def _seconds(act: Callable[[], object], device: Any, clock: str) -> float:
    import torch

    now = CLOCKS[clock]
    started = now()
    act()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return now() - started


if __name__ == "__main__":
    from seqmatte import allocation

    allocation.keep_freed()
    facts = json.loads(sys.argv[1])
    (one,), runs, kind = facts.pop("names"), facts.pop("runtime"), facts.pop("precision")
    tell(one, runs, kind, Asked((one,), tuple(map(tuple, facts.pop("sizes"))), **facts))
