"""How long each stage takes on this machine, as ratios to what cannot be avoided, all in one run.

The floors: reading one plate frame, writing one result, one pass over the pixels, and one medium DIS flow each way.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seqlink import FramePath, FrameRange, Guide, Shot
from seqmatte import exr, shot_file
from seqmatte.cache import Cache
from seqmatte.device import Device
from seqmatte.engine import Engine
from seqmatte.errors import SeqmatteError
from seqmatte.layer import Layer
from seqmatte.open_methods import OpenMethods
from seqmatte.sample import write_sample
from seqmatte.sample_scene import Params
from seqmatte.stopwatch import Stopwatch

# A floor is the best of so many tries: what else the machine does only ever adds.
TRIES = 5
# Frames of the rendered clip; longer shots show them to and fro.
CLIP = 12


@dataclass(frozen=True)
class Asked:
    """A recipe on a shot of so many frames, run by one runtime on one device."""

    width: int
    height: int
    frames: int
    recipe: str
    runtime: str = "torch"
    device: str = "auto"

    def shot(self, folder: Path, frames: int | None = None) -> Shot:
        frames = frames or self.frames
        made = long_shot(self.width, self.height, frames, folder / f"shot-{min(frames, CLIP)}")
        return made.replace(recipe=self.recipe, runtime=self.runtime)


@dataclass(frozen=True)
class Floors:
    """Seconds a frame: EXR read of the plate, EXR write of a result, a pass over the pixels, flow both ways."""

    read: float
    write: float
    touch: float
    flow: float

    @property
    def chain(self) -> float:
        """The measure of a whole recipe: one flow each way, one read, one write."""
        return self.flow + self.read + self.write


@dataclass(frozen=True)
class Timing:
    """Seconds a frame. stages: by method, "read" and "engine"; total: wall clock of the render; cached: once more, the
    better of two; cached_floor: a plain EXR read of the same results, so too; rvm: RVM's bare network, for a recipe
    with networks."""

    frames: int
    stages: dict[str, float]
    total: float
    cached: float
    cached_floor: float
    floors: Floors
    rvm: float | None = None

    def as_dict(self) -> dict[str, object]:
        ratios = {name: seconds / self.floors.chain for name, seconds in self.stages.items()}
        return {
            **asdict(self),
            "ratio_to_chain": self.total / self.floors.chain,
            "stage_ratios": ratios,
            "overhead": self.overhead,
            "cached_ratio": self.cached / self.cached_floor,
        }

    @property
    def overhead(self) -> float:
        """Share of the run spent outside the methods."""
        inside = sum(s for name, s in self.stages.items() if name not in ("read", "engine"))
        return 1 - inside / self.total


def measure(asked: Asked, folder: Path, device: Device) -> Timing:
    """Times a recipe on a generated shot. folder: for the shot and a cache, made anew."""
    shot, frames = asked.shot(folder), asked.frames
    cache, watch = Cache(folder / "cache"), Stopwatch()
    opened = OpenMethods()
    for _ in Engine(shot, Cache(folder / "warm"), device=device, opened=opened).render(shot.frames[:1]):
        pass  # loads libraries and weights, which a run pays once
    engine = Engine(shot, cache, device=device, opened=opened, stopwatch=watch)
    started = time.perf_counter()
    paths = [result.path for result in engine.render()]
    total = (time.perf_counter() - started) / frames
    stages = {name: seconds / frames for name, seconds in watch.seconds.items()}
    cached = min(_cached(shot, cache, device) for _ in range(2)) / frames
    floor = floors(shot, paths[0], folder)
    return Timing(frames, stages, total, cached, _best_read(paths), floor, _rvm(asked, shot))


def _rvm(asked: Asked, shot: Shot) -> float | None:
    """Seconds a frame of RVM's bare network at the same size and in the same runtime; None for a recipe without any."""
    from seqmatte import network_benchmark, network_timing, recipe
    from seqmatte.methods.networked import Networked

    if not any(issubclass(recipe.method_class(name), Networked) for name in recipe.resolve(shot).methods):
        return None
    size = (asked.height, asked.width)
    wanted = network_timing.Asked(("rvm",), (size,), asked.device)
    (rate,) = network_benchmark.column("rvm", asked.runtime, "float32", wanted)
    return None if isinstance(rate, str) else 1 / rate


def long_shot(width: int, height: int, frames: int, folder: Path) -> Shot:
    """A sample shot of any length: a rendered clip shown to and fro, guided by a mask on its first frame.

    folder: for shots of `CLIP` frames and more, or of this length alone.
    """
    if not (folder / "shot.json").exists():
        write_sample(folder, Params(width=width, height=height, frames=min(frames, CLIP), first=1))
    there = min(frames, CLIP)
    for frame in range(there + 1, frames + 1):
        place = (frame - 1) % (2 * (there - 1)) if there > 1 else 0
        source = folder / f"plate.{min(place, 2 * (there - 1) - place) + 1:04d}.exr"
        target = folder / f"plate.{frame:04d}.exr"
        if not target.exists():
            os.link(source, target)
    guide = Guide(1, str(folder / "mask.0001.exr"))
    return Shot(FramePath(folder / "plate.####.exr"), FrameRange(range(1, frames + 1)), (guide,))


def floors(shot: Shot, result: str, folder: Path) -> Floors:
    """The floors on the shot's own frames."""
    from seqmatte.flow import grey8

    first, second = (exr.read(shot.plate.path(frame)) for frame in (shot.frames[0], shot.frames[-1]))
    greys = [grey8(np.clip(layer.take("R", "G", "B"), 0, 1)) for layer in (first, second)]
    matte = exr.read(result)
    plain = Layer(matte.pixels, matte.channels, matte.header)
    return Floors(
        read=_best(lambda: exr.read(shot.plate.path(shot.frames[0]))),
        write=_best(lambda: exr.write(folder / "floor.exr", plain)),
        touch=_best(lambda: first.pixels * np.float32(1.1) + np.float32(0.1)),
        flow=_best(lambda: [_medium_flow(*pair) for pair in (greys, greys[::-1])]),
    )


def peak_memory(asked: Asked, frames: int, folder: Path) -> int:
    """Peak bytes of a process that mattes a shot of so many frames. Raises SeqmatteError if it fails."""
    shot = asked.shot(folder, frames)
    document = folder / f"{frames}.json"
    shot_file.write(shot, document)
    cache = folder / f"memory-{frames}"
    command = [
        sys.executable,
        "-m",
        "seqmatte",
        "matte",
        str(document),
        "--cache",
        str(cache),
        "--device",
        asked.device,
    ]
    command += ["--out", str(folder / "memory" / "matte.####.exr"), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    shutil.rmtree(cache, ignore_errors=True)
    if process.returncode:
        raise SeqmatteError(
            f"the run of {frames} frames whose memory was to be measured ended with exit code {process.returncode}; "
            "what it said stands above"
        )
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def table(timing: Timing, name: str) -> str:
    """The timing as text: seconds a frame, and times the floor chain."""
    chain = timing.floors.chain
    rows = [(f"floor: {key}", value) for key, value in asdict(timing.floors).items()]
    rows += [("floor: flow both ways + read + write", chain)]
    rows += sorted(timing.stages.items(), key=lambda row: -row[1])
    rows += [
        (f"{name}, whole", timing.total),
        ("a cached frame", timing.cached),
        ("its plain read", timing.cached_floor),
    ]
    lines = [f"{'stage':40} {'s/frame':>9} {'x chain':>8}"]
    lines += [f"{stage:40} {seconds:9.3f} {seconds / chain:8.2f}" for stage, seconds in rows]
    if timing.rvm:
        lines += [f"{'RVM, its bare network':40} {timing.rvm:9.3f} {timing.rvm / chain:8.2f}"]
    lines += [f"outside the methods: {100 * timing.overhead:.1f} % of the run"]
    lines += [f"a cached frame takes {timing.cached / timing.cached_floor:.2f} of a plain read"]
    return "\n".join(lines)


def _medium_flow(at: npt.NDArray[np.uint8], to: npt.NDArray[np.uint8]) -> object:
    """What a compositor's plain chain would run: one DIS flow, medium preset, full size."""
    import cv2

    dis: Any = cv2
    return dis.DISOpticalFlow_create(dis.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(at, to, None)


def _cached(shot: Shot, cache: Cache, device: Device) -> float:
    engine = Engine(shot, cache, device=device)
    engine.check()
    started = time.perf_counter()
    for result in engine.render():
        if result.steps:
            raise RuntimeError(f"frame {result.frame} was to be cached: {json.dumps(asdict(result))}")
    return time.perf_counter() - started


def _best(act: Callable[[], object]) -> float:
    return min(_timed(act) for _ in range(TRIES))


def _timed(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def _best_read(paths: list[str]) -> float:
    """Mean seconds of a plain read of the results, the better of two rounds."""
    return min(_timed(lambda: [exr.read(path) for path in paths]) for _ in range(2)) / len(paths)
