"""The networks, by name. Nothing here imports torch; a network's file is imported when it is built.

A network takes and gives tensors; its state is an argument and a result, so the same module serves one frame
and a clip. Each file names its paper, and each class its section or equation.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

from seqmatte.errors import RecipeError

if TYPE_CHECKING:
    from torch import nn

# name -> "module:factory"; a variant's facts are the factory's keyword arguments.
TABLE = {
    "amm": "seqmatte.networks.amm:build",
    "bgm1": "seqmatte.networks.bgm1:build",
    "bgm2": "seqmatte.networks.bgm2:build",
    "context_aware": "seqmatte.networks.context_aware:build",
    "context_motion": "seqmatte.networks.context_motion:build",
    "dim": "seqmatte.networks.dim:build",
    "dvm": "seqmatte.networks.dvm:build",
    "fba": "seqmatte.networks.fba:build",
    "gca": "seqmatte.networks.gca:build",
    "hmmn": "seqmatte.networks.hmmn:build",
    "hstsg": "seqmatte.networks.hstsg:build",
    "hstsg-compact": "seqmatte.networks.hstsg_compact:build",
    "refiner": "seqmatte.networks.refiner:build",
    "rvm": "seqmatte.networks.rvm:build",
    "stcn": "seqmatte.networks.stcn:build",
    "tcvom": "seqmatte.networks.tcvom:build",
    "tgm": "seqmatte.networks.tgm:build",
}


def names() -> tuple[str, ...]:
    """Every network that `build` knows, in alphabetical order."""
    return tuple(sorted(TABLE))


def build(name: str, **variant: object) -> nn.Module:
    """The network of that name with fresh weights, on the CPU in float32, ready for inference (eval).

    variant: the facts its family leaves open, such as backbone="resnet50"; each file's factory lists its own.
    Raises RecipeError for a name that is not in the table.
    """
    if name not in TABLE:
        raise RecipeError(f"unknown network {name!r}; known: {', '.join(names())}", field="network")
    module, factory = TABLE[name].split(":")
    network = getattr(import_module(module), factory)(**variant)
    return cast("nn.Module", network.eval())
