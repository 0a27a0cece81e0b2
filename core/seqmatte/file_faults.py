"""What is wrong with a picture's file, in words that an artist can act on."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

from seqmatte import whole_file
from seqmatte.errors import OutputError


def why_unreadable(path: str, said: str) -> str:
    """Why OpenImageIO gave no input; said: its own words."""
    file = Path(path)
    if file.is_dir():
        return "this is a folder, not a picture"
    if not file.exists():
        return "the file is missing"
    if not os.access(path, os.R_OK):
        return "the file may not be read (permissions)"
    if file.stat().st_size == 0:
        return "the file is empty (0 bytes)"
    if file.suffix.lower() in (".mov", ".mp4", ".mxf", ".mkv", ".avi"):
        return "this is a movie; write it out as numbered frames (EXR, DPX, TIFF or PNG)"
    return f"the file is not a readable picture: {said.replace(path, 'it') or 'no reason given'}"


def why_unwritten(target: str, size: int, said: str) -> str:
    """Why a file of about `size` bytes was not written; said: OpenImageIO's own words."""
    folder = os.path.dirname(target) or "."
    if not os.path.isdir(folder):
        return f"cannot write: the folder {folder} does not exist"
    if not os.access(folder, os.W_OK):
        return f"cannot write: the folder {folder} is read-only"
    free = shutil.disk_usage(folder).free
    if free < size:
        return f"cannot write: the disk is full ({free / 2**20:.1f} MB free in {folder})"
    return f"cannot write: {said or 'no reason given'}"


def system_words(error: OSError) -> str:
    """An OSError in the words used here."""
    words = {
        errno.ENOSPC: "the disk is full",
        getattr(errno, "EDQUOT", -1): "the disk quota is used up",
        errno.EROFS: "the folder is read-only",
        errno.EACCES: "the folder may not be written (permissions)",
        errno.ENOENT: "the folder does not exist",
        errno.EEXIST: "a file stands where its folder should be",
        errno.ENOTDIR: "a file stands where its folder should be",
        errno.EISDIR: "a folder has that name",
        errno.ENAMETOOLONG: "the name is longer than the disk allows",
    }
    return words.get(error.errno or 0, error.strerror or str(error))


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file whole or not at all: an older one of the name stays until the new one is complete.

    Makes the folder where it is missing. Raises OutputError.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        whole_file.write(path, data)
    except OSError as error:
        raise OutputError(f"cannot write: {system_words(error)}", path=path) from error


def said_by(source: Any) -> str:
    """OpenImageIO's last error on one line; "" where there is none, or bytes of a broken file in it."""
    try:
        return " ".join(str(source.geterror()).split())
    except UnicodeDecodeError:
        return ""


def plain_text(text: str) -> str:
    """Text of a file that may be Latin-1, as older programs write it: the binding hands its bytes over escaped."""
    content = text.encode("utf-8", "surrogateescape")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")
