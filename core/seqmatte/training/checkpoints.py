"""What a training run leaves behind: checkpoints that continue it exactly, and weights with a card."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seqmatte.errors import OutputError, WeightsError
from seqmatte.file_faults import write_whole
from seqmatte.recognition import differences
from seqmatte.weights import read


def average(kept: nn.Module, network: nn.Module, keep: float) -> None:
    """Moves the averaged weights `kept` towards the network's: kept = keep * kept + (1 - keep) * network, in place.

    Batch statistics are averaged too; counters are copied.
    """
    with torch.no_grad():
        for mean, now in zip(kept.state_dict().values(), network.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(now, 1 - keep)
            else:
                mean.copy_(now)


def save(path: Path, **parts: Any) -> None:
    """Writes a checkpoint whole or not at all. Raises OutputError."""
    stream = io.BytesIO()
    torch.save(parts, stream)
    write_whole(path, stream.getvalue())


def load(path: Path) -> dict[str, Any]:
    """Reads a checkpoint of `save`. Raises WeightsError where it is not one."""
    try:
        parts: dict[str, Any] = dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch has many kinds for a file that is cut
        advice = "begin anew in another folder, --from its weights.safetensors if they are there"
        raise WeightsError(f"this checkpoint of a training run cannot be read; {advice}", path=path) from error
    return parts


def resume(path: Path, network: nn.Module, kept: nn.Module, optimiser: torch.optim.Optimizer) -> tuple[int, float]:
    """Puts a run's state into what it trains; its step and seconds. Raises WeightsError for a file that cannot be read,
    and OutputError for a run of another network, which this one would write over."""
    parts = load(path)
    if differences(_shapes(network), parts["network"]):
        advice = "name a folder of its own with --out"
        raise OutputError(f"a run of another network is kept here and would be written over; {advice}", path=path)
    network.load_state_dict(parts["network"])
    kept.load_state_dict(parts["kept"])
    optimiser.load_state_dict(parts["optimiser"])
    return int(parts["step"]), float(parts["seconds"])


def export(network: nn.Module, path: Path, card: Mapping[str, Any]) -> None:
    """Writes PATH.safetensors in half precision and PATH.json, the card with the weights' digest and size.

    Batch statistics stay in float32, because their variances reach below what half precision holds.
    Raises OutputError.
    """
    from safetensors.torch import save as as_bytes

    tensors = {name: _shrunk(name, value) for name, value in network.state_dict().items() if "num_batches" not in name}
    weights = as_bytes(tensors)
    digest = hashlib.sha256(weights).hexdigest()
    parameters = sum(p.numel() for p in network.parameters())
    written = {**card, "parameters": parameters, "bytes": len(weights), "sha256": digest}
    write_whole(path.with_suffix(".safetensors"), weights)
    write_whole(path.with_suffix(".json"), (json.dumps(written, indent=1) + "\n").encode())


def _shrunk(name: str, value: Tensor) -> Tensor:
    return value.detach().cpu().contiguous().to(torch.float32 if "running_" in name else torch.float16)


def restore(network: nn.Module, path: Path) -> nn.Module:
    """Loads PATH.safetensors of `export` into the network and gives it back, ready to run.

    Raises WeightsError where the file is missing, broken or made for another network.
    """
    weights = path.with_suffix(".safetensors")
    if not weights.is_file():
        raise WeightsError("there are no weights here", path=weights)
    found = {name: value.float() for name, value in read(str(weights)).items()}
    wanted = {name: shape for name, shape in _shapes(network).items() if "num_batches" not in name}
    if other := differences(wanted, found):
        raise WeightsError(f"weights for another network; {'; '.join(other)}", path=weights)
    network.load_state_dict(found, strict=False)
    return network.eval()


def _shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}
