"""Shot documents on disk."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from seqlink import FramePath, Guide, Shot
from seqmatte.errors import ShotError


def read(path: str | os.PathLike[str]) -> Shot:
    """The Shot in a JSON file; its relative paths are relative to the file. Raises ShotError."""
    try:
        shot = Shot.from_json(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ShotError(f"the shot document cannot be read: {error.strerror}", path=path) from None
    except ValueError as error:
        raise ShotError(str(error), path=path) from None
    return _anchored(shot, Path(path).resolve().parent)


def _anchored(shot: Shot, folder: Path) -> Shot:
    def anchor(path: object) -> str:
        return os.path.join(folder, str(path))

    config = shot.colour.config
    return shot.replace(
        plate=FramePath(anchor(shot.plate)),
        clean=shot.clean and FramePath(anchor(shot.clean)),
        out=shot.out and FramePath(anchor(shot.out)),
        guides=tuple(Guide(g.frame, anchor(g.path), g.kind, g.subject) for g in shot.guides),
        weights={name: anchor(path) for name, path in shot.weights.items()},
        colour=replace(shot.colour, config=anchor(config) if config and "://" not in config else config),
    )
