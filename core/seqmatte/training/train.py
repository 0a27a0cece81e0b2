"""Training: one loop that reads from top to bottom.

A step's scenes, their order and their changes follow from the seed and the step's number, and nothing in a network
rolls dice, so a run that was killed goes on exactly as if it had not been.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from seqmatte import allocation
from seqmatte.device import Device
from seqmatte.errors import Cancelled, OutputError, SeqmatteError
from seqmatte.file_faults import write_whole
from seqmatte.training import card, checkpoints, sheet
from seqmatte.training.adapt_shot import adapt_shot
from seqmatte.training.batches import Order, batches, laid_out, unseen
from seqmatte.training.course import Course, Parts, Run, Stage
from seqmatte.training.parallel import any_of, joined, shared, spread
from seqmatte.training.scenes import Clips, shoot
from seqmatte.training.settings import Settings
from seqmatte.training.stages import COURSES

Say = Callable[[str], None]
_STOPS = (signal.SIGTERM, signal.SIGINT)


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
    rank, world = joined()
    device = _device(settings.device)
    network = course.build().to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    spread(network)
    kept = copy.deepcopy(network)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1.0, weight_decay=settings.weight_decay, betas=(0.9, 0.99))
    folder = settings.folder
    step, seconds = _started(settings, course.steps, network, kept, optimiser)
    if rank == 0 and (folder / "checkpoint.pt").is_file():
        say(f"goes on at step {step} of {course.steps}" if step < course.steps else _ended(step, course.steps))
    curve = [r for r in sheet.read_curve(folder / "curve.jsonl") if r["step"] <= step]
    if rank == 0:
        _write_curve(folder, curve)  # a folder that cannot be written is told of before there is work to lose
    check = unseen(course, settings.check_seed, folder) if rank == 0 else None
    began = saved = time.monotonic()
    order = Order(settings.seed, settings.shown, settings.batch, rank, world, folder)
    for clips in batches(course, order, step, device):
        optimiser.param_groups[0]["lr"] = rate_at(step, course, settings)
        parts = _taught(network, course, clips, step, settings, optimiser, world)
        step += 1
        checkpoints.average(kept, network, min(settings.keep, (1 + step) / (10 + step)))
        spent = seconds + time.monotonic() - began
        late = rank == 0 and time.monotonic() - began > settings.minutes * 60
        last = step >= course.steps or any_of(stop() or late, world, device)
        if rank == 0:
            record = {"step": step, "loss": parts.pop("loss").item(), "seconds": round(spent, 1)}
            record |= {name: round(part.item(), 5) for name, part in parts.items()}
            if check is not None and (step % settings.check_every == 0 or last):
                record |= _checked(kept, course, check, settings, device, say)
                with _going_on(say):
                    sheet.curve([*curve, record], folder / "curve.png")
                shown = ("step", "loss", "check", "MAD", "dtSSD", "seconds")
                say(" ".join(f"{name} {record[name]:.4g}" for name in shown if name in record))
            curve.append(record)
            if last or time.monotonic() - saved > settings.save_minutes * 60:
                saved = time.monotonic()
                with _going_on(say, last):
                    _save(settings, network, kept, optimiser, step, spent, curve)
        if last:
            break
    return kept.eval()


def _taught(
    network: nn.Module,
    course: Course,
    clips: Clips,
    step: int,
    settings: Settings,
    optimiser: torch.optim.Optimizer,
    world: int,
) -> Parts:
    """One step of the optimiser; the parts of the loss, and "loss", their weighted sum."""
    _teaching(network, course.stage_at(step))
    with torch.autocast(clips.plate.device.type, torch.bfloat16, enabled=settings.bfloat16):
        parts = course.lesson(network, clips, step)
    loss = torch.stack([course.weights.get(name, 1.0) * part for name, part in parts.items()]).sum()
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    shared(network, world)
    steepness = nn.utils.clip_grad_norm_(network.parameters(), settings.most_gradient)
    if torch.isfinite(steepness):
        optimiser.step()
    return {**parts, "loss": loss}


@contextmanager
def _going_on(say: Say, last: bool = False) -> Iterator[None]:
    """A file that cannot be written, on a full disk say, is told of; it ends no run but at the last step."""
    try:
        yield
    except OutputError as error:
        if last:
            raise
        say(f"{error}; the run goes on and will write again")


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


def _teaching(network: nn.Module, stage: Stage) -> None:
    network.train()
    if stage.frozen_norms:
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()


def _checked(
    network: nn.Module, course: Course, clips: Clips, settings: Settings, device: torch.device, say: Say
) -> dict[str, float]:
    """How the network does on shots nobody trained on: its scores and a sheet, or the lesson's loss."""
    if course.run is None:
        network.eval()
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=settings.bfloat16):
            parts = course.lesson(network, laid_out(clips, device), 0)
        return {"check": sum(course.weights.get(name, 1.0) * part.item() for name, part in parts.items())}
    alphas = examined(network, course.run, clips, settings, device)
    with _going_on(say):
        sheet.validation(clips, alphas, settings.folder / "sheet.png")
    return scores(alphas, clips.alpha)


def examined(network: nn.Module, run: Run, clips: Clips, settings: Settings, device: torch.device) -> Tensor:
    """Alphas [B, T, 1, H, W] of clips nobody trained on, eight at a time, on the CPU."""
    network.eval()
    parts = []
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=settings.bfloat16):
        for start in range(0, len(clips.plate), 8):
            some = clips.each(lambda x, start=start: x[start : start + 8].to(device))  # type: ignore[misc]
            parts.append(run(network, some).float().cpu())
    return torch.cat(parts)


def _course(settings: Settings) -> Course:
    if settings.name not in COURSES:
        raise SeqmatteError(f"no course for {settings.name!r}; there are {', '.join(COURSES)}", field="name")
    course = COURSES[settings.name]
    return course.shortened(settings.steps) if settings.steps else course


def _device(name: str) -> torch.device:
    return Device(name).torch()


@contextmanager
def _asked_to_stop() -> Iterator[Callable[[], bool]]:
    """A question that is answered yes from the first SIGTERM or SIGINT on. The next one ends the process at once."""
    asked: list[int] = []

    def ask(number: int, _frame: object) -> None:
        asked.append(number)
        # By the system, as Python would wait for torch to come back; files are whole or not there at any time.
        for kind in _STOPS:
            signal.signal(kind, signal.SIG_DFL)
        sys.stderr.write("\nstopping after this step (once more: at once)\n")

    before = [signal.signal(kind, ask) for kind in _STOPS]
    try:
        yield lambda: bool(asked)
    finally:
        for kind, handler in zip(_STOPS, before, strict=True):
            signal.signal(kind, handler)


def _started(
    settings: Settings, steps: int, network: nn.Module, kept: nn.Module, optimiser: torch.optim.Optimizer
) -> tuple[int, float]:
    """Step and seconds at which the run goes on, or with what it begins, put into the networks."""
    checkpoint = settings.folder / "checkpoint.pt"
    if checkpoint.is_file():
        return checkpoints.resume(checkpoint, network, kept, optimiser)
    _refuse_others(settings.folder)
    return card.begun(settings, steps, network, kept) if settings.begin else (0, 0.0)


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
    _write_curve(folder, curve)
    checkpoints.export(kept, folder / "weights", card.written(settings, step, seconds, curve))


def _write_curve(folder: Path, curve: list[dict[str, float]]) -> None:
    write_whole(folder / "curve.jsonl", "".join(json.dumps(record) + "\n" for record in curve).encode())


def _refuse_others(folder: Path) -> None:
    if (folder / "weights.safetensors").exists():
        why = "these weights are no run's that could go on, and would be written over; name another folder with --out"
        raise OutputError(why, path=folder / "weights.safetensors")


def _ended(step: int, steps: int) -> str:
    return f"this run has ended, at step {step} of a course of {steps}; it goes on where --steps asks for more"


def run(args: argparse.Namespace) -> int:
    """`seqmatte train`: a page of samples, weights for one shot, or a run."""
    if args.samples:
        sheet.samples(shoot(args.seed, 16, 4, 160), args.samples)
        return 0
    if args.shot:
        _adapted(args)
        return 0
    if not args.name:
        args.refuse(f"say what to train: {', '.join(COURSES)}; or --shot SHOT.json, or --samples PNG")
    settings = Settings(
        args.name, args.out, args.minutes, args.steps, args.seed, args.batch, device=args.device, begin=args.begin or ""
    )
    train(settings, lambda line: print(line, flush=True))
    return 0


def _adapted(args: argparse.Namespace) -> None:
    try:
        made = adapt_shot(args.shot, args.out, 10.0 if args.minutes >= 1e9 else args.minutes, Device(args.device))
    except KeyboardInterrupt:
        raise Cancelled("stopped; nothing was written") from None
    print(f"{made}: use it with --weights {made.parent}", flush=True)


def main(argv: list[str] | None = None) -> int:
    """`python -m seqmatte.training.train`, which torchrun starts too."""
    from seqmatte.commands.train import add_arguments

    allocation.keep_freed()
    parser = argparse.ArgumentParser(prog="seqmatte train")
    add_arguments(parser)
    return run(parser.parse_args(argv))


if __name__ == "__main__":
    raise SystemExit(main())
