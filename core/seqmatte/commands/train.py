"""seqmatte train: networks from scratch, and the shipped ones adapted to a shot."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from seqmatte import networks
from seqmatte.commands.shot_arguments import add_device_argument

EPILOG = """\
examples:
  seqmatte train hstsg-compact --out run --minutes 120
  seqmatte train refiner --out run --minutes 30
  seqmatte train hstsg-compact --out run --device cuda --batch 8 --minutes 9
  seqmatte train hstsg-compact --from shipped --out run --steps 24000
  seqmatte train --samples page.png
  seqmatte train --shot shot.json --minutes 10 --out adapted

A run that is stopped ends after its step, stopped twice at once; the same command goes on where it was, step for step.
--shot run again into the same folder with the same guides keeps the better weights, by the guide that is left out of
the learning; with other guides, or a single one, the new weights take the place of the old. Several GPUs: torchrun
--nproc-per-node 4 -m seqmatte.training.train NAME.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NETWORK", choices=networks.names(), help="what to train")
    parser.add_argument("--out", type=Path, default=Path("training"), help="folder of the run; goes on if one is there")
    parser.add_argument("--minutes", type=_minutes, default=1e9, help="stop after so many minutes, everything saved")
    parser.add_argument("--steps", type=_whole(1), default=0, help="length of the whole course; default: its own")
    parser.add_argument(
        "--from",
        dest="begin",
        metavar="WEIGHTS",
        help="begin a new run with weights that have a card (.safetensors, or shipped), at the step it tells",
    )
    parser.add_argument("--seed", type=_whole(0), default=1, help="seed of the scenes; default: 1")
    parser.add_argument(
        "--batch", type=_whole(1), default=1, help="times as many clips in a batch, where a GPU has room"
    )
    add_device_argument(parser)
    parser.set_defaults(refuse=parser.error)
    parser.add_argument("--samples", type=Path, metavar="PNG", help="write a page of samples of the scenes and stop")
    parser.add_argument("--shot", type=Path, metavar="SHOT.json", help="adapt the shipped weights to this shot")
    parser.epilog = EPILOG


def _minutes(text: str) -> float:
    if not float(text) > 0:
        raise argparse.ArgumentTypeError(f"{text}: more than 0 minutes, as 0.5 or 120")
    return float(text)


def _whole(least: int, most: int = 10**9) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.strip().isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text}: a whole number from {least} to {most}")
        return int(text)

    return number


def run(args: argparse.Namespace) -> int:
    from seqmatte.training import train

    return train.run(args)
