"""EXR in and out: channels by name, data windows, half and float side by side, whole files or none.

OpenImageIO is asked only for what it was seen to do right: channel order is never trusted, every result of a call
is looked at, and a file appears under its name only when all of it is on disk.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import OpenImageIO as oiio

from seqmatte import whole_file
from seqmatte.errors import OutputError, PlateError
from seqmatte.file_faults import plain_text, said_by, system_words, why_unreadable, why_unwritten
from seqmatte.layer import Header, Layer, Pixels

HALF_MAX = 65504.0
FACTS = "seqmatte/"
# OpenImageIO gives channels back as R, G, B, A and then by name, so the order of a layer travels as an attribute.
_ORDER = "seqmatte_channels"

# What belongs to the file it was read from and not to the picture. acesImageContainerFlag on a compressed file is
# refused by the writer; DateTime would make equal pixels differ in bytes.
_OF_THE_FILE = re.compile(
    r"^(oiio:|openexr:|tile|cryptomatte/|seqmatte/|seqmatte_channels$|compression$|name$|view$|multiView$|chunkCount$"
    r"|DateTime$|acesImageContainerFlag$|dwaCompressionLevel$|PixelAspectRatio$|screenWindow|preview$|planarconfig$)"
)
_WHOLE_VECTOR = re.compile(r"vector(?P<two>2)?i(\[(?P<length>\d+)\])?")


@contextlib.contextmanager
def opened(path: object, *, as_stored: bool = False) -> Iterator[Any]:
    """An OpenImageIO input. Raises PlateError when there is no readable picture at the path.

    as_stored: colour of PNG and TIFF is not multiplied by their alpha.
    """
    name = str(path)
    wish = oiio.ImageSpec()
    wish.attribute("oiio:UnassociatedAlpha", int(as_stored))
    source = oiio.ImageInput.open(name, wish)
    if source is None:
        raise PlateError(why_unreadable(name, said_by(oiio)), path=name)
    try:
        yield source
    except UnicodeDecodeError as error:
        raise PlateError("the file's header is damaged: a name in it is not text", path=name) from error
    finally:
        source.close()


def read_header(path: object) -> Header:
    """The windows, pixel aspect and metadata of a picture's first part, without reading pixels."""
    with opened(path) as source:
        return header_of(source.spec())


def channel_names(path: object) -> tuple[str, ...]:
    """Every channel of every part, in the order of the parts."""
    with opened(path) as source:
        return tuple(name for _, spec in parts(source) for name in spec.channelnames)


def read(path: object, channels: Sequence[str] | None = None) -> Layer:
    """The whole data window, float32, of the named channels in the order asked (all of the first part if None).

    Facts that were written with it come back as facts, all other metadata in the header. Raises PlateError for a
    file that is missing, empty, cut, no picture, or has no part with those channels.
    """
    with opened(path) as source:
        for part, spec in parts(source):
            wanted = stored_order(spec) if channels is None else tuple(channels)
            if set(wanted) <= set(spec.channelnames):
                pixels = read_part(source, part, spec, wanted, path)
                return Layer(pixels, wanted, header_of(spec), _facts_of(spec))
        there = ", ".join(plain_text(name) for _, spec in parts(source) for name in spec.channelnames)
    raise PlateError(f"the file has no part with the channels {', '.join(channels or ())}; it has {there}", path=path)


def write(
    path: object,
    layer: Layer,
    *,
    half: Collection[str] = ("R", "G", "B"),
    compression: str = "zip",
) -> Layer:
    """Writes the layer as a single-part EXR, whole or not at all, and returns it as it was stored.

    half: names of the channels stored as half, the others are float. Windows, aspect and metadata come from the
    layer's header; its facts become metadata "seqmatte/<name>". Equal layers give equal bytes. Raises OutputError
    for non-finite values, a missing or read-only folder, a full disk, or a compression that the writer does not know.
    """
    target = str(path)
    stored = quantised(layer, half)
    _refuse_non_finite(stored, target)
    try:
        with whole_file.replacing(target, "tmp.exr") as beside:
            _write_file(str(beside), target, stored, half, compression)
    except OSError as error:
        raise OutputError(f"cannot write: {system_words(error)}", path=target) from error
    return stored


def quantised(layer: Layer, half: Collection[str] = ("R", "G", "B")) -> Layer:
    """The layer exactly as `read` gives it back after `write`: half channels rounded, facts as float or int.

    Values beyond the range of half are clipped to it, since rounding would make them infinite; the fact "clipped"
    then says how many.
    """
    picked = [index for index, name in enumerate(layer.channels) if name in half]
    facts = {name: _stored_fact(value) for name, value in layer.facts.items()}
    pixels = np.ascontiguousarray(layer.pixels, np.float32)
    if picked:
        chosen = pixels if len(picked) == len(layer.channels) else pixels[:, :, picked]
        beyond = int(np.count_nonzero(np.abs(chosen) > HALF_MAX))
        if beyond:
            chosen = np.clip(chosen, -HALF_MAX, HALF_MAX)
            facts["clipped"] = beyond
        rounded = chosen.astype(np.float16).astype(np.float32)
        if len(picked) == len(layer.channels):
            pixels = rounded
        else:
            pixels = pixels.copy()
            pixels[:, :, picked] = rounded
    return replace(layer, pixels=pixels, facts=facts)


def pixel_digest(layer: Layer) -> str:
    """A digest of channel names, size and every pixel's bits; metadata and facts do not count."""
    digest = hashlib.sha256(repr((layer.channels, layer.pixels.shape)).encode())
    digest.update(np.ascontiguousarray(layer.pixels).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def parts(source: Any) -> Iterator[tuple[int, Any]]:
    """(index, spec) of each part of an opened picture."""
    index = 0
    while source.seek_subimage(index, 0):
        yield index, oiio.ImageSpec(source.spec())
        index += 1


def read_part(source: Any, part: int, spec: Any, channels: Sequence[str], path: object) -> Pixels:
    """H x W x C of the named channels of one part. Raises PlateError for deep data and cut files."""
    if spec.deep:
        raise PlateError("the file holds deep samples; flatten it to an ordinary picture", path=path)
    have = list(spec.channelnames)
    picked = [have.index(name) for name in channels]
    low, high = min(picked), max(picked) + 1
    pixels = _read_as(oiio.FLOAT, source, part, spec, (low, high), path)
    if whole := [index for index in picked if _is_whole(source, spec, index)]:
        # OpenImageIO takes the largest whole number for 1; in an EXR 1 is 1.
        numbers = _read_as(oiio.UINT, source, part, spec, (low, high), path)
        for index in whole:
            pixels[:, :, index - low] = numbers[:, :, index - low]
    if picked == list(range(low, high)):
        return np.ascontiguousarray(pixels, np.float32)
    return np.ascontiguousarray(pixels[:, :, [index - low for index in picked]], np.float32)


def _read_as(kind: Any, source: Any, part: int, spec: Any, channels: tuple[int, int], path: object) -> Any:
    """H x W x C of the channels from the first up to the second, which an explicit end gives: -1 gives one alone."""
    pixels = source.read_image(part, 0, *channels, kind)
    if pixels is None:
        raise PlateError(f"the file is cut short or damaged: {said_by(source) or 'no reason given'}", path=path)
    return pixels.reshape(spec.height, spec.width, channels[1] - channels[0])


def _is_whole(source: Any, spec: Any, index: int) -> bool:
    return bool(source.format_name() == "openexr" and spec.channelformat(index) == oiio.TypeUInt)


def header_of(spec: Any) -> Header:
    """What a spec says beside its pixels, without what belongs to the file alone."""
    attributes = {name: (kind, value) for name, kind, value in _attributes(spec) if not _OF_THE_FILE.match(name)}
    return Header(
        (spec.x, spec.y, spec.width, spec.height),
        (spec.full_x, spec.full_y, spec.full_width, spec.full_height),
        float(spec.get_float_attribute("PixelAspectRatio", 1.0)) or 1.0,
        attributes,
    )


def stored_order(spec: Any) -> tuple[str, ...]:
    """The channels of a part, in the order in which they were written if the file says so."""
    there = tuple(spec.channelnames)
    told = tuple(spec.get_string_attribute(_ORDER).split(","))
    return told if sorted(told) == sorted(there) else there


def _facts_of(spec: Any) -> dict[str, float | int | str]:
    return {name[len(FACTS) :]: value for name, _, value in _attributes(spec) if name.startswith(FACTS)}


def _attributes(spec: Any) -> Iterator[tuple[str, str, Any]]:
    """(name, type, value) of all metadata; double numbers and matrices as float ones, since no others are written."""
    for attribute in spec.extra_attribs:
        kind, value = attribute.type, attribute.value
        if kind.basetype == oiio.BASETYPE.DOUBLE:
            kind = oiio.TypeDesc(oiio.BASETYPE.FLOAT, kind.aggregate, kind.vecsemantics, kind.arraylen)
        yield plain_text(attribute.name), str(kind), plain_text(value) if isinstance(value, str) else value


def _stored_fact(value: float | int | str) -> float | int | str:
    """Attributes hold int32, float32 and text."""
    if isinstance(value, (bool, np.bool_)):
        return int(value)
    if isinstance(value, (int, np.integer)):
        return int(value) if abs(int(value)) < 2**31 else str(value)
    if isinstance(value, (float, np.floating)):
        return float(np.float32(value))
    return str(value)


def _write_file(temporary: str, target: str, layer: Layer, half: Collection[str], compression: str) -> None:
    spec = _spec_for(layer, half, compression)
    out: Any = oiio.ImageOutput.create("openexr")
    written = out.open(temporary, spec) and out.write_image(layer.pixels)
    said = said_by(out)
    closed = out.close()
    said = said or said_by(out)
    # Both say True where the disk fills up at the very end: what is on it counts.
    if not (written and closed and _is_whole_file(temporary)):
        raise OutputError(why_unwritten(target, layer.pixels.nbytes, said.replace(temporary, "it")), path=target)
    _refuse_other_compression(temporary, target, compression)


def _is_whole_file(path: str) -> bool:
    """Whether the last line, which is written last, can be read."""
    try:
        with opened(path) as source:
            spec = source.spec()
            last = spec.y + spec.height - 1
            return source.read_scanlines(0, 0, last, last + 1, 0, 0, 1, oiio.FLOAT) is not None
    except PlateError:
        return False


def _spec_for(layer: Layer, half: Collection[str], compression: str) -> Any:
    header = layer.header or Header.of_size(layer.width, layer.height)
    if header.data[2:] != (layer.width, layer.height):
        raise ValueError(f"the header's data window {header.data} does not fit {layer.width} x {layer.height} pixels")
    spec = oiio.ImageSpec(layer.width, layer.height, len(layer.channels), oiio.FLOAT)
    spec.channelnames = layer.channels
    spec.channelformats = tuple(oiio.TypeHalf if name in half else oiio.TypeFloat for name in layer.channels)
    spec.alpha_channel = layer.channels.index("A") if "A" in layer.channels else -1
    spec.x, spec.y = header.data[:2]
    spec.full_x, spec.full_y, spec.full_width, spec.full_height = header.display
    _set_attributes(spec, header.attributes)
    _set_attributes(spec, {FACTS + name: _typed(value) for name, value in layer.facts.items()})
    spec.attribute("PixelAspectRatio", float(header.pixel_aspect))
    spec.attribute(_ORDER, ",".join(layer.channels))
    spec.attribute("compression", compression)
    spec.attribute("DateTime", "1970:01:01 00:00:00")
    return spec


def _set_attributes(spec: Any, attributes: Mapping[str, tuple[str, Any]]) -> None:
    for name, (kind, value) in attributes.items():
        if not (_OF_THE_FILE.match(name) and not name.startswith(FACTS)) and value is not None:
            spec.attribute(name, _type_named(kind), value)


def _type_named(kind: str) -> Any:
    """The type whose text this is. OpenImageIO writes v2i, v3i and box2i in words that it does not read."""
    whole = _WHOLE_VECTOR.fullmatch(kind)
    if not whole:
        return oiio.TypeDesc(kind)
    aggregate = oiio.AGGREGATE.VEC2 if whole["two"] else oiio.AGGREGATE.VEC3
    return oiio.TypeDesc(oiio.BASETYPE.INT, aggregate, oiio.VECSEMANTICS.VECTOR, int(whole["length"] or 0))


def _typed(value: float | int | str) -> tuple[str, Any]:
    return ("string" if isinstance(value, str) else "int" if isinstance(value, int) else "float", value)


def _refuse_non_finite(layer: Layer, target: str) -> None:
    bad = int(layer.pixels.size - np.count_nonzero(np.isfinite(layer.pixels)))
    if bad:
        raise OutputError(f"{bad} values are not finite and would poison a comp; nothing was written", path=target)


def _refuse_other_compression(temporary: str, target: str, compression: str) -> None:
    # An unknown word is taken silently as zip.
    with opened(temporary) as source:
        kept = source.spec().get_string_attribute("compression")
    if kept != compression.split(":")[0]:
        raise OutputError(
            f"compression {compression!r} is not known (it became {kept!r}); use none, zips, zip or piz", path=target
        )
