"""Runs the tests of inside/ in several Blenders, one after the other.

    python tests/blender/run_all.py PYTHON [PYTHON ...]

Each PYTHON has bpy (5.0.1, 4.5 LTS or 4.2 LTS), numpy, OpenImageIO and pytest; the engine is the Python that runs
this script, or $SEQMATTE_ENGINE_PYTHON.
"""

from __future__ import annotations

import subprocess
import sys
import time

from test_in_blender import run_inside

VERSION = "import bpy, os, sys; print(bpy.app.version_string); sys.stdout.flush(); os._exit(0)"


def main() -> int:
    if len(sys.argv) < 2:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    failed = 0
    for python in sys.argv[1:]:
        version = subprocess.run([python, "-c", VERSION], capture_output=True, text=True).stdout.strip()
        started = time.monotonic()
        ran = run_inside(python, "-vv")
        lines = [line for line in ran.stdout.splitlines() if "PASSED" in line or "FAILED" in line or "ERROR" in line]
        print(f"== Blender {version}: exit {ran.returncode}, {time.monotonic() - started:.0f} s")
        print("\n".join(lines) if not ran.returncode else ran.stdout + ran.stderr[-3000:])
        print("\n".join(line for line in ran.stdout.splitlines() if line.startswith("==") and " in " in line))
        failed += ran.returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
