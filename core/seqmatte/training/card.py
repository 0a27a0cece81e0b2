"""The card beside weights: written with them, read where a run begins with them."""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from seqmatte.errors import WeightsError
from seqmatte.training import checkpoints
from seqmatte.training.settings import Settings
from seqmatte.weights import SHIPPED


def written(settings: Settings, step: int, seconds: float, curve: list[dict[str, float]]) -> dict[str, Any]:
    """What is said of weights: where they come from, how far they are, and how they did on unseen scenes."""
    checks = [r for r in curve if "MAD" in r]
    found = {k: round(checks[-1][k], 3) for k in ("step", "MAD", "dtSSD")} if checks else {}
    said = {k: v for k, v in asdict(settings).items() if k not in ("folder", "name", "minutes")}
    return {
        "name": settings.name,
        "licence": "Apache-2.0",
        "data": "procedural scenes of this program (seqmatte.training.scenes), composited in scene-linear light",
        "settings": said,
        "commit": _commit(),
        "steps": step,
        "device": "cpu" if not torch.cuda.is_available() else torch.cuda.get_device_name(),
        "hours": round(seconds / 3600, 2),
        "validation": {"clips": "24 generated clips of an unseen seed, one guide", **found},
        "linear_light": True,
    }


def _commit() -> str:
    said = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=Path(__file__).parent, check=False
    )
    return said.stdout.strip() or "unknown"


def begun(settings: Settings, end: int, network: nn.Module, kept: nn.Module) -> tuple[int, float]:
    """Step and seconds of the weights that the run begins with, which are put into both networks.

    end: the course's last step. Raises WeightsError, also where nothing is left to be learnt.
    """
    path = SHIPPED / settings.name if settings.begin == "shipped" else Path(settings.begin)
    for one in (network, kept):
        checkpoints.restore(one, path)
    try:
        said = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        step, hours = int(said["steps"]), float(said["hours"])
    except (OSError, ValueError, KeyError) as error:
        raise WeightsError(f"these weights' card does not tell steps and hours: {error}", path=path) from error
    if step >= end:
        raise WeightsError(
            f"these weights have learnt {step} steps and the course has {end}; ask for more with --steps", path=path
        )
    return step, 3600 * hours
