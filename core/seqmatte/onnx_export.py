"""Networks written as ONNX: dynamic height and width, state in and out, one file a part of the graph."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import logging
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqmatte import whole_file
from seqmatte.errors import DeviceError, ShotError
from seqmatte.keys import digest, home

if TYPE_CHECKING:
    from torch import nn

    from seqmatte.networks.part import Part

# What a graph is traced with. Its sizes are open all the same.
_HEIGHT, _WIDTH = 96, 128
# Larger graphs are left to onnxruntime's own optimizer: the exporter's takes minutes over them.
_OPTIMIZED = 2000

# Where a network's options are taken, if not by its whole call.
_CALLED = {"stcn": "found", "hstsg": "read_bank"}
# What may stand where a default of a kind stands.
_KINDS: Mapping[type, tuple[type, ...]] = {bool: (bool, int), int: (int,), float: (int, float), str: (str,)}

Options = Mapping[str, object]


@dataclass(frozen=True)
class Graph:
    """One part of a network's graph, and its place in the user's folder."""

    part: Part
    place: Path

    def file(self) -> Path:
        """The file, written if it is not there as it was written. Raises DeviceError where the exporter is missing."""
        sealed = self.place.with_suffix(".sha256")
        if not (self.place.is_file() and sealed.is_file() and sealed.read_bytes() == _sha256(self.place)):
            write(self.part, self.place)
            whole_file.write(sealed, _sha256(self.place))
        return self.place


def cached(name: str, weights: str, network: nn.Module, facts: Options, options: Options) -> dict[str, Graph]:
    """The graph's parts by name, each with its place in the user's folder. weights: their digest."""
    of = (name, weights, sorted(facts.items()), sorted(options.items()), exporter())
    folder = home() / "onnx"
    parts = graph_of(name, network, options)
    return {part: Graph(graph, folder / f"{digest('onnx', part, *of)}.onnx") for part, graph in parts.items()}


@lru_cache(maxsize=1)
def exporter() -> str:
    """What makes graphs, as a digest: our networks as they are written, and torch.

    A graph of other code gives other numbers, if only in the last bits, and keys must tell. Not what writes it down:
    a farm that has the graphs need not have that.
    """
    try:
        files = sorted((Path(__file__).parent / "networks").glob("*.py"))
        written = [path.read_text(encoding="utf-8") for path in (Path(__file__), *files)] if files else []
    except OSError:
        written = []
    return digest(_version("torch"), *(written or [_version("seqmatte")]))  # a package may come without its sources


def _sha256(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).hexdigest().encode()


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def graph_of(name: str, network: nn.Module, options: Options) -> dict[str, Part]:
    """The parts of a network's graph. Raises DeviceError for a name that no network has."""
    from seqmatte.networks import graphs

    refuse(name)
    return graphs.parts(name, network, options)


def refuse(name: str) -> None:
    """Raises DeviceError for a name that no network has."""
    from seqmatte.networks import graphs

    if name not in graphs.PARTS:
        raise DeviceError(f"there is no network {name!r} to export; known: {', '.join(sorted(graphs.PARTS))}")


def facts_of(name: str, network: nn.Module) -> dict[str, object]:
    """What a graph of the network may have fixed in it, by name with its default; most have nothing."""
    called = inspect.signature(getattr(network, _CALLED.get(name, "forward")))
    defaults = {given.name: given.default for given in called.parameters.values()}
    return {fact: default for fact, default in defaults.items() if isinstance(default, (int, float, str))}


def refuse_strange(name: str, network: nn.Module, options: Options) -> None:
    """Raises ShotError for a fact that the network does not have, or whose value is of another kind."""
    known = facts_of(name, network)
    for fact, value in options.items():
        if fact not in known:
            listed = ", ".join(known) or "none"
            raise ShotError(f"--option {fact}={value}: {name} has no such option; it has: {listed}")
        if not isinstance(value, _KINDS[type(known[fact])]):
            raise ShotError(f"--option {fact}={value}: write it as its default is, as {fact}={known[fact]}")


def write(part: Part, path: Path) -> None:
    """One part as an ONNX file, whole or not at all. Raises DeviceError where the exporter is missing."""
    import torch

    try:
        import onnxscript  # type: ignore[import-not-found, import-untyped, unused-ignore] # noqa: F401
    except ImportError:
        raise DeviceError("the exporter is not installed; pip install 'seqmatte[export]'") from None
    free = torch.export.Dim.DYNAMIC
    with torch.no_grad(), _hushed():
        given = tuple(tensor.contiguous() for tensor in part.example(_HEIGHT, _WIDTH))
        opened = [part.free(name, tensor.ndim) for name, tensor in zip(part.inputs, given, strict=True)]
        shapes: Any = {"tensors": tuple(dict.fromkeys(axes, free) for axes in opened)}
        # Captured here: the exporter's own capture follows sizes that are halved over and over for minutes.
        captured = torch.export.export(part.eval(), given, dynamic_shapes=shapes, strict=False)
        names: Any = {"input_names": list(part.inputs), "output_names": list(part.outputs)}
        optimize = len(captured.graph.nodes) < _OPTIMIZED
        program = torch.onnx.export(captured, **names, verbose=False, dynamo=True, optimize=optimize)
    assert program is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file.replacing(path) as beside:
        program.save(str(beside), external_data=False)


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """The exporter talks about packages that it does without, and warns of its own future."""
    talker = logging.getLogger("torch.onnx")
    level = talker.level
    talker.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        talker.setLevel(level)
