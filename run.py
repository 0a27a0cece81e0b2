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


def python() -> str:
    """The environment's interpreter."""
    return str(ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


def wanted(extras: str) -> str:
    """What the environment must hold, as a digest: the pins, the project and where it lies."""
    parts = [str(ROOT), extras, sys.version]
    parts += [(ROOT / name).read_text(encoding="utf-8") for name in ("pyproject.toml", "constraints.txt")]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def make_environment(extras: str) -> None:
    """Makes or renews the environment unless it already is what is wanted."""
    stamp = ENVIRONMENT / f"stamp-{extras.replace(',', '-')}"
    if stamp.exists() and stamp.read_text() == wanted(extras):
        return
    print(f"making the environment in {ENVIRONMENT} (some minutes the first time)", flush=True)
    if not Path(python()).exists():
        venv.create(ENVIRONMENT, with_pip=True)
    install = [python(), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, "-c", "constraints.txt", "-e", f".[{extras}]"], cwd=ROOT, check=True)
    stamp.write_text(wanted(extras))


def run(*command: str, **environment: str) -> None:
    """Runs one command of the environment; stops with its exit code if it fails."""
    print("$", " ".join(command), flush=True)
    done = subprocess.run([python(), *command], cwd=ROOT, env={**os.environ, **environment}, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


def test() -> None:
    """Everything that CI runs, in the same words."""
    run("-m", "ruff", "check", *SOURCES)
    run("-m", "ruff", "format", "--check", *SOURCES)
    run("-m", "mypy", "core/seqmatte", "plugins/seqlink", "run.py")
    run("-m", "pytest", "-q", *sys.argv[2:])


def main() -> None:
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if sys.version_info < (3, 11):  # noqa: UP036 - this file is what a wrong Python meets first
        raise SystemExit(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}")
    if command == "demo":
        make_environment("cpu")
        run("-m", "seqmatte", "demo", *sys.argv[2:])
    elif command == "test":
        make_environment("cpu,test")
        test()
    elif command == "seqmatte":
        make_environment("cpu")
        run("-m", "seqmatte", *sys.argv[2:])
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
