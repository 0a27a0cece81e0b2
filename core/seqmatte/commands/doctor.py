"""seqmatte doctor: what works on this machine, and what to do about what does not."""

from __future__ import annotations

import argparse
import dataclasses
import json

from seqmatte.commands.shot_arguments import add_run_arguments

EPILOG = """\
The exit code is 0 when all that is needed works, else 1.

examples:
  seqmatte doctor
  seqmatte doctor --cache /shows/ab/cache --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    parser.add_argument("--json", action="store_true", help="as JSON, for a bug report")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    from seqmatte import doctor

    checks = doctor.report(args.cache, args.device)
    print(json.dumps([dataclasses.asdict(check) for check in checks], indent=1) if args.json else doctor.text(checks))
    return int(any(check.state == "problem" for check in checks))
