"""Readouts fitted without one domain after another, with penalties chosen in the other domains alone, or by an oracle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from sslviz.diagnostics.probes.linear import PENALTIES, best_penalty
from sslviz.diagnostics.probes.small_classes import small_classes
from sslviz.diagnostics.probes.standardization import standardization
from sslviz.features import Features
from sslviz.features.class_names import class_texts
from sslviz.features.columns import in_order
from sslviz.statistics import balanced_mean

MOST_INNER = 5  # domains that are left out once more to choose a penalty by: enough to choose one of three


@dataclass(frozen=True, eq=False)
class Plan:
    """Who is fitted on and scored: the class and the domain of n scored images and of m that are fitted on.

    - classes, names: of classes and domains
    - truth, domain: codes, (n,)
    - fit_truth, fit_domain: codes, (m,)
    - fit_units: which images that are fitted on belong together, (m,); None: each stands for itself
    """

    classes: np.ndarray
    names: np.ndarray
    truth: np.ndarray
    domain: np.ndarray
    fit_truth: np.ndarray
    fit_domain: np.ndarray
    fit_units: np.ndarray | None = None

    @classmethod
    def of(cls, scored: Features, fitted: Features, label: str, domain: str) -> Plan:
        """By the columns of the two tables."""
        codes, names = [], []
        for column in (label, domain):
            texts = [class_texts(side.table[column]) for side in (scored, fitted)]
            names.append(np.array(in_order(set(texts[1]))))
            codes.append([pd.Index(names[-1]).get_indexer(pd.Index(text)) for text in texts])
        return cls(names[0], names[1], codes[0][0], codes[1][0], codes[0][1], codes[1][1], fitted.units)

    def shuffled(self, seed: int) -> Plan:
        """The same with the domains shuffled within each class."""
        rng = np.random.default_rng(seed)
        shuffled = []
        for codes, domains in ((self.truth, self.domain), (self.fit_truth, self.fit_domain)):
            mixed = domains.copy()
            for c in np.unique(codes):
                mixed[codes == c] = rng.permutation(mixed[codes == c])
            shuffled.append(mixed)
        return replace(self, domain=shuffled[0], fit_domain=shuffled[1])


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Whether images are read rightly.

    - both: by a head that never met their domain, and by one that did, (2, n) bool
    - oracle: by a head that never met it, whose penalty reads these very images best, (n,) bool
    - penalties: chosen for each domain, honestly and by the oracle, (2, g)
    """

    both: np.ndarray
    oracle: np.ndarray
    penalties: np.ndarray


def left_out(plan: Plan, x: np.ndarray, fit_x: np.ndarray, seed: int) -> LeftOut:
    """Every domain left out in turn; `x` (n, d) is scored, `fit_x` (m, d) fitted on."""
    right, oracle = np.zeros(len(x), bool), np.zeros(len(x), bool)
    penalties = np.full((2, len(plan.names)), np.nan)
    inner = _Inner(plan, fit_x)
    for g in np.unique(plan.domain):
        others, scored = plan.fit_domain != g, plan.domain == g
        answers = list(_path(fit_x[others], plan.fit_truth[others], x[scored], tol=1e-4))
        reached = [balanced_mean(a == plan.truth[scored], plan.truth[scored]) for a in answers]
        chosen, best = inner.choice(g, seed), int(np.argmax(reached))
        right[scored], oracle[scored] = answers[chosen] == plan.truth[scored], answers[best] == plan.truth[scored]
        penalties[:, g] = PENALTIES[chosen], PENALTIES[best]
    return LeftOut(np.stack([right, _met(plan, x, fit_x, seed)]), oracle, penalties)


class _Inner:
    """Penalties that are chosen without a domain: each of the others is left out once more, or a fifth where there is one."""

    def __init__(self, plan: Plan, x: np.ndarray) -> None:
        self.plan, self.x = plan, x
        self.known: dict[frozenset[int], list[np.ndarray]] = {}  # answers without two domains, which choose for both

    def choice(self, g: int, seed: int) -> int:
        """Which of PENALTIES reads the other domains best without domain `g`."""
        plan = self.plan
        others = np.setdiff1d(np.unique(plan.fit_domain), [g])
        some = np.sort(np.random.default_rng(seed).permutation(others)[:MOST_INNER])
        reached = [self._accuracies(g, int(h)) for h in some] if len(others) > 1 else []
        if told := [one for one in reached if one is not None]:
            return int(np.argmax(np.mean(told, axis=0)))
        rows = plan.fit_domain != g
        codes = plan.fit_truth[rows]
        x = standardization(self.x[rows])(self.x[rows])
        units = None if plan.fit_units is None else plan.fit_units[rows]
        return PENALTIES.index(best_penalty(x, codes, codes, seed, class_weight="balanced", units=units))

    def _accuracies(self, g: int, h: int) -> list[float] | None:
        """The accuracy in domain h without g and h, for each penalty; None where one class is left to be fitted on."""
        plan, pair = self.plan, frozenset((g, h))
        rest, left = ~np.isin(plan.fit_domain, [g, h]), np.isin(plan.fit_domain, [g, h])
        if plan.fit_units is not None:
            rest &= ~np.isin(plan.fit_units, plan.fit_units[left])
        if len(np.unique(plan.fit_truth[rest])) < 2:
            return None
        if pair not in self.known:  # coarse fits are enough to choose by
            self.known[pair] = list(_path(self.x[rest], plan.fit_truth[rest], self.x[left], tol=1e-2))
        own = plan.fit_domain[left] == h
        truth = plan.fit_truth[left][own]
        return [balanced_mean(answers[own] == truth, truth) for answers in self.known[pair]]


def _path(x: np.ndarray, codes: np.ndarray, read: np.ndarray, *, tol: float) -> Iterator[np.ndarray]:
    """The answers to `read` by the readout fitted to `x` and `codes`, with each of PENALTIES."""
    standard = standardization(x)
    model = _readout(tol=tol, warm_start=True)  # each fit starts where the last one ended
    x, read = standard(x), standard(read)
    for penalty in PENALTIES:
        with small_classes():
            yield model.set_params(C=penalty).fit(x, codes).predict(read)


def _met(plan: Plan, x: np.ndarray, fit_x: np.ndarray, seed: int) -> np.ndarray:
    """Whether each image is read rightly by a readout fitted on all domains, (n,) bool."""
    standard = standardization(fit_x)
    strata = np.unique(plan.fit_domain * len(plan.classes) + plan.fit_truth, return_inverse=True)[1]
    x_fit, units = standard(fit_x), plan.fit_units
    penalty = best_penalty(x_fit, plan.fit_truth, strata, seed, class_weight="balanced", units=units)
    with small_classes():
        model = _readout().set_params(C=penalty).fit(x_fit, plan.fit_truth)
    return model.predict(standard(x)) == plan.truth


def _readout(**options: Any) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(class_weight="balanced", max_iter=1000, **options)


def met_elsewhere(
    scored: Features, fitted: Features, label: str, domain: str
) -> tuple[Features, Features, dict[str, int]]:
    """The images of domains that are fitted on, and of classes that two of those show; ValueError where none are left.

    Images without a value and the others are counted, {reason: images}.
    """
    for column in (label, domain):
        for features in (scored, fitted):
            features.column(column)  # says which columns there are where this one is wanting
    tables, counted = [scored.table, fitted.table], dict[str, int]()
    keep = [np.ones(len(table), bool) for table in tables]
    texts = [{column: class_texts(table[column]) for column in (label, domain)} for table in tables]

    def drop(side: int, rows: Any, why: str) -> None:
        rows = np.asarray(rows) & keep[side]
        if rows.any():
            counted[why] = counted.get(why, 0) + int(rows.sum())
            keep[side] = keep[side] & ~rows

    for side in (0, 1):
        for column in (label, domain):
            drop(side, texts[side][column].isna(), f"no value of {column}")
    fit_labels, fit_domains = (texts[1][column][keep[1]] for column in (label, domain))
    met = fit_domains.groupby(fit_labels).nunique()
    usable = set(met.index[met >= 2])
    for side in (0, 1):
        why = f"{label} that fewer than two domains show where it is fitted on"
        drop(side, ~texts[side][label].isin(usable), why)
    drop(0, ~texts[0][domain].isin(set(fit_domains)), f"no image that is fitted on is of that {domain}")
    if texts[0][label][keep[0]].nunique() < 2:
        raise ValueError(
            f"A domain can be left out where two classes of {label!r} are met in two values of {domain!r} each; here that "
            f"holds for {_listed(in_order(usable))}. Choose another column, or more images."
        )
    return scored.rows(keep[0]), fitted.rows(keep[1]), counted


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:3])) or "none"
