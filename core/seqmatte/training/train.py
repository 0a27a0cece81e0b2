"""Training: one loop that reads from top to bottom.

A step's scenes, their order and their changes follow from the seed and the step's number, and nothing in a network
rolls dice, so a run that was killed goes on exactly as if it had not been.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from seqmatte.device import Device
from seqmatte.errors import SeqmatteError
from seqmatte.training import checkpoints, sheet
from seqmatte.training.course import Course, Run
from seqmatte.training.scenes import Clips, shoot
from seqmatte.training.stages import COURSES
from seqmatte.training.textures import Dice

Say = Callable[[str], None]


@dataclass(frozen=True)
class Settings:
    """One run. minutes: stop (and save) after so long; steps: where the learning rate has fallen to zero."""

    name: str
    folder: Path
    minutes: float = 1e9
    steps: int = 0  # 0: as the course says
    seed: int = 1
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


def train(settings: Settings, say: Say = print) -> nn.Module:
    """`walk`, stopped cleanly by SIGTERM or SIGINT."""
    with _asked_to_stop() as stop:
        return walk(settings, say, stop)


def walk(settings: Settings, say: Say, stop: Callable[[], bool]) -> nn.Module:
    """Runs, or goes on with, the run in the settings' folder; gives the averaged weights.

    Writes there: checkpoint.pt, curve.jsonl, curve.png, sheet.png, weights.safetensors with weights.json.
    Where `stop()` turns true it ends after the step at hand with everything saved. Under torchrun each process
    takes its share.
    """
    course = _course(settings)
    rank, world = _joined()
    device = _device(settings.device)
    network = course.build().to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    _spread(network)
    kept = copy.deepcopy(network)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1.0, weight_decay=settings.weight_decay, betas=(0.9, 0.99))
    folder = settings.folder
    step, seconds = _resume(folder / "checkpoint.pt", network, kept, optimiser)
    curve = [r for r in sheet.read_curve(folder / "curve.jsonl") if r["step"] <= step]
    check = (
        shoot(settings.check_seed, course.check.count, course.check.frames, course.check.size) if rank == 0 else None
    )
    began = saved = time.monotonic()
    for clips in _batches(settings, course, step, rank, world, device):
        _teaching(network, course)
        optimiser.param_groups[0]["lr"] = rate_at(step, course, settings)
        with torch.autocast(device.type, torch.bfloat16, enabled=settings.bfloat16):
            parts = course.lesson(network, clips, step)
        loss = torch.stack([course.weights.get(name, 1.0) * part for name, part in parts.items()]).sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        _shared(network, world)
        steepness = nn.utils.clip_grad_norm_(network.parameters(), settings.most_gradient)
        if torch.isfinite(steepness):
            optimiser.step()
        step += 1
        checkpoints.average(kept, network, min(settings.keep, (1 + step) / (10 + step)))
        spent = seconds + time.monotonic() - began
        last = stop() or step >= course.steps or time.monotonic() - began > settings.minutes * 60
        if rank == 0:
            record = {"step": step, "loss": loss.item(), "seconds": round(spent, 1)}
            record |= {name: round(part.item(), 5) for name, part in parts.items()}
            if check is not None and (step % settings.check_every == 0 or last):
                record |= _checked(kept, course, check, settings, device)
                sheet.curve([*curve, record], folder / "curve.png")
                shown = ("step", "loss", "check", "MAD", "dtSSD", "seconds")
                say(" ".join(f"{name} {record[name]:.4g}" for name in shown if name in record))
            curve.append(record)
            if last or time.monotonic() - saved > settings.save_minutes * 60:
                saved = time.monotonic()
                _save(settings, network, kept, optimiser, step, spent, curve)
        if last:
            break
    return kept.eval()


def rate_at(step: int, course: Course, settings: Settings) -> float:
    """The learning rate: a short rise, level, and at the end of the course a half cosine to zero."""
    rise = min(1.0, (step + 1) / settings.warmup)
    left = (course.steps - step) / max(course.steps * settings.decay, 1)
    fall = 0.5 - 0.5 * math.cos(math.pi * min(left, 1.0))
    return course.stage_at(step).rate * rise * fall


def scores(alphas: Tensor, truth: Tensor) -> dict[str, float]:
    """MAD and dtSSD over clips [B, T, 1, H, W], float, whole picture: 1000 x mean |d|; 100 x rms of frame steps."""
    change = (alphas.diff(dim=1) - truth.diff(dim=1)).square().mean((2, 3, 4)).sqrt()
    return {"MAD": 1000 * (alphas - truth).abs().mean().item(), "dtSSD": 100 * change.mean().item()}


def _teaching(network: nn.Module, course: Course) -> None:
    network.train()
    if course.frozen_norms:
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()


def _checked(
    network: nn.Module, course: Course, clips: Clips, settings: Settings, device: torch.device
) -> dict[str, float]:
    """How the network does on shots nobody trained on: its scores and a sheet, or the lesson's loss."""
    if course.run is None:
        network.eval()
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=settings.bfloat16):
            parts = course.lesson(network, _laid_out(clips, device), 0)
        return {"check": sum(course.weights.get(name, 1.0) * part.item() for name, part in parts.items())}
    alphas = examined(network, course.run, clips, settings, device)
    sheet.validation(clips, alphas, settings.folder / "sheet.png")
    return scores(alphas, clips.alpha)


def examined(network: nn.Module, run: Run, clips: Clips, settings: Settings, device: torch.device) -> Tensor:
    """Alphas [B, T, 1, H, W] of clips nobody trained on, eight at a time, on the CPU."""
    network.eval()
    parts = []
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=settings.bfloat16):
        for start in range(0, len(clips.plate), 8):
            some = Clips(*(getattr(clips, f.name)[start : start + 8].to(device) for f in fields(Clips)))
            parts.append(run(network, some).float().cpu())
    return torch.cat(parts)


class Shoots(Dataset[Clips]):
    """Batch number -> clips, drawn in the loader's process."""

    def __init__(self, settings: Settings, course: Course, rank: int, world: int) -> None:
        self.settings, self.course, self.rank, self.world = settings, course, rank, world

    def __getitem__(self, number: int) -> Clips:
        stage = self.course.stage_at(number * self.settings.shown)
        shape = stage.rounds[number % len(stage.rounds)]
        seed = self.settings.seed * 10_000_019 + number * self.world + self.rank
        return shoot(seed, shape.count, shape.frames, shape.size)


def _batches(
    settings: Settings, course: Course, step: int, rank: int, world: int, device: torch.device
) -> Iterator[Clips]:
    """Clips of every step from `step` on; on a GPU drawn there, on a CPU by one more process."""
    shoots = Shoots(settings, course, rank, world)
    numbers = range(step // settings.shown, -(-course.steps // settings.shown))
    if device.type == "cuda":
        loader: Any = (_drawn_there(shoots, number, device) for number in numbers)
    else:
        loader = DataLoader(
            shoots, batch_size=None, sampler=list(numbers), num_workers=1, prefetch_factor=3, worker_init_fn=_modest
        )
    for number, clips in zip(numbers, loader, strict=True):
        for showing in range(settings.shown):
            if number * settings.shown + showing >= step:
                yield _laid_out(turned(clips, number, showing), device)


def _drawn_there(shoots: Shoots, number: int, device: torch.device) -> Clips:
    stage = shoots.course.stage_at(number * shoots.settings.shown)
    shape = stage.rounds[number % len(stage.rounds)]
    seed = shoots.settings.seed * 10_000_019 + number * shoots.world + shoots.rank
    return shoot(seed, shape.count, shape.frames, shape.size, device)


def _modest(_: int) -> None:
    torch.set_num_threads(1)
    os.nice(3)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the loop tells the loader when to end


def turned(clips: Clips, number: int, showing: int) -> Clips:
    """The clips as they are the first time; then mirrored, in other colours, and backwards where the subject stays."""
    if showing == 0:
        return clips
    dice = Dice(number * 8 + showing, torch.device("cpu"))
    order = torch.randperm(3, generator=dice.generator)
    stays = clips.alpha[:, -1].mean((1, 2, 3)) > 0.5 * clips.alpha[:, 0].mean((1, 2, 3))
    back = (stays & dice.chance(0.7, len(stays)).to(stays.device)).view(-1, 1, 1, 1, 1)

    def changed(x: Tensor) -> Tensor:
        x = torch.where(back, x.flip(1), x).flip(4)
        return x[:, :, order] if x.shape[2] == 3 else x

    first, last = clips.guide.flip(3), clips.last_guide.flip(3)
    return Clips(
        changed(clips.plate),
        changed(clips.alpha),
        changed(clips.foreground),
        changed(clips.background),
        changed(clips.light),
        torch.where(back[:, :, 0], last, first),
        torch.where(back[:, :, 0], first, last),
        clips.constants,
    )


def _laid_out(clips: Clips, device: torch.device) -> Clips:
    return Clips(*(getattr(clips, f.name).to(device, non_blocking=True) for f in fields(Clips)))


def _course(settings: Settings) -> Course:
    if settings.name not in COURSES:
        raise SeqmatteError(f"no course for {settings.name!r}; there are {', '.join(COURSES)}", field="name")
    course = COURSES[settings.name]
    return course.shortened(settings.steps) if settings.steps else course


def _device(name: str) -> torch.device:
    return Device(name).torch()


def _joined() -> tuple[int, int]:
    """This process's number and how many there are; joins the others when torchrun started it."""
    if "RANK" not in os.environ:
        return 0, 1
    if not dist.is_initialized():
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    return dist.get_rank(), dist.get_world_size()


def _spread(network: nn.Module) -> None:
    """All processes start from the first one's weights."""
    if dist.is_available() and dist.is_initialized():
        for value in network.state_dict().values():
            dist.broadcast(value, 0)


def _shared(network: nn.Module, world: int) -> None:
    """The mean of all processes' gradients."""
    if world == 1:
        return
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(flat)
    flat /= world
    start = 0
    for gradient in gradients:
        gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
        start += gradient.numel()


@contextmanager
def _asked_to_stop() -> Iterator[Callable[[], bool]]:
    """A question that is answered yes from the first SIGTERM or SIGINT on."""
    asked: list[int] = []
    kinds = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(kind, lambda number, _: asked.append(number)) for kind in kinds]
    try:
        yield lambda: bool(asked)
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)


def _resume(path: Path, network: nn.Module, kept: nn.Module, optimiser: torch.optim.Optimizer) -> tuple[int, float]:
    if not path.is_file():
        return 0, 0.0
    parts = checkpoints.load(path)
    network.load_state_dict(parts["network"])
    kept.load_state_dict(parts["kept"])
    optimiser.load_state_dict(parts["optimiser"])
    return int(parts["step"]), float(parts["seconds"])


def _save(
    settings: Settings,
    network: nn.Module,
    kept: nn.Module,
    optimiser: torch.optim.Optimizer,
    step: int,
    seconds: float,
    curve: list[dict[str, float]],
) -> None:
    folder = settings.folder
    checkpoints.save(
        folder / "checkpoint.pt",
        network=network.state_dict(),
        kept=kept.state_dict(),
        optimiser=optimiser.state_dict(),
        step=step,
        seconds=seconds,
    )
    temporary = folder / "curve.part"
    temporary.write_text("".join(json.dumps(record) + "\n" for record in curve))
    temporary.replace(folder / "curve.jsonl")
    checkpoints.export(kept, folder / "weights", card(settings, step, seconds, curve))


def card(settings: Settings, step: int, seconds: float, curve: list[dict[str, float]]) -> dict[str, Any]:
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `seqmatte train`."""
    parser.add_argument("name", nargs="?", help=f"what to train: {', '.join(COURSES)}")
    parser.add_argument("--out", type=Path, default=Path("training"), help="folder of the run; goes on if one is there")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after so many minutes, everything saved")
    parser.add_argument("--steps", type=int, default=0, help="length of the whole course (default: its own)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the scenes")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--samples", type=Path, help="write a page of samples of the scenes and stop")


def run(args: argparse.Namespace) -> int:
    """`seqmatte train`: a page of samples, or a run."""
    if args.samples:
        sheet.samples(shoot(args.seed, 16, 4, 160), args.samples)
        return 0
    if not args.name:
        raise SeqmatteError(f"say what to train: {', '.join(COURSES)}", field="name")
    settings = Settings(args.name, args.out, args.minutes, args.steps, args.seed, device=args.device)
    train(settings, lambda line: print(line, flush=True))
    return 0


def main(argv: list[str] | None = None) -> int:
    """`python -m seqmatte.training.train`, which torchrun starts too."""
    parser = argparse.ArgumentParser(prog="seqmatte train")
    add_arguments(parser)
    return run(parser.parse_args(argv))


if __name__ == "__main__":
    raise SystemExit(main())
