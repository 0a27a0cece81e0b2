"""seqmatte status: what is there, before anything is computed."""

from __future__ import annotations

import argparse

from seqmatte.commands.engines import checked_engines
from seqmatte.commands.shot_arguments import add_run_arguments, add_shot_arguments, shot_of

EPILOG = """\
examples:
  seqmatte status shot.json
  seqmatte status plate.####.exr --mask 1001=mask.1001.exr --mask 1050=corrected.1050.exr

After an edit, "missing" is what the edit reaches. Undo the edit and it is all cached again.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_shot_arguments(parser)
    parser.add_argument("--json", action="store_true", help="as JSON")
    add_run_arguments(parser)
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    from seqmatte.report import Reporter

    report = Reporter(json_lines=args.json)
    report.plans(checked_engines(args, shot_of(args), report))
    return 0
