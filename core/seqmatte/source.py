"""Source: the plate, clean and guide layers of a shot, read from files in the light that is asked for."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Protocol

import numpy as np

from seqlink.frames import FramePath, FrameRange
from seqlink.shot import Guide, Shot
from seqmatte import colour, encoding, plate_files
from seqmatte.colour import PlateColour
from seqmatte.encoding import Encoding
from seqmatte.errors import GuideError, PlateError, SeqmatteError, ShotError
from seqmatte.file_stamp import stamp_of, written_since
from seqmatte.kept_pictures import KeptPictures
from seqmatte.layer import Header, Layer, Pixels
from seqmatte.placement import around, guide_on_plate, meet, on_canvas
from seqmatte.plate_headers import header_of, windows_of

# Frames from which the shot's encoding is chosen, and the share of their pixels: every n-th row and column.
SAMPLED_FRAMES = 3
SAMPLED_EVERY = 4
# The data windows of a shot take at most so many times the display's area.
OVERSCAN = 9
# By so much do pixel aspects differ that are written with other roundings.
_SQUARE = 1e-3
# Raised where the same files give other pixels than before.
_READING = "4"
# Rows that are encoded at a time.
_ROWS = 32
# Of light beyond this, products overflow; only the algorithms' picture is held to it.
BRIGHTEST = np.float32(1e30)


class Digests(Protocol):
    """Digests of files' contents, remembered (keys.FileDigests)."""

    def of(self, path: str) -> str: ...


class Source:
    """Reads what a shot's files hold for one subject. Thread-safe; a file is read once for all who ask at once.

    A file is held to the digest that was first taken of it: if its content changes afterwards, reading it raises
    PlateError (or GuideError) instead of giving pixels that do not belong to their key.
    """

    def __init__(self, shot: Shot, digests: Digests, subject: str = "matte") -> None:
        self.shot = shot
        self._digests = digests
        self._guides = {guide.frame: guide for guide in shot.guided(subject)}
        self._held: dict[str, str] = {}
        self._pictures = KeptPictures()

    def layer(self, name: str, frame: int, space: str | None = None) -> Layer | None:
        """ "plate" or "clean" in "scene" or "encoded" light, or the "guide" (space None) of a frame.

        None for a frame without guide and a shot without clean plate. Raises PlateError, GuideError, ColourError.
        """
        if name == "guide":
            guide = self._guides.get(frame)
            return self._kept(("guide", frame), lambda: self._read_guide(guide)) if guide else None
        pattern = self._pattern(name)
        if pattern is None:
            return None
        if space == "encoded":
            return self._kept((name, frame, "encoded"), lambda: self._encoded(name, frame))
        return self._kept((name, frame, "scene"), lambda: self._read_plate(pattern, frame))

    def key(self, name: str, frame: int, space: str | None = None) -> str:
        """What the layer depends on, as a digest: the file's content and the transforms. "none" where it is None.

        Reads no pixels, except to choose the encoding once. Raises as `layer` does for missing files.
        """
        if name == "guide":
            guide = self._guides.get(frame)
            if not guide:
                return "none"
            return _digest(guide.kind, self._digest_of(guide.path, frame, GuideError), self._placed)
        pattern = self._pattern(name)
        if pattern is None:
            return "none"
        content = self._digest_of(pattern.path(frame), frame, PlateError)
        extra = str(self.encoding) if space == "encoded" else ""
        layer = self.shot.layer if name == "plate" else ""
        return _digest(content, layer, self.colour.identity, extra, self._placed)

    def prefetch(self, name: str, frame: int, space: str | None = None) -> None:
        """Reads a layer ahead of need. Its errors wait for whoever asks for it."""
        with contextlib.suppress(SeqmatteError):
            self.layer(name, frame, space)

    def check(self, looked_at: Mapping[str, Iterable[int]] | None = None) -> None:
        """Refuses what can be known to be wrong before computing: gaps, no pictures, colour, guides, sizes.

        looked_at: the frames of each source that will be, None for all. The others may be broken, or not be there yet.
        """
        for what, name, pattern in (("plate", "plate", self.shot.plate), ("clean plate", "clean", self.shot.clean)):
            if pattern is not None:
                frames = self.shot.frames if looked_at is None else FrameRange(looked_at.get(name, ()))
                plate_files.check_files(what, pattern, frames)
                self._check_headers(pattern, frames)
        _ = self.colour, self.encoding
        for frame in self._guides if looked_at is None else self._guides.keys() & set(looked_at.get("guide", ())):
            self.layer("guide", frame)

    @cached_property
    def header(self) -> Header:
        """The header of the shot's first frame, as read."""
        first = self.shot.frames[0]
        return header_of(self.shot.plate.path(first), first, self.shot.layer)

    @cached_property
    def canvas(self) -> Header:
        """The first frame's header, with a data window that holds every frame's: what all layers have.

        Around the data window of a frame that has a smaller one the plate is black, as EXR has it; a window that lies
        outside the display adds nothing. Raises PlateError for one that is absurdly large.
        """
        first = self.header
        windows = {first.data}
        for frame in self.shot.frames[1:]:
            with contextlib.suppress(SeqmatteError):  # who asks for the pixels is told what is wrong
                header = header_of(self.shot.plate.path(frame), frame, self.shot.layer)
                if header.display == first.display and meet(header.data, header.display):
                    windows.add(header.data)
        whole = around(windows)
        if whole[2] * whole[3] > OVERSCAN * first.display[2] * first.display[3]:
            said = f"the data windows take {whole[2]} x {whole[3]} in a display of {windows_of(first)}"
            raise PlateError(f"{said}; crop the frame with the largest", path=self.shot.plate)
        return replace(first, data=whole)

    @cached_property
    def colour(self) -> PlateColour:
        """What the plate's numbers mean. `colour.found` is the sentence to print."""
        return colour.resolve(self.shot.colour, self.header)

    @cached_property
    def encoding(self) -> Encoding:
        """The network encoding of the shot: as told, else chosen from a few frames of its whole range."""
        told = self.shot.colour.encoding
        if told not in ("", "auto"):
            try:
                return Encoding.parse(told)
            except ValueError as error:
                raise ShotError(str(error), field="colour.encoding") from None
        frames = _spread(self.shot.frames, SAMPLED_FRAMES)
        paths = {frame: self.shot.plate.path(frame) for frame in frames}
        for frame, path in paths.items():
            if not os.path.isfile(path):
                why = "the shot's light is judged by this frame among others: wait for it, or end the shot before it"
                raise PlateError(f"the file is missing; {why}", frame=frame, path=path)
        contents = tuple(self._digest_of(path, frame, PlateError) for frame, path in paths.items())
        sampled = (contents, self.shot.layer, self.colour.identity, self._placed)
        return encoding.chosen(sampled, lambda: self._samples(frames))

    @property
    def _placed(self) -> str:
        """Where pictures lie, which every frame of the shot has a say in."""
        return f"{self.canvas.data} in {self.canvas.display}"

    def _pattern(self, name: str) -> FramePath | None:
        if name not in ("plate", "clean"):
            raise LookupError(f"{name!r} is no source; there are plate, clean and guide")
        return self.shot.plate if name == "plate" else self.shot.clean

    def _kept(self, key: tuple[object, ...], read: Callable[[], Layer]) -> Layer:
        return self._pictures.get(key, read)

    def _check_headers(self, pattern: FramePath, frames: FrameRange) -> None:
        for frame in frames:
            path = pattern.path(frame)
            self._refuse_other(header_of(path, frame, self._layer_of(pattern)), frame, path)

    def _layer_of(self, pattern: FramePath) -> str:
        """The layer that is read from a plate's files; a clean plate is an ordinary picture."""
        return self.shot.layer if pattern == self.shot.plate else ""

    def _read_plate(self, pattern: FramePath, frame: int) -> Layer:
        """Scene-linear, healed, with the header that results carry."""
        path = pattern.path(frame)
        with self._unchanged(path, frame, PlateError):
            picture = plate_files.read_plate(path, frame=frame, layer=self._layer_of(pattern))
        if picture.header is not None:
            self._refuse_other(picture.header, frame, path)
        picture = on_canvas(picture, self.canvas)
        scene = picture.pixels
        if not self.colour.is_linear:
            scene = np.concatenate([self.colour.to_scene(scene[:, :, :3]), scene[:, :, 3:]], axis=2)
        header = None if picture.header is None else self.colour.tagged_as_scene(picture.header)
        return replace(picture, pixels=scene, header=header)

    def _encoded(self, name: str, frame: int) -> Layer:
        scene = self.layer(name, frame, "scene")
        assert scene is not None
        light = scene.pixels[:, :, :3]
        if max(light.max(), -light.min()) > BRIGHTEST:
            light = np.clip(light, -BRIGHTEST, BRIGHTEST)
        picture = np.empty(light.shape, np.float32)
        # By a few rows, whose passing results stay near the processor: the same numbers in an eighth of the time.
        for top in range(0, len(light), _ROWS):
            rows = slice(top, top + _ROWS)
            picture[rows] = self.encoding.encode(self.colour.to_rec709(light[rows]))
        facts = {**scene.facts, "encoding": str(self.encoding)}
        if not np.array_equal(matrix := self.colour.rec709_matrix, np.eye(3)):
            facts["to_rec709"] = " ".join(map(str, matrix.ravel().tolist()))
        return Layer(picture, ("R", "G", "B"), scene.header, facts)

    def _read_guide(self, guide: Guide) -> Layer:
        with self._unchanged(guide.path, guide.frame, GuideError):
            drawn = plate_files.read_guide(guide.path, guide.kind, frame=guide.frame)
        return guide_on_plate(drawn, self.canvas, guide)

    def _samples(self, frames: list[int]) -> list[Pixels]:
        """Some pixels of a few plate frames in linear Rec.709."""
        made: list[Pixels] = []
        for frame in frames:
            # The first is wanted next; the others lie far apart and are not kept.
            first = self.layer("plate", frame, "scene") if frame == frames[0] else None
            scene = first or self._read_plate(self.shot.plate, frame)
            made.append(self.colour.to_rec709(scene.pixels[::SAMPLED_EVERY, ::SAMPLED_EVERY, :3]))
        return made

    def _digest_of(self, path: str, frame: int, kind: type[SeqmatteError]) -> str:
        held = self._held.get(path)
        if held is None:
            held = self._held.setdefault(path, self._digest_now(path, frame, kind))
        return held

    def _digest_now(self, path: str, frame: int, kind: type[SeqmatteError]) -> str:
        try:
            return self._digests.of(path)
        except FileNotFoundError:
            raise kind("the file is missing", frame=frame, path=path) from None
        except OSError as error:
            raise kind(f"the file cannot be read: {error.strerror}", frame=frame, path=path) from error
        except PlateError as error:
            raise kind(error.message, frame=frame, path=path) from error

    @contextlib.contextmanager
    def _unchanged(self, path: str, frame: int, kind: type[SeqmatteError]) -> Iterator[None]:
        """Reading within it raises `kind` unless the file was, all along, the one its digest was taken of."""
        held = self._digest_of(path, frame, kind)
        before = stamp_of(path)
        yield
        # The stamp as well as the content: the file may have been another one only while it was decoded.
        if self._digest_now(path, frame, kind) != held or written_since(path, before):
            raise kind("the file changed while it was used; run again when it is written", frame=frame, path=path)

    def _refuse_other(self, header: Header, frame: int, path: str) -> None:
        """Where a frame's size, tag or pixel aspect is another than the shot's."""
        self._refuse_other_size(header, frame, path)
        self._refuse_other_tag(header, frame, path)
        first = self.header.pixel_aspect
        # A clean plate may be painted, by a program that knows of no pixel aspect.
        if path == self.shot.plate.path(frame) and abs(header.pixel_aspect - first) > _SQUARE:
            said = f"frame {frame} has a pixel aspect of {header.pixel_aspect:g}, the shot's first {first:g}"
            raise PlateError(f"{said}; conform the plate", frame=frame, path=path)

    def _refuse_other_size(self, header: Header, frame: int, path: str) -> None:
        first = self.header
        if header.display != first.display:
            mine, theirs = windows_of(header), windows_of(first)
            clean = self.shot.clean is not None and path == self.shot.clean.path(frame)
            whose, which = ("the clean plate's frame", "clean plate") if clean else ("frame", "plate")
            said = f"{whose} {frame} is {mine}, but the shot's first frame {self.shot.frames[0]} is {theirs}"
            raise PlateError(f"{said}; conform the {which} to that size", frame=frame, path=path)

    def _refuse_other_tag(self, header: Header, frame: int, path: str) -> None:
        """Where the plate's space was read off the first frame."""
        said = colour.contradiction(header, self.header) if self.colour.tagged else ""
        if said:
            advice = "conform the plate, or say what it is with --colour"
            raise PlateError(f"frame {frame} {said}; {advice}", frame=frame, path=path)


def _spread(frames: FrameRange, count: int) -> list[int]:
    """So many frames, evenly over the range, both ends among them."""
    picked = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)
    return [frames[int(index)] for index in picked]


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join((_READING, *parts)).encode()).hexdigest()
