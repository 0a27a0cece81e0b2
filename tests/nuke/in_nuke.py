"""Every assumption that the stand-in (tests/fakes/nuke.py) makes of Nuke, asked of a real one.

    nuke -t tests/nuke/in_nuke.py

For whoever has a licence: it takes a render licence, a minute and a temporary folder, and touches nothing else. It
prints one line a check; the exit code is the number of checks that failed. What is asked stands in in_nuke_*.py. The
same CHECKS run against the stand-in in test_in_nuke.py, so the stand-in may only say what is asked there. PIXELS need
Nuke's renderer.
"""

import os
import shutil
import sys
import tempfile
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)

import in_nuke_nodes  # noqa: E402, F401 - they say what is asked
import in_nuke_pixels  # noqa: E402, F401
import in_nuke_scripts  # noqa: E402, F401
from in_nuke_asking import CHECKS, PIXELS  # noqa: E402


def run(nuke, checks):
    """Runs checks, each in an empty script and folder; gives the names of those that failed."""
    failed = []
    for one in checks:
        folder = tempfile.mkdtemp()
        try:
            nuke.scriptClear()
            one(nuke, folder)
        except Exception:  # noqa: BLE001 - the next check is asked whatever this one met
            failed.append(one.__name__)
            traceback.print_exc()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        print("{}  {}".format("FAILED" if one.__name__ in failed else "ok    ", one.__name__.replace("_", " ")))
    return failed


def main():
    import nuke

    for name in ("nuke", "plugins"):
        sys.path.insert(0, os.path.join(ROOT, name))
    print("Nuke", nuke.NUKE_VERSION_STRING, "Python", sys.version.split()[0])
    failed = run(nuke, CHECKS + PIXELS)
    print(f"{len(failed)} of {len(CHECKS + PIXELS)} failed")
    sys.exit(len(failed))


if __name__ == "__main__":
    main()
