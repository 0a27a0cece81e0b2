"""The real engine, but each step of the closed form waits until its gate has a file of the frame's name.

    SEQMATTE_TEST_GATE=FOLDER python gated_engine.py worker ...

So that a test decides how far a solve has come, on however slow a machine. The engine gives a frame when it has made
the one after it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seqmatte import cli
from seqmatte.methods.closed_form import ClosedForm


def gated(step: Callable[..., Any], gate: Path) -> Callable[..., Any]:
    def waiting(self: ClosedForm, state: Any, view: Any) -> Any:
        while not (gate / str(view.frame)).exists():
            time.sleep(0.002)
        return step(self, state, view)

    return waiting


if __name__ == "__main__":
    ClosedForm.step = gated(ClosedForm.step, Path(os.environ["SEQMATTE_TEST_GATE"]))  # type: ignore[method-assign]
    sys.exit(cli.main())
