"""What a process keeps between engines, so that weights are loaded and walks begun once."""

from __future__ import annotations

from seqmatte.device import Device
from seqmatte.keys import digest
from seqmatte.method import Method, State
from seqmatte.plan import identity

# Walks whose state is kept in memory, to go on where they stopped; methods, with their weights: of three recipes, say.
LIVE_WALKS, OPEN_METHODS = 4, 16


class OpenMethods:
    """Methods with their weights loaded, and the states of the last walks.

    Methods are kept by identity, by what they read and by device, states under their keys: both are found again by
    content alone.
    """

    def __init__(self) -> None:
        self._opened: dict[str, Method] = {}
        self._states: dict[str, State] = {}

    def get(self, method: Method, device: Device) -> Method:
        # One method reads different layers in different recipes, as they have makers of them or not.
        key = digest(identity(method), list(map(repr, method.reads)), device.kind)
        if key not in self._opened:
            method.open(device)
        # The last used stands last.
        self._opened[key] = self._opened.pop(key, method)
        while len(self._opened) > OPEN_METHODS:
            del self._opened[next(iter(self._opened))]
        return self._opened[key]

    def keep(self, key: str, state: State) -> None:
        self._states[key] = state
        while len(self._states) > LIVE_WALKS:
            del self._states[next(iter(self._states))]

    def take(self, key: str) -> State | None:
        """The state under a key, given away: a step may write into it."""
        return self._states.pop(key, None)
