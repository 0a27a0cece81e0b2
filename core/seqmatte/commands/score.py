"""seqmatte score: a result against its truth."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import tee
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from seqlink import FramePath, FrameRange
from seqmatte.commands.shot_arguments import frames_from
from seqmatte.errors import PlateError
from seqmatte.plate_headers import windows_of

if TYPE_CHECKING:
    from seqmatte.layer import Layer

Alpha = npt.NDArray[np.float32]

# How far the channels of a grey picture may lie apart.
GREY = 0.01

EPILOG = """\
examples:
  seqmatte score matte.####.exr truth.####.exr
  seqmatte score matte.####.exr truth.####.exr --frames 1001-1016 --json

MAD and MSE are means over the whole picture times 1000, SAD, Grad and Conn sums divided by 1000, dtSSD the
flicker against the truth's own change times 100, MESSDdt the same along the motion; the two are of a frame and the one
just before it, so that a frame whose neighbour is not scored has "-" and is left out of their means. Where both hold
R,G,B and A, a line tells of the foreground: the mean error of its premultiplied scene-linear light over the whole
picture, times 1000, and which frames hold none. Lower is better, 0 is exact.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("result", metavar="RESULT", help="mattes, as matte.####.exr: channel A, else the one there is")
    parser.add_argument("truth", metavar="TRUTH", help="the truth, likewise")
    parser.add_argument("--frames", metavar="RANGE", help="default: all frames that the truth has on disk")
    parser.add_argument("--json", action="store_true", help="as JSON, with every frame")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    from seqmatte.scores import score

    result, truth = FramePath(args.result), FramePath(args.truth)
    frames = frames_from(args.frames, "--frames") or truth.frames()
    if not frames:
        raise PlateError(f"no frame of the truth is on disk{_advice(truth)}", path=truth)
    _refuse_still("result", result, frames)
    _refuse_still("truth", truth, frames)
    scored = score(*_pairs(result, truth, frames), numbers=frames)
    foreground, without = _foreground(result, truth, frames)
    if args.json:
        facts = {"foreground": foreground, "without_foreground": str(without)}
        print(json.dumps(scored.as_dict(frames) | facts, indent=1))
    else:
        if foreground is not None:
            print(f"foreground {foreground:.3f}{f'; frames {without} hold none' if without else ''}")
        print(scored.table(frames))
    return 0


def _refuse_still(what: str, pattern: FramePath, frames: FrameRange) -> None:
    """One picture in the place of many would be scored against each of them, and never flicker."""
    if len(frames) > 1 and not pattern.is_sequence:
        from seqmatte.plate_files import unnumbered

        raise PlateError(f"the {what} is one picture for {len(frames)} frames; {unnumbered(pattern)}", path=pattern)


def _pairs(result: FramePath, truth: FramePath, frames: FrameRange) -> tuple[Iterator[Alpha], Iterator[Alpha]]:
    """The alphas of both, frame by frame side by side."""
    one, other = tee(_pair(result.path(frame), truth.path(frame), frame) for frame in frames)
    return (pair[0] for pair in one), (pair[1] for pair in other)


def _pair(result: str, truth: str, frame: int) -> tuple[Alpha, Alpha]:
    """Raises PlateError where one of the two cannot be read or holds broken values, or their displays differ."""
    made, true = _read(result, truth, frame)
    return _alpha(made, result, frame), _alpha(true, truth, frame)


def _read(result: str, truth: str, frame: int) -> tuple[Layer, Layer]:
    """Both pictures in one data window; around their own they hold nothing, as EXR has it."""
    from seqmatte import exr
    from seqmatte.placement import around, on_canvas

    made, true = exr.read(result), exr.read(truth)
    assert made.header and true.header
    mine, theirs = made.header, true.header
    if mine.data == theirs.data:
        return made, true
    if mine.display != theirs.display:
        sizes = f"the result is {windows_of(mine)}, the truth {windows_of(theirs)}"
        raise PlateError(f"{sizes}; conform the one to the other", frame=frame, path=result)
    canvas = replace(mine, data=around((mine.display, mine.data, theirs.data)))
    return on_canvas(made, canvas), on_canvas(true, canvas)


def _alpha(layer: Layer, path: str, frame: int) -> Alpha:
    """The A of a picture, or its one matte. Raises PlateError for a picture in colours alone, and broken values."""
    colours = [layer[name] for name in "RGB" if layer.has(name)]
    if not layer.has("A") and any(np.abs(plane - colours[0]).max() > GREY for plane in colours[1:]):
        listed = ", ".join(layer.channels)
        raise PlateError(f"this is a picture, with no matte in it: its channels are {listed}", frame=frame, path=path)
    found = layer["A"] if layer.has("A") else colours[0] if colours else layer.pixels[:, :, 0]
    return _sound(found, frame, path)


def _sound(values: Alpha, frame: int, path: str) -> Alpha:
    """Of what is scored alone: a depth may well be infinite."""
    if not np.isfinite(values).all():
        raise PlateError("the picture holds values that are not finite", frame=frame, path=path)
    return values


def _advice(truth: FramePath) -> str:
    from seqmatte.plate_files import instead, unnumbered

    return instead(truth, FrameRange()) if truth.is_sequence else f"; {unnumbered(truth)}"


def _foreground(result: FramePath, truth: FramePath, frames: FrameRange) -> tuple[float | None, FrameRange]:
    """1000 x the mean error of premultiplied light, None where there is none; and the frames that hold none."""
    errors, without = [], []
    for frame in frames:
        places = [path.path(frame) for path in (result, truth)]
        layers = _read(places[0], places[1], frame)
        if not all(set("RGBA") <= set(layer.channels) for layer in layers):
            without.append(frame)
            continue
        lights = [_sound(layer.take("R", "G", "B"), frame, at) for at, layer in zip(places, layers, strict=True)]
        made, true = (light.astype(np.float64) for light in lights)
        errors.append(np.abs(made - true).mean())
    return float(1000 * np.mean(errors)) if errors else None, FrameRange(without)
