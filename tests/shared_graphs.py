"""Graphs that tests share. Writing one takes up to minutes, so each is written once in a run, whichever worker asks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from torch import nn

from seqmatte import networks, onnx_export, weights
from seqmatte.onnx_export import Graph
from seqmatte.weights import Weights

# Networks whose graphs more than one test looks at, and what a call of theirs has fixed.
OPTIONS: dict[str, dict[str, Any]] = {"hstsg-compact": {}, "refiner": {}, "rvm": {"detail": 0.5}}


@dataclass(frozen=True)
class SharedGraphs:
    """home: a user's folder for all tests of a run; give it as SEQMATTE_HOME to find there what others have written."""

    home: Path

    def weights(self, name: str) -> Weights:
        """Those that are shipped, else fresh ones."""
        shipped = weights.SHIPPED / f"{name}.safetensors"
        return weights.find(name, override=str(shipped if shipped.is_file() else self._fresh(name)))

    def written(self, name: str) -> tuple[nn.Module, dict[str, Graph]]:
        """A network and its graphs' files by part. The user's folder has to be this one."""
        with FileLock(self.home / f"{name}.lock"):
            found = self.weights(name)
            network = weights.load(name, found.path)
            graphs = onnx_export.cached(name, found.digest, network, {}, OPTIONS[name])
            for graph in graphs.values():
                assert graph.file().is_relative_to(self.home)
        return network, graphs

    def _fresh(self, name: str) -> Path:
        path = self.home / f"{name}.pth"
        with FileLock(self.home / f"{name}.weights.lock"):
            if not path.is_file():
                torch.save(built(name).state_dict(), path)
        return path


def built(name: str, **variant: Any) -> nn.Module:
    """A network with the same weights each time; parameters that begin as zeros get small ones."""
    torch.manual_seed(7)
    network = networks.build(name, **variant)
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(std=0.02)
    return network
