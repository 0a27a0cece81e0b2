"""seqmatte weights: which networks have weights here, and bringing in a checkpoint."""

from __future__ import annotations

import argparse

from seqmatte import weights
from seqmatte.errors import WeightsError
from seqmatte.recognition import slot_of
from seqmatte.releases import RELEASES, forms_of

EPILOG = """\
examples:
  seqmatte weights list
  seqmatte weights add rvm_mobilenetv3.pth
  seqmatte weights add checkpoint.pth --name gca
  seqmatte weights check

A file is recognised by its keys and shapes, whatever it is called; nothing that it holds is run.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="list | add | check", required=True)
    verbs.add_parser("list", help="networks, whose weights are here, and which files to get for the others")
    adding = verbs.add_parser("add", help="copy a checkpoint to where methods look for it")
    adding.add_argument("file", metavar="FILE", help=".pth, .pt or .safetensors; TensorFlow variables as .npz")
    adding.add_argument("--name", default="", metavar="NETWORK", help="refuse the file unless it is this network's")
    verbs.add_parser("check", help="whether the weights that are here are what their cards say, and load")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    if args.verb == "add":
        return _add(args.file, args.name)
    return _check() if args.verb == "check" else _list()


def _list() -> int:
    for network in networks_of_methods():
        found = _found(network)
        print(f"{network:15} {_told(found) if found else 'none here'}")
        for release in (r for r in RELEASES if r.network == network):
            form = f" ({release.variant})" if release.variant else ""
            print(f"{'':15}   {release.files}{form}: {release.origin}; {release.licence}")
    print(f"\nyour own are kept in {weights.folder()}")
    return 0


def _told(found: weights.Weights) -> str:
    licence = found.card.get("licence", "no licence stated")
    return f"{found.path}, {licence}, sha256 {found.digest[:12]}"


def _found(network: str) -> weights.Weights | None:
    try:
        return weights.find(network)
    except WeightsError as error:
        if error.path is not None:
            raise
        return None


def _add(file: str, name: str) -> int:
    added = weights.add(file, name)
    print(f"{added.network} {added.card.get('form', '')}: {added.path}".replace(" :", ":"))
    print(f"licence: {added.card.get('licence', 'none stated')}")
    return 0


def _check() -> int:
    """Loads each. Gives WeightsError's code if one is wrong, after all were tried."""
    wrong = 0
    for network in networks_of_methods():
        for form in forms_of(network):
            try:
                found = weights.find(network, form.name)
                weights.load(network, found.path)
                print(f"{slot_of(network, form.name)}: ok, {_told(found)}")
            except WeightsError as error:
                if error.path is not None:
                    print(f"{slot_of(network, form.name)}: {error}")
                    wrong = WeightsError.code
    return wrong


def networks_of_methods() -> list[str]:
    """The networks that methods run, by name."""
    from seqmatte import methods
    from seqmatte.methods.networked import Networked
    from seqmatte.recipe import method_class

    kinds = [method_class(name) for name in methods.TABLE]
    return sorted({kind.network for kind in kinds if issubclass(kind, Networked)})
