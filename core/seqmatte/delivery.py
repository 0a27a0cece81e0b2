"""Results out of the cache and into the artist's folder."""

from __future__ import annotations

import filecmp
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from seqlink import FramePath
from seqmatte import exr, whole_file
from seqmatte.errors import OutputError
from seqmatte.layer import single

if TYPE_CHECKING:
    from seqmatte.engine import Engine, Result


def deliver(result: Result, out: FramePath, subjects: tuple[str, ...] = ("matte",)) -> str:
    """Copies a finished frame to its place, whole or not at all; gives the place.

    A file that already holds these bytes is left alone, so that nobody downstream thinks it new. Raises OutputError.
    """
    target = Path(place_of(out, result.subject, subjects).path(result.frame))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not (target.exists() and filecmp.cmp(result.path, target, shallow=False)):
            _copy(Path(result.path), target)
    except OSError as error:
        raise OutputError(f"the result cannot be written: {error}", frame=result.frame, path=target) from error
    return str(target)


def place_of(out: FramePath, subject: str, subjects: tuple[str, ...]) -> FramePath:
    """The pattern of one subject: the one given where there is one subject, else with its name before the number."""
    if len(subjects) == 1:
        return out
    folder, name = os.path.split(str(out))
    return FramePath(os.path.join(folder, f"{subject}.{name}"))


def write_confidence(engine: Engine, result: Result, out: FramePath) -> str:
    """Writes the frame's confidence map, one channel "Y", 0..1, in the plate's windows; gives the place.

    Raises OutputError.
    """
    alpha = engine.layer("alpha", result.frame)
    target = place_of(out, result.subject, engine.shot.subjects()).path(result.frame)
    try:
        os.makedirs(os.path.dirname(os.path.abspath(target)), exist_ok=True)
    except OSError as error:
        raise OutputError(f"the map cannot be written: {error}", frame=result.frame, path=target) from error
    sure = single(alpha["confidence"], "Y", confidence=result.confidence)
    exr.write(target, sure.with_header(alpha.header), half=("Y",))
    return target


def _copy(source: Path, target: Path) -> None:
    with whole_file.replacing(target) as beside:
        shutil.copyfile(source, beside)
