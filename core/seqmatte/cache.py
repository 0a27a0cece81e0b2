"""Layers on disk under keys made of content.

An entry is one EXR (a layer) or one .npz (a snapshot of a walk's state), written beside its place and renamed, so
that several processes may share the folder without locks: two that make the same entry make the same bytes, and the
last rename wins. Nothing is ever invalidated; what is not asked for again is pruned by age.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import time
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seqmatte import exr, whole_file
from seqmatte.errors import CacheError, OutputError, PlateError
from seqmatte.file_faults import system_words
from seqmatte.keys import home
from seqmatte.layer import Layer
from seqmatte.lease import Lease, is_lease, leases_held, sweep_leases

Arrays = Mapping[str, npt.NDArray[Any]]

TEMPORARY_SECONDS = 3600.0

# Names that are written here, and what whole_file.replacing makes of them: a folder that is named as the cache by
# mistake may hold anything else, as plates in show/fg.
_ENTRY = re.compile(r"(?P<folder>[0-9a-f]{2})[0-9a-f]{62}\.(exr|npz)")
_BESIDE = re.compile(r"\.(?P<target>.+?\.(exr|npz|json))\..+\.\d+\.\d+\.tmp(\.exr)?")


@dataclass(frozen=True)
class Contents:
    """What a cache folder holds. entries and bytes; leases: jobs that run now."""

    entries: int
    bytes: int
    leases: int


class Cache:
    """root: the folder, made when first written to; None is the user's own. Safe between processes and threads."""

    def __init__(self, root: str | os.PathLike[str] | None = None) -> None:
        self.root = Path(root) if root else home() / "layers"

    def path(self, key: str) -> Path:
        """Where the layer of a key lies, or would lie."""
        return self.root / key[:2] / f"{key}.exr"

    def __contains__(self, key: str) -> bool:
        return os.path.exists(self.path(key))

    def get(self, key: str) -> Layer | None:
        """The layer, verified against the checksum stored in it; None where there is none or it is damaged.

        A damaged one is dropped. One that merely cannot be read now, for permissions or a share that is away, stays.
        """
        path = self.path(key)
        if not os.path.exists(path):
            return None
        try:
            layer = exr.read(path)
        except (PlateError, OSError):
            return self._dropped(path) if _readable(path) else None
        facts = dict(layer.facts)
        if facts.pop("key", None) != key or facts.pop("checksum", None) != _checksum(layer):
            return self._dropped(path)
        _touch(path)
        return replace(layer, facts=facts)

    def put(self, key: str, layer: Layer, half: Collection[str] = ()) -> None:
        """Writes a layer whose pixels are already as they will be read back (exr.quantised).

        Raises CacheError when the folder cannot be written or the disk is full.
        """
        path = self.path(key)
        facts = {**layer.facts, "key": key, "checksum": _checksum(layer)}
        self._make_folder(path.parent)
        try:
            exr.write(path, replace(layer, facts=facts), half=half)
        except (OutputError, OSError) as error:
            said = system_words(error) if isinstance(error, OSError) else error.message
            raise CacheError(f"the cache cannot be written: {said}", path=path) from error

    def get_state(self, key: str) -> dict[str, npt.NDArray[Any]] | None:
        """A snapshot, bit for bit as it was put; None where there is none or it is damaged."""
        path = self._state_path(key)
        try:
            packed = path.read_bytes()
        except OSError:
            return None
        if hashlib.sha256(packed[:-32]).digest() != packed[-32:]:
            return self._dropped(path)
        _touch(path)
        with np.load(io.BytesIO(packed[:-32]), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}

    def put_state(self, key: str, arrays: Arrays) -> None:
        """Stores a snapshot. Raises CacheError as `put` does."""
        path = self._state_path(key)
        packed = _packed(arrays)
        self._make_folder(path.parent)
        try:
            whole_file.write(path, packed + hashlib.sha256(packed).digest())
        except OSError as error:
            raise CacheError(f"the cache cannot be written: {system_words(error)}", path=path) from error

    def has_state(self, key: str) -> bool:
        return os.path.exists(self._state_path(key))

    @contextlib.contextmanager
    def lease(self, keys: Iterable[str]) -> Iterator[Lease]:
        """While it is held, pruning by any process spares these keys."""
        lease = Lease(self.root / "leases", sorted(set(keys)))
        try:
            yield lease
        finally:
            lease.end()

    def contents(self) -> Contents:
        files = [found for _, found in self._entries()]
        return Contents(len(files), sum(found.st_size for found in files), len(leases_held(self.root / "leases")))

    def prune(self, limit: int) -> int:
        """Deletes the entries not used for longest until at most `limit` bytes are left; gives the bytes freed.

        Entries that a running job has leased stay, even above the limit; so do those younger than the oldest job.
        Raises CacheError where there is something to delete and nothing may be.
        """
        self._sweep()
        spared, leases = self._spared()
        started = min((one["started"] for one in leases), default=float("inf"))
        entries = sorted(self._entries(), key=lambda entry: entry[1].st_mtime)
        total = sum(found.st_size for _, found in entries)
        freed, refused = 0, None
        for path, found in entries:
            if total - freed <= limit:
                break
            if path.stem in spared or found.st_mtime >= started:
                continue
            try:
                path.unlink()
                freed += found.st_size
            except FileNotFoundError:
                continue
            except OSError as error:  # a colleague's, or open on Windows: the others may go
                refused = error
        if refused and not freed:
            raise CacheError(f"nothing could be deleted: {system_words(refused)}", path=self.root) from refused
        return freed

    def clear(self) -> int:
        """Deletes every entry that no running job has leased; gives the bytes freed."""
        return self.prune(0)

    def _state_path(self, key: str) -> Path:
        return self.root / key[:2] / f"{key}.npz"

    def _make_folder(self, folder: Path) -> None:
        try:
            whole_file.make_folder(folder)
        except OSError as error:
            said = f"the cache folder cannot be made: {system_words(error)}"
            raise CacheError(f"{said}; choose another with --cache", path=folder) from error

    @staticmethod
    def _dropped(path: Path) -> None:
        with contextlib.suppress(OSError):
            path.unlink()

    def _entries(self) -> Iterator[tuple[Path, os.stat_result]]:
        for path in self.root.glob("??/*"):
            if _is_entry(path, path.name):
                with contextlib.suppress(FileNotFoundError):
                    yield path, path.stat()

    def _temporary(self) -> Iterator[Path]:
        """Files that a writer has not finished, or never will."""
        for path in (*self.root.glob("??/.*"), *self.root.glob("leases/.*")):
            beside = _BESIDE.fullmatch(path.name)
            if beside and (_is_entry(path, beside["target"]) or is_lease(path, beside["target"])):
                yield path

    def _spared(self) -> tuple[set[str], list[dict[str, Any]]]:
        leases = leases_held(self.root / "leases")
        return {key for one in leases for key in one["keys"]}, leases

    def _sweep(self) -> None:
        """Takes away what dead writers left: temporary files, leases never ended."""
        now = time.time()
        for path in self._temporary():
            with contextlib.suppress(OSError):
                if now - path.stat().st_mtime > TEMPORARY_SECONDS:
                    path.unlink()
        sweep_leases(self.root / "leases")


def _readable(path: Path) -> bool:
    """Whether the system hands out all of a file's bytes: what is wrong with it then lies in the bytes.

    OpenImageIO's word does not tell one from the other.
    """
    try:
        with open(path, "rb") as file:
            while file.read(1 << 20):
                pass
    except OSError:
        return False
    return True


def _is_entry(path: Path, name: str) -> bool:
    """Whether a file of this name, in the folder that it lies in, is an entry."""
    found = _ENTRY.fullmatch(name)
    return found is not None and found["folder"] == path.parent.name


def _checksum(layer: Layer) -> str:
    """Of names, size and every bit of the pixels: against damage, not against malice, so that a hit costs a read.

    The words of each row are added up and the sums' CRC is taken, which costs a fifth of a CRC of the pixels.
    """
    names = zlib.crc32(repr((layer.channels, layer.pixels.shape)).encode())
    rows = np.ascontiguousarray(layer.pixels).reshape(layer.height, -1).view(np.uint32)
    sums = rows.sum(axis=1, dtype=np.uint64)
    return f"{zlib.crc32(sums.astype('<u8').tobytes(), names):08x} rows"


def _packed(arrays: Arrays) -> bytes:
    """An .npz whose bytes depend on the arrays alone: fixed order and dates."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in sorted(arrays):
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(arrays[name]), allow_pickle=False)
            file.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue())
    return buffer.getvalue()


def _touch(path: Path) -> None:
    with contextlib.suppress(OSError):
        os.utime(path)
