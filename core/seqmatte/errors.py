"""The tree of errors. Every one says what is wrong, where, and what would be right.

SeqmatteError            1
  ShotError              3   the document is wrong: names the field and what would be right
  PlateError             4   a plate or clean frame is missing, unreadable or changed while it was read
  GuideError             5   no guide where one is needed, or one that cannot be used
  RecipeError            6   unknown recipe or method, or a method reads a layer nobody makes
  WeightsError           7   weights missing, or not the file their card describes
  DeviceError            8   no such device or runtime, or out of memory
  CacheError             9   the cache folder cannot be used (read-only, full)
  OutputError           10   a result cannot be written
  ColourError           11   unknown colour space or config
  Cancelled            130   stopped by the user; finished frames are kept

The number is the exit code of the command line and the error code on the worker's wire.
"""

from __future__ import annotations

import re

_MEMORY = re.compile(
    r"out of memory|can(.|no)t allocate memory|failed to allocate memory|(CUDNN|CUBLAS)_STATUS_ALLOC_FAILED",
    re.IGNORECASE,
)


class SeqmatteError(Exception):
    """Something an artist can act on.

    message: one sentence. frame: the frame it is about. path: the file it is about. field: the field of the
    Shot it is about.
    """

    code = 1

    def __init__(
        self, message: str, *, frame: int | None = None, path: object = None, field: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.frame = frame
        self.path = None if path is None else str(path)
        self.field = field

    def __str__(self) -> str:
        where = []
        if self.frame is not None and f"frame {self.frame}" not in self.message:
            where.append(f"frame {self.frame}")
        if self.path is not None and self.path not in self.message:
            where.append(self.path)
        if self.field is not None and self.field not in self.message:
            where.append(f"field {self.field}")
        return f"{self.message} ({', '.join(where)})" if where else self.message

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.frame, self.path, self.field))


def out_of_memory(error: BaseException) -> DeviceError | None:
    """What an artist can do about it, where an exception of Python, torch or OpenCV says that memory ran out."""
    if isinstance(error, SeqmatteError) or not (isinstance(error, MemoryError) or _MEMORY.search(str(error))):
        return None
    advice = "lower the method's tile size or close what else uses the device, then solve again"
    return DeviceError(f"out of memory; {advice}. Finished frames are kept")


def _rebuild(
    kind: type[SeqmatteError], message: str, frame: int | None, path: str | None, field: str | None
) -> SeqmatteError:
    return kind(message, frame=frame, path=path, field=field)


class ShotError(SeqmatteError):
    code = 3


class PlateError(SeqmatteError):
    code = 4


class GuideError(SeqmatteError):
    code = 5


class RecipeError(SeqmatteError):
    code = 6


class WeightsError(SeqmatteError):
    code = 7


class DeviceError(SeqmatteError):
    code = 8


class CacheError(SeqmatteError):
    code = 9


class OutputError(SeqmatteError):
    code = 10


class ColourError(SeqmatteError):
    code = 11


class Cancelled(SeqmatteError):
    code = 130
