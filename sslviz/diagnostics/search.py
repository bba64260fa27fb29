"""Which rows lie nearest?  Exact, by blocks of one matrix product each, in little more time than the products take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

LANES = 32  # columns of which only the largest is looked at first; the fewest that torch reduces at full speed
CROWDED = 8  # times k: a row with more candidates has many at the same distance, and is counted off instead


def search(queries: np.ndarray, bank: np.ndarray, k: int, *, exclude_self: bool) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers int32 and squared Euclidean distances float32 of the k nearest in `bank` (m, d), (n, k) each.

    Of equally near rows those with the lower numbers, in their order, so that the first k of a longer answer are the
    answer for k.  `exclude_self`: `queries` are `bank`, and no row finds itself.

    Everything is centred first: between rows that share nearly all of their length (a collapsed encoder), differences
    of 1e-7 in the cosine are all there is, and float32 keeps them only once the common part is gone.
    """
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    center = bank.mean(axis=0, dtype=np.float64).astype(np.float32)
    points = torch.from_numpy(bank - center).to(device)
    asked = points if exclude_self else torch.from_numpy(queries - center).to(device)
    columns, number = _columns(points, k)
    place = torch.empty_like(number)
    place[number] = torch.arange(len(number), device=device)
    place = place[: len(points)]
    step = max(1, min(512, 2**25 // len(columns)) if device == "cpu" else 2**28 // len(columns))
    buffer = torch.empty(step, len(columns), device=device)
    found, squared = [], []
    for start in range(0, len(asked), step):
        block = asked[start : start + step]
        one = torch.ones(len(block), 1, device=device)
        # a.b - |b|^2 / 2 orders as -|a - b|^2 does; as one more dimension, the second term costs no pass of its own
        nearness = torch.mm(torch.cat([block, one], 1), columns.T, out=buffer[: len(block)])
        if exclude_self:
            nearness[torch.arange(len(block)), place[start : start + step]] = -torch.inf
        value, index = _largest(nearness, k, number, place)
        lengths = block.square().sum(1, keepdim=True)
        distance = lengths - 2 * value
        # A difference below what float32 resolves is none: a repeated row is at distance 0.
        squared.append(distance.where(distance > 4e-7 * lengths, 0.0).cpu().numpy())
        found.append(index.to(torch.int32).cpu().numpy())
    return np.concatenate(found), np.concatenate(squared)


def _columns(points: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """`points` (m, d) with -|b|^2 / 2 as one more dimension, and the row number of each; (m', d + 1) and (m',).

    Shuffled, because rows often lie in the order of their class, and an image's neighbours would then share groups of
    LANES.  Filled up to whole groups with rows that nobody is near to.
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
    """How many groups of LANES are taken together for the limit: as many as leave twice as many as are needed."""
    return 2 ** int(np.log2(m / (2 * k * LANES)))


def _largest(
    nearness: torch.Tensor, k: int, number: torch.Tensor, place: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The k largest of each row and their row numbers, descending, equal ones by number; (r, k) each.

    The k-th largest of the groups' maxima is a lower limit of the k-th largest value: k groups reach it.  Little more
    than k values do, and only those are sorted.
    """
    import torch

    r, m = nearness.shape
    lanes = LANES if _in_groups(len(place), k) else 1
    top = nearness if lanes == 1 else nearness.view(r, -1, lanes).amax(2)
    coarse = top if lanes == 1 else top.view(r, -1, _fold(len(place), k)).amax(2)
    limit = coarse.topk(k, sorted=False)[0].amin(1)
    row, group = (top >= limit[:, None]).nonzero(as_tuple=True)
    members = nearness.view(-1, lanes).index_select(0, row * top.shape[1] + group)
    reached = members >= limit[row, None]
    count = torch.zeros(r, dtype=torch.int64, device=row.device).index_add_(0, row, reached.sum(1))
    crowded = count > CROWDED * k
    if crowded.any():
        reached &= ~crowded[row, None]
        count[crowded] = k
    pair, lane = reached.nonzero(as_tuple=True)
    row, column = row[pair], group[pair] * lanes + lane
    # As a table with one line for each row: the candidates of a row stand together, so each is so far from the first.
    first = torch.where(crowded, 0, count)
    first = first.cumsum(0) - first
    at = torch.arange(len(row), device=row.device) - first[row]
    value = torch.full((r, int(count.max())), -torch.inf, device=row.device)
    index = torch.zeros(value.shape, dtype=torch.int64, device=row.device)
    value[row, at], index[row, at] = members[pair, lane], number[column]
    for some in crowded.nonzero()[:, 0].split(64):
        value[some, :k], index[some, :k] = _counted_off(nearness[some][:, place], k)
    index, order = index.sort(1)
    value, stable = value.gather(1, order).sort(dim=1, descending=True, stable=True)
    return value[:, :k], index.gather(1, stable[:, :k])


def _counted_off(nearness: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The k largest of each row and their columns, where many are equal: of those at the limit, the first ones."""
    limit = nearness.topk(k, sorted=False)[0].amin(1, keepdim=True)
    above, level = nearness > limit, nearness == limit
    taken = above | (level & (level.cumsum(1) <= k - above.sum(1, keepdim=True)))
    index = taken.nonzero()[:, 1].view(-1, k)
    return nearness.gather(1, index), index
