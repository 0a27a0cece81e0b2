"""seqmatte score: a result against its truth."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from seqlink import FramePath, FrameRange
from seqmatte.errors import PlateError

EPILOG = """\
examples:
  seqmatte score matte.####.exr truth.####.exr
  seqmatte score matte.####.exr truth.####.exr --frames 1001-1016 --json

MAD and MSE are means over the whole picture times 1000, SAD a sum, Grad and Conn sums over 1000, dtSSD the
flicker against the truth's own change times 100, MESSDdt the same along the motion. Lower is better, 0 is exact.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("result", metavar="RESULT", help="mattes, as matte.####.exr: channel A, else the first one")
    parser.add_argument("truth", metavar="TRUTH", help="the truth, likewise")
    parser.add_argument("--frames", metavar="RANGE", help="default: all frames that the truth has on disk")
    parser.add_argument("--json", action="store_true", help="as JSON, with every frame")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    from seqmatte.metrics import score

    result, truth = FramePath(args.result), FramePath(args.truth)
    frames = FrameRange.parse(args.frames) if args.frames else truth.frames()
    if not frames:
        raise PlateError("no frame of the truth is on disk", path=truth)
    scored = score(_alphas(result, frames), _alphas(truth, frames))
    print(json.dumps(scored.as_dict(), indent=1) if args.json else scored.table(first=frames[0]))
    return 0


def _alphas(path: FramePath, frames: FrameRange) -> Iterator[npt.NDArray[np.float32]]:
    from seqmatte import exr

    for frame in frames:
        layer = exr.read(path.path(frame))
        yield layer["A"] if layer.has("A") else layer.pixels[:, :, 0]
