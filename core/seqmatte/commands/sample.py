"""seqmatte sample: a procedural shot with exact truth."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from seqlink.params import describe, parse
from seqmatte.commands.shot_arguments import frames_from

EPILOG = """\
examples:
  seqmatte sample shot
  seqmatte sample shot --width 1920 --height 1080 --frames 100 --guided 1020,1050,1080
  seqmatte sample shot --occluder on --lookalike on --space Rec.709

Writes plate.####.exr, truth.####.exr (premultiplied, with A), mask and trimap on the guided frames, and shot.json.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from seqmatte.sample_scene import Params

    parser.add_argument("folder", metavar="FOLDER", help="where the shot goes")
    parser.add_argument("--guided", metavar="RANGE", help="frames that get a mask and a trimap; default: the first")
    for option in describe(Params):
        parser.add_argument(
            f"--{option['name']}", metavar="VALUE", help=f"{option['help']} Default: {option['default']}"
        )
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    from seqmatte.sample import write_sample
    from seqmatte.sample_scene import Params

    given = {option["name"]: getattr(args, option["name"]) for option in describe(Params)}
    params = parse(Params, {name: value for name, value in given.items() if value is not None})
    guided = tuple(frames_from(args.guided, "--guided") or ())

    def tell(done: int, total: int) -> None:
        # A line that moves is for a terminal: a log would have all of it as one.
        if sys.stderr.isatty():
            sys.stderr.write(f"\rframe {done} of {total}" + ("\n" if done == total else ""))

    shot = write_sample(Path(args.folder).absolute(), params, guided=guided, done=tell)
    print(f"plate  {shot.plate}\nguides {', '.join(guide.path for guide in shot.guides)}")
    print(f"next   seqmatte matte {Path(args.folder) / 'shot.json'} --out {Path(args.folder) / 'matte.####.exr'}")
    return 0
