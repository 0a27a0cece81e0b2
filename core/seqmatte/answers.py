"""What the worker answers to each method of the wire: from plain parameters to plain results."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from seqlink import FrameRange, Shot, wire
from seqmatte.errors import SeqmatteError, ShotError, out_of_memory

if TYPE_CHECKING:
    from seqmatte.engine import Engine, Result
    from seqmatte.events import Event
    from seqmatte.walker import Flag

_SHOT_FIELD = re.compile(r"shot\.([a-z_]+)|^(frames)")


@dataclass(frozen=True)
class Delivered:
    """A finished frame that lies at `place`."""

    result: Result
    place: str


class Answers:
    """What each method of the wire answers. Stateless but for opened methods and remembered digests."""

    def __init__(self, cache: str | None, device: str) -> None:
        self._cache_folder = cache
        self._device_kind = device

    def hello(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """device: the one asked for. Whether it is there would take seconds to say: the first render does."""
        spoken = params.get("protocol")
        if spoken != wire.PROTOCOL:
            raise SeqmatteError(
                f"this engine speaks protocol {wire.PROTOCOL}, the host {spoken!r}: update the older one"
            )
        return {"protocol": wire.PROTOCOL, "version": version(), "device": self._device_kind}

    def methods(self, params: Mapping[str, Any]) -> dict[str, Any]:
        from seqmatte.commands.catalogue import catalogue

        return catalogue()

    def status(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Frame ranges. tasks: of what is missing; spans: of everything, for a farm with a cache of its own.

        With `before`, an earlier Shot, also `reached`: the frames whose result is another now. With `have`, keys by
        frame of results that the host holds (of the subject named, else the first), also `stale`: those of them that
        are another now.
        """
        engines = self._engines(params)
        found = [engine.status() for engine in engines]
        missing = FrameRange(frame for status in found for frame in status.missing)
        tasks = dict.fromkeys(str(task) for status in found for task in status.tasks)
        spans = dict.fromkeys(str(task) for engine in engines for task in engine.plan.tasks())
        answer = {
            "cached": str(engines[0].shot.frames - missing),
            "missing": str(missing),
            "tasks": list(tasks),
            "spans": list(spans),
        }
        if params.get("before") is not None:
            answer["reached"] = str(_reached(self._earlier(params), engines))
        if params.get("have") is not None:
            answer["stale"] = str(_stale(engines[0], params["have"]))
        return answer

    def frame(self, params: Mapping[str, Any], cancelled: Flag) -> dict[str, Any]:
        frame = params.get("frame")
        if not isinstance(frame, int) or isinstance(frame, bool):
            raise wire.WireError(wire.INVALID_PARAMS, "params.frame: not a whole number")
        from seqmatte import overwriting

        engine = self._engines(params, cancelled)[0]
        overwriting.refuse(engine.shot, FrameRange([frame]))
        if frame not in engine.shot.frames:
            raise ShotError(
                f"frame {frame} is not in the shot's range {engine.shot.frames}", field="frames", frame=frame
            )
        result = engine.result(frame)
        described = {"frame": frame, "path": _place(engine, result), "key": result.key, "steps": result.steps}
        return {**described, "confidence": _finite(result.confidence)}

    def render(
        self, params: Mapping[str, Any], cancelled: Flag, tell: Callable[[Event | Delivered], None]
    ) -> dict[str, Any]:
        """One subject after the other. A frame is told when it lies where the Shot wants it."""
        from seqmatte import overwriting

        wanted = _frames(params.get("frames"))
        overwriting.refuse(_shot(params), wanted)
        done, engines = [], self._engines(params, cancelled, tell)
        for engine in engines:
            engine.check(wanted)
        for engine in engines:
            for result in engine.render(wanted):
                tell(Delivered(result, _place(engine, result)))
                done.append(result.frame)
        return {"frames": str(FrameRange(done))}

    def forget(self) -> None:
        """Lets go of opened methods, whose memory someone needs more."""
        self.__dict__.pop("_opened", None)
        if "torch" in sys.modules and sys.modules["torch"].cuda.is_available():
            sys.modules["torch"].cuda.empty_cache()

    def _earlier(self, params: Mapping[str, Any]) -> list[Engine]:
        """Of the Shot as it was, for those of the subjects asked for that it had."""
        before = {**params, "shot": params["before"]}
        return [] if _subject(params) not in (None, *_shot(before).subjects()) else self._engines(before)

    def _engines(
        self,
        params: Mapping[str, Any],
        cancelled: Flag | None = None,
        tell: Callable[[Event | Delivered], None] | None = None,
    ) -> list[Engine]:
        """One for each subject asked for; for every subject of the shot where none is named."""
        from seqmatte.cache import Cache
        from seqmatte.device import Device
        from seqmatte.engine import Engine
        from seqmatte.events import nobody

        shot, subject = _shot(params), _subject(params)
        return [
            Engine(
                shot,
                Cache(self._cache_folder),
                subject=name,
                device=Device(self._device_kind),
                listener=_without_frames(tell) if tell else nobody,
                cancelled=cancelled,
                digests=self._digests,
                opened=self._opened,
            )
            for name in ([subject] if subject else shot.subjects())
        ]

    @cached_property
    def _opened(self) -> Any:
        from seqmatte.open_methods import OpenMethods

        return OpenMethods()

    @cached_property
    def _digests(self) -> Any:
        from seqmatte.keys import FileDigests

        return FileDigests()


def as_message(id: int | str | None, event: Event | Delivered) -> wire.Request:
    """An event as it goes over the wire."""
    from seqmatte import events

    if isinstance(event, Delivered):
        result = event.result
        where = {"id": id, "frame": result.frame, "path": event.place, "key": result.key, "subject": result.subject}
        return wire.Request("frame", {**where, "confidence": _finite(result.confidence)})
    if isinstance(event, events.Progress):
        params = {"id": id, "done": event.done, "total": event.total, "eta": _finite(event.seconds_left)}
        return wire.Request("progress", params)
    if isinstance(event, events.FrameDone):
        raise TypeError("a frame is told when it is delivered")
    params = {"id": id, "message": event.message}
    return wire.Request("warning", params if event.frame is None else {**params, "frame": event.frame})


def as_failure(id: int | str | None, error: Exception) -> wire.Failure:
    """An exception as it goes over the wire: its class's code, its sentence, and where it happened."""
    if isinstance(error, wire.WireError):
        return wire.Failure(id, error.code, str(error))
    error = out_of_memory(error) or error
    if not isinstance(error, SeqmatteError):
        return wire.Failure(id, wire.INTERNAL_ERROR, f"{type(error).__name__}: {error}. The log has the traceback")
    where = {"frame": error.frame, "path": error.path, "field": error.field}
    data = {"kind": type(error).__name__, **{name: value for name, value in where.items() if value is not None}}
    return wire.Failure(id, error.code, str(error), data)


def version() -> str:
    """The engine's version; "source" where it runs from its files without having been installed."""
    from importlib import metadata

    try:
        return metadata.version("seqmatte")
    except metadata.PackageNotFoundError:
        return "source"


def _shot(params: Mapping[str, Any]) -> Shot:
    if "shot" not in params:
        raise wire.WireError(wire.INVALID_PARAMS, "params.shot: missing")
    try:
        return Shot.from_dict(params["shot"])
    except ValueError as error:
        found = _SHOT_FIELD.match(str(error))
        raise ShotError(str(error), field=(found[1] or found[2]) if found else None) from None


def _subject(params: Mapping[str, Any]) -> str | None:
    subject = params.get("subject")
    if subject is not None and not isinstance(subject, str):
        raise wire.WireError(wire.INVALID_PARAMS, "params.subject: not a text")
    return subject


def _frames(text: Any) -> FrameRange | None:
    if text is None:
        return None
    try:
        return FrameRange.parse(text)
    except ValueError as error:
        raise ShotError(str(error), field="frames") from None


def _reached(before: list[Engine], now: list[Engine]) -> FrameRange:
    was = {engine.subject: engine for engine in before}

    def key(engine: Engine | None, frame: int) -> str | None:
        return engine.key(engine.plan.final, frame) if engine and frame in engine.shot.frames else None

    return FrameRange(
        frame
        for engine in now
        for frame in engine.shot.frames
        if key(engine, frame) != key(was.get(engine.subject), frame)
    )


def _stale(engine: Engine, have: Any) -> FrameRange:
    if not isinstance(have, dict) or not all(isinstance(key, str) for key in have.values()):
        raise wire.WireError(wire.INVALID_PARAMS, "params.have: not an object of keys by frame")
    try:
        held = {int(frame): key for frame, key in have.items()}
    except ValueError:
        raise wire.WireError(wire.INVALID_PARAMS, "params.have: not an object of keys by frame") from None
    inside = (frame for frame in held if frame in engine.shot.frames)
    return FrameRange(frame for frame in inside if engine.key(engine.plan.final, frame) != held[frame])


def _place(engine: Engine, result: Result) -> str:
    """Where the frame lies: in the Shot's own folder if it names one, else in the cache."""
    from seqmatte.delivery import deliver

    out = engine.shot.out
    return deliver(result, out, engine.shot.subjects()) if out else result.path


def _without_frames(tell: Callable[[Event | Delivered], None]) -> Callable[[Event], None]:
    """The engine's own word that a frame is done comes before the frame is delivered."""
    from seqmatte.events import FrameDone

    return lambda event: None if isinstance(event, FrameDone) else tell(event)


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None
