"""What was made a moment ago, and need not be made again?  A small store of arrays in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import is_dataclass
from threading import Lock
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")


class Recent:
    """What was made last, up to `most` bytes of arrays; its arrays are read-only, since everyone who asks shares them."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._kept: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = Lock()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._kept

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """What is kept under `key`, or else what `make` makes, which is kept from now on."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][0]
        value = make()  # without the lock: two threads may make the same, and it is the same
        size = _frozen_bytes(value)
        with self._lock:
            if size <= self.most:
                self._kept[key] = value, size
            while sum(size for _, size in self._kept.values()) > self.most:
                self._kept.popitem(last=False)
        return value

    def clear(self) -> None:
        """Forgets everything."""
        with self._lock:
            self._kept.clear()


def _frozen_bytes(value: Any) -> int:
    """Makes the arrays in a value read-only, and says how many bytes they take."""
    if isinstance(value, np.ndarray):
        value.flags.writeable = False
        return value.nbytes
    if is_dataclass(value):
        value = vars(value)
    return sum(map(_frozen_bytes, value.values())) if isinstance(value, dict) else 0


recent = Recent(2**28)  # of the maps: their edges, layouts, controls and scores
