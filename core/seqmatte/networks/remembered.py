"""What our compact HSTSG sees in a frame and what it keeps of the frames before."""

from __future__ import annotations

from dataclasses import dataclass, fields

from torch import Tensor


@dataclass(frozen=True)
class Features:
    """What the key encoder sees in a plate [N, 3, H, W]: half [N, 24, H/2, W/2], then 1/4, 1/8, 1/16, and keys."""

    half: Tensor
    f4: Tensor
    f8: Tensor
    f16: Tensor
    key4: Tensor
    key8: Tensor
    key16: Tensor

    def frame(self, index: int, frames: int) -> Features:
        """One frame of features that were computed for clips [N * frames, ...] at once."""
        return Features(*(getattr(self, f.name)[index::frames] for f in fields(self)))


@dataclass(frozen=True)
class Entry:
    """One remembered frame: keys and values at 1/4, 1/8, 1/16, and its alpha [N, 1, H, W]."""

    key4: Tensor
    key8: Tensor
    key16: Tensor
    value4: Tensor
    value8: Tensor
    value16: Tensor
    alpha: Tensor


@dataclass(frozen=True)
class Memory:
    """The network's state: guided frames for good, the nearest last, and the two frames last seen, the newest last."""

    guided: tuple[Entry, ...]
    recent: tuple[Entry, ...] = ()

    @property
    def entries(self) -> tuple[Entry, ...]:
        return self.guided + self.recent

    @property
    def newest(self) -> Entry:
        return self.entries[-1]

    def with_recent(self, entry: Entry) -> Memory:
        return Memory(self.guided, (*self.recent, entry)[-2:])

    def beside(self, draft: Entry) -> Memory:
        """All of it, and a frame's first draft as the newest."""
        return Memory(self.guided, (*self.recent, draft))
