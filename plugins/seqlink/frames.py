"""Frame numbers and the files they name.

FrameRange is the set of frames of a job ("1001-1100", "1-10:2,20", "-3--1"); FramePath is a numbered file
pattern ("plate.####.exr", "plate.%04d.exr", "plate.$F4.exr", "plate.@@@@.exr").
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from typing import overload

_PART = re.compile(r"^\s*(-?\d+)(?:\s*-\s*(-?\d+)(?:\s*[:x]\s*(\d+))?)?\s*$")
_TOKEN = re.compile(r"#+|@+|%0?(\d*)d|\$F(\d*)")


class FrameRange:
    """Frame numbers, ascending and unique; immutable. Parses and prints "1-3,5,7-20:2".

    One part is a frame, a range, or a range with a step after ":" (or "x"). Frames may be negative.
    """

    __slots__ = ("_frames",)

    def __init__(self, frames: Iterable[int] = ()) -> None:
        self._frames: tuple[int, ...] = tuple(sorted({int(frame) for frame in frames}))

    @classmethod
    def parse(cls, text: str) -> FrameRange:
        """Raises ValueError which shows the part that cannot be read."""
        frames: list[int] = []
        for part in str(text).split(","):
            found = _PART.match(part)
            if not found:
                raise ValueError(f"frames {text!r}: cannot read {part.strip()!r}; write 1001-1100, 1-10:2 or 5,7,9")
            first, last = int(found[1]), int(found[2] if found[2] is not None else found[1])
            step = int(found[3] or 1)
            if last < first or step < 1:
                raise ValueError(f"frames {text!r}: {part.strip()!r} runs backwards or has no step")
            if (last - first) // step > 10_000_000:
                raise ValueError(f"frames {text!r}: {part.strip()!r} is longer than any shot")
            frames.extend(range(first, last + 1, step))
        return cls(frames)

    def __str__(self) -> str:
        return ",".join(_written(run) for run in _runs(self._frames))

    def __repr__(self) -> str:
        return f"FrameRange({str(self)!r})"

    def __iter__(self) -> Iterator[int]:
        return iter(self._frames)

    def __len__(self) -> int:
        return len(self._frames)

    def __contains__(self, frame: object) -> bool:
        return frame in self._frames

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> FrameRange: ...
    def __getitem__(self, index: int | slice) -> int | FrameRange:
        return FrameRange(self._frames[index]) if isinstance(index, slice) else self._frames[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FrameRange) and self._frames == other._frames

    def __hash__(self) -> int:
        return hash(self._frames)

    def __or__(self, other: Iterable[int]) -> FrameRange:
        return FrameRange([*self._frames, *other])

    def __sub__(self, other: Iterable[int]) -> FrameRange:
        gone = set(other)
        return FrameRange(frame for frame in self._frames if frame not in gone)

    def __and__(self, other: Iterable[int]) -> FrameRange:
        kept = set(other)
        return FrameRange(frame for frame in self._frames if frame in kept)


def _runs(frames: tuple[int, ...]) -> list[list[int]]:
    """Longest runs of one step; a run of two frames with a step above 1 is written as two frames."""
    runs: list[list[int]] = []
    for frame in frames:
        run = runs[-1] if runs else None
        if run and (len(run) == 1 or frame - run[-1] == run[1] - run[0]):
            run.append(frame)
        elif run and len(run) == 2 and run[1] - run[0] > 1:
            # Two frames are no run yet; the second may begin one: 3, 7, 8, 9.
            runs[-1:] = [[run[0]], [run[1], frame]]
        else:
            runs.append([frame])
    split: list[list[int]] = []
    for run in runs:
        split.extend([[run[0]], [run[1]]] if len(run) == 2 and run[1] - run[0] > 1 else [run])
    return split


def _written(run: list[int]) -> str:
    if len(run) == 1:
        return str(run[0])
    step = run[1] - run[0]
    return f"{run[0]}-{run[-1]}" + (f":{step}" if step > 1 else "")


class FramePath:
    """A file name with a place for the frame number. One "#" or "@" is one digit; a name with none is a still.

    Immutable; equal when written equally.
    """

    __slots__ = ("pattern",)

    def __init__(self, pattern: str | os.PathLike[str]) -> None:
        self.pattern = os.fspath(pattern)

    def path(self, frame: int) -> str:
        """The file of a frame. Negative frames keep their sign before the padding, -001; as printf has it with %04d."""
        found = self._token()
        if found is None:
            return self.pattern
        sign = frame < 0 and not found[0].startswith("%")
        number = f"{frame:0{self._width(found) + sign}d}"
        return self.pattern[: found.start()] + number + self.pattern[found.end() :]

    @property
    def is_sequence(self) -> bool:
        return self._token() is not None

    def frames(self) -> FrameRange:
        """The frames that lie on disk now; dot files are not frames. Empty for a still."""
        found = self._token()
        if found is None:
            return FrameRange()
        folder, name = os.path.split(self.pattern)
        start = found.start() - (len(self.pattern) - len(name))
        if start < 0:
            raise ValueError(f"{self.pattern}: the frame number must stand in the file name, not in a folder")
        head, tail = name[:start], name[start + len(found[0]) :]
        digits = re.compile(re.escape(head) + r"(-?\d+)" + re.escape(tail) + r"\Z")
        try:
            names = os.listdir(folder or ".")
        except OSError:
            return FrameRange()
        numbers = [int(m[1]) for m in map(digits.match, names) if m]
        # A file counts only under the name that path() would give it: plate.12.exr is no frame of plate.####.exr.
        there = set(names)
        return FrameRange(n for n in numbers if os.path.basename(self.path(n)) in there)

    def _token(self) -> re.Match[str] | None:
        folder_end = max(self.pattern.rfind("/"), self.pattern.rfind(os.sep)) + 1
        tokens = [found for found in _TOKEN.finditer(self.pattern) if found.start() >= folder_end]
        return tokens[-1] if tokens else None

    @staticmethod
    def _width(found: re.Match[str]) -> int:
        if found[0][0] in "#@":
            return len(found[0])
        return int(found[1] or found[2] or 1)

    def __str__(self) -> str:
        return self.pattern

    def __repr__(self) -> str:
        return f"FramePath({self.pattern!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FramePath) and self.pattern == other.pattern

    def __hash__(self) -> int:
        return hash(self.pattern)
