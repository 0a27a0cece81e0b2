"""A child process of a host: what it inherits, and how it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

# What a host sets for its own Python, Qt and libraries, and what would make another Python load the wrong ones.
# OCIO stays: an adapter writes the config it works with into the Shot, and a Shot that names none means $OCIO, in
# the worker as in the shell.
STRIPPED = (
    "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONEXECUTABLE", "PYTHONPLATLIBDIR", "PYTHONOPTIMIZE",
    "PYTHONINSPECT", "PYTHONWARNINGS", "__PYVENV_LAUNCHER__",
    "LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH", "DYLD_FRAMEWORK_PATH", "DYLD_INSERT_LIBRARIES",
)  # fmt: skip
STRIPPED_PREFIXES = ("QT_", "QML_")


def stripped(environment: Mapping[str, str]) -> dict[str, str]:
    """A host's environment without what is meant for the host alone (STRIPPED, STRIPPED_PREFIXES)."""
    return {
        name: value
        for name, value in environment.items()
        if name.upper() not in STRIPPED and not name.upper().startswith(STRIPPED_PREFIXES)
    }


def own_session() -> dict[str, Any]:
    """A Ctrl-C in the host's terminal is not meant for the worker, and no console window may open."""
    if sys.platform == "win32":
        return {"creationflags": 0x08000000}  # CREATE_NO_WINDOW
    return {"start_new_session": True}


def end(process: subprocess.Popen[bytes]) -> None:
    """Kills it, and with it what a wrapper script may have started."""
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)


def see_end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Waits for the end of a process that hears or says nothing any more.

    One that goes on for so many seconds is of no use, and is ended.
    """
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        end(process)
        process.wait()


def ending(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
