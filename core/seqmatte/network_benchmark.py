"""How many frames a second each network makes on this machine: torch and onnxruntime, float32 and the fast precision.

Weights are fresh ones: time does not depend on them. A column of the table is measured in a process of its own that
makes the network ready once for all sizes. The first frame warms up; a few more are timed. A size that has made its
first frame within the limit but not the second is told by the first; one that has not made the first is told so.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from seqmatte.network_timing import Asked, Row, compared, named

# Making a network ready, a graph written for it, has so many times as long as the frames of a size.
_READY = 10
CELLS = (("torch", "float32"), ("torch", "fast"), ("onnx", "float32"))


def measure(asked: Asked, known: Sequence[Row] = ()) -> Iterator[Row]:
    """A row for each network and size as it is measured: frames a second by runtime and precision, or a word.

    known: rows of an earlier run, which are given as they are. The last rows compare RVM as the method runs it with
    the bare network called in a loop.
    """
    from seqmatte.networks.graphs import PARTS

    kept = {(row["network"], row["size"], "share" in row): row for row in known}
    for name in asked.names or tuple(PARTS):
        wanted = [(name, named(name, size)["size"], False) for size in asked.sizes]
        if all(key in kept for key in wanted):
            yield from (kept[key] for key in wanted)
            continue
        columns = {f"{runtime} {kind}": column(name, runtime, kind, asked) for runtime, kind in CELLS}
        for place, size in enumerate(asked.sizes):
            yield {**named(name, size), **{head: cells[place] for head, cells in columns.items()}}
    for size in asked.sizes if not asked.names or "rvm" in asked.names else ():
        yield kept.get(("rvm", named("rvm", size)["size"], True)) or compared(size, asked)


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


def _shown(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def column(name: str, runtime: str, precision: str, asked: Asked) -> list[float | str]:
    """Frames a second at each size, or in a word why there are none; in a process of its own, which can be stopped."""
    words = json.dumps({**asdict(asked), "names": [name], "runtime": runtime, "precision": precision})
    command = [sys.executable, "-m", "seqmatte.network_timing", words]
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
