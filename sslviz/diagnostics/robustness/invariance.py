"""What is it blind to, and why?  How far views and factors move a picture, and which augmentation spans which factor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sslviz.diagnostics.robustness.feature_steps import Steps, steps_of
from sslviz.features import Features
from sslviz.statistics import Score, percentile_interval

ANOTHER, LOST = "another picture", "nothing of it left"
ANY = "steps to another picture"
FOLDS = 5
RIDGE = 1e-2  # of the mean variance of a direction: what keeps a readout of a few pictures from learning them by heart
DIRECTIONS = 3  # that stand for an augmentation
FEWEST_AMOUNTS = 3  # that differ, for an amount to be read back


@dataclass(frozen=True, eq=False)
class Invariance:
    """What is it blind to, and why?

    For the pictures `ids` (n,) and each of `views` and then `factors`, k in all: `moved` (k, n) squared lengths of steps,
    `spread` (n,) on average the squared distance of two pictures; `amounts` and `read` (views, n) what was changed
    by how much and what a linear readout of the step says, NaN where that is no question.  `spans` (factors, views) is
    the share of a factor's steps that lies in the main directions of a view parameter's, `spans_any` (factors,) in those
    from a picture to another.  `controls` {name: {"moved": (k,), "read": (views,), "spans": (factors, views)}}: what the
    same pictures give there, moved in units of the spread, read as R^2.
    """

    views: list[str]
    factors: list[str]
    ids: np.ndarray
    moved: np.ndarray
    spread: np.ndarray
    amounts: np.ndarray
    read: np.ndarray
    spans: np.ndarray
    spans_any: np.ndarray
    controls: dict[str, dict[str, np.ndarray]]
    seed: int

    def invariance(self) -> dict[str, Score]:
        """{change: 1 - how far it moves a picture, in units of the squared distance of two}: 1 is blind, 0 as another."""
        ratio = self.moved.mean(axis=1) / self.spread.mean()
        draws = (self._times @ self.moved.T) / (self._times @ self.spread)[:, None]
        found = {}
        for i, name in enumerate([*self.views, *self.factors]):
            low, high = percentile_interval(1 - draws[:, i])
            controls = {ANOTHER: 0.0} | {c: 1 - float(of["moved"][i]) for c, of in self.controls.items()}
            found[name] = Score(1 - float(ratio[i]), low, high, controls, None)
        return found

    def equivariance(self) -> dict[str, Score]:
        """{view parameter: R^2 of a linear readout of its amount from the step}, at most 1; 0 is nothing of it left."""
        found = {}
        for i, name in enumerate(self.views):
            if np.isfinite(self.read[i]).all():
                low, high = percentile_interval(_explained(self.amounts[i], self.read[i], self._times))
                controls = {LOST: 0.0} | {c: float(of["read"][i]) for c, of in self.controls.items()}
                value = float(_explained(self.amounts[i], self.read[i], np.ones((1, len(self.ids))))[0])
                found[name] = Score(value, low, high, controls, None)
        return found

    def spanning(self) -> dict[str, dict[str, Score]]:
        """{factor: {view parameter: share of the factor's steps in its main directions}}, beside those to another picture."""
        return {
            factor: {
                view: Score(
                    float(self.spans[i, j]),
                    controls={ANY: float(self.spans_any[i])}
                    | {name: float(of["spans"][i, j]) for name, of in self.controls.items()},
                    higher_is_better=None,
                )
                for j, view in enumerate(self.views)
            }
            for i, factor in enumerate(self.factors)
        }

    def scores(self) -> dict[str, Score]:
        """`invariance to` each change, then `amount of` each view parameter; neither direction is good in itself."""
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        invariant = {f"invariance to {name}": score for name, score in self.invariance().items()}
        return invariant | {f"amount of {name}": score for name, score in self.equivariance().items()}

    @cached_property
    def _times(self) -> np.ndarray:
        """How often each picture is in each of 1,000 other samples, (1000, n)."""
        n = len(self.ids)
        return np.random.default_rng(self.seed).multinomial(n, np.full(n, 1 / n), size=1000).astype(float)


def invariance(
    altered: Features,
    *,
    changed: Features | None = None,
    altered_controls: Mapping[str, Features] | None = None,
    changed_controls: Mapping[str, Features] | None = None,
    seed: int = 0,
) -> Invariance:
    """What is it blind to, and why?

    `altered` holds some pictures, and each again with one parameter of the views changed (`embed_altered`): columns
    `object`, `changed` and `amount`; `changed` the same with one factor of the world changed (`counterfactual`).
    Invariance is 1 - E|step|^2 / E|z - z'|^2: 1 where the change leaves no trace, 0 where it gives as good as another
    picture.  Equivariance is the R^2 of ridge regression of the amount from the step, by five folds of pictures: a change
    may move a picture and yet be told exactly.  An augmentation spans a factor so far as the factor's steps lie in
    the three main directions of the augmentation's, found on other pictures: what training makes an encoder
    blind to goes with it.  Controls: another picture, nothing left, the steps to another picture, and the same pairs in
    `altered_controls` and `changed_controls`, {name: Features}.  Interval: bootstrap over pictures.  ValueError for columns
    that are missing, fewer than 20 pictures and features that are all the same.

    Caveat: How far is a matter of how much was changed: compare encoders, and with the one re-initialised, not
    parameters with each other.
    """
    views = steps_of(altered)
    factors = None if changed is None else _factors(changed, views)
    shown = _Measured(views, factors, seed)
    beside = {}
    for name, control in (altered_controls or {}).items():
        there = (changed_controls or {}).get(name)
        if factors is not None and there is None:
            continue
        steps = steps_of(control, views.ids)
        measured = _Measured(steps, None if factors is None or there is None else _factors(there, steps), seed)
        read = [_explained(a, r, np.ones((1, len(a))))[0] for a, r in zip(shown.amounts, measured.read, strict=True)]
        moved = measured.moved.mean(axis=1) / measured.spread.mean()
        beside[name] = {"moved": moved, "read": np.array(read), "spans": measured.spans}
    return Invariance(
        views=list(views.steps),
        factors=[] if factors is None else list(factors.steps),
        ids=views.ids,
        moved=shown.moved,
        spread=shown.spread,
        amounts=shown.amounts,
        read=shown.read,
        spans=shown.spans,
        spans_any=shown.spans_any,
        controls=beside,
        seed=seed,
    )


def _factors(changed: Features, views: Steps) -> Steps:
    """The steps of factors for the same pictures as those of the views."""
    there = set(changed.column("object").astype(str))
    missing = [name for name in views.ids if name not in there]
    if missing:
        raise ValueError(
            f"Factors are to be changed in the same pictures as the views, but {len(missing)} of {len(views.ids)} are "
            f"not among them, the first of them {str(missing[0])!r}."
        )
    return steps_of(changed, views.ids)


class _Measured:
    """All that is asked of one encoder's steps."""

    def __init__(self, views: Steps, factors: Steps | None, seed: int) -> None:
        of_factors = {} if factors is None else factors.moved
        self.moved = np.stack([*views.moved.values(), *of_factors.values()])
        self.spread = views.spread
        self.amounts = np.stack(list(views.amounts.values()))
        self.read = np.stack([_read(step, views.amounts[name], seed) for name, step in views.steps.items()])
        half = np.random.default_rng(seed).permutation(len(views.ids)) % 2 == 0
        own = {} if factors is None else {name: step[~half] for name, step in factors.steps.items()}
        axes = [_main(step[half]) for step in views.steps.values()]
        self.spans = np.array([[_within(step, a) for a in axes] for step in own.values()]).reshape(len(own), len(axes))
        away = _main(np.roll(views.plain[half], 1, axis=0) - views.plain[half])
        self.spans_any = np.array([_within(step, away) for step in own.values()])


def _read(step: np.ndarray, amount: np.ndarray, seed: int) -> np.ndarray:
    """What ridge regression of the amount from the step says of pictures it was not fitted on, (n,); NaN for no question."""
    n = len(amount)
    if not np.isfinite(amount).all() or len(np.unique(amount)) < FEWEST_AMOUNTS:
        return np.full(n, np.nan)
    fold = np.random.default_rng(seed).permutation(n) % FOLDS
    said = np.empty(n)
    for k in range(FOLDS):
        fit = fold != k
        center, mean = step[fit].mean(axis=0), amount[fit].mean()
        x = step[fit] - center
        ridge = RIDGE * (x**2).sum() / min(x.shape) + 1e-12
        y = amount[fit] - mean
        if x.shape[1] <= len(x):
            weights = np.linalg.solve(x.T @ x + ridge * np.eye(x.shape[1]), x.T @ y)
        else:  # the same, by pictures instead of dimensions
            weights = x.T @ np.linalg.solve(x @ x.T + ridge * np.eye(len(x)), y)
        said[~fit] = (step[~fit] - center) @ weights + mean
    return said


def _explained(amount: np.ndarray, read: np.ndarray, times: np.ndarray) -> np.ndarray:
    """R^2 of what was read (n,) in samples that hold each picture so many times, (b, n) -> (b,); NaN where none was."""
    total = times.sum(axis=1)
    mean = times @ amount / total
    variance = times @ amount**2 / total - mean**2
    return 1 - times @ (amount - read) ** 2 / total / np.maximum(variance, 1e-12)


def _main(step: np.ndarray) -> np.ndarray:
    """The main directions of some steps, (d, DIRECTIONS or fewer); none where nothing moved."""
    _, sizes, axes = np.linalg.svd(step, full_matrices=False)
    return axes[:DIRECTIONS][sizes[:DIRECTIONS] > 1e-9 * max(sizes[0], 1e-30)].T


def _within(step: np.ndarray, axes: np.ndarray) -> float:
    """The share of the steps' squared length in these directions; 0 where nothing moved."""
    whole = (step**2).sum()
    return float(((step @ axes) ** 2).sum() / whole) if whole > 0 else 0.0
