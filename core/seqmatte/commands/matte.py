"""seqmatte matte, seqmatte frame: the main job."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from seqlink import FramePath, FrameRange
from seqmatte.commands.engines import checked_engines
from seqmatte.commands.shot_arguments import add_run_arguments, add_shot_arguments, frames_from, shot_of
from seqmatte.errors import ShotError

if TYPE_CHECKING:
    from seqmatte.engine import Engine
    from seqmatte.report import Reporter

EPILOG = """\
examples:
  seqmatte matte plate.####.exr --mask 1001=mask.1001.exr --out matte.####.exr
  seqmatte matte plate.####.exr --mask 1001=a.exr --trimap 1050=b.exr --out m.####.exr --colour ACEScg
  seqmatte matte shot.json --only 1040-1060 --out matte.####.exr
"""
FRAME_EPILOG = """\
example:
  seqmatte frame plate.####.exr 1057 --mask 1001=mask.1001.exr --out matte.####.exr
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    single = parser.get_default("command") == "frame"
    add_shot_arguments(parser)
    if single:
        parser.add_argument("frame", type=int, metavar="FRAME", help="the frame wanted")
    else:
        parser.add_argument("--only", metavar="RANGE", help="make these frames of the shot, as a farm's task does")
    parser.add_argument("--out", metavar="PATTERN", help="where results go, as matte.####.exr")
    parser.add_argument("--confidence", metavar="PATTERN", help="also write the confidence maps here")
    parser.add_argument("--save", metavar="FILE", help="also write the Shot document, to go on from or send to a farm")
    parser.add_argument("--dry-run", action="store_true", help="say what would be computed, compute nothing")
    parser.add_argument("--json", action="store_true", help="events as JSON, one a line, on standard output")
    add_run_arguments(parser)
    parser.epilog = FRAME_EPILOG if single else EPILOG


def run(args: argparse.Namespace) -> int:
    from seqmatte import overwriting, shot_file
    from seqmatte.report import Reporter

    shot = shot_of(args)
    frames = _asked(args)
    overwriting.refuse(shot, frames, FramePath(args.confidence) if args.confidence else None, args.save or "")
    if args.save:
        shot_file.write(shot, args.save)
    report = Reporter(json_lines=args.json)
    if args.dry_run:
        report.plans(checked_engines(args, shot, report, frames), frames)
        return 0
    if shot.out is None and args.command == "matte":
        raise ShotError("say where results go, as --out matte.####.exr", field="out")
    with stopped_by_ctrl_c() as cancelled:
        engines = checked_engines(args, shot, report, frames, cancelled)
        while engines:  # one that is done lets go of its pictures
            _render(args, engines.pop(0), frames, report)
    return 0


def _asked(args: argparse.Namespace) -> FrameRange | None:
    """The frames to make, None for all. The shot's range stays whole: what a frame is made of depends on it."""
    if args.command == "frame":
        return FrameRange([args.frame])
    return frames_from(args.only, "--only")


def _render(args: argparse.Namespace, engine: Engine, frames: FrameRange | None, report: Reporter) -> None:
    """Renders one subject and delivers each frame as it comes."""
    from seqmatte.delivery import deliver, write_confidence

    report.begin(engine, engine.status(frames))
    out = engine.shot.out
    for result in engine.render(frames):
        place = deliver(result, out, engine.shot.subjects()) if out else result.path
        if args.confidence:
            write_confidence(engine, result, FramePath(args.confidence))
        report.delivered(result, place)
    report.end()


@contextmanager
def stopped_by_ctrl_c() -> Iterator[threading.Event]:
    """Ctrl-C and TERM ask the engine to stop after the step at hand; a second Ctrl-C stops at once."""
    cancelled = threading.Event()

    def ask(number: int, _frame: object) -> None:
        if cancelled.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        sys.stderr.write("\nstopping after this step (Ctrl-C again: at once)\n")
        cancelled.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield cancelled
    finally:
        for number, old in before.items():
            signal.signal(number, old)
