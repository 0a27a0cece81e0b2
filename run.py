"""Set-up in one command, on a machine with nothing but Python 3.11 and a package index.

python run.py demo      makes the environment, writes a sample shot, mattes it from one mask, names the results
python run.py test      makes the environment, runs the linters, the type checker and every test
python run.py seqmatte ...   makes the environment, runs the command line
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
ENVIRONMENT = Path(os.environ.get("SEQMATTE_VENV", ROOT / ".venv"))
SOURCES = ("core", "plugins", "nuke", "blender", "tests", "run.py")

# Blender as a module wants an older numpy than the engine, and a process of its own: so an environment of its own.
BLENDER = Path(os.environ.get("SEQMATTE_BPY_VENV", ROOT / ".venv-bpy"))
BLENDER_NEEDS = ("bpy==5.0.1", "numpy==1.26.4", "OpenImageIO==3.0.21.0", "pytest==9.2.0")


def python(environment: Path = ENVIRONMENT) -> str:
    """An environment's interpreter."""
    return str(environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


def wanted(needs: tuple[str, ...]) -> str:
    """What an environment must hold, as a digest: the pins, the project and where it lies."""
    parts = [str(ROOT), *needs, sys.version]
    parts += [(ROOT / name).read_text(encoding="utf-8") for name in ("pyproject.toml", "constraints.txt")]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def make_environment(environment: Path, *needs: str) -> None:
    """Makes or renews an environment unless it already is what is wanted. needs: what pip is asked for."""
    stamp = environment / f"stamp-{hashlib.sha256(' '.join(needs).encode()).hexdigest()[:8]}"
    if stamp.exists() and stamp.read_text() == wanted(needs):
        return
    print(f"making the environment in {environment} (some minutes the first time)", flush=True)
    if not Path(python(environment)).exists():
        venv.create(environment, with_pip=True)
    install = [python(environment), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, *needs], cwd=ROOT, check=True)
    stamp.write_text(wanted(needs))


def engine_needs(extras: str) -> tuple[str, ...]:
    """What pip is asked for to have this project, pinned."""
    return ("-c", "constraints.txt", "-e", f".[{extras}]")


def run(*command: str, **environment: str) -> None:
    """Runs one command of the environment; stops with its exit code if it fails."""
    print("$", " ".join(command), flush=True)
    found = {**os.environ, "SEQMATTE_BPY_PYTHON": os.environ.get("SEQMATTE_BPY_PYTHON", python(BLENDER)), **environment}
    done = subprocess.run([python(), *command], cwd=ROOT, env=found, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


def test() -> None:
    """Everything that CI runs, in the same words."""
    run("-m", "ruff", "check", *SOURCES)
    run("-m", "ruff", "format", "--check", *SOURCES)
    run("-m", "mypy", "core/seqmatte", "plugins/seqlink", "run.py")
    # One thread a process: two processes share the cores better than two threads in each.
    run("-m", "pytest", "-q", "-n", "2", "--dist", "worksteal", *sys.argv[2:], OMP_NUM_THREADS="1")


def main() -> None:
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if sys.version_info < (3, 11):  # noqa: UP036 - this file is what a wrong Python meets first
        raise SystemExit(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}")
    if command == "demo":
        make_environment(ENVIRONMENT, *engine_needs("cpu"))
        run("-m", "seqmatte", "demo", *sys.argv[2:])
    elif command == "test":
        make_environment(ENVIRONMENT, *engine_needs("cpu,test"))
        make_environment(BLENDER, *BLENDER_NEEDS)
        test()
    elif command == "seqmatte":
        make_environment(ENVIRONMENT, *engine_needs("cpu"))
        run("-m", "seqmatte", *sys.argv[2:])
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
