"""Invariance and equivariance to views and factors, and the share of a factor's steps that an augmentation spans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sslviz.diagnostics.hypothesis import Hypothesis
from sslviz.diagnostics.robustness.feature_steps import Steps, feature_steps, in_spreads, why_untold
from sslviz.diagnostics.robustness.step_measures import StepMeasures, r_squared
from sslviz.features import Features
from sslviz.statistics import Score, least_found, p_beyond, percentile_interval

OTHER_PICTURE, LOST = "another picture", "nothing of it left"
OTHER_STEPS = "steps to another picture"


@dataclass(frozen=True, eq=False)
class Invariance:
    """Result of `invariance`, of n pictures and k changes.

    - views: parameters of the views that were changed
    - factors: factors of the world that were changed; with `views`, k changes in all
    - ids: the pictures, (n,)
    - moved: squared lengths of steps, (k, n), views first
    - spread: on average the squared distance of two pictures, (n,)
    - amounts: how much was changed, (views, n), NaN where the table does not say
    - read: the amount that a linear readout of the step reads, (views, n), NaN where there is none to read
    - spans: share of a factor's steps along the main directions of a view parameter's, (factors, views)
    - spans_any: the same along those from a picture to another, (factors,)
    - control_values: {name: {"moved": (k,), "read": (views,), "spans": (factors, views)}}, moved in units of the spread,
      read as R^2
    - seed: of folds, halves and the bootstrap
    - difference: how much of their squared length pictures do not share, None in results of an older sslviz
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
    control_values: dict[str, dict[str, np.ndarray]]
    seed: int
    difference: float | None = None

    def invariance(self) -> dict[str, Score]:
        """{change: 1 - squared distance moved over that of two pictures}: 1 is blind, 0 as another picture.

        It cannot be told where two pictures are as good as the same to the encoder.
        """
        reason = why_untold(self.difference, self.moved, self.spread)
        ratio = self.moved.mean(axis=1) / self.spread.mean()
        draws = (self._times @ self.moved.T) / (self._times @ self.spread)[:, None]
        scores = {}
        for i, name in enumerate([*self.views, *self.factors]):
            low, high = percentile_interval(1 - draws[:, i])
            controls = {c: 1 - float(values["moved"][i]) for c, values in self.control_values.items()}
            controls = {OTHER_PICTURE: 0.0} | controls
            told = Score(1 - float(ratio[i]), low, high, controls, None)
            scores[name] = Score.unknown(reason, controls) if reason else told
        return scores

    def equivariance(self) -> dict[str, Score]:
        """{view parameter: R^2 of a linear readout of its amount from the step}, at most 1; 0 is nothing of it left."""
        scores = {}
        for i, name in enumerate(self.views):
            if np.isfinite(self.read[i]).all():
                low, high = percentile_interval(r_squared(self.amounts[i], self.read[i], self._times))
                controls = {c: float(values["read"][i]) for c, values in self.control_values.items()}
                value = float(r_squared(self.amounts[i], self.read[i], np.ones((1, len(self.ids))))[0])
                scores[name] = Score(value, low, high, {LOST: 0.0} | controls, None)
        return scores

    def spanning(self) -> dict[str, dict[str, Score]]:
        """{factor: {view parameter: share of the factor's steps in its main directions}}."""
        return {
            factor: {
                view: Score(
                    float(self.spans[i, j]),
                    controls={OTHER_STEPS: float(self.spans_any[i])}
                    | {name: float(values["spans"][i, j]) for name, values in self.control_values.items()},
                    higher_is_better=None,
                )
                for j, view in enumerate(self.views)
            }
            for i, factor in enumerate(self.factors)
        }

    @property
    def found(self) -> dict[str, bool]:
        """{change: whether it moves a picture less than another picture is away, by more than luck at 5 %}."""
        return {name: score.low is not None and score.low > 0 for name, score in self.invariance().items()}

    @property
    def detectable(self) -> dict[str, float | None]:
        """{change: the least invariance that would be found in 80 of 100 such samples}; None where it cannot be told."""
        return {name: least_found(score) for name, score in self.invariance().items()}

    def hypothesis(self) -> Hypothesis:
        """That the change it reacts to least moves a picture less than another picture is away; corrected for all."""
        found = self.invariance()
        name = max(found, key=lambda change: -np.inf if found[change].reason else found[change].value)
        score = found[name]
        statement = (
            f"Of {len(found)} changes {name} moves a picture least: invariance {score}, of 1 where it leaves no trace."
        )
        p = min(1.0, len(found) * p_beyond(score)) if score.value > 0 else 1.0
        return Hypothesis(statement, f"invariance to {name}", p, self.detectable[name], len(self.ids))

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

    `altered` holds some pictures, and each again with one parameter of the views changed (`embed_altered`).  Its columns
    are `object`, `changed` and `amount`.  `changed` is the same with one factor of the world changed (`counterfactual`).

    - Invariance is 1 - E|step|^2 / E|z - z'|^2: 1 where the change leaves no trace, 0 where it gives as good as another
      picture.
    - Equivariance is the R^2 of ridge regression of the amount from the step, by five folds of pictures.  A change may move
      a picture and yet be told exactly.
    - An augmentation spans a factor so far as the factor's steps lie in the three main directions of the augmentation's,
      found on other pictures.  What training makes an encoder blind to goes with it.  `figures.spanning` draws this.

    Controls: another picture, nothing left, the steps to another picture, and the same pairs in `altered_controls` and
    `changed_controls`, {name: Features}.  Interval: bootstrap over pictures.  ValueError for columns that are missing, fewer
    than 20 pictures and features that are all the same.

    Example:
        >>> import numpy as np, sslviz
        >>> table = {"object": np.tile(np.arange(20), 2), "changed": np.repeat(["", "flip"], 20)}
        >>> x = np.random.default_rng(0).normal(size=(20, 4))
        >>> altered = sslviz.Features.from_array(np.concatenate([x, x]), table=table)
        >>> sslviz.invariance(altered).scores()["invariance to flip"].value  # a flip leaves no trace
        1.0

    Caveat: How far is a matter of how much was changed: compare encoders, and with the one re-initialised, not
    parameters with each other.
    """
    views = feature_steps(altered)
    factors = None if changed is None else _factors(changed, views)
    measures = StepMeasures(views, factors, seed)
    control_values = {}
    for name, altered_control in (altered_controls or {}).items():
        changed_control = (changed_controls or {}).get(name)
        if factors is not None and changed_control is None:
            continue
        steps = feature_steps(altered_control, views.ids)
        own_factors = None if factors is None or changed_control is None else _factors(changed_control, steps)
        control = StepMeasures(steps, own_factors, seed)
        read = [
            r_squared(amount, read, np.ones((1, len(amount))))[0]
            for amount, read in zip(measures.amounts, control.read, strict=True)
        ]
        moved = in_spreads(control.moved.mean(axis=1), steps.spread, steps.difference)
        control_values[name] = {"moved": moved, "read": np.array(read), "spans": control.spans}
    return Invariance(
        views=list(views.steps),
        factors=[] if factors is None else list(factors.steps),
        ids=views.ids,
        moved=measures.moved,
        spread=measures.spread,
        amounts=measures.amounts,
        read=measures.read,
        spans=measures.spans,
        spans_any=measures.spans_any,
        control_values=control_values,
        seed=seed,
        difference=views.difference,
    )


def _factors(changed: Features, views: Steps) -> Steps:
    """The steps of factors for the same pictures as those of the views."""
    changed_ids = set(changed.column("object").astype(str))
    missing = [name for name in views.ids if name not in changed_ids]
    if missing:
        raise ValueError(
            f"Factors are to be changed in the same pictures as the views, but {len(missing)} of {len(views.ids)} are "
            f"not among them, the first of them {str(missing[0])!r}."
        )
    return feature_steps(changed, views.ids)
