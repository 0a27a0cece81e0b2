"""seqmatte recipes, seqmatte methods: what there is to choose from."""

from __future__ import annotations

import argparse
import json
from typing import Any

EPILOG = """\
examples:
  seqmatte recipes
  seqmatte methods
  seqmatte methods --long
  seqmatte methods --json
  seqmatte methods --markdown
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON, with every option; hosts draw knobs from it")
    if parser.get_default("command") == "methods":
        parser.add_argument(
            "--long", action="store_true", help="also the networks: parameters and GMACs, ours and published"
        )
        parser.add_argument("--markdown", action="store_true", help="every option as tables, as the README has them")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    if args.json:
        print(json.dumps(catalogue(), indent=1, ensure_ascii=False))
    elif args.command == "methods" and args.markdown:
        print(markdown())
    elif args.command == "recipes":
        _print_recipes()
    else:
        _print_methods()
        if args.long:
            _print_networks()
    return 0


def catalogue() -> dict[str, Any]:
    """Recipes, methods and every option as plain data: what plugins/seqlink/methods.json holds."""
    from seqlink.params import describe
    from seqmatte import methods, recipe

    return {
        "recipes": [
            {"name": found.name, "methods": list(found.methods), "summary": found.summary}
            for found in recipe.RECIPES.values()
        ],
        "methods": [
            {"name": name, "summary": _summary(name), "params": describe(recipe.method_class(name).Params)}
            for name in methods.TABLE
        ],
    }


def markdown() -> str:
    """Recipes and every option as tables: the generated part of the README."""
    found = catalogue()
    lines = ["| recipe | methods | what it is |", "|---|---|---|"]
    lines += [f"| `{row['name']}` | {' > '.join(row['methods'])} | {row['summary']} |" for row in found["recipes"]]
    for method in found["methods"]:
        lines += ["", f"**{method['name']}**: {method['summary']}"]
        if method["params"]:
            lines += ["", "| option | default | limits | |", "|---|---|---|---|"]
        for row in method["params"]:
            limits = ", ".join(row["choices"]) if row["choices"] else _limits(row)
            lines.append(f"| `{method['name']}.{row['name']}` | {row['default']} | {limits} | {row['help']} |")
    return "\n".join(lines)


def _limits(row: dict[str, Any]) -> str:
    return "" if row["low"] is None else f"{row['low']} to {row['high']}"


def _summary(name: str) -> str:
    from seqmatte.recipe import method_class

    return (method_class(name).__doc__ or "").strip().splitlines()[0]


def _print_recipes() -> None:
    from seqmatte import recipe

    print(f"{'auto':20} what measured best for the guides given: the default")
    for found in recipe.RECIPES.values():
        print(f"{found.name:20} {found.summary}\n{'':20}   {' > '.join(found.methods)}")


def _print_networks() -> None:
    from seqmatte.networks.counting import table

    print(f"\n{'network':32} {'size':>9} {'parameters, million':>20} {'GMACs':>18} {'of convolutions':>16}")
    for row in table():
        size = f"{row.size[0]}x{row.size[1]}"
        learnt = _beside(row.figures.parameters / 1e6, row.published_parameters)
        macs = _beside(row.figures.gmacs, row.published_gmacs)
        print(f"{row.title:32} {size:>9} {learnt:>20} {macs:>18} {row.figures.convs:16.2f}")


def _beside(ours: float, published: float | None) -> str:
    return f"{ours:.2f}" if published is None else f"{ours:.2f} ({published:g})"


def _print_methods() -> None:
    for method in catalogue()["methods"]:
        print(f"{method['name']}: {method['summary']}")
        for option in method["params"]:
            limits = f", {_limits(option)}" if option["low"] is not None else ""
            choices = f", one of {', '.join(option['choices'])}" if option["choices"] else ""
            print(f"    {method['name']}.{option['name']} = {option['default']}{limits}{choices}")
            print(f"        {option['help']}")
