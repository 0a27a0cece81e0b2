"""A contact sheet: plate, alpha, and the foreground over a checkerboard, a few frames side by side, as PNG."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from seqmatte import whole_file
from seqmatte.colour import PlateColour
from seqmatte.errors import OutputError
from seqmatte.layer import Layer, Pixels

_GAP = 6
_CAPTION = 22
_PAPER = 24
_INK = (210, 210, 210)


@dataclass(frozen=True)
class Shown:
    """One column. plate: R, G, B scene-linear; matte: premultiplied R, G, B, A scene-linear, the same size."""

    frame: int
    plate: Layer
    matte: Layer


def write_contact_sheet(
    path: str | os.PathLike[str], shown: Sequence[Shown], colour: PlateColour, width: int = 1500
) -> None:
    """Writes the sheet, about `width` pixels wide, 8-bit, as the config's default display shows it.

    Raises OutputError when it cannot be written.
    """
    if not shown:
        raise OutputError("a contact sheet needs at least one frame", path=path)
    cell = max((width - _GAP) // len(shown) - _GAP, 48)
    columns = [_column(column, colour, cell) for column in shown]
    _write_png(Path(path), _bordered(np.concatenate(columns, axis=1)))


def checkerboard(height: int, width: int, square: int = 12) -> Pixels:
    """H x W x 3 scene-linear, dark and middle grey."""
    rows, columns = np.mgrid[:height, :width] // square
    grey = np.where((rows + columns) % 2 == 0, 0.09, 0.25).astype(np.float32)
    return np.repeat(grey[:, :, None], 3, axis=2)


def _column(column: Shown, colour: PlateColour, width: int) -> npt.NDArray[np.uint8]:
    """The three pictures of a frame under one another. Scaled in light, before the display's curve."""
    aspect = column.plate.header.pixel_aspect if column.plate.header else 1.0
    height = max(round(width * column.plate.height / (column.plate.width * aspect)), 8)
    plate = _scaled(column.plate.take("R", "G", "B"), width, height)
    matte = _scaled(column.matte.take("R", "G", "B", "A"), width, height)
    alpha = np.repeat(matte[:, :, 3:].clip(0, 1), 3, axis=2)
    comp = matte[:, :, :3] + (1 - alpha) * checkerboard(height, width)
    pictures = [colour.to_display(plate), alpha, colour.to_display(np.asarray(comp, np.float32))]
    names = [f"frame {column.frame}   plate", "alpha", "foreground over checker"]
    rows = [_captioned(picture, name) for picture, name in zip(pictures, names, strict=True)]
    return np.concatenate(rows, axis=0)


def _scaled(pixels: Pixels, width: int, height: int) -> Pixels:
    shrinks = width < pixels.shape[1]
    return np.asarray(
        cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    )


def _captioned(picture: Pixels, name: str) -> npt.NDArray[np.uint8]:
    """8-bit R, G, B with its name above and a gap to its right."""
    height, width = picture.shape[:2]
    made = np.full((height + _CAPTION, width + _GAP, 3), _PAPER, np.uint8)
    made[_CAPTION:, :width] = np.round(picture * 255)
    cv2.putText(made, name, (2, _CAPTION - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.42, _INK, 1, cv2.LINE_AA)
    return made


def _bordered(sheet: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.asarray(np.pad(sheet, ((0, _GAP), (_GAP, 0), (0, 0)), constant_values=_PAPER))


def _write_png(path: Path, picture: npt.NDArray[np.uint8]) -> None:
    _, packed = cv2.imencode(".png", picture[:, :, ::-1])
    try:
        whole_file.write(path, packed.tobytes())
    except OSError as error:
        raise OutputError(f"the contact sheet cannot be written: {error.strerror}", path=path) from error
