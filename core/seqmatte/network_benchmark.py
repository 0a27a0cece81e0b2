"""How many frames a second each network makes on this machine: torch and onnxruntime, float32 and the fast precision.

Weights are fresh ones: time does not depend on them. A column of the table is measured in a process of its own that
makes the network ready once for all sizes. The first frame warms up; a few more are timed. A size that has made its
first frame within the limit but not the second is told by the first; one that has not made the first is told so.
"""

from __future__ import annotations

import json
import queue
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

# Height, width.
Size = tuple[int, int]
Row = dict[str, Any]

SIZES: tuple[Size, ...] = ((512, 512), (1080, 1920))
# Seconds for the frames of a size. Making a network ready, a graph written for it, has _READY times as long.
LIMIT, _READY = 60.0, 10
_TRIES, _ENOUGH = 5, 4.0
PAIRS = 12
CELLS = (("torch", "float32"), ("torch", "fast"), ("onnx", "float32"))
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


def measure(asked: Asked, known: Sequence[Row] = ()) -> Iterator[Row]:
    """A row for each network and size as it is measured: frames a second by runtime and precision, or a word.

    known: rows of an earlier run, which are given as they are. The last rows compare RVM as the method runs it with
    the bare network called in a loop.
    """
    from seqmatte.networks.graphs import PARTS

    kept = {(row["network"], row["size"], "share" in row): row for row in known}
    for name in asked.names or tuple(PARTS):
        wanted = [(name, _named(name, size)["size"], False) for size in asked.sizes]
        if all(key in kept for key in wanted):
            yield from (kept[key] for key in wanted)
            continue
        columns = {f"{runtime} {kind}": column(name, runtime, kind, asked) for runtime, kind in CELLS}
        for place, size in enumerate(asked.sizes):
            yield {**_named(name, size), **{head: cells[place] for head, cells in columns.items()}}
    for size in asked.sizes if not asked.names or "rvm" in asked.names else ():
        yield kept.get(("rvm", _named("rvm", size)["size"], True)) or compared(size, asked)


def head() -> str:
    """The line above the table's rows."""
    return f"{'frames a second':15} {'size':>10} " + " ".join(f"{f'{r} {p}':>14}" for r, p in CELLS)


def line(row: Row) -> str:
    """A row as text."""
    if "share" in row:
        said = (
            f"{row['method']:.3f} s a frame through the method, {row['bare']:.3f} s bare: {100 * row['share']:+.1f} %"
        )
        return f"{row['network']} {row['size']}: {said}"
    cells = " ".join(f"{_shown(row[f'{r} {p}']):>14}" for r, p in CELLS)
    return f"{row['network']:15} {row['size']:>10} {cells}"


def _named(name: str, size: Size) -> Row:
    return {"network": name, "size": f"{size[1]}x{size[0]}"}


def _shown(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def column(name: str, runtime: str, precision: str, asked: Asked) -> list[float | str]:
    """Frames a second at each size, or in a word why there are none; in a process of its own, which can be stopped."""
    words = json.dumps({**asdict(asked), "names": [name], "runtime": runtime, "precision": precision})
    command = [sys.executable, "-m", "seqmatte.network_benchmark", words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        try:
            return _heard(_lines(child), asked)
        finally:
            child.kill()


def _heard(lines: queue.Queue[str], asked: Asked) -> list[float | str]:
    """What the process tells: "ready", then for each size "first SECONDS" and "rate FRAMES"."""
    cells: list[float | str] = []
    try:
        if not lines.get(timeout=_READY * asked.limit):
            return ["failed"] * len(asked.sizes)
    except queue.Empty:
        return ["not ready"] * len(asked.sizes)
    for _ in asked.sizes:
        cells.append(_cell(lines, asked.limit))
        if isinstance(cells[-1], str):
            # What a process does after its limit is not waited for; a larger size would not fare better.
            rest = "failed" if cells[-1] == "failed" else f"> {asked.limit:.0f} s"
            return cells + [rest] * (len(asked.sizes) - len(cells))
    return cells


def _cell(lines: queue.Queue[str], limit: float) -> float | str:
    ends = time.monotonic() + limit
    first = 0.0
    while True:
        try:
            told = lines.get(timeout=max(0.0, ends - time.monotonic()))
        except queue.Empty:
            return f"{1 / first:.3f} (first)" if first else f"> {limit:.0f} s"
        if not told:
            return "failed"
        kind, value = told.split()
        if kind == "rate":
            return float(value)
        first = float(value)


def _lines(child: subprocess.Popen[str]) -> queue.Queue[str]:
    """What a process prints, line by line; an empty one at its end."""
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        assert child.stdout is not None
        for text in child.stdout:
            lines.put(text.strip())
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    return lines


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
    return {**_named("rvm", size), "method": method_time, "bare": bare_time, "share": share}


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
