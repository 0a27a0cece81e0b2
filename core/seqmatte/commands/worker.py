"""seqmatte worker: what a host starts and speaks to."""

from __future__ import annotations

import argparse

from seqmatte.commands.shot_arguments import add_run_arguments

EPILOG = """\
One JSON-RPC 2.0 object a line on standard input, answers and events on standard output, logs on standard error.
It ends when standard input closes.

example:
  echo '{"jsonrpc":"2.0","id":1,"method":"hello","params":{"protocol":1}}' | seqmatte worker
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    from seqmatte import worker

    return worker.main(args.cache, args.device)
