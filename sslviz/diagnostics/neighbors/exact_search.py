"""Exact nearest neighbours, by blocks of one matrix product each, in little more time than the products take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

LANES = 32  # columns of which only the largest is looked at first; the fewest that torch reduces at full speed
CROWDED = 8  # times k: a row with more candidates has many at the same distance, and is ordered as a whole instead
# Products at a time, on the CPU and on a GPU.  Many, because threads wait for each other after each block.
BLOCK = 2**25, 2**28
# Of one set among itself half of the products are the other half.  All are held at once, on the CPU, where they fit into
# half a gigabyte, and made so where a product costs more than writing it twice: 10,000 x 2,048 take 0.7 of the time.
SYMMETRIC = 2**27
SYMMETRIC_WIDTH = 512
TILE = 512


def search(queries: np.ndarray, bank: np.ndarray, k: int, *, exclude_self: bool) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers int32 and squared Euclidean distances float32 of the k nearest in `bank` (m, d), (n, k) each.

    Equally near rows come in the order of their numbers, so that the first k of a longer answer are the answer for k.
    `exclude_self`: `queries` are `bank`, and no row finds itself.

    Everything is centred first.  Rows of a collapsed encoder share nearly all of their length and differ by 1e-7 in the
    cosine; float32 keeps that only once the common part is gone.
    """
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    center = bank.mean(axis=0, dtype=np.float64).astype(np.float32)
    points = torch.from_numpy(bank - center).to(device)
    rows = points if exclude_self else torch.from_numpy(queries - center).to(device)
    columns, number = _columns(points, k)
    own_column = torch.empty_like(number)
    own_column[number] = torch.arange(len(number), device=device)
    own_column = own_column[: len(points)]
    step = max(1, BLOCK[device == "cuda"] // len(columns))
    wide = points.shape[1] >= SYMMETRIC_WIDTH and len(columns) ** 2 <= SYMMETRIC
    among = _products(columns[:, :-1]) if exclude_self and device == "cpu" and wide else None
    if among is not None:  # lengths rounded as the products are, so that a repeated row is at distance 0
        columns[:, -1] = torch.where(columns[:, -1].isinf(), columns[:, -1], among.diagonal() / -2)
    else:
        buffer = torch.empty(min(step, len(rows)), len(columns), device=device)
    indices, squared = [], []
    for start in range(0, len(rows) if among is None else len(columns), step):
        if among is None:
            block, own = rows[start : start + step], own_column[start : start + step]
            # a.b - |b|^2 / 2 orders as -|a - b|^2 does; as one more dimension, the second term costs no pass of its own
            ones = torch.ones(len(block), 1, device=device)
            nearness = torch.mm(torch.cat([block, ones], 1), columns.T, out=buffer[: len(block)])
            lengths = block.square().sum(1)
        else:  # in the order of the columns, where they lie already
            nearness = among[start : start + step]
            own = torch.arange(start, start + len(nearness))
            lengths = nearness.diagonal(start).clone()
            nearness += columns[:, -1]
        if exclude_self:
            nearness[torch.arange(len(nearness)), own] = -torch.inf
        value, index = _largest(nearness, k, number, len(points))
        distance = lengths[:, None] - 2 * value
        # A difference below what float32 resolves is none: a repeated row is at distance 0.
        squared.append(distance.where(distance > 4e-7 * lengths[:, None], 0.0).cpu().numpy())
        indices.append(index.to(torch.int32).cpu().numpy())
    order = slice(None) if among is None else own_column.numpy()
    return np.concatenate(indices)[order], np.concatenate(squared)[order]


def _products(rows: torch.Tensor) -> torch.Tensor:
    """rows rows^T (m, m): those below the diagonal, and the same above it."""
    import torch

    products = torch.empty(len(rows), len(rows))
    for start in range(0, len(rows), TILE):
        stop = min(start + TILE, len(rows))
        torch.mm(rows[start:stop], rows[:stop].T, out=products[start:stop, :stop])
        products[:start, start:stop] = products[start:stop, :start].T
    return products


def _columns(points: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """`points` (m, d) with -|b|^2 / 2 as one more dimension, and the row number of each; (m', d + 1) and (m',).

    Shuffled: rows often lie in the order of their class, and an image's neighbours would then share groups of LANES.
    Filled up to whole groups with rows that are near to none.
    """
    import torch

    whole = LANES * _fold(len(points), k) if _in_groups(len(points), k) else 1
    m = -(-len(points) // whole) * whole
    number = torch.from_numpy(np.random.default_rng(0).permutation(m)).to(points.device)
    columns = torch.zeros(m, points.shape[1] + 1, device=points.device)
    columns[: len(points), :-1] = points
    columns[: len(points), -1] = -points.square().sum(1) / 2
    columns[len(points) :, -1] = -torch.inf
    return columns[number], number


def _in_groups(m: int, k: int) -> bool:
    return m >= 2 * k * LANES


def _fold(m: int, k: int) -> int:
    """How many groups of LANES are taken together for the limit, so that twice as many are left as are needed."""
    return 2 ** int(np.log2(m / (2 * k * LANES)))


def _largest(nearness: torch.Tensor, k: int, number: torch.Tensor, m: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The k largest of each row and the numbers of their columns, descending, equal ones by number; (r, k) each.

    The k-th largest of the groups' maxima is a lower limit of the k-th largest value.  Little more than k values reach
    it, and only those are ordered.
    """
    import torch

    r, lanes = len(nearness), LANES if _in_groups(m, k) else 1
    top = nearness if lanes == 1 else nearness.view(r, -1, lanes).amax(2)
    coarse = top if lanes == 1 else top.view(r, -1, _fold(m, k)).amax(2)
    limit = coarse.topk(k, sorted=False)[0].amin(1)
    row, group = (top >= limit[:, None]).nonzero(as_tuple=True)
    members = nearness.view(-1, lanes).index_select(0, row * top.shape[1] + group)
    reached = members >= limit[row, None]
    count = torch.zeros(r, dtype=torch.int64, device=row.device).index_add_(0, row, reached.sum(1))
    crowded = count > CROWDED * k
    reached &= ~crowded[row, None]
    count[crowded] = 0
    pair, lane = reached.nonzero(as_tuple=True)
    row, column = row[pair], group[pair] * lanes + lane
    # A table with one line for each row.  The candidates of a row are adjacent, so a column is the distance from the first.
    at = torch.arange(len(row), device=row.device) - (count.cumsum(0) - count)[row]
    table = torch.full((r, max(k, int(count.max()))), torch.iinfo(torch.int64).min, device=row.device)
    table[row, at] = _key(members[pair, lane], number[column])
    for some in crowded.nonzero()[:, 0].split(64):
        table[some, :k] = _key(nearness[some], number).topk(k, sorted=False)[0]
    return _read(table.topk(k)[0])


def _key(value: torch.Tensor, number: torch.Tensor) -> torch.Tensor:
    """An int64 key that orders by `value` float32, and of equal values the lower `number` above the higher."""
    import torch

    bits = (value + 0.0).view(torch.int32)  # ordered as the values are, negative ones in reverse
    return ((bits ^ ((bits >> 31) & 0x7FFFFFFF)).to(torch.int64) << 32) | (0xFFFFFFFF - number)


def _read(key: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The value and the number in a `_key`."""
    import torch

    bits = (key >> 32).to(torch.int32)
    return (bits ^ ((bits >> 31) & 0x7FFFFFFF)).view(torch.float32), 0xFFFFFFFF - (key & 0xFFFFFFFF)
