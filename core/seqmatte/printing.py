"""Standard output and error where it may be impossible to write to them: on a full disk, closed, or read by nobody.

What is said on standard error is a log, and no job ends for its log: it goes mute. Standard output holds what was
asked for: it goes mute too, so that the frames are finished, and what was lost is told in the end.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, TextIO, cast


class Stream:
    """A text stream that goes mute at the first error. lost: that error, None while all is well. within: whether it
    stands within a line.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lost: OSError | None = None
        self.within = False

    def write(self, text: str) -> int:
        self.within = not text.endswith("\n") if text else self.within
        try:
            self._try(lambda: self._stream.write(text))
        except UnicodeEncodeError:
            # A name that the stream's letters cannot spell ends no job either.
            spelt = text.encode(self._stream.encoding, "backslashreplace").decode(self._stream.encoding)
            self._try(lambda: self._stream.write(spelt))
        return len(text)

    def flush(self) -> None:
        self._try(self._stream.flush)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except OSError as error:
            self.lost = self.lost or error
            self._silence()

    def _silence(self) -> None:
        """What is still in its buffer, and all that libraries write there themselves, goes nowhere from now on."""
        with contextlib.suppress(OSError), open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), self._stream.fileno())


class Output(Stream):
    """Standard output. A reader that has seen enough, as `head` has, ends the program as it does any other."""

    def _try(self, act: Callable[[], object]) -> None:
        super()._try(act)
        if isinstance(self.lost, BrokenPipeError):
            raise self.lost


def tell(text: str) -> None:
    """A line of its own on standard error, below one that moves."""
    sys.stderr.write(f"{chr(10) if getattr(sys.stderr, 'within', False) else ''}{text}\n")


@contextlib.contextmanager
def forgiving() -> Iterator[Output]:
    """While it is held, printing raises nothing but BrokenPipeError. Gives standard output."""
    _open_closed_descriptors()
    before = sys.stdout, sys.stderr
    with open(os.devnull, "w") as nowhere:
        output, errors = Output(sys.stdout or nowhere), Stream(sys.stderr or nowhere)
        sys.stdout, sys.stderr = cast(TextIO, output), cast(TextIO, errors)
        try:
            yield output
        finally:
            with contextlib.suppress(BrokenPipeError):
                output.flush()
            errors.flush()
            sys.stdout, sys.stderr = before


def _open_closed_descriptors() -> None:
    """Else the next file that is opened takes the place of standard error, and a library's words end up in it."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
