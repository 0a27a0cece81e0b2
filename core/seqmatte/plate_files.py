"""Plate frames and guides as artists have them: EXR of any layout, TIFF, PNG, DPX and whatever OpenImageIO reads."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from seqlink.frames import FramePath, FrameRange
from seqmatte import exr
from seqmatte.errors import GuideError, PlateError
from seqmatte.file_faults import plain_text
from seqmatte.healing import heal
from seqmatte.layer import Header, Layer, Pixels

# How colour channels are called by different programs, in any case.
_COLOUR = {"r": "R", "red": "R", "g": "G", "green": "G", "b": "B", "blue": "B", "a": "A", "alpha": "A"}
# What channels and layers of mattes are called; and how far channels of a grey picture may lie apart.
_MATTES = ("mask", "matte", "roto")
_SAME = 0.01
# Metadata that means the same in TIFF, PNG and DPX as in EXR; the rest describes the file.
_FILM = ("smpte:", "FramesPerSecond", "colorInteropID")

_MOVIES = (".mov", ".mp4", ".mxf", ".mkv", ".avi", ".webm")


@dataclass(frozen=True)
class _Choice:
    """Which channels of which part stand for R, G, B (and A)."""

    part: int
    spec: Any
    named: Mapping[str, str]


def read_plate(path: object, *, frame: int | None = None, layer: str = "") -> Layer:
    """R, G, B (and A where there is one) of a plate frame as float32, in the file's own colour space.

    layer: "" for the ordinary picture, "fg" for fg.R, fg.G, fg.B or for the part of that name. A one-channel picture
    Y is taken as grey. Colour is given as it is stored, never multiplied by its alpha. Facts "nan" and "inf" count
    the broken values, which are healed (see `heal`). Raises PlateError naming the frame and the file.
    """
    try:
        with _opened_as_stored(path) as source:
            choice = _chosen(source, layer, path)
            wanted = [choice.named[name] for name in choice.named]
            pixels = exr.read_part(source, choice.part, choice.spec, wanted, path)
            header = _header(choice.spec, path)
    except PlateError as error:
        raise PlateError(error.message, frame=frame, path=path) from error
    healed, nan, inf = heal(pixels)
    channels = tuple(choice.named)
    if channels == ("Y",) or channels == ("Y", "A"):
        healed = np.concatenate([healed[:, :, :1]] * 3 + [healed[:, :, 1:]], axis=2)
        channels = ("R", "G", "B", *channels[1:])
    return Layer(np.ascontiguousarray(healed), channels, header, {"nan": nan, "inf": inf})


def read_plate_header(path: object, *, frame: int | None = None, layer: str = "") -> Header:
    """The header that `read_plate` gives, without reading pixels. Raises PlateError."""
    try:
        with _opened_as_stored(path) as source:
            return _header(_chosen(source, layer, path).spec, path)
    except PlateError as error:
        raise PlateError(error.message, frame=frame, path=path) from error


def read_guide(path: object, kind: str, *, frame: int | None = None) -> Layer:
    """The one channel of a guide that counts, 0..1, named by its kind; soft values are kept.

    Taken: A if it varies; else the one channel, of any part, that is called as a matte is; else the first channel that
    is not A (R, Y, V ... of the ordinary picture or of a layer); else A. Raises GuideError naming the frame and the
    file for a file that cannot be read, one with several mattes, a picture in colours, and values outside 0..1.
    """
    try:
        part, name = _guide_plane(_parts(path))
    except PlateError as error:
        raise GuideError(f"the {kind} cannot be used: {error.message}", frame=frame, path=path) from error
    values = part.plane(name)
    return Layer(_within_unit(values, kind, frame, path)[:, :, None], (kind,), part.header)


def check_files(what: str, pattern: FramePath, frames: FrameRange) -> None:
    """Raises PlateError that lists the frames without a file, or names the first with an empty one.

    what: "plate" or "clean plate", for the message.
    """
    there = pattern.frames()
    missing = frames - there if pattern.is_sequence else FrameRange()
    if missing:
        raise PlateError(f"the {what} has no frames {missing}{instead(pattern, there)}", path=pattern)
    for frame in frames if pattern.is_sequence else frames[:1]:
        path = Path(pattern.path(frame))
        if not path.is_file():
            raise PlateError(f"the {what} is missing", path=path)
        if path.stat().st_size == 0:
            raise PlateError(f"the {what}'s file is empty (0 bytes)", frame=frame, path=path)


def instead(pattern: FramePath, there: FrameRange) -> str:
    """What there is on disk in the place of frames that are not, as the end of a sentence."""
    if there:
        return f"; on disk are {there}"
    folder = Path(pattern.pattern).parent
    try:
        if not folder.is_dir():
            return f"; the folder {folder} does not exist"
        names = sorted(path.name for path in folder.iterdir() if path.suffix and not path.name.startswith("."))
    except OSError as error:
        return f"; the folder {folder} cannot be read: {error.strerror}"
    return f"; in the folder are {', '.join(names[:3])}{' ...' if len(names) > 3 else ''}" if names else ""


def unnumbered(pattern: FramePath) -> str:
    """What to do about a name that has no place for the frame number, as the end of a sentence."""
    path = Path(pattern.pattern)
    if path.is_dir():
        within = instead(FramePath(path / "x"), FrameRange())
        return f"this is a folder: name the frames in it, as plate.####.exr{within}"
    if path.suffix.lower() in _MOVIES:
        return "movies are not read: convert it to an EXR sequence and write the number as ####, as in plate.####.exr"
    numbered = re.sub(r"[0-9]+$", "####", path.stem)
    named = f"{numbered if '#' in numbered else 'plate.####'}{path.suffix or '.exr'}"
    return f"write the number as ####, as in {named}, and give --frames for a single picture"


def _opened_as_stored(path: object) -> Any:
    """An input that does not multiply PNG and TIFF colour by alpha, which would dim the picture."""
    return exr.opened(path, as_stored=True)


def _chosen(source: Any, layer: str, path: object) -> _Choice:
    """The first part that holds the layer's R, G, B; else its Y. Raises PlateError that lists what there is."""
    found = [(part, spec, _named(spec, layer)) for part, spec in exr.parts(source)]
    for colour in (("R", "G", "B"), ("Y",)):
        for part, spec, named in found:
            if set(colour) <= set(named):
                return _Choice(part, spec, {name: named[name] for name in (*colour, "A") if name in named})
    there = [plain_text(name) for _, spec, _ in found for name in spec.channelnames]
    raise PlateError(_no_colour(layer, there, [spec for _, spec, _ in found]), path=path)


def _named(spec: Any, layer: str) -> dict[str, str]:
    """Canonical name -> channel name, of the channels that belong to the layer (or to the part called so)."""
    # Of two views in one part, the first is plain R, G, B.
    views = spec.getattribute("multiView") or ("",)
    own_part = bool(layer) and layer in (*map(spec.get_string_attribute, ("oiio:subimagename", "view")), views[0])
    named: dict[str, str] = {}
    for channel in exr.stored_order(spec):
        owner, _, last = channel.rpartition(".")
        if owner == layer or (own_part and not owner):
            named.setdefault(_COLOUR.get(last.lower(), last.upper() if len(last) == 1 else last), channel)
    if {"X", "Y", "Z"} <= set(named):  # a vector's, no luminance
        named.pop("Y")
    return named


def _no_colour(layer: str, there: Iterable[str], specs: Iterable[Any]) -> str:
    there = list(there)
    if {"RY", "BY"} <= set(there):
        return "the file holds luminance and subsampled chroma; write it as R, G, B"
    layers = [name.rpartition(".")[0] for name in there if "." in name]
    layers += [spec.get_string_attribute("oiio:subimagename") for spec in specs]
    choices = ", ".join(sorted(set(filter(None, layers))))
    there_is = "R, G, B or Y in " if layer in layers else ""
    wanted = f"{there_is}layer {layer!r}" if layer else "plain R, G, B or Y"
    advice = f"; its layers are {choices}" if choices else ""
    return f"the file has no {wanted}: its channels are {', '.join(there)}{advice}"


def _header(spec: Any, path: object) -> Header:
    header = exr.header_of(spec)
    if os.path.splitext(str(path))[1].lower() in (".exr", ".sxr", ".mxr"):
        return header
    kept = {name: value for name, value in header.attributes.items() if name.startswith(_FILM)}
    return replace(header, attributes=kept)


@dataclass(frozen=True)
class _Drawn:
    """One part of a guide's file, as stored."""

    names: tuple[str, ...]
    pixels: Pixels
    header: Header

    def plane(self, name: str) -> Pixels:
        return self.pixels[:, :, self.names.index(name)]


def _parts(path: object) -> list[_Drawn]:
    with _opened_as_stored(path) as source:
        found = []
        for part, spec in list(exr.parts(source)):
            names = exr.stored_order(spec)
            found.append(_Drawn(names, exr.read_part(source, part, spec, names, path), _header(spec, path)))
        return found


def _guide_plane(drawn: list[_Drawn]) -> tuple[_Drawn, str]:
    """The part and the channel that are the guide. Raises PlateError for a picture without a matte."""
    first = drawn[0]
    plain = [name for name in first.names if "." not in name] or list(first.names)
    alphas = [name for name in plain if name.rpartition(".")[2].lower() in ("a", "alpha")]
    others = [name for name in plain if name not in alphas]
    if alphas and (not others or _varies(first.plane(alphas[0]))):
        return first, alphas[0]
    mattes = [(part, name) for part in drawn for name in part.names if _is_matte(name, part is first)]
    if len(mattes) == 1:
        return mattes[0]
    if grey := _grey_layer(mattes):
        return grey
    if mattes or _is_picture(first, others):
        listed = ", ".join(plain_text(name) for part in drawn for name in part.names)
        said = "holds several mattes" if mattes else "is a picture, with no matte in it"
        raise PlateError(f"the file {said} (its channels are {listed}); write the one that is meant alone, or as A")
    return first, others[0]


def _grey_layer(mattes: list[tuple[_Drawn, str]]) -> tuple[_Drawn, str] | None:
    """The first colour channel where all of these are one layer's R, G, B (A) and show no colours."""
    layers = {(id(part), name.rpartition(".")[0]) for part, name in mattes}
    named = [(part, name, _COLOUR.get(name.rpartition(".")[2].lower())) for part, name in mattes]
    colours = [(part, name) for part, name, channel in named if channel in ("R", "G", "B")]
    if len(layers) != 1 or not colours or not all(channel for _, _, channel in named):
        return None
    part = colours[0][0]
    return None if _is_picture(part, [name for _, name in colours]) else colours[0]


def _is_matte(name: str, in_first: bool) -> bool:
    """Whether a channel is called as a matte is: mask, matte.hero, roto.A; also the A of a part that comes later."""
    words = name.lower().split(".")
    return any(word in _MATTES for word in words) or (words[-1] in ("a", "alpha") and (len(words) > 1 or not in_first))


def _is_picture(part: _Drawn, names: list[str]) -> bool:
    """Whether it shows colours: two channels that vary, each in its own way."""
    colours = [part.plane(name) for name in names if _COLOUR.get(name.rpartition(".")[2].lower()) in ("R", "G", "B")]
    varying = [plane for plane in colours if _varies(plane)]
    return any(np.abs(one - varying[0]).max() > _SAME for one in varying[1:])


def _varies(plane: Pixels) -> bool:
    """Whether a channel is more than one value; what is not finite counts as others, to be told of where it is used."""
    return not np.isfinite(plane).all() or bool(np.ptp(plane) > 0)


def _within_unit(values: Pixels, kind: str, frame: int | None, path: object) -> Pixels:
    broken = int(np.count_nonzero(~np.isfinite(values)))
    if broken:
        raise GuideError(f"the {kind} has {broken} values that are not finite", frame=frame, path=path)
    low, high = float(values.min()), float(values.max())
    # Filters ring a little beyond; more than that is another scale.
    if low < -0.1 or high > 1.1:
        raise GuideError(f"the {kind} runs from {low:g} to {high:g}; opaque must be 1", frame=frame, path=path)
    return np.clip(values, 0.0, 1.0)
