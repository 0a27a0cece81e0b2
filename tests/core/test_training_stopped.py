"""A training that is asked to stop: after its step with everything saved; asked twice, at once."""

import json
import signal
import subprocess
import sys

import pytest

from seqmatte.training import checkpoints
from shots import source_environment

TINY_RUN = """
import hashlib, os, signal, sys, threading
from pathlib import Path
from dataclasses import replace
from seqmatte.networks import refiner
from seqmatte.training import course, stages, train
taught = stages.COURSES['refiner']
shape = course.Round(64, 2, 2)
pool = course.Pool((shape,), 2)
stage = replace(taught.stages[0], steps=100000, rounds=(shape,))
small = lambda: refiner.build((8, 8, 8, 8))
tiny = replace(taught, build=small, stages=(stage,), check=shape, pool=pool)
stages.COURSES['tiny'] = tiny
"""


def test_a_signal_ends_a_run_with_its_steps_saved(tmp_path):
    asks = """
asked = []
def ask(line):
    asked or os.kill(os.getpid(), signal.SIGTERM)
    asked.append(line)
train.train(train.Settings('tiny', Path(sys.argv[1]), check_every=3, device='cpu'), ask)
"""
    command = [sys.executable, "-c", TINY_RUN + asks, str(tmp_path)]
    done = subprocess.run(command, env=source_environment(), timeout=600, capture_output=True, text=True)
    assert done.returncode == 0
    assert "stopping after this step" in done.stderr
    assert (
        checkpoints.load(tmp_path / "checkpoint.pt")["step"]
        == json.loads((tmp_path / "curve.jsonl").read_text().splitlines()[-1])["step"]
    )


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_a_run_at_once_however_long_its_step_takes(tmp_path, second):
    asks = f"""
def long_step(*_):
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Timer(0.5, os.kill, (os.getpid(), {int(second)})).start()
    hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)  # minutes, and as torch no look at signals
stages.COURSES['tiny'] = replace(tiny, lesson=long_step)
train.train(train.Settings('tiny', Path(sys.argv[1]), device='cpu'), print)
"""
    done = subprocess.run([sys.executable, "-c", TINY_RUN + asks, str(tmp_path)], env=source_environment(), timeout=600)
    assert done.returncode == -second
