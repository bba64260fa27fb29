"""The inner loops of maps, compiled by numba; importing this takes 0.3 s.

They hold no lock and use one thread, so that several run side by side with the same results.  What numba compiled is
cached beside this file or in the user's cache; the first time ever takes two seconds.

Edges, their order and the random numbers (Tausworthe, L'Ecuyer 1996) are umap-learn's.  Its inner loop takes three and a
half times as long as `move`: it serves any number of dimensions, and computes powers for every pair.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

SHIFT = 17  # bits of a float32 below the six leading ones of its fraction
LOWEST = (127 - 40) << 6  # 2^-40: below, distances count as that
NODES = (np.arange(LOWEST, LOWEST + 64 * 64 + 2, dtype=np.int32) << SHIFT).view(np.float32)  # up to 2^24


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    how: dict[str, Any] = {"nogil": True, "fastmath": True, "error_model": "numpy"}
    try:
        return numba.njit(cache=True, **how)(function)
    except RuntimeError:  # no folder to cache in: compiled once in every process
        return numba.njit(**how)(function)


def tables(a: float, b: float) -> tuple[np.ndarray, np.ndarray]:
    """The attraction and repulsion of two points by their squared distance, at `NODES`, float32.

    Of the curve 1 / (1 + a d^2b).  Computing powers would take most of the time.  Between nodes 1/64 octave apart the
    interpolation is right to 1e-4, more than a step of gradient descent is.
    """
    squared = NODES.astype(np.float64)
    attraction = -2 * a * b * squared ** (b - 1) / (a * squared**b + 1)
    repulsion = 2 * b / ((0.001 + squared) * (a * squared**b + 1))
    return attraction.astype(np.float32), repulsion.astype(np.float32)


def _clip_to_4(value: Any) -> Any:
    return min(max(value, np.float32(-4)), np.float32(4))


def _read_off(table: np.ndarray, squared: Any) -> Any:
    """The value at `squared` > 0, linear between the nodes, which the leading bits of the float select."""
    bits: Any = max(np.float32(squared).view(np.int32), np.int32(LOWEST << SHIFT))
    node = min((bits >> SHIFT) - LOWEST, len(table) - 2)
    share = np.float32(bits & ((1 << SHIFT) - 1)) * np.float32(2.0**-SHIFT)
    return table[node] + share * (table[node + 1] - table[node])


def _draw_next(state: np.ndarray) -> Any:
    """The next random number of a point, as umap-learn draws it: a signed 32-bit integer."""
    a, b, c = state[0], state[1], state[2]
    a = (((a & 4294967294) << 12) & 0xFFFFFFFF) ^ ((((a << 13) & 0xFFFFFFFF) ^ a) >> 19)
    b = (((b & 4294967288) << 4) & 0xFFFFFFFF) ^ ((((b << 2) & 0xFFFFFFFF) ^ b) >> 25)
    c = (((c & 4294967280) << 17) & 0xFFFFFFFF) ^ ((((c << 3) & 0xFFFFFFFF) ^ c) >> 11)
    state[0], state[1], state[2] = a, b, c
    return np.int32(a ^ b ^ c)


_clip, _read, _draw = _compiled(_clip_to_4), _compiled(_read_off), _compiled(_draw_next)


def _move(
    xy: np.ndarray,
    rng: np.ndarray,
    head: np.ndarray,
    tail: np.ndarray,
    every: np.ndarray,
    due: np.ndarray,
    due_away: np.ndarray,
    attraction: np.ndarray,
    repulsion: np.ndarray,
    first: int,
    last: int,
    epochs: int,
) -> None:
    """Moves `xy` (n, 2) in place through the epochs [first, last) of `epochs`; updates `rng`, `due` and `due_away`.

    An edge attracts its ends once in `every` epochs.  Its head is then repelled by about five random points, as many as
    are due since `due_away`.  The steps shrink to nothing with the last of all epochs.
    """
    n = xy.shape[0]
    for epoch in range(first, last):
        alpha = np.float32(1 - max(epoch - 1, 0) / epochs)
        for i in range(len(head)):
            if due[i] > epoch:
                continue
            j, k = head[i], tail[i]
            x, y = xy[j, 0], xy[j, 1]
            dx, dy = x - xy[k, 0], y - xy[k, 1]
            squared = dx * dx + dy * dy
            if squared > 0:
                size = _read(attraction, squared)
                dx, dy = _clip(size * dx) * alpha, _clip(size * dy) * alpha
                x += dx
                y += dy
                xy[k, 0] -= dx
                xy[k, 1] -= dy
            due[i] += every[i]
            every_away = every[i] / 5
            away = int((epoch - due_away[i]) / every_away)
            for _ in range(away):
                k = _draw(rng[j]) % n
                if k == j:
                    continue
                dx, dy = x - xy[k, 0], y - xy[k, 1]
                squared = dx * dx + dy * dy
                if squared > 0:
                    size = _read(repulsion, squared)
                    x += _clip(size * dx) * alpha
                    y += _clip(size * dy) * alpha
            xy[j, 0], xy[j, 1] = x, y
            due_away[i] += away * every_away


move = _compiled(_move)


def _count_closer(xy: np.ndarray, members: np.ndarray, first: int, last: int, closer: np.ndarray) -> None:
    """Counts into `closer` (n, k), for the rows [first, last), how many points lie closer than each member, own included."""
    n, k = members.shape
    limits, counts = np.empty(k, np.float64), np.empty(k, np.int64)
    for i in range(first, last):
        x, y = xy[i, 0], xy[i, 1]
        for j in range(k):
            limits[j] = (xy[members[i, j], 0] - x) ** 2 + (xy[members[i, j], 1] - y) ** 2
        order = np.argsort(limits)
        limits.sort()
        counts[:] = 0
        for other in range(n):
            squared = (xy[other, 0] - x) ** 2 + (xy[other, 1] - y) ** 2
            if squared < limits[k - 1]:
                low, high = 0, k - 1  # the first limit above it
                while low < high:
                    middle = (low + high) // 2
                    if squared < limits[middle]:
                        high = middle
                    else:
                        low = middle + 1
                counts[low] += 1
        total = 0
        for j in range(k):
            total += counts[j]
            closer[i, order[j]] = total


count_closer = _compiled(_count_closer)
