"""Shot documents on disk."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from seqlink import FramePath, Guide, Shot
from seqmatte.errors import ShotError
from seqmatte.file_faults import write_whole


def read(path: str | os.PathLike[str]) -> Shot:
    """The Shot in a JSON file; its relative paths are relative to the file. Raises ShotError."""
    try:
        shot = Shot.from_json(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ShotError(f"the shot document cannot be read: {error.strerror}", path=path) from None
    except ValueError as error:
        raise ShotError(str(error), path=path) from None
    folder = Path(path).resolve().parent
    return _placed(shot, lambda place: os.path.join(folder, place))


def write(shot: Shot, path: str | os.PathLike[str]) -> None:
    """Writes a Shot as JSON. What lies in the file's folder or below is named from there, so that the folder can be
    moved or copied with all that is in it; all else by its whole path.

    Raises OutputError.
    """
    folder = os.path.dirname(os.path.abspath(path))

    def named(place: str) -> str:
        whole = Path(os.path.abspath(place))
        return whole.relative_to(folder).as_posix() if whole.is_relative_to(folder) else str(whole)

    write_whole(Path(path), (_placed(shot, named).to_json() + "\n").encode())


def _placed(shot: Shot, place: Callable[[str], str]) -> Shot:
    """The shot with each of its paths as `place` gives it."""
    config = shot.colour.config
    return shot.replace(
        plate=FramePath(place(str(shot.plate))),
        clean=shot.clean and FramePath(place(str(shot.clean))),
        out=shot.out and FramePath(place(str(shot.out))),
        guides=tuple(Guide(g.frame, place(g.path), g.kind, g.subject) for g in shot.guides),
        weights={name: place(path) for name, path in shot.weights.items()},
        colour=replace(shot.colour, config=place(config) if config and "://" not in config else config),
    )
