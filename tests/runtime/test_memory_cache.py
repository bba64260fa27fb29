from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import sleep

import numpy as np
import pytest

from sslviz.runtime.memory_cache import MemoryCache


def test_makes_once_and_returns_what_cannot_be_written_into():
    cache, made = MemoryCache(1000), []
    for _ in range(2):
        value = cache.get("a", lambda: made.append(1) or np.zeros(3))
    assert len(made) == 1 and "a" in cache
    with pytest.raises(ValueError, match="read-only"):
        value[0] = 1


def test_forgets_the_oldest_and_never_holds_more_than_it_may():
    cache = MemoryCache(3 * 80)
    for name in "abcd":
        cache.get(name, lambda: {"x": np.zeros(10)})
        cache.get("a", lambda: np.zeros(10))  # used again, so not the oldest
    assert [name in cache for name in "abcd"] == [True, False, True, True]
    cache.get("huge", lambda: np.zeros(1000))
    assert "huge" not in cache and "a" in cache
    cache.clear()
    assert "a" not in cache and len(cache) == 0


@dataclass
class Pair:
    x: np.ndarray
    more: tuple


def test_arrays_count_wherever_a_value_holds_them():
    cache = MemoryCache(3 * 80)
    pair = cache.get("pair", lambda: Pair(np.zeros(10), ({"y": np.zeros(10)}, 3)))
    for array in (pair.x, pair.more[0]["y"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    cache.get("one", lambda: np.zeros(10))
    assert "pair" in cache
    cache.get("two", lambda: np.zeros(10))
    assert "pair" not in cache and "one" in cache


def test_what_does_not_suffice_is_made_again():
    cache = MemoryCache(1000)
    for n, expected in ((3, 3), (2, 3), (5, 5), (4, 5)):
        found = cache.get("a", lambda n=n: np.zeros(n), suffices=lambda value, n=n: len(value) >= n)
        assert len(found) == expected
    assert len(cache) == 1


def test_threads_that_ask_together_wait_for_the_first_and_others_do_not():
    cache, made = MemoryCache(1000), []

    def make(name):
        made.append(name)
        sleep(0.05)
        return cache.get("shared", lambda: made.append("shared") or np.zeros(3)) if name == "a" else np.zeros(3)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: cache.get(name, lambda: make(name)), "abab"))
    assert sorted(made) == ["a", "b", "shared"]


def test_what_fails_is_asked_again():
    cache = MemoryCache(1000)
    with pytest.raises(ZeroDivisionError):
        cache.get("a", lambda: 1 / 0)
    assert cache.get("a", lambda: 7) == 7
