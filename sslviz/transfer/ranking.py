"""Ranking: mean average precision and hits of images retrieved by cosine, beside the exact values of a random order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from sslviz.diagnostics.neighbors.neighbors import unit_rows
from sslviz.diagnostics.probes.control_features import ControlFeatures, scored_and_fit
from sslviz.diagnostics.result import units_of
from sslviz.features import Features
from sslviz.features.columns import coded_values
from sslviz.transfer.ranking_result import ALONE, Ranking
from sslviz.transfer.tied_ranks import (
    TieGroups,
    harmonic_numbers,
    hit_chance,
    precision_sum,
    random_order,
    score_names,
    tie_groups,
)

BLOCK = 2**23  # similarities held at a time


def ranking(
    features: Features,
    label: str = "label",
    *,
    gallery: Features | None = None,
    at: Sequence[int] = (1, 10),
    control_features: ControlFeatures | None = None,
    seed: int = 0,
) -> Ranking:
    """If one image is the question, are images of its class the first answers?

    Every image is a query.  All others, or those of `gallery`, are ranked by cosine; those of the query's class are
    relevant.  A query never finds itself: gallery images with its id are left out, and so are those that share its `group`.

    Scores, in [0, 1], every class counting the same:

    - `map`: mean average precision, the mean of i / r_i over the ranks r_i of all R relevant images
    - `map@R`: the same among the first R only, divided by R (arXiv 2003.08505)
    - `hit@K`: share of queries with a relevant image among the first K; metric learning calls it Recall@K

    Of equally near images every order counts alike, and the mean over these orders is taken.  So an encoder that gives all
    images the same features reads chance exactly.  Chance is closed form: E[AP] = (R-1)/(N-1) + (N-R) H_N / (N (N-1)), and
    hit@K = 1 - C(N-R, K) / C(N, K).  `control_features` {name: Features, or (Features, gallery Features)} are ranked in the
    same way.  Memory for a block of similarities only.

    ValueError for a missing or incomplete column, a single class, features of two widths, and where no query has a
    relevant image.

    Example:
        >>> import numpy as np, sslviz
        >>> label = np.arange(120) % 3
        >>> x = 9 * np.eye(3)[label] + np.random.default_rng(0).normal(size=(120, 3))
        >>> features = sslviz.Features.from_array(x, table={"label": label})
        >>> print(sslviz.ranking(features).scores()["hit@1"])
        1.00 [0.93, 1.00]  vs 0.33 chance

    Caveat: Chance grows with the share of relevant images, so scores of two data sets do not compare; and one near
    duplicate in the gallery is enough for a hit.
    """
    bank = features if gallery is None else gallery
    _check(features, bank, at)
    names, codes = coded_values(np.r_[features.column(label), bank.column(label)], label)
    truth, bank_codes = codes[: len(features)], codes[len(features) :]
    own, bank_units = _own_units(features, bank)
    total = len(bank) - _met(own, bank_units)
    relevant = np.bincount(bank_codes, minlength=len(names))[truth]
    relevant = relevant - _met(own * len(names) + truth, bank_units * len(names) + bank_codes)
    asked = relevant > 0
    if not asked.any():
        raise ValueError(
            f"No query has another image of its {label!r} in the gallery, so nothing can be found; give more images."
        )

    def ranked(queries: Features, bank: Features) -> dict[str, np.ndarray]:
        return _ranked(_groups(queries, bank, truth, bank_codes, own, bank_units, asked), asked, len(bank), at)

    values = ranked(features, bank)
    control_values = {
        name: ranked(*_control(control, features, bank, gallery is None))
        for name, control in (control_features or {}).items()
    }
    present, asked_truth = np.unique(truth[asked], return_inverse=True)
    return Ranking(
        label=label,
        classes=names[present],
        ids=features.ids[asked],
        truth=asked_truth,
        at=[int(k) for k in at],
        values=values,
        chance=random_order(total[asked], relevant[asked], at),
        control_values=control_values,
        own_gallery=gallery is None,
        n_gallery=len(bank),
        duplicates=len(bank) - len(_distinct(bank.x)[0]),
        left_out={ALONE: int((~asked).sum())} if not asked.all() else {},
        seed=seed,
        scored_on=features.pictures,
        fitted_on=bank.pictures,
        **units_of(features.rows(asked)),
    )


def _check(features: Features, bank: Features, at: Sequence[int]) -> None:
    if features.x.shape[1] != bank.x.shape[1]:
        raise ValueError(
            f"A gallery needs features of the queries' width, {features.x.shape[1]}, but has {bank.x.shape[1]}; embed both "
            "with the same checkpoint."
        )
    if not len(at) or min(at) < 1 or any(int(k) != k for k in at):
        raise ValueError(f"Hits are counted among the first K = 1, 2, ... answers, but `at` is {tuple(at)}.")


def _own_units(features: Features, bank: Features) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of units, of each query (n,) and of each gallery image (m,); without a group the same id is the same unit.

    -1 where the gallery shows nothing of a query's unit.
    """
    import pandas as pd

    bank = bank.grouped_by(features.group)
    units, names = pd.factorize(bank.unit_names.astype(str))
    own = pd.Index(names).get_indexer(pd.Index(features.unit_names.astype(str)))
    row = pd.Index(bank.ids).get_indexer(pd.Index(features.ids))
    return np.where(row >= 0, units[row], own), units


def _met(wanted: np.ndarray, given: np.ndarray) -> np.ndarray:
    """How often each of the numbers `wanted` (n,) is among `given` (m,), (n,)."""
    ordered = np.sort(given)
    return np.searchsorted(ordered, wanted, "right") - np.searchsorted(ordered, wanted, "left")


def _control(
    control: Features | tuple[Features, Features | None], features: Features, bank: Features, same: bool
) -> tuple[Features, Features]:
    """A control's features of the queries and of the gallery, in their order."""
    whole, others = scored_and_fit(control)
    queries = whole.select(list(features.ids))
    return queries, queries if same else (whole if others is None else others).select(list(bank.ids))


def _distinct(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers of the distinct rows of `x`, and for each row which of these it is."""
    rows = np.ascontiguousarray(x).view(np.dtype((np.void, x.dtype.itemsize * x.shape[1]))).ravel()
    _, first, inverse = np.unique(rows, return_index=True, return_inverse=True)
    return (first, inverse.ravel()) if len(first) < len(x) else (np.arange(len(x)), np.arange(len(x)))


def _ranked(
    groups: Iterable[tuple[int, TieGroups]], asked: np.ndarray, n_gallery: int, at: Sequence[int]
) -> dict[str, np.ndarray]:
    """{score: (queries asked,)}, from each query's tie groups."""
    harmonic = harmonic_numbers(n_gallery)
    found = np.zeros((len(asked), 2 + len(at)))
    for row, of_query in groups:
        r = int(of_query.relevant.sum())
        found[row, :2] = precision_sum(of_query, harmonic, np.inf) / r, precision_sum(of_query, harmonic, r) / r
        found[row, 2:] = [hit_chance(of_query, k) for k in at]
    return dict(zip(score_names(at), found[asked].T, strict=True))


def _groups(
    queries: Features,
    bank: Features,
    truth: np.ndarray,
    bank_codes: np.ndarray,
    own: np.ndarray,
    bank_units: np.ndarray,
    asked: np.ndarray,
) -> Iterator[tuple[int, TieGroups]]:
    """(query, its tie groups), class by class."""
    unit = unit_rows(bank.x[:])
    center = unit.mean(axis=0, dtype=np.float64).astype(np.float32)
    distinct, which = _distinct(bank.x)  # equal rows get one product, so that they tie to the last bit
    # u.v = (u - c).(v - c) + c.(v - c) + what is the same for all v: float32 then resolves nearly collapsed features.
    points = unit[distinct] - center
    offset = points @ center
    asking = unit_rows(queries.x[:])
    step = max(1, BLOCK // len(bank))
    for code in np.unique(truth[asked]):
        members = np.flatnonzero(bank_codes == code)
        rows = np.flatnonzero(asked & (truth == code))
        for block in np.split(rows, range(step, len(rows), step)):
            similar = (asking[block] - center) @ points.T + offset
            similar[~asking[block].any(axis=1)] = 0  # a row of zeros has no direction
            similar = similar[:, which] if len(distinct) < len(which) else similar
            similar[own[block][:, None] == bank_units] = -np.inf  # last of all, so that they move no rank
            relevant = np.sort(similar[:, members], axis=1)
            similar.sort(axis=1)
            for row, ascending, theirs in zip(block, similar, relevant, strict=True):
                start, first = (int(np.searchsorted(some, -np.inf, "right")) for some in (ascending, theirs))
                yield row, tie_groups(ascending[start:], theirs[first:])
