"""The command line. Each command lives in a file of `commands`; nothing heavy is imported before one is chosen."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NoReturn

from seqmatte import allocation, printing, waiting
from seqmatte.errors import Cancelled, OutputError, SeqmatteError, ShotError, out_of_memory
from seqmatte.file_faults import system_words

# command -> (module, one line for --help); the module has add_arguments(parser) and run(args) -> exit code.
COMMANDS = {
    "matte": ("matte", "mattes for a plate from one mask, trimap or alpha"),
    "frame": ("matte", "the matte of one frame"),
    "status": ("status", "what is cached, what is missing, what an edit reaches"),
    "score": ("score", "a result against its truth: MAD, MSE, SAD, Grad, Conn, dtSSD, MESSDdt"),
    "recipes": ("catalogue", "the recipes there are"),
    "methods": ("catalogue", "the methods, their options, their networks"),
    "cache": ("cache", "look at the cache, prune it, clear it"),
    "sample": ("sample", "write a procedural shot with exact truth"),
    "demo": ("demo", "a sample shot, its matte from one mask, and a contact sheet"),
    "bench": ("bench", "time each stage on this machine, as ratios"),
    "weights": ("weights", "list, add and check weights"),
    "export": ("export", "write a network as ONNX"),
    "train": ("train", "train a network, or adapt the shipped one to a shot"),
    "bundle": ("bundle", "an OpenJD job bundle for a farm"),
    "worker": ("worker", "serve a host over standard input and output"),
    "doctor": ("doctor", "what works on this machine, and what to do about what does not"),
}

EPILOG = """\
a first matte:
  seqmatte matte plate.####.exr --mask 1001=mask.1001.exr --out matte.####.exr

exit codes: 0 done, 2 wrong usage, 3 shot, 4 plate, 5 guide, 6 recipe, 7 weights, 8 device, 9 cache, 10 output,
11 colour, 130 cancelled
"""

# Commands that finish frame by frame.
_BY_FRAMES = ("matte", "frame", "demo")
# What a shell makes of plate.*.exr.
_MORE_FILES = re.compile(r"unrecognized arguments: [^-]")


class _Parser(argparse.ArgumentParser):
    """Says what is wrong before how it is used; as a JSON line too, where lines are read."""

    as_json = False

    def error(self, message: str) -> NoReturn:
        if _MORE_FILES.match(message):
            message += "; name a sequence once, with #### for the frame number, as in plate.####.exr"
        sys.stderr.write(f"{self.prog}: {message}\n  see: {self.prog} --help\n")
        if self.as_json:
            print(json.dumps({"event": "error", "code": 2, "message": message}), flush=True)
        raise SystemExit(2)


def parser() -> argparse.ArgumentParser:
    """The parser of all commands. A command's own options are added when it is the one chosen."""
    made = _Parser(
        prog="seqmatte",
        description="One artist mask in, a shot of mattes and unmixed foregrounds out.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action="store_true", help="print the version and stop")
    listed = made.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    for name, (_, summary) in COMMANDS.items():
        listed.add_parser(name, help=summary, add_help=False)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; gives the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    with printing.forgiving() as printed:
        try:
            code = _run(arguments)
            printed.flush()
        except BrokenPipeError:
            return 141
        if printed.lost and not code:
            lost = OutputError(f"what it printed could not be written: {system_words(printed.lost)}; all else was done")
            return _failed(arguments[0], lost, as_json=False)
        return code


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0].startswith("-") or arguments[0] not in COMMANDS:
        return _top_level(arguments)
    name = arguments[0]
    waiting.briefly()
    try:
        module = import_module(f"seqmatte.commands.{COMMANDS[name][0]}")
        command = _command_parser(name, module.add_arguments)
        command.as_json = "--json" in arguments
        args = command.parse_args(_glued(arguments[1:], _bare(command)))
        args.command = name
        allocation.keep_freed()
        return int(module.run(args))
    except BrokenPipeError:
        raise
    except Exception as error:
        known = _in_our_words(error)
        if known is None:
            raise
        return _failed(name, known, "--json" in arguments)
    except KeyboardInterrupt:
        sys.stderr.write("\n")  # below the ^C that a terminal shows
        kept = "; finished frames are kept, the same command goes on" if name in _BY_FRAMES else ""
        return _failed(name, Cancelled(f"stopped{kept}"), "--json" in arguments)


def _in_our_words(error: Exception) -> SeqmatteError | None:
    """None for what only a traceback explains."""
    if isinstance(error, SeqmatteError):
        return error
    if short := out_of_memory(error):
        return short
    if isinstance(error, ValueError):
        return ShotError(str(error))
    return OutputError(system_words(error), path=error.filename) if isinstance(error, OSError) else None


def _failed(name: str, error: SeqmatteError, as_json: bool) -> int:
    """Says what went wrong, as a JSON line too where lines are read; gives the exit code."""
    printing.tell(f"seqmatte {name}: {error}")
    if as_json:
        facts = {"code": error.code, "message": error.message}
        where = {"frame": error.frame, "path": error.path, "field": error.field}
        known = {key: value for key, value in where.items() if value is not None}
        print(json.dumps({"event": "error", **facts, **known}), flush=True)
    return error.code


def _bare(command: argparse.ArgumentParser) -> tuple[str, ...]:
    """The flags that take no value."""
    return tuple(flag for action in command._actions if action.nargs == 0 for flag in action.option_strings)


def _glued(arguments: Sequence[str], bare: tuple[str, ...]) -> list[str]:
    """With --flag -2=FILE as --flag=-2=FILE: a value that begins with a negative frame is taken for a flag else.

    bare: flags that stand alone, whole or begun as argparse takes them; a frame behind one is not theirs.
    """
    made: list[str] = []
    for argument in arguments:
        waits = bool(made) and re.fullmatch(r"--[a-z-]+", made[-1]) and not any(f.startswith(made[-1]) for f in bare)
        if waits and re.match(r"-\d", argument):
            made[-1] += f"={argument}"
        else:
            made.append(argument)
    return made


def _top_level(arguments: list[str]) -> int:
    made = parser()
    if not arguments:
        made.print_help()
        return 2
    if made.parse_args(arguments).version:
        from importlib.metadata import version

        print(f"seqmatte {version('seqmatte')}")
    return 0


def _command_parser(name: str, add_arguments: Callable[[argparse.ArgumentParser], None]) -> _Parser:
    made = _Parser(
        prog=f"seqmatte {name}",
        description=COMMANDS[name][1][0].upper() + COMMANDS[name][1][1:] + ".",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.set_defaults(command=name)
    add_arguments(made)
    return made


if __name__ == "__main__":
    sys.exit(main())
