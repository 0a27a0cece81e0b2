"""How long a thread that has nothing to do keeps its core."""

from __future__ import annotations

import os

# Turns of an idle thread's loop before it sleeps. GNU's OpenMP, which torch brings, takes 300,000 otherwise.
_TURNS = "1000"
_SAID = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


def briefly() -> None:
    """Has idle threads sleep soon, unless the user's environment says how they wait. Call it before torch is imported.

    Else several processes on a machine burn the cores that each other needs: two mattes at once on two cores took 45 s
    for the 8 s of one alone, and take 10 to 12 s so.
    """
    if not any(name in os.environ for name in _SAID):
        os.environ["GOMP_SPINCOUNT"] = _TURNS
