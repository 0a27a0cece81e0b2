"""The engines of a shot, one for each subject."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from seqlink import FrameRange, Shot

if TYPE_CHECKING:
    from seqmatte.engine import Engine
    from seqmatte.report import Reporter


def checked_engines(
    args: argparse.Namespace,
    shot: Shot,
    report: Reporter,
    frames: FrameRange | None = None,
    cancelled: threading.Event | None = None,
) -> list[Engine]:
    """One for each subject, all of them checked: what is wrong with the last is told before the first computes.

    Warns of options that the recipe has no use for. Raises as Engine and its `check` do.
    """
    from seqmatte.cache import Cache
    from seqmatte.device import Device
    from seqmatte.engine import Engine
    from seqmatte.keys import FileDigests
    from seqmatte.open_methods import OpenMethods

    cache, device, digests, opened = Cache(args.cache), Device(args.device), FileDigests(), OpenMethods()
    how = {"device": device, "listener": report.hear, "cancelled": cancelled, "digests": digests, "opened": opened}
    made = [Engine(shot, cache, subject=subject, **how) for subject in shot.subjects()]  # type: ignore[arg-type]
    for engine in made:
        engine.check(frames)
    _warn_of_unused(args.settings, made[0], report)
    return made


def _warn_of_unused(settings: Sequence[str], engine: Engine, report: Reporter) -> None:
    from seqmatte.events import Warning
    from seqmatte.recipe import resolve

    used = resolve(engine.shot).methods
    for text in settings:
        method = text.partition("=")[0].rpartition(".")[0]
        if method not in used:
            has = f"recipe {engine.recipe} has no {method}, its methods are {', '.join(used)}"
            report.hear(Warning(f"--set {text} changes nothing: {has}"))
