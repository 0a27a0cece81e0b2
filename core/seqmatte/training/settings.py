"""How one run of training goes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """One run. minutes: stop (and save) after so long; steps: where the learning rate has fallen to zero."""

    name: str
    folder: Path
    minutes: float = 1e9
    steps: int = 0  # 0: as the course says
    seed: int = 1
    batch: int = 1  # times as many clips in a batch as the course says, where a GPU has room for them
    warmup: int = 100
    decay: float = 0.25  # share of the steps, at the end, over which the rate falls
    weight_decay: float = 0.01
    most_gradient: float = 1.0
    keep: float = 0.998  # of the averaged weights, a step
    shown: int = 2  # how often a batch of scenes is shown, the second time mirrored, recoloured, turned in time
    check_every: int = 250
    save_minutes: float = 4.0
    check_seed: int = 990_000_000
    bfloat16: bool = True
    device: str = "auto"
    begin: str = ""  # weights with a card that a new run begins with, a .safetensors or "shipped"
