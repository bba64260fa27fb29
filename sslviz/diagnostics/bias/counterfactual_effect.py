"""Interventional effects of factors: how far changing one factor alone moves the features of a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sslviz.diagnostics.hypothesis import Hypothesis
from sslviz.diagnostics.robustness.feature_steps import Steps, in_spreads, measure_steps, why_untold
from sslviz.features import Features
from sslviz.statistics import POWER_80, Score, p_beyond, percentile_interval

OTHERS = "other factors, mean"
MIN_PICTURES = 10  # for a bootstrap over pictures


@dataclass(frozen=True, eq=False)
class Counterfactual:
    """Result of `counterfactual_effect`, of n pictures and f factors.

    - attribute: the factor asked about
    - factors: names of all factors, (f,)
    - ids: the pictures, (n,)
    - moved: squared distance by which changing a factor alone moves a picture, (f, n)
    - spread: twice the squared distance of a picture from the mean of all, on average that of two pictures, (n,)
    - control_moved: of each control, `moved` over the mean spread there, {name: (f, n)}
    - seed: of the bootstrap
    - difference: how much of their squared length pictures do not share, None in results of an older sslviz
    """

    attribute: str
    factors: list[str]
    ids: np.ndarray
    moved: np.ndarray
    spread: np.ndarray
    control_moved: dict[str, np.ndarray]
    seed: int
    difference: float | None = None

    @property
    def effects(self) -> np.ndarray:
        """How far each factor moves a picture, in units of the distance of two pictures, squared: (f,)."""
        return self.moved.mean(axis=1) / self.spread.mean()

    @property
    def share(self) -> float:
        """The attribute's part of what all factors move together, 0 to 1."""
        return float(self.effects[self._index] / self.effects.sum())

    @property
    def found(self) -> bool:
        """Whether the attribute moves a picture more than the other factors do on average."""
        low = self.scores()["against_others"].low
        return bool(low is not None and low > 0)

    @property
    def detectable(self) -> float:
        """The least difference from the other factors that would be found in 80 of 100 samples such as this."""
        return float(POWER_80 * (self._draws[:, self._index] - self._mean_of_others(self._draws)).std())

    @property
    def _index(self) -> int:
        return self.factors.index(self.attribute)

    def _mean_of_others(self, effects: np.ndarray) -> np.ndarray:
        return np.delete(effects, self._index, axis=-1).mean(axis=-1)

    def hypothesis(self) -> Hypothesis:
        """That the attribute moves a picture more than the other factors do on average."""
        score = self.scores()["against_others"]
        if score.reason:
            statement = f"How far changing {self.attribute} alone moves a picture cannot be told: {score.reason}."
            return Hypothesis(statement, "against_others", 1.0, None, len(self.ids))
        own = self.scores()[self.attribute].value
        more = "more" if score.value >= 0 else "less"
        statement = (
            f"Changing {self.attribute} alone moves a picture {own:.2f} of the way to another picture, which is "
            f"{abs(score.value):.2f} {more} than the other factors do on average."
        )
        p = p_beyond(score) if score.value > 0 else 1.0  # moved less than by others is what one would wish
        return Hypothesis(statement, "against_others", p, self.detectable, len(self.ids))

    def scores(self) -> dict[str, Score]:
        """`against_others`, how much more the attribute moves a picture than other factors do; then the effect of each.

        Interval: bootstrap over pictures, paired.
        """
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        control_effects = {name: moved.mean(axis=1) for name, moved in self.control_moved.items()}
        draws = self._draws[:, self._index] - self._mean_of_others(self._draws)
        value = float(self.effects[self._index] - self._mean_of_others(self.effects))
        controls = {name: float(e[self._index] - self._mean_of_others(e)) for name, e in control_effects.items()}
        scores = {"against_others": Score(value, *percentile_interval(draws), {"as much": 0.0} | controls, None)}
        for i, factor in enumerate(self.factors):
            low, high = percentile_interval(self._draws[:, i])
            others = float(np.delete(self.effects, i).mean())
            controls = {OTHERS: others} | {name: float(e[i]) for name, e in control_effects.items()}
            scores[factor] = Score(float(self.effects[i]), low, high, controls, None)
        if reason := why_untold(self.difference, self.moved, self.spread):
            return {name: Score.unknown(reason, {**score.controls, OTHERS: np.nan}) for name, score in scores.items()}
        return scores

    @cached_property
    def _draws(self) -> np.ndarray:
        """The effects on other pictures: (draws, f)."""
        n = len(self.ids)
        times = np.random.default_rng(self.seed).multinomial(n, np.full(n, 1 / n), size=1000)
        return (times @ self.moved.T) / (times @ self.spread)[:, None]

    def paired_replicates(self) -> dict[str, np.ndarray]:
        """{score: (10,)}: each without one tenth of the pictures at a time, for paired differences."""
        tenth = np.arange(len(self.ids)) % 10
        kept = (tenth != np.arange(10)[:, None]).astype(float)
        parts = (kept @ self.moved.T) / (kept @ self.spread)[:, None]
        against_others = parts[:, self._index] - self._mean_of_others(parts)
        return {"against_others": against_others} | dict(zip(self.factors, parts.T, strict=True))


def counterfactual_effect(
    changed: Features,
    attribute: str,
    *,
    changed_controls: Mapping[str, Features] | None = None,
    seed: int = 0,
) -> Counterfactual:
    """What moves a picture's features?

    `changed` holds some pictures, and each of them again with one factor changed at a time (`counterfactual` draws these).
    Its columns are `object`, the picture, and `changed`, the factor, or "" for the picture itself.  The effect of a factor
    is the mean squared distance by which it moves a picture, over that of two pictures.  It is 0 where the features do
    not see the factor, and about 1 where changing it gives as good as another picture.  The effect is interventional:
    nothing else changed, whatever goes with what in the images.

    Scores: `against_others`, the effect of `attribute` less the mean effect of the other factors, then the effect of each
    factor.  Controls: the other factors, and the same pairs in each of `changed_controls` {name: Features}.  ValueError
    for missing columns, fewer than ten pictures, a factor unknown or the only one, and features that are all the same.

    Example:
        >>> import numpy as np, sslviz
        >>> table = {"object": np.tile(np.arange(20), 3), "changed": np.repeat(["", "color", "tilt"], 20)}
        >>> x = np.random.default_rng(0).normal(size=(20, 4))
        >>> changed = sslviz.Features.from_array(np.concatenate([x, x + 1, x]), table=table)
        >>> sslviz.counterfactual_effect(changed, "color").found
        True

    Caveat: A factor changed as drawn here may be a larger step than it is in other images: compare encoders on one set
    of pairs.
    """
    ids, factors = _pairs(changed, attribute)
    steps = measure_steps(changed, ids, factors)
    if not steps.spread.mean() > 0:
        raise ValueError(
            "These features are the same for every picture, so that nothing can move them; did it collapse?"
        )
    control_moved = {}
    for name, control in (changed_controls or {}).items():
        control_steps = measure_steps(control.select(list(changed.ids)), ids, factors)
        control_moved[name] = in_spreads(_moved(control_steps), control_steps.spread, control_steps.difference)
    return Counterfactual(attribute, factors, ids, _moved(steps), steps.spread, control_moved, seed, steps.difference)


def _moved(steps: Steps) -> np.ndarray:
    """Squared distances by which each factor moves each picture, (f, n)."""
    return np.array(list(steps.moved.values()))


def _pairs(changed: Features, attribute: str) -> tuple[np.ndarray, list[str]]:
    """The pictures (n,) and the factors changed; ValueError where a picture, a factor or a row is wanting."""
    changes, objects = changed.column("changed").astype(str), changed.column("object").astype(str)
    factors = list(dict.fromkeys(str(factor) for factor in changes if factor))
    ids = objects[changes == ""]
    if attribute not in factors or len(factors) < 2:
        raise ValueError(
            f"A factor is compared with others that were changed: {', '.join(factors) or 'none'}; {attribute!r} and one "
            "more have to be among them."
        )
    if len(ids) < MIN_PICTURES or len(changed) != len(ids) * (1 + len(factors)):
        raise ValueError(
            f"Ten pictures at least are needed, and each again for every factor; got {len(ids)} pictures, "
            f"{len(factors)} factors and {len(changed)} rows."
        )
    return ids, factors
