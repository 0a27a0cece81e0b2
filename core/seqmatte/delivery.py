"""Results out of the cache and into the artist's folder."""

from __future__ import annotations

import filecmp
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from seqlink import FramePath
from seqmatte import exr, whole_file
from seqmatte.errors import CacheError, OutputError
from seqmatte.file_faults import system_words
from seqmatte.layer import single

if TYPE_CHECKING:
    from seqmatte.engine import Engine, Result


def deliver(result: Result, out: FramePath, subjects: tuple[str, ...] = ("matte",)) -> str:
    """Copies a finished frame to its place, whole or not at all; gives the place.

    A file that already holds these bytes is left alone, so that nobody downstream thinks it new. Raises OutputError.
    """
    target = Path(place_of(out, result.frame, result.subject, subjects))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not (target.exists() and filecmp.cmp(result.path, target, shallow=False)):
            _copy(Path(result.path), target)
    except OSError as error:
        if not os.path.exists(result.path):
            gone = "the frame is gone from the cache, which somebody emptied or took away; run again"
            raise CacheError(gone, frame=result.frame, path=result.path) from error
        raise _unwritten("result", error, result.frame, target) from error
    return str(target)


def place_of(out: FramePath, frame: int, subject: str, subjects: tuple[str, ...]) -> str:
    """The file of a frame: as the pattern says where there is one subject, else with its name before that."""
    place = out.path(frame)
    if len(subjects) == 1:
        return place
    folder, name = os.path.split(place)
    return os.path.join(folder, f"{subject}.{name}")


def write_confidence(engine: Engine, result: Result, out: FramePath) -> str:
    """Writes the frame's confidence map, one channel "Y", 0..1, in the plate's windows; gives the place.

    Raises OutputError.
    """
    target = place_of(out, result.frame, result.subject, engine.shot.subjects())
    try:
        os.makedirs(os.path.dirname(os.path.abspath(target)), exist_ok=True)
    except OSError as error:
        raise _unwritten("map", error, result.frame, target) from error
    alpha = engine.layer("alpha", result.frame)
    sure = single(alpha["confidence"], "Y", confidence=result.confidence)
    exr.write(target, sure.with_header(alpha.header), half=("Y",))
    return target


def _unwritten(what: str, error: OSError, frame: int, target: object) -> OutputError:
    return OutputError(f"the {what} cannot be written: {system_words(error)}", frame=frame, path=target)


def _copy(source: Path, target: Path) -> None:
    with whole_file.replacing(target) as beside:
        shutil.copyfile(source, beside)
