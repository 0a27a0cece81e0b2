"""The real command line with one more recipe, "toy", whose method does on one frame what a test asks of it.

    python toy_engine.py worker --cache DIR

Its options stand in for what cannot be arranged otherwise: memory running out, weights missing, a library that
prints, a process that dies. With `gate`, a step waits until the file <gate>/<frame> is there, so that a test decides
when a frame is done without ever sleeping.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import time
import types
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seqlink.params import param
from seqmatte import cli, methods, recipe
from seqmatte.errors import WeightsError
from seqmatte.layer import Layer
from seqmatte.method import Read
from seqmatte.reach import NearestKey


@dataclass(frozen=True)
class Params:
    trouble: str = param("", help="What happens on the frame.")
    frame: int = param(0, help="The frame on which it happens.")
    gate: str = param("", help="A folder in which each frame waits for a file of its name.")
    walked: str = param("", help="A file to which each frame walked is added.")


class Toy:
    """Blends the plate's green with what it remembers since the guided frame."""

    name, version, makes = "toy", 1, "matte"
    reads = (Read("plate"), Read("guide"))
    reach = NearestKey(1)
    half = ("R", "G", "B")
    Params = Params

    def __init__(self, params: Params) -> None:
        self.params = params

    def open(self, device: object) -> None:
        pass

    def start(self, guides):
        return guides[0]["guide"].pixels[:, :, 0]

    def step(self, memory, view):
        if self.params.walked:
            with open(self.params.walked, "a", encoding="utf-8") as file:
                file.write(f"{view.frame}\n")
        while self.params.gate and not Path(self.params.gate, str(view.frame)).exists():
            time.sleep(0.002)
        if view.frame == self.params.frame and self.params.trouble:
            getattr(self, self.params.trouble)()
        plate = view["plate"]
        alpha = np.clip(0.5 * memory + plate["G"], 0, 1)
        matte = np.dstack([plate.take("R", "G", "B") * alpha[:, :, None], alpha]).astype(np.float32)
        return alpha, Layer(matte, ("R", "G", "B", "A"), facts={"confidence": 1 / (1 + view.frame % 7)})

    def memory(self):
        raise MemoryError

    def gpu_memory(self):
        raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")

    def weights(self):
        raise WeightsError("weights of toy are missing", path="toy.safetensors")

    def bug(self):
        raise ZeroDivisionError("a bug in the method")

    def exit(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def noise(self):
        print("a library prints from Python", flush=True)
        os.write(1, b"and straight to the descriptor\n")
        libc = ctypes.CDLL(None)
        libc.puts(b"and from C")
        libc.fflush(None)
        subprocess.run([sys.executable, "-c", "import sys; print('a child', repr(sys.stdin.read()))"], check=True)


ROOT = Path(__file__).resolve().parents[2]
PATHS = {"PYTHONPATH": os.pathsep.join([str(ROOT / "core"), str(ROOT / "plugins")])}


def command(cache: Path) -> list[str]:
    """What starts a worker that knows the toy."""
    return [sys.executable, str(Path(__file__).resolve()), "worker", "--cache", str(cache), "--device", "cpu"]


def toy(tiny, *guided: int, **options: object) -> dict[str, object]:
    """A Shot document for the toy recipe; guided on frame 3 if no frame is named."""
    return tiny.shot(*(guided or (3,)), recipe="toy", params={"toy": options}).to_dict()


def install() -> None:
    module = types.ModuleType("toy_method")
    module.Toy = Toy
    sys.modules["toy_method"] = module
    methods.TABLE = {**methods.TABLE, "toy": "toy_method:Toy"}
    recipe.RECIPES = {**recipe.RECIPES, "toy": recipe.Recipe("toy", ("toy",), "A toy for tests.")}


def hold_lock() -> None:
    """Locks the file that TOY_LOCK names for as long as this process lives: how a test sees that it has ended."""
    if os.environ.get("TOY_LOCK"):
        fcntl.flock(os.open(os.environ["TOY_LOCK"], os.O_RDWR | os.O_CREAT), fcntl.LOCK_EX)


if __name__ == "__main__":
    hold_lock()
    install()
    sys.exit(cli.main())
