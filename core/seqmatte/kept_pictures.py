"""Pictures kept in memory between those who read them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from seqmatte.layer import Layer

# For neighbouring frames and for both spaces of one: up to so many bytes, and so many of any size.
KEPT_BYTES, KEPT_PICTURES = 512 << 20, 8


class KeptPictures:
    """Layers lately read, up to so many bytes; each read once, whoever asks for it at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: OrderedDict[tuple[object, ...], Layer] = OrderedDict()
        self._reading: dict[tuple[object, ...], threading.Lock] = {}

    def get(self, key: tuple[object, ...], read: Callable[[], Layer]) -> Layer:
        with self._lock:
            mine = self._reading.setdefault(key, threading.Lock())
        with mine:
            found = self._lookup(key)
            if found is None:
                found = read()
                # Everybody gets the same array.
                found.pixels.flags.writeable = False
                self._keep(key, found)
        return found

    def _lookup(self, key: tuple[object, ...]) -> Layer | None:
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
            return self._found.get(key)

    def _keep(self, key: tuple[object, ...], made: Layer) -> None:
        with self._lock:
            self._found[key] = made
            self._reading.pop(key, None)
            while len(self._found) > KEPT_PICTURES and sum(f.pixels.nbytes for f in self._found.values()) > KEPT_BYTES:
                self._found.popitem(last=False)
