"""Plate frames and guides as artists have them: EXR of any layout, TIFF, PNG, DPX and whatever OpenImageIO reads."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seqlink.frames import FramePath, FrameRange
from seqmatte import exr
from seqmatte.errors import GuideError, PlateError
from seqmatte.file_faults import plain_text
from seqmatte.layer import Header, Layer, Pixels

# How colour channels are called by different programs, in any case.
_COLOUR = {"r": "R", "red": "R", "g": "G", "green": "G", "b": "B", "blue": "B", "a": "A", "alpha": "A"}
# Metadata that means the same in TIFF, PNG and DPX as in EXR; the rest describes the file.
_FILM = ("smpte:", "FramesPerSecond", "colorInteropID")


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

    Taken: A if it varies; else the first channel that is not A (R, Y, V ... of the ordinary picture or of a layer);
    else A. Raises GuideError naming the frame and the file for a file that cannot be read or values outside 0..1.
    """
    try:
        with _opened_as_stored(path) as source:
            part, spec = next(exr.parts(source))
            names = exr.stored_order(spec)
            pixels = exr.read_part(source, part, spec, names, path)
            header = _header(spec, path)
    except PlateError as error:
        raise GuideError(f"the {kind} cannot be used: {error.message}", frame=frame, path=path) from error
    values = pixels[:, :, names.index(_guide_channel(names, pixels))]
    return Layer(_within_unit(values, kind, frame, path)[:, :, None], (kind,), header)


def heal(pixels: Pixels) -> tuple[Pixels, int, int]:
    """(pixels without NaN and Inf, values that were NaN, values that were infinite).

    A broken value becomes the median of the sound ones around it (3 x 3, its own channel). Where there is none,
    NaN and -Inf become 0, and +Inf, which is light, the brightest sound value of the channel. Returns the same array
    when nothing is broken.
    """
    sound = np.isfinite(pixels)
    if sound.all():
        return pixels, 0, 0
    nan = int(np.count_nonzero(np.isnan(pixels)))
    inf = int(sound.size - np.count_nonzero(sound)) - nan
    healed = pixels.copy()
    for channel in range(pixels.shape[2]):
        healed[:, :, channel] = _healed_channel(pixels[:, :, channel], sound[:, :, channel])
    return healed, nan, inf


def check_files(what: str, pattern: FramePath, frames: FrameRange) -> None:
    """Raises PlateError that lists the frames without a file, or names the first with an empty one.

    what: "plate" or "clean plate", for the message.
    """
    there = pattern.frames()
    missing = frames - there if pattern.is_sequence else FrameRange()
    if missing:
        raise PlateError(f"the {what} has no frames {missing}{_instead(pattern, there)}", path=pattern)
    for frame in frames if pattern.is_sequence else frames[:1]:
        path = Path(pattern.path(frame))
        if not path.is_file():
            raise PlateError(f"the {what} is missing", path=path)
        if path.stat().st_size == 0:
            raise PlateError(f"the {what}'s file is empty (0 bytes)", frame=frame, path=path)


def _instead(pattern: FramePath, there: FrameRange) -> str:
    if there:
        return f"; on disk are {there}"
    folder = Path(pattern.pattern).parent
    if not folder.is_dir():
        return f"; the folder {folder} does not exist"
    names = sorted(path.name for path in folder.iterdir() if path.suffix and not path.name.startswith("."))
    return f"; in the folder are {', '.join(names[:3])}{' ...' if len(names) > 3 else ''}" if names else ""


def _healed_channel(values: npt.NDArray[np.float32], sound: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    rows, columns = np.nonzero(~sound)
    if not len(rows):
        return values
    brightest = values[sound].max() if sound.any() else np.float32(0)
    # Infinity sorts behind every sound neighbour and marks the border.
    padded = np.pad(np.where(sound, values, np.inf), 1, constant_values=np.inf)
    around = np.stack([padded[rows + dy, columns + dx] for dy in range(3) for dx in range(3)])
    around.sort(axis=0)
    count = np.isfinite(around).sum(axis=0)
    median = np.take_along_axis(around, np.maximum(count - 1, 0)[None] // 2, axis=0)[0]
    alone = np.where(values[rows, columns] == np.inf, brightest, np.float32(0))
    healed = values.copy()
    healed[rows, columns] = np.where(count > 0, median, alone)
    return healed


def _opened_as_stored(path: object) -> Any:
    """An input that does not multiply PNG and TIFF colour by alpha, which would dim the picture."""
    return exr.opened(path, as_stored=True)


def _chosen(source: Any, layer: str, path: object) -> _Choice:
    """The first part that holds the layer's R, G, B; else its Y. Raises PlateError that lists what there is."""
    found = [(part, spec, _named(spec, layer)) for part, spec in exr.parts(source)]
    for wanted in (("R", "G", "B", "A"), ("R", "G", "B"), ("Y", "A"), ("Y",)):
        for part, spec, named in found:
            if set(wanted) <= set(named):
                return _Choice(part, spec, {name: named[name] for name in wanted})
    there = [plain_text(name) for _, spec, _ in found for name in spec.channelnames]
    raise PlateError(_no_colour(layer, there, [spec for _, spec, _ in found]), path=path)


def _named(spec: Any, layer: str) -> dict[str, str]:
    """Canonical name -> channel name, of the channels that belong to the layer (or to the part called so)."""
    own_part = bool(layer) and spec.get_string_attribute("oiio:subimagename") == layer
    named: dict[str, str] = {}
    for channel in exr.stored_order(spec):
        owner, _, last = channel.rpartition(".")
        if owner == layer or (own_part and not owner):
            named.setdefault(_COLOUR.get(last.lower(), last.upper() if len(last) == 1 else last), channel)
    return named


def _no_colour(layer: str, there: Iterable[str], specs: Iterable[Any]) -> str:
    there = list(there)
    if {"RY", "BY"} <= set(there):
        return "the file holds luminance and subsampled chroma; write it as R, G, B"
    layers = [name.rpartition(".")[0] for name in there if "." in name]
    layers += [spec.get_string_attribute("oiio:subimagename") for spec in specs]
    choices = ", ".join(sorted(set(filter(None, layers))))
    wanted = f"layer {layer!r}" if layer else "plain R, G, B or Y"
    advice = f"; its layers are {choices}" if choices else ""
    return f"the file has no {wanted}: its channels are {', '.join(there)}{advice}"


def _header(spec: Any, path: object) -> Header:
    header = exr.header_of(spec)
    if os.path.splitext(str(path))[1].lower() in (".exr", ".sxr", ".mxr"):
        return header
    kept = {name: value for name, value in header.attributes.items() if name.startswith(_FILM)}
    return replace(header, attributes=kept)


def _guide_channel(names: tuple[str, ...], pixels: Pixels) -> str:
    plain = [name for name in names if "." not in name] or list(names)
    alphas = [name for name in plain if name.rpartition(".")[2].lower() in ("a", "alpha")]
    others = [name for name in plain if name not in alphas]
    if alphas and (not others or np.ptp(pixels[:, :, names.index(alphas[0])]) > 0):
        return alphas[0]
    return others[0]


def _within_unit(values: Pixels, kind: str, frame: int | None, path: object) -> Pixels:
    broken = int(np.count_nonzero(~np.isfinite(values)))
    if broken:
        raise GuideError(f"the {kind} has {broken} values that are not finite", frame=frame, path=path)
    low, high = float(values.min()), float(values.max())
    # Filters ring a little beyond; more than that is another scale.
    if low < -0.1 or high > 1.1:
        raise GuideError(f"the {kind} runs from {low:g} to {high:g}; opaque must be 1", frame=frame, path=path)
    return np.clip(values, 0.0, 1.0)
