"""The cache in memory: arrays by key, bounded by bytes; the least recently used are dropped."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import is_dataclass
from threading import Lock
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import numpy as np

T = TypeVar("T")


class MemoryCache:
    """Values by key, up to `max_bytes` of arrays.  Their arrays become read-only, since all who ask share them.

    A value holds arrays as it is, in a dataclass, a dict or a tuple; other objects count nothing.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._values: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._bytes = 0  # of all values; counted as they come and go, since there may be ten thousand small ones
        self._lock = Lock()
        self._key_locks: WeakValueDictionary[Hashable, Any] = WeakValueDictionary()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._values

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Hashable, make: Callable[[], T], *, suffices: Callable[[T], bool] = lambda value: True) -> T:
        """The value under `key`, or else what `make` returns, which is stored.

        A stored value that does not suffice is made again.  Of threads that ask for one key at the same time, the first
        makes the value and the others wait for it.
        """
        with self._lock:
            key_lock = self._key_locks.setdefault(key, Lock())
        with key_lock:
            with self._lock:
                if key in self._values and suffices(self._values[key][0]):
                    self._values.move_to_end(key)
                    return self._values[key][0]
            value = make()
            self._store(key, value)
        return value

    def _store(self, key: Hashable, value: Any) -> None:
        size = _frozen_bytes(value)
        with self._lock:
            self._bytes -= self._values.pop(key, (None, 0))[1]
            if size <= self.max_bytes:
                self._values[key] = value, size
                self._bytes += size
            while self._bytes > self.max_bytes:
                self._bytes -= self._values.popitem(last=False)[1][1]

    def clear(self) -> None:
        """Drops all values."""
        with self._lock:
            self._values.clear()
            self._bytes = 0


def _frozen_bytes(value: Any) -> int:
    """Makes the arrays in a value read-only, and returns how many bytes they take."""
    if isinstance(value, np.ndarray):
        value.flags.writeable = False
        return value.nbytes
    if is_dataclass(value):
        value = vars(value)
    if isinstance(value, dict):
        value = tuple(value.values())
    return sum(map(_frozen_bytes, value)) if isinstance(value, tuple) else 0


# Shared by neighbour graphs, spaces that are compared, and maps (edges, layouts, controls): every key begins with what it is.
cache = MemoryCache(2**29)
