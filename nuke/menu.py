"""Run by Nuke at start when it has a window. An error here would stop Nuke from starting, so it is printed instead."""

import traceback

try:
    from seqmatte_nuke import menus as _menus

    _menus.add()
except Exception:  # noqa: BLE001 - whatever it is, Nuke must start
    print("SeqMatte has no menu; Nuke goes on without it:")
    traceback.print_exc()
