"""What a run must not write over: what it reads, and its own results."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from seqlink import FramePath, FrameRange, Shot
from seqmatte.delivery import place_of
from seqmatte.errors import OutputError, ShotError

# What no file's name may hold, on one system or another.
_NO_NAME = set('/\\:*?"<>|')


def refuse(shot: Shot, frames: FrameRange | None = None, confidence: FramePath | None = None, saved: str = "") -> None:
    """Raises OutputError, before anything is computed, where a run would destroy a picture.

    That is: a result, a map (confidence) or the Shot document (saved) in the place of a plate, a clean plate, a guide
    or weights; several pictures in one place; and a name that does not end as an EXR's. frames: those made, None for
    all. Raises ShotError for a subject whose name cannot stand in a file's.
    """
    refuse_names(shot)
    places = _Places()
    read = {places.real(path): path for path in _read(shot)}
    if saved and places.real(saved) in read:
        raise OutputError("the shot document would be written over what the shot is made of", path=saved)
    written: set[str] = set()
    for pattern in (shot.out, confidence):
        for frame, place in _written(shot, frames or shot.frames, pattern) if pattern else ():
            real = places.real(place)
            if real in read:
                raise OutputError("this would be written over what the shot is made of", frame=frame, path=place)
            if real in written:
                raise OutputError(f"several pictures would be written there{_advice(pattern)}", frame=frame, path=place)
            written.add(real)


def _read(shot: Shot) -> Iterator[str]:
    """Every file that the shot names."""
    for pattern in (shot.plate, shot.clean):
        if pattern is not None:
            yield from (pattern.path(frame) for frame in shot.frames)
    yield from (guide.path for guide in shot.guides)
    yield from shot.weights.values()


def _written(shot: Shot, frames: Iterable[int], pattern: FramePath) -> Iterator[tuple[int, str]]:
    if not str(pattern).lower().endswith(".exr"):
        raise OutputError("results are EXRs: end the name in .exr, as in matte.####.exr", path=pattern)
    for subject in shot.subjects():
        for frame in frames:
            yield frame, place_of(pattern, frame, subject, shot.subjects())


def refuse_names(shot: Shot) -> None:
    """Raises ShotError where subjects cannot name files of their own, on whatever machine they are opened."""
    known: dict[str, str] = {}
    for subject in shot.subjects():
        if not subject.strip(". ") or subject.startswith(".") or not subject.isprintable() or set(subject) & _NO_NAME:
            none_of = " ".join(sorted(_NO_NAME))
            needs = f"a subject has a name, on one line, that begins with no dot and has none of {none_of} in it"
            raise ShotError(f"the subject {subject!r} cannot stand in a file's name: {needs}", field="guides")
        other = known.setdefault(subject.casefold(), subject)
        if other != subject:
            same = "their files would have one name on Windows and macOS"
            raise ShotError(f"the subjects {other!r} and {subject!r} differ only in case: {same}", field="guides")


def _advice(pattern: FramePath | None) -> str:
    if pattern is None or pattern.is_sequence:
        return ": give results and maps names of their own"
    return ": write the frame number as ####, as in matte.####.exr"


class _Places:
    """Files as the system knows them; a folder is looked up once."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def real(self, path: str) -> str:
        if os.path.islink(path):
            return os.path.normcase(os.path.realpath(path))
        folder, name = os.path.split(os.path.abspath(path))
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder)
        return os.path.normcase(os.path.join(self._folders[folder], name))
