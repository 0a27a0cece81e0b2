"""Colour: what a plate's numbers mean, by OpenColorIO alone, and the ways from them to light and to a display.

"Scene" is scene-linear light in the primaries that results are delivered in: a linear plate is left exactly as it
is; a log or display-encoded one is brought to the config's scene_linear role.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import PyOpenColorIO as ocio

from seqlink.shot import Colour
from seqmatte.colour_config import ALIASES, alike, config_of, find, spaces, text_identity, usable
from seqmatte.errors import ColourError
from seqmatte.layer import Header, Pixels

# How far programs round primaries.
_ROUNDED = 0.0015
# CIE xy of red, green, blue, white: SMPTE ST 2065-1, AMPAS S-2014-004, ITU-R BT.709, BT.2020, SMPTE EG 432-1.
_PRIMARIES: Mapping[str, tuple[float, ...]] = {
    "lin_ap0_scene": (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767),
    "lin_ap1_scene": (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767),
    "lin_rec709_scene": (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290),
    "lin_rec2020_scene": (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.3290),
    "lin_p3d65_scene": (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.3127, 0.3290),
}


@dataclass(frozen=True)
class PlateColour:
    """The transforms of one shot. Made by `resolve`. Safe between threads.

    config_name: path or URI. space: the plate's colour space, as the config calls it. scene: the space of "scene"
    and of every result. found: one sentence on how all this was decided, to be printed and stored. tagged: the
    file's own tag said so.
    """

    config_name: str
    space: str
    scene: str
    found: str
    tagged: bool = False
    config: Any = field(repr=False, compare=False, default=None)

    @cached_property
    def identity(self) -> str:
        """Changes when any number or tag that comes out of here may change: part of every cache key.

        Made of content: the config's own identity knows its LUTs by inode, which an edit keeps and a copy does not.
        """
        way = "as it is" if self.is_linear else self._plate_to_scene.getCacheID()
        told = "tagged" if self.tagged else "told"
        tag = _interop_of(self.config, self.scene)
        return " | ".join([text_identity(self.config), self.space, self.scene, way, self._rec709_words, tag, told])

    @property
    def is_linear(self) -> bool:
        """Whether the plate's numbers are delivered as they are."""
        return self.space == self.scene

    def to_scene(self, rgb: Pixels) -> Pixels:
        """H x W x 3 of the plate to scene-linear; a linear plate comes back itself, bit for bit."""
        return rgb if self.is_linear else _applied(self._plate_to_scene, rgb)

    def to_rec709(self, rgb: Pixels) -> Pixels:
        """H x W x 3 scene-linear to linear Rec.709, unclipped: one 3 x 3 matrix."""
        import cv2

        matrix = self.rec709_matrix
        if np.array_equal(matrix, np.eye(3)):
            return rgb
        # numpy would ask a BLAS, whose threads wait for cores that other processes have.
        return np.asarray(cv2.transform(np.ascontiguousarray(rgb), matrix.T), np.float32)

    def to_display(self, rgb: Pixels) -> Pixels:
        """H x W x 3 scene-linear to 0..1 for a screen, by the config's default display and view."""
        return np.clip(_applied(self._scene_to_display, rgb), 0.0, 1.0)

    def tagged_as_scene(self, header: Header) -> Header:
        """A result's header: tags of the plate's space are replaced where the result is in another, or was untagged."""
        if self.is_linear and self.tagged:
            return header
        kept = {k: v for k, v in header.attributes.items() if k not in ("colorInteropID", "chromaticities")}
        known = _interop_of(self.config, self.scene)
        return replace(header, attributes={**kept, "colorInteropID": ("string", known)} if known else kept)

    @cached_property
    def rec709_matrix(self) -> npt.NDArray[np.float32]:
        """Row vectors times this: scene to linear Rec.709. Probed by pushing the identity through OpenColorIO."""
        processor = _to_rec709_processor(self.config, self.scene, self.config_name)
        probe = _applied(processor, np.eye(3, dtype=np.float32)[None])[0]
        twice = _applied(processor, 2 * np.eye(3, dtype=np.float32)[None])[0]
        if not np.allclose(twice, 2 * probe, atol=1e-5):
            raise ColourError(f"{self.scene} is called linear by {self.config_name}, but is not")
        matrix: npt.NDArray[np.float32] = probe
        return matrix

    @property
    def _rec709_words(self) -> str:
        try:
            return " ".join(map(str, self.rec709_matrix.ravel().tolist()))
        except ColourError:  # raised where the matrix is wanted; a recipe may do without
            return "no way to Rec.709"

    @cached_property
    def _plate_to_scene(self) -> Any:
        with usable(self.config_name, self.space):
            processor = self.config.getProcessor(self.space, self.scene)
            # The default optimisation differs from the exact transform by up to 2e-5.
            return processor.getOptimizedCPUProcessor(ocio.OPTIMIZATION_LOSSLESS)

    @cached_property
    def _scene_to_display(self) -> Any:
        display = self.config.getDefaultDisplay()
        view = self.config.getDefaultView(display)
        processor = self.config.getProcessor(self.scene, display, view, ocio.TRANSFORM_DIR_FORWARD)
        return processor.getDefaultCPUProcessor()


def resolve(colour: Colour, header: Header) -> PlateColour:
    """Decides what the plate's numbers mean: by the Shot's word, else by the file's tag.

    Config: colour.config, else $OCIO, else the pinned built-in. Space: colour.space, else the tag colorInteropID, else
    the tag chromaticities. File rules are never applied: they call every EXR ACES2065-1. Raises ColourError that
    says what to pass.
    """
    name, config, why = config_of(colour.config)
    if colour.space:
        space, told = _space_named(config, colour.space, name), "as told"
    else:
        space, told = _space_tagged(config, header, name)
    if config.getColorSpace(space).isData():
        raise ColourError(f"{space} is data, not colour; {_ask(config)}", field="colour.space")
    with usable(name, space):
        linear = config.isColorSpaceLinear(space, ocio.REFERENCE_SPACE_SCENE)
    scene = space if linear else config.getColorSpace("scene_linear").getName()
    found = f"plate is {space} ({told}), results are {scene}; config {name} ({why})"
    return PlateColour(name, space, scene, found, not colour.space, config)


def _space_named(config: Any, wanted: str, config_name: str) -> str:
    found = find(config, wanted)
    if found is None:
        near = alike(config, wanted)
        hint = f"; did you mean {' or '.join(near)}?" if near else f"; it knows {', '.join(spaces(config))}"
        raise ColourError(f"colour space {wanted!r} is not in config {config_name}{hint}", field="colour.space")
    return found


def _space_tagged(config: Any, header: Header, config_name: str) -> tuple[str, str]:
    """(space, how it was found) by the file's own tags."""
    tried = []
    for tag, told in _tags(header):
        found = find(config, tag)
        if found is not None and not config.getColorSpace(found).isData():
            return found, told
        tried.append(f"{told} is not a colour space of {config_name}")
    why = "; ".join(tried) or "the plate carries no colour tag"
    raise ColourError(f"{why}: {_ask(config)}", field="colour.space")


def _tags(header: Header) -> list[tuple[str, str]]:
    tags = []
    if "colorInteropID" in header.attributes:
        tag = str(header.attributes["colorInteropID"][1])
        tags.append((tag, f"tag colorInteropID {tag}"))
    if "chromaticities" in header.attributes:
        given = np.asarray(header.attributes["chromaticities"][1], float)
        for space, known in _PRIMARIES.items():
            if given.shape == (8,) and np.allclose(given, known, atol=_ROUNDED):
                tags.append((space, f"tag chromaticities of {space}"))
    return tags


def contradiction(header: Header, first: Header) -> str:
    """How a frame's tags contradict the first frame's, in words; "" where they do not, or say nothing."""
    for name in ("colorInteropID", "chromaticities"):
        mine, theirs = header.attributes.get(name), first.attributes.get(name)
        if mine and theirs and not _alike(mine[1], theirs[1]):
            return f"says {name} {mine[1]}, the shot's first frame {theirs[1]}"
    return ""


def _alike(one: Any, other: Any) -> bool:
    """Whether two tags say the same; of numbers, to what programs round them."""
    if isinstance(one, str) or isinstance(other, str):
        return bool(one == other)
    return np.shape(one) == np.shape(other) and np.allclose(one, other, atol=_ROUNDED)


def _interop_of(config: Any, space: str) -> str:
    """The tag for a space; "" if none is known."""
    return next((tag for tag in ALIASES if find(config, tag) == space), "")


def _ask(config: Any) -> str:
    usual = [name for name in ("lin_ap1_scene", "lin_rec709_scene", "srgb_rec709_scene") if find(config, name)]
    shown = [str(find(config, name)) for name in usual] or spaces(config)[:4]
    names = ", ".join(repr(name) for name in shown)
    return f"say what the plate is with --colour, such as {names} (the config has {len(spaces(config))} spaces)"


def _to_rec709_processor(config: Any, scene: str, config_name: str) -> Any:
    target = find(config, "lin_rec709_scene")
    try:
        if target is not None:
            processor = config.getProcessor(scene, target)
        else:
            # By the config's interchange role, or by what OpenColorIO recognises in it.
            processor = ocio.Config.GetProcessorToBuiltinColorSpace(config, scene, "lin_rec709")
    except ocio.Exception as error:
        advice = "give it an alias lin_rec709 or the role aces_interchange"
        raise ColourError(f"config {config_name} has no linear Rec.709 and no way to it: {advice}") from error
    return processor.getOptimizedCPUProcessor(ocio.OPTIMIZATION_LOSSLESS)


def _applied(processor: Any, rgb: Pixels) -> Pixels:
    """Pixels, H x W x 3, through a processor, as a new array."""
    # applyRGBA on a scratch buffer takes less than half the time of applyRGB, with the same bits.
    scratch = np.zeros((*rgb.shape[:2], 4), np.float32)
    scratch[:, :, :3] = rgb
    processor.applyRGBA(scratch)
    return np.ascontiguousarray(scratch[:, :, :3])
