"""The Shot: the whole job as one small document that command line, worker, farm and hosts all take."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .frames import FramePath, FrameRange

VERSION = 1
KINDS = ("mask", "trimap", "alpha")


@dataclass(frozen=True)
class Guide:
    """What the artist gave on one frame.

    kind: "mask" (a roto, hard or soft, a few pixels off), "trimap" (0, 0.5, 1) or "alpha" (final, soft values kept).
    subject: which matte it belongs to; one Shot can carry several.
    """

    frame: int
    path: str
    kind: str = "mask"
    subject: str = "matte"


@dataclass(frozen=True)
class Colour:
    """What the numbers in the plate mean.

    config: an OCIO config (path or "ocio://..."); empty: $OCIO, else the pinned built-in. space: the plate's colour
    space; empty: from the file's tag, else an error that asks. encoding: the network encoding, "auto" or
    "ev,knee,top" as three numbers.
    """

    config: str = ""
    space: str = ""
    encoding: str = "auto"


@dataclass(frozen=True)
class Shot:
    """The whole job.

    plate: the frames, EXR above all. frames: what is wanted. guides: at least one for guided recipes. clean: a clean
    plate (a sequence, or one still). recipe: a name that `seqmatte recipes` lists. params: options by method. out:
    where results go. layer: the layer or part of the plate to take ("" is R, G, B). weights: files by network name
    that stand in for the ones found. runtime: "torch" or "onnx".
    """

    plate: FramePath
    frames: FrameRange
    guides: tuple[Guide, ...] = ()
    clean: FramePath | None = None
    colour: Colour = Colour()
    recipe: str = "auto"
    params: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    out: FramePath | None = None
    layer: str = ""
    weights: Mapping[str, str] = field(default_factory=dict)
    runtime: str = "torch"
    version: int = VERSION

    def subjects(self) -> tuple[str, ...]:
        """The mattes of this shot in the order they were first guided; ("matte",) without guides."""
        return tuple(dict.fromkeys(guide.subject for guide in self.guides)) or ("matte",)

    def guided(self, subject: str = "matte") -> tuple[Guide, ...]:
        """The guides of a subject by frame."""
        mine = [guide for guide in self.guides if guide.subject == subject]
        return tuple(sorted(mine, key=lambda guide: guide.frame))

    def replace(self, **changes: Any) -> Shot:
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        made = dataclasses.asdict(self)
        made.update(plate=str(self.plate), frames=str(self.frames))
        made.update(clean=self.clean and str(self.clean), out=self.out and str(self.out))
        made["guides"] = [dataclasses.asdict(guide) for guide in self.guides]
        made["params"] = {name: dict(values) for name, values in self.params.items()}
        made["weights"] = dict(self.weights)
        return made

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=2, sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Shot:
        """Raises ValueError which names the field."""
        try:
            return cls.from_dict(json.loads(text))
        except json.JSONDecodeError as error:
            raise ValueError(f"the shot document is not JSON: {error}") from None

    @classmethod
    def from_dict(cls, document: Any) -> Shot:
        """A Shot from plain data of this or an earlier version. Raises ValueError which names the field."""
        values = _upgraded(document)
        _refuse_unknown(values, cls, "shot")
        for needed in ("plate", "frames"):
            if needed not in values:
                raise ValueError(f"shot.{needed}: missing")
        made: dict[str, Any] = {name: value for name, value in values.items() if value not in (None, "")}
        made["plate"] = FramePath(_text(values, "plate"))
        made["frames"] = FrameRange.parse(_text(values, "frames"))
        made["guides"] = tuple(_guide(row, i) for i, row in enumerate(_rows(values, "guides")))
        made["colour"] = _colour(values.get("colour") or {})
        for name in ("clean", "out"):
            if values.get(name):
                made[name] = FramePath(_text(values, name))
        for name in ("recipe", "layer", "runtime"):
            if name in made:
                made[name] = _text(values, name)
        made["params"] = {
            name: dict(_mapping(row, f"params.{name}"))
            for name, row in _mapping(values.get("params") or {}, "params").items()
        }
        made["weights"] = {name: str(path) for name, path in _mapping(values.get("weights") or {}, "weights").items()}
        return cls(**made)


def _upgraded(document: Any) -> dict[str, Any]:
    """The document in today's version; each earlier version has its step here."""
    if not isinstance(document, dict):
        raise ValueError("the shot document is not a JSON object")
    version = document.get("version", VERSION)
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= VERSION:
        raise ValueError(f"shot.version: {version!r} is not one this build reads (1 to {VERSION})")
    return {**document, "version": VERSION}


def _refuse_unknown(values: Mapping[str, Any], kind: type, where: str) -> None:
    known = {f.name for f in dataclasses.fields(kind)}
    for name in values:
        if name not in known:
            raise ValueError(f"{where}.{name}: no such field. Available: {', '.join(sorted(known))}")


def _text(values: Mapping[str, Any], name: str) -> str:
    if not isinstance(values[name], str) or (name != "layer" and not values[name]):
        raise ValueError(f"shot.{name}: {values[name]!r} is not a text")
    return str(values[name])


def _rows(values: Mapping[str, Any], name: str) -> Any:
    rows = values.get(name) or []
    if not isinstance(rows, (list, tuple)):
        raise ValueError(f"shot.{name}: not a list")
    return rows


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"shot.{where}: not an object")
    return value


def _guide(row: Any, index: int) -> Guide:
    where = f"shot.guides[{index}]"
    if not isinstance(row, dict):
        raise ValueError(f"{where}: not an object")
    _refuse_unknown(row, Guide, where)
    if not isinstance(row.get("frame"), int) or isinstance(row.get("frame"), bool):
        raise ValueError(f"{where}.frame: {row.get('frame')!r} is not a whole number")
    for name in ("path", "kind", "subject"):
        if name in row and not (isinstance(row[name], str) and row[name]):
            raise ValueError(f"{where}.{name}: {row[name]!r} is not a text")
    if "path" not in row:
        raise ValueError(f"{where}.path: missing")
    if row.get("kind", "mask") not in KINDS:
        raise ValueError(f"{where}.kind: {row['kind']!r} is not one of {', '.join(KINDS)}")
    return Guide(**row)


def _colour(row: Any) -> Colour:
    if not isinstance(row, dict):
        raise ValueError("shot.colour: not an object")
    _refuse_unknown(row, Colour, "shot.colour")
    for name, value in row.items():
        if not isinstance(value, str):
            raise ValueError(f"shot.colour.{name}: {value!r} is not a text")
    return Colour(**row)
