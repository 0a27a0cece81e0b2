"""Run by Nuke at start, with and without a window: makes the adapter importable and adds what is safe everywhere.

An error here would stop Nuke from starting, so it is printed instead.
"""

import os
import sys
import traceback

try:
    _here = os.path.dirname(os.path.abspath(__file__))
    for _folder in (_here, os.path.join(os.path.dirname(_here), "plugins")):
        if os.path.isdir(_folder) and _folder not in sys.path:
            sys.path.append(_folder)
    from seqmatte_nuke import callbacks as _callbacks

    _callbacks.add()
except Exception:  # noqa: BLE001 - whatever it is, Nuke must start
    print("SeqMatte could not be set up; Nuke goes on without it:")
    traceback.print_exc()
