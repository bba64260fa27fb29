"""An unpickler whose work and memory are in proportion to the file, whatever stands in it.

A few bytes can lead the one in C to use any of either.  A far place in its memo is filled up to there.  Hashing a tuple
that holds another twice, and that another twice, has no end.  This one keeps its memo in a dictionary, and hashes
nothing that is nested.
"""

from __future__ import annotations

import pickle
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from typing import Any

LARGEST_KEY = 2**60  # of whole numbers; beyond it, any number of them can have the same hash
LONGEST_KEY = 1000  # parts and letters of a tuple that is a key
STOCK: Any = pickle._Unpickler  # type: ignore[attr-defined]  # written in Python; typeshed has the one in C


def as_key(value: Any) -> Any:
    """What stands for it as a key or in a set: itself, or its text; UnpicklingError for what is nested too deeply."""
    if type(value) is int and abs(value) < LARGEST_KEY:
        return value
    if not isinstance(value, int | complex | tuple | frozenset) or isinstance(value, bool):
        return value
    ahead, n = [value], 0
    while ahead:
        one = ahead.pop()
        n += 1 + (len(one) if isinstance(one, str | bytes) else 0)
        if n > LONGEST_KEY:
            raise pickle.UnpicklingError("a key without end")
        if isinstance(one, tuple | frozenset):
            ahead += list(one)[:LONGEST_KEY]
        elif isinstance(one, list | dict | set):
            raise pickle.UnpicklingError("a key that can change")
    return str(value)


def _pairs(given: Any = (), **named: Any) -> list[tuple[Any, Any]]:
    items = dict.items(given) if isinstance(given, dict) else given
    return [(as_key(key), value) for key, value in items] + list(named.items())


def _bytes(kind: Callable[..., Any]) -> Callable[..., Any]:
    """Bytes of bytes, or of a text; not of a number, which is how many there shall be."""

    def make(given: Any = b"", encoding: str = "latin1", *_: Any) -> Any:
        if isinstance(given, str):
            return kind(given.encode(encoding if encoding in {"utf-8", "ascii"} else "latin1"))
        if not isinstance(given, bytes | bytearray | list | tuple):
            raise pickle.UnpicklingError("bytes of something else")
        return kind(given)

    return make


def _plain(kind: Callable[..., Any]) -> Callable[..., Any]:
    """A number or a text of one, not of containers, whose text can have no end."""

    def make(*given: Any) -> Any:
        if not all(isinstance(one, str | bytes | int | float | complex | None) for one in given):
            raise pickle.UnpicklingError("a number or text of something else")
        return kind(*given)

    return make


MAKERS: dict[str, Callable[..., Any]] = {  # of plain values, by the name of their class
    "dict": lambda *given, **named: dict(_pairs(*given, **named)),
    "set": lambda given=(): {as_key(one) for one in given},
    "frozenset": lambda given=(): frozenset(as_key(one) for one in given),
    "list": list,
    "tuple": tuple,
    "slice": slice,
    "bool": bool,
    "bytes": _bytes(bytes),
    "bytearray": _bytes(bytearray),
    **{kind.__name__: _plain(kind) for kind in (int, float, complex, str)},
}
COLLECTIONS: dict[str, Callable[..., Any]] = {
    "OrderedDict": lambda given=(): OrderedDict(_pairs(given)),
    "defaultdict": lambda *_: defaultdict(),
    "Counter": lambda given=(): Counter(dict(_pairs(given))) if isinstance(given, dict) else Counter(),
}


class BoundedUnpickler(STOCK):  # type: ignore[misc]  # mypy takes no variable for a class
    """`pickle.Unpickler`, except for keys and elements of sets, which are those of `as_key`."""

    dispatch = dict(STOCK.dispatch)
    stack: list[Any]
    pop_mark: Callable[[], list[Any]]
    append: Callable[[Any], None]
    read: Callable[[int], bytes]

    def load(self) -> Any:
        """What the program builds; UnpicklingError where it is none."""
        try:
            return super().load()
        except (KeyError, IndexError, AssertionError) as error:  # an unknown step, or one that lacks what it works on
            raise pickle.UnpicklingError("no pickle") from error

    def _set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.stack[-1][as_key(key)] = value

    def _set_items(self) -> None:
        items = self.pop_mark()
        container = self.stack[-1]
        for key, value in _two_by_two(items):
            container[as_key(key)] = value

    def _add_items(self) -> None:
        items = self.pop_mark()
        for item in items:
            self.stack[-1].add(as_key(item))

    def _make_dict(self) -> None:
        self.append({as_key(key): value for key, value in _two_by_two(self.pop_mark())})

    def _make_frozenset(self) -> None:
        self.append(frozenset(map(as_key, self.pop_mark())))

    def _make_bytearray(self) -> None:
        size = int.from_bytes(self.read(8), "little")
        self.append(bytearray(self.read(size)))  # the stock one makes room for as much as is claimed

    dispatch[pickle.BYTEARRAY8[0]] = _make_bytearray
    dispatch[pickle.SETITEM[0]] = _set_item
    dispatch[pickle.SETITEMS[0]] = _set_items
    dispatch[pickle.ADDITEMS[0]] = _add_items
    dispatch[pickle.DICT[0]] = _make_dict
    dispatch[pickle.FROZENSET[0]] = _make_frozenset


def _two_by_two(items: list[Any]) -> Iterable[tuple[Any, Any]]:
    return zip(items[::2], items[1::2], strict=True)
