"""Layers on their way to the cache and back: handed on at once, written behind, read ahead."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from seqmatte.cache import Cache
from seqmatte.layer import Layer

# Pictures kept in memory for the methods that come next; more are read back from the cache.
KEPT_BYTES = 384 << 20
WRITES_AT_ONCE = 2
WRITES_WAITING = 4


class Shelf:
    """What is put here must be quantised already: it is handed on as it will be read back.

    Used from one thread; reads ahead and writes happen in others. An error of a write is raised by the next call.
    """

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._kept: OrderedDict[str, Layer] = OrderedDict()
        self._writes: dict[str, Future[None]] = {}
        self._reads: dict[str, Future[Layer | None]] = {}
        self._pool = ThreadPoolExecutor(WRITES_AT_ONCE, thread_name_prefix="shelf")

    def get(self, key: str) -> Layer | None:
        """The layer, from memory or from the cache (verified); None where there is none."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        ahead = self._reads.pop(key, None)
        found = ahead.result() if ahead else self._cache.get(key)
        if found is not None:
            self._keep(key, found)
        return found

    def read_ahead(self, key: str) -> None:
        """Begins to read what is on disk and wanted next, while the frame before is being handed on."""
        if key not in self._kept and key not in self._reads:
            self._reads[key] = self._pool.submit(self._cache.get, key)

    def put(self, key: str, layer: Layer, half: Collection[str]) -> None:
        self._keep(key, layer)
        if key not in self._writes:
            self._wait_for_room()
            self._writes[key] = self._pool.submit(self._cache.put, key, layer, half)

    def put_state(self, key: str, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Stores a snapshot; the arrays are copied, since the walk goes on with them."""
        if not self._cache.has_state(key):
            self._wait_for_room()
            copies = {name: np.array(array) for name, array in arrays.items()}
            self._writes[f"state {key}"] = self._pool.submit(self._cache.put_state, key, copies)

    def get_state(self, key: str) -> dict[str, npt.NDArray[Any]] | None:
        """A snapshot that is on disk; None where there is none."""
        return self._cache.get_state(key)

    def let_go(self, key: str) -> None:
        """Forgets a layer that nobody will ask for again, so that the next one has its memory."""
        self.stored(key)
        self._kept.pop(key, None)

    def stored(self, key: str) -> None:
        """Waits until a layer is on disk."""
        if key in self._writes:
            self._writes.pop(key).result()

    def flush(self, *, quietly: bool = False) -> None:
        """Waits for all writes. quietly: leaves their errors, because another one is on its way."""
        self._reads.clear()
        writes, self._writes = self._writes, {}
        for write in writes.values():
            if quietly:
                write.exception()
            else:
                write.result()

    def _wait_for_room(self) -> None:
        for key in [key for key, write in self._writes.items() if write.done()]:
            self._writes.pop(key).result()
        while len(self._writes) >= WRITES_WAITING:
            self._writes.pop(next(iter(self._writes))).result()

    def _keep(self, key: str, layer: Layer) -> None:
        self._kept[key] = layer
        self._kept.move_to_end(key)
        while sum(kept.pixels.nbytes for kept in self._kept.values()) > KEPT_BYTES and len(self._kept) > 2:
            # A layer not yet written must stay readable: wait for its write before it is let go.
            oldest, _ = next(iter(self._kept.items()))
            self.stored(oldest)
            del self._kept[oldest]
