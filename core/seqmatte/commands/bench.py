"""seqmatte bench: where the time goes on this machine."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

EPILOG = """\
examples:
  seqmatte bench
  seqmatte bench --size 1920x1080 --frames 20 --memory 20,200
  seqmatte bench --networks

Everything is a ratio within one run: to one medium DIS flow each way plus one EXR read plus one EXR write.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size", default="1920x1080", metavar="WxH", help="default: 1920x1080")
    parser.add_argument("--frames", type=int, default=8, help="length of the shot; default: 8")
    parser.add_argument("--recipe", default="auto", help="default: auto")
    parser.add_argument("--memory", metavar="LENGTHS", help="also peak memory for shots of these lengths, as 20,200")
    parser.add_argument("--networks", action="store_true", help="time the networks instead")
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu or cuda; default: auto")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    if args.networks:
        from seqmatte import network_benchmark

        rows = network_benchmark.measure(args.device)
        print(json.dumps(rows, indent=1) if args.json else network_benchmark.table(rows))
        return 0
    with tempfile.TemporaryDirectory(prefix="seqmatte-bench-") as folder:
        _recipe(args, Path(folder))
    return 0


def _recipe(args: argparse.Namespace, folder: Path) -> None:
    from seqmatte import benchmark
    from seqmatte.device import Device

    width, height = size_from(args.size)
    timing = benchmark.measure(width, height, args.frames, args.recipe, folder, Device(args.device))
    lengths = [int(text) for text in args.memory.split(",")] if args.memory else []
    peaks = {n: benchmark.peak_memory(width, height, n, args.recipe, folder, args.device) for n in lengths}
    if args.json:
        print(json.dumps({**timing.as_dict(), "peak_bytes": peaks}, indent=1))
        return
    print(f"{args.size}, {args.frames} frames, recipe {args.recipe}")
    print(benchmark.table(timing, args.recipe))
    for frames, peak in peaks.items():
        print(f"peak memory, {frames} frames: {peak / 2**20:.0f} MiB")


def size_from(text: str) -> tuple[int, int]:
    """Width and height from 1920x1080. Raises ValueError."""
    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError:
        raise ValueError(f"--size {text}: write it as 1920x1080") from None
    return width, height
