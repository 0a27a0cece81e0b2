import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_adapter_agrees_with_nukes_types():
    """mypy --strict against types-nuke (Nuke 13.2), run inside the folder so that `nuke` is Nuke and not the folder."""
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml")]
    env = {**os.environ, "MYPYPATH": os.pathsep.join([str(ROOT / "plugins"), str(ROOT / "nuke")])}
    done = subprocess.run(
        [*command, "init.py", "menu.py", "pack.py", "seqmatte_nuke"],
        cwd=ROOT / "nuke",
        env=env,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
