"""SeqMatte: one artist mask in, a shot of production mattes and unmixed scene-linear foregrounds out.

from seqmatte import FramePath, FrameRange, Guide, Shot, matte

shot = Shot(FramePath("plate.####.exr"), FrameRange.parse("1001-1100"), (Guide(1001, "mask.1001.exr"),))
for result in matte(shot):
    print(result.frame, result.path, result.confidence)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from seqlink import Colour, FramePath, FrameRange, Guide, Shot
from seqmatte.errors import SeqmatteError

if TYPE_CHECKING:
    from seqmatte.cache import Cache
    from seqmatte.device import Device
    from seqmatte.engine import Engine, Result

__all__ = [
    "Cache",
    "Colour",
    "Device",
    "Engine",
    "FramePath",
    "FrameRange",
    "Guide",
    "Result",
    "SeqmatteError",
    "Shot",
    "matte",
]

# Imported when first asked for, so that `--help` and a host's question cost nothing.
_LATER = {"Cache": "cache", "Device": "device", "Engine": "engine", "Result": "engine"}


def matte(shot: Shot, frames: Iterable[int] | None = None, **options: Any) -> Iterator[Result]:
    """The finished frames of a shot's first subject as they come. options: those of Engine. Raises SeqmatteError."""
    from seqmatte.engine import Engine

    yield from Engine(shot, **options).render(frames)


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'seqmatte' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"seqmatte.{_LATER[name]}"), name)
