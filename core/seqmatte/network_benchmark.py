"""How many frames a second each network makes on this machine: torch and onnxruntime, float32 and the fast precision.

Weights are fresh ones: time does not depend on them. A cell is tried a few times or for a few seconds, whichever is
first; one that has not made its first frame within the limit, or does not fit, is told so.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

SIZES = ((512, 512), (1080, 1920))
# A cell runs in a process of its own, which is stopped after so many seconds.
LIMIT = 60.0
_TRIES, _ENOUGH = 5, 4.0
CELLS = (("torch", "float32"), ("torch", "fast"), ("onnx", "float32"))
# As the authors run them: RVM and AMM at 512 pixels of the longer side.
_COARSE = ("rvm", "amm")

Row = dict[str, Any]


def measure(device: str = "auto", limit: float = LIMIT, names: Sequence[str] = ()) -> list[Row]:
    """A row for each network and size: frames a second by runtime and precision, or a word where there are none.

    The last rows compare RVM as the method runs it with the bare network called in a loop.
    """
    from seqmatte.networks.graphs import NOT_EXPORTED, PARTS

    rows = []
    for name in names or (*PARTS, *(n for n in NOT_EXPORTED if n == "hstsg")):
        for size in SIZES:
            row: Row = {"network": name, "size": f"{size[1]}x{size[0]}"}
            for runtime, precision in CELLS:
                row[f"{runtime} {precision}"] = cell(name, size, runtime, precision, device, limit)
            rows.append(row)
    if not names or "rvm" in names:
        rows += [{"network": "rvm", "size": f"{w}x{h}", **compared((h, w), device)} for h, w in SIZES]
    return rows


def table(rows: Sequence[Row]) -> str:
    """The rows as text."""
    heads = [f"{runtime} {precision}" for runtime, precision in CELLS]
    lines = [f"{'frames a second':15} {'size':>10} " + " ".join(f"{head:>14}" for head in heads)]
    for row in rows:
        if "method" in row:
            continue
        lines.append(f"{row['network']:15} {row['size']:>10} " + " ".join(f"{_shown(row[h]):>14}" for h in heads))
    for row in rows:
        if "method" in row:
            share = 100 * (row["method"] / row["bare"] - 1)
            said = f"{row['method']:.3f} s a frame through the method, {row['bare']:.3f} s bare: {share:+.1f} %"
            lines.append(f"{row['network']} {row['size']}: {said}")
    return "\n".join(lines)


def _shown(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.2f}"


def cell(name: str, size: tuple[int, int], runtime: str, precision: str, device: str, limit: float) -> float | str:
    """Frames a second, or in a word why there are none. Runs in a process of its own, so that it can be stopped."""
    asked = json.dumps([name, size, runtime, precision, device])
    command = [sys.executable, "-m", "seqmatte.network_benchmark", asked]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return f"> {limit:.0f} s"
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["?"]
        return "no export" if "exported" in said[-1] else "failed"
    return float(done.stdout.strip().splitlines()[-1])


def frames_a_second(name: str, size: tuple[int, int], runtime: str, precision: str, device: str) -> float:
    """One cell, in this process."""
    import torch

    from seqmatte import networks
    from seqmatte.device import Device
    from seqmatte.networks.examples import example
    from seqmatte.onnx_export import graph_of
    from seqmatte.runtime import TorchRunner

    torch.manual_seed(0)
    network = networks.build(name)
    if runtime == "onnx":
        return _through_onnx(graph_of(name, network, _options(name, size)), size, Device(device))
    runner = TorchRunner(name, network, Device(device).torch(), precision, _options(name, size))
    with torch.inference_mode(), torch.device(runner.device):
        if name == "hstsg":
            inputs: Mapping[str, Any] = example(name, network, *size)
            return _rate(lambda: _called(runner, inputs), runner.device)
        part = graph_of(name, network, _options(name, size))["step"]
        given = dict(zip(part.inputs, part.example(*size), strict=True))
    return _rate(lambda: runner.run("step", given), runner.device)


def compared(size: tuple[int, int], device: str) -> dict[str, float]:
    """Seconds a frame of RVM through its method's step, and of the bare network in a loop; taken in turn."""
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
    runner = TorchRunner("rvm", network, Device(device).torch(), "float32", options)
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

    times: list[list[float]] = [[], []]
    for _ in range(9):
        for act, kept in zip((through, bare), times, strict=True):
            kept.append(_seconds(act, runner.device))
    # The best of each: what others do on the machine adds to both, but never equally.
    return {"method": min(times[0]), "bare": min(times[1])}


def _options(name: str, size: tuple[int, int]) -> dict[str, Any]:
    from seqmatte.methods.recurrent import usual_detail

    if name in _COARSE:
        return {"detail": usual_detail(*size)}
    return {"mode": "full"} if name == "bgm2" else {}


def _called(runner: Any, inputs: Mapping[str, Any]) -> None:
    with runner.quietly():
        runner.module(**inputs)


def _through_onnx(parts: Mapping[str, Any], size: tuple[int, int], device: Any) -> float:
    import tempfile
    from pathlib import Path

    import torch

    from seqmatte import onnx_export
    from seqmatte.runtime import provider_for, session

    part = parts["step"]
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        path = Path(folder) / "network.onnx"
        onnx_export.write(part, path)
        opened = session(path, provider_for(device))
        tensors = dict(zip(part.inputs, part.example(*size), strict=True))
        given = {one.name: tensors[one.name].contiguous().numpy() for one in opened.get_inputs()}
        return _rate(lambda: opened.run(None, given), torch.device("cpu"))


def _rate(act: Callable[[], object], device: Any) -> float:
    """Calls a second: the first one warms up."""
    act()
    taken: list[float] = []
    while len(taken) < _TRIES and sum(taken) < _ENOUGH:
        taken.append(_seconds(act, device))
    return 1 / sorted(taken)[len(taken) // 2]


def _seconds(act: Callable[[], object], device: Any) -> float:
    import torch

    started = time.perf_counter()
    act()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


if __name__ == "__main__":
    name, (height, width), *rest = json.loads(sys.argv[1])
    print(frames_a_second(name, (height, width), *rest))
