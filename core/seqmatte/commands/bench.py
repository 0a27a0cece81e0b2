"""seqmatte bench: where the time goes on this machine."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from seqmatte.commands.shot_arguments import add_device_argument
from seqmatte.errors import OutputError
from seqmatte.file_faults import system_words

if TYPE_CHECKING:
    from seqmatte.network_timing import Row

EPILOG = """\
examples:
  seqmatte bench
  seqmatte bench --size 1920x1080 --frames 20 --memory 20,200
  seqmatte bench --recipe combined --runtime torch,onnx
  seqmatte bench --networks
  seqmatte bench --networks rvm,gca --sizes 512x512 --limit 20
  OMP_NUM_THREADS=1 seqmatte bench --networks --clock cpu --keep networks.jsonl
  seqmatte bench --quality 24 --recipe flow-closed-form,auto
  seqmatte bench --quality 24 --first 25 --recipe flow-closed-form,auto

--quality scores recipes on generated shots that no training saw, beside the plain chain of a compositor.
A recipe with networks is timed beside RVM's bare network at the same size.
Of time, everything is a ratio within one run: to one medium DIS flow each way plus one EXR read plus one EXR write.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size", default="1920x1080", metavar="WxH", help="default: 1920x1080")
    parser.add_argument("--frames", type=int, default=8, help="length of the shot; default: 8")
    parser.add_argument("--recipe", default="auto", help="default: auto")
    parser.add_argument(
        "--runtime", default="torch", metavar="NAMES", help="of its networks, as torch,onnx; one by one"
    )
    parser.add_argument("--memory", metavar="LENGTHS", help="also peak memory for shots of these lengths, as 20,200")
    parser.add_argument("--quality", type=int, metavar="SHOTS", help="score recipes on so many unseen shots instead")
    parser.add_argument(
        "--first", type=int, default=1, metavar="NUMBER", help="of the unseen shots, with --quality; default: 1"
    )
    parser.add_argument("--guides", type=int, default=1, help="masks a shot has, with --quality; default: 1")
    add_device_argument(parser)
    parser.add_argument(
        "--networks", nargs="?", const="", metavar="NAMES", help="time the networks instead: all, or these, as rvm,gca"
    )
    parser.add_argument("--sizes", default="512x512,1920x1080", metavar="SIZES", help="of the networks' frames")
    parser.add_argument("--limit", type=_seconds, default=60.0, metavar="SECONDS", help="for a network at a size")
    parser.add_argument(
        "--clock",
        choices=("wall", "cpu"),
        default="wall",
        help="cpu: the processor's time of one thread, for a machine that others use too",
    )
    parser.add_argument("--keep", type=Path, metavar="FILE", help="rows as JSON, one a line; goes on from those there")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.epilog = EPILOG


def _seconds(text: str) -> float:
    if not 0 < float(text) <= 1e6:
        raise argparse.ArgumentTypeError(f"{text}: more than 0 seconds, as 60")
    return float(text)


def run(args: argparse.Namespace) -> int:
    if args.networks is not None:
        _networks(args)
        return 0
    with tempfile.TemporaryDirectory(prefix="seqmatte-bench-") as folder:
        (_recipe if args.quality is None else _quality)(args, Path(folder))
    return 0


def _networks(args: argparse.Namespace) -> None:
    """Each row as it is measured."""
    from seqmatte import network_benchmark as bench
    from seqmatte.network_timing import Asked

    names = tuple(name for name in args.networks.split(",") if name)
    _refuse_strange(names)
    sizes = tuple(size_from(text)[::-1] for text in args.sizes.split(","))
    known = _kept(args.keep) if args.keep else []
    if not args.json:
        print(bench.head(), flush=True)
    for row in bench.measure(Asked(names, sizes, args.device, args.clock, args.limit), known):
        print(json.dumps(row) if args.json else bench.line(row), flush=True)
        if args.keep and row not in known:
            with args.keep.open("a", encoding="utf-8") as kept:
                kept.write(json.dumps(row) + "\n")


def _kept(path: Path) -> list[Row]:
    """The rows of an earlier run. Raises ValueError for a file that holds anything else, OutputError for one that
    cannot be added to, before a row is measured.
    """
    try:
        path.open("a", encoding="utf-8").close()
    except OSError as error:
        raise OutputError(f"the rows cannot be kept: {system_words(error)}", path=path) from error
    try:
        rows = [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()]
    except ValueError:
        rows = [None]
    if not all(isinstance(row, dict) and {"network", "size"} <= row.keys() for row in rows):
        raise ValueError(f"--keep {path}: this file holds other things than rows of this command; name a new one")
    return rows


def _refuse_strange(names: tuple[str, ...]) -> None:
    from seqmatte import networks

    for name in names:
        if name not in networks.names():
            raise ValueError(f"--networks {name}: there is no such network; known: {', '.join(networks.names())}")


def _recipe(args: argparse.Namespace, folder: Path) -> None:
    from seqmatte import benchmark
    from seqmatte.device import Device
    from seqmatte.report import counted

    width, height = size_from(args.size)
    lengths = _lengths(args)
    for runtime in args.runtime.split(","):
        asked = benchmark.Asked(width, height, args.frames, args.recipe, runtime, args.device)
        timing = benchmark.measure(asked, folder / runtime, Device(args.device))
        peaks = {n: benchmark.peak_memory(asked, n, folder / runtime) for n in lengths}
        if args.json:
            print(json.dumps({**timing.as_dict(), "runtime": runtime, "peak_bytes": peaks}, indent=1))
            continue
        print(f"{args.size}, {counted(args.frames, 'frame')}, recipe {args.recipe}, {runtime}")
        print(benchmark.table(timing, args.recipe))
        for frames, peak in peaks.items():
            print(f"peak memory, {counted(frames, 'frame')}: {peak / 2**20:.0f} MiB")


def _lengths(args: argparse.Namespace) -> list[int]:
    """Those of --memory. Raises ValueError for one that no shot has, and for such a --frames."""
    if args.frames < 1:
        raise ValueError(f"--frames {args.frames}: a shot has at least 1 frame")
    texts = args.memory.split(",") if args.memory else []
    for text in texts:
        if not text.strip().isdecimal() or int(text) < 1:
            raise ValueError(f"--memory {args.memory}: {text!r} is no length of a shot; write them as 20,200")
    return [int(text) for text in texts]


def _quality(args: argparse.Namespace, folder: Path) -> None:
    """Each shot as it is done, then the table with means."""
    from seqmatte import quality_benchmark as quality
    from seqmatte.device import Device

    if min(args.quality, args.guides, args.first) < 1:
        raise ValueError("--quality, --guides and --first: at least 1 of each")
    trials = quality.unseen(args.quality, max(2, args.frames), 256, args.guides, args.first)
    rows = []
    for row in quality.compared(trials, args.recipe.split(","), folder, Device(args.device)):
        rows.append(row)
        print(row[0], *(f"{name} {found['MAD']:.1f}" for name, found in row[1].items()), file=sys.stderr, flush=True)
    print(json.dumps(dict(rows), indent=1) if args.json else quality.table(rows))


def size_from(text: str) -> tuple[int, int]:
    """Width and height from 1920x1080. Raises ValueError."""
    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError:
        width, height = 0, 0
    if min(width, height) < 1:
        raise ValueError(f"{text!r} is no size; write it as 1920x1080")
    return width, height
