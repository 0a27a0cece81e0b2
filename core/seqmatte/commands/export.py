"""seqmatte export: a network as ONNX, for onnxruntime and for hosts."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from seqmatte import networks
from seqmatte.doctor import unwritable
from seqmatte.errors import OutputError
from seqmatte.file_faults import system_words

if TYPE_CHECKING:
    from seqmatte.networks.part import Part

EPILOG = """\
examples:
  seqmatte export rvm --out rvm.onnx
  seqmatte export rvm --option detail=0.25
  seqmatte export bgm2 --weights pytorch_resnet50.pth --option mode=full

Height and width may be any that the network allows; a recurrent network takes its state and gives the next one. A
network of several parts writes one file each, as NAME.begin.onnx and NAME.step.onnx.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NETWORK", help=f"one of {', '.join(networks.names())}")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: NETWORK.onnx")
    parser.add_argument("--weights", metavar="FILE", help="default: those that are found")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a fact that the graph has fixed, repeatable: detail of amm, bgm2 and rvm; mode, sample_pixels and "
        "threshold of bgm2; top_k of hstsg and stcn; similarity of hstsg",
    )
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    from seqmatte import onnx_export, weights

    onnx_export.refuse(args.name)
    found = weights.find(args.name, override=args.weights)
    network = weights.load(args.name, found.path)
    out = args.out or Path(f"{args.name}.onnx")
    options = dict(_option(text) for text in args.option)
    onnx_export.refuse_strange(args.name, network, options)
    # Before the minutes that the exporter takes.
    if reason := unwritable(out.absolute().parent):
        raise OutputError(f"the graph cannot be written: {reason}", path=out)
    try:
        _write(onnx_export.graph_of(args.name, network, options), out)
    except OSError as error:
        raise OutputError(f"the graph cannot be written: {system_words(error)}", path=out) from error
    return 0


def _write(parts: Mapping[str, Part], out: Path) -> None:
    from seqmatte import onnx_export

    for part, graph in parts.items():
        path = out if len(parts) == 1 else out.with_suffix(f".{part}{out.suffix or '.onnx'}")
        onnx_export.write(graph, path)
        print(f"{path}: {', '.join(graph.inputs)} -> {', '.join(graph.outputs)}")


def _option(text: str) -> tuple[str, object]:
    """A name and its value, a number where it reads as one."""
    name, found, value = text.partition("=")
    if not found:
        raise ValueError(f"--option {text}: write it as NAME=VALUE, as detail=0.25")
    for kind in (int, float):
        try:
            return name, kind(value)
        except ValueError:
            continue
    return name, value
