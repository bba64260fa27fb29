"""What moves a picture's features?  The same picture with one factor changed, beside every other factor changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sslviz.features import Features
from sslviz.statistics import Score, percentile_interval

OTHERS = "other factors, mean"
POWER = 2.8  # standard errors: what is found in 80 of 100 samples at the 5 % level


@dataclass(frozen=True, eq=False)
class Counterfactual:
    """What moves a picture's features?

    For the pictures `ids` and each of `factors` (f,): `moved` (f, n), the squared distance by which changing that factor
    alone moves each, and `spread` (n,) the squared distance of each from the mean of all, doubled: on average that
    of two pictures.  `controls` {name: (f, n) moved, over the mean spread there}.  `attribute` is the factor asked about.
    """

    attribute: str
    factors: list[str]
    ids: np.ndarray
    moved: np.ndarray
    spread: np.ndarray
    controls: dict[str, np.ndarray]
    seed: int

    @property
    def effects(self) -> np.ndarray:
        """How far each factor moves a picture, in units of the distance of two pictures, squared: (f,)."""
        return self.moved.mean(axis=1) / self.spread.mean()

    @property
    def share(self) -> float:
        """The attribute's part of what all factors move together, 0 to 1."""
        return float(self.effects[self._at] / self.effects.sum())

    @property
    def found(self) -> bool:
        """Whether the attribute moves a picture more than the other factors do on average."""
        low = self.scores()["against_others"].low
        return bool(low is not None and low > 0)

    @property
    def detectable(self) -> float:
        """The least difference from the other factors that would be found in 80 of 100 samples such as this."""
        return float(POWER * (self._draws[:, self._at] - self._mean_of_others(self._draws)).std())

    @property
    def _at(self) -> int:
        return self.factors.index(self.attribute)

    def _mean_of_others(self, effects: np.ndarray) -> np.ndarray:
        return np.delete(effects, self._at, axis=-1).mean(axis=-1)

    def scores(self) -> dict[str, Score]:
        """`against_others`, how much more the attribute moves a picture than other factors do; then the effect of each.

        Interval: bootstrap over pictures, paired.
        """
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        beside = {name: moved.mean(axis=1) for name, moved in self.controls.items()}
        more = self._draws[:, self._at] - self._mean_of_others(self._draws)
        value = float(self.effects[self._at] - self._mean_of_others(self.effects))
        controls = {name: float(e[self._at] - self._mean_of_others(e)) for name, e in beside.items()}
        scores = {"against_others": Score(value, *percentile_interval(more), {"as much": 0.0} | controls, None)}
        for i, factor in enumerate(self.factors):
            low, high = percentile_interval(self._draws[:, i])
            others = float(np.delete(self.effects, i).mean())
            controls = {OTHERS: others} | {name: float(e[i]) for name, e in beside.items()}
            scores[factor] = Score(float(self.effects[i]), low, high, controls, None)
        return scores

    @cached_property
    def _draws(self) -> np.ndarray:
        """The effects on other pictures: (draws, f)."""
        n = len(self.ids)
        times = np.random.default_rng(self.seed).multinomial(n, np.full(n, 1 / n), size=1000)
        return (times @ self.moved.T) / (times @ self.spread)[:, None]

    @property
    def replicates(self) -> dict[str, np.ndarray]:
        """{score: (10,)}: each without one tenth of the pictures at a time, for paired differences."""
        tenth = np.arange(len(self.ids)) % 10
        kept = (tenth != np.arange(10)[:, None]).astype(float)
        parts = (kept @ self.moved.T) / (kept @ self.spread)[:, None]
        found = {"against_others": parts[:, self._at] - self._mean_of_others(parts)}
        return found | dict(zip(self.factors, parts.T, strict=True))


def counterfactual_effect(
    changed: Features,
    attribute: str,
    *,
    changed_controls: Mapping[str, Features] | None = None,
    seed: int = 0,
) -> Counterfactual:
    """What moves a picture's features?

    `changed` holds some pictures, and each of them again with one factor changed at a time and everything else as it was
    (`counterfactual` draws these): columns `object`, the picture, and `changed`, the factor or "" for the picture itself.
    The effect of a factor is the mean squared distance by which it moves a picture, over that of two pictures: 0 where
    the features do not see it, about 1 where changing it gives as good as another picture.  It is interventional:
    nothing else changed, whatever goes with what in the images.  Scores: `against_others`, the effect of `attribute`
    less the mean effect of the other factors, and the effect of each factor.  Controls: the other factors, and the
    same pairs in each of `changed_controls` {name: Features}.  ValueError for columns that are not there, fewer than
    ten pictures, a factor unknown or the only one, and features that are all the same.

    Caveat: A factor changed as drawn here may be a larger step than it is in other images: compare encoders on one set
    of pairs.
    """
    ids, factors = _pairs(changed, attribute)
    moved, spread = _moved(changed, ids, factors)
    if not spread.mean() > 0:
        raise ValueError(
            "These features are the same for every picture, so that nothing can move them; did it collapse?"
        )
    beside = {}
    for name, control in (changed_controls or {}).items():
        steps, there = _moved(control.select(list(changed.ids)), ids, factors)
        beside[name] = steps / max(there.mean(), np.finfo(float).tiny)
    return Counterfactual(attribute, factors, ids, moved, spread, beside, seed)


def _pairs(changed: Features, attribute: str) -> tuple[np.ndarray, list[str]]:
    said, objects = changed.column("changed").astype(str), changed.column("object").astype(str)
    factors = list(dict.fromkeys(str(factor) for factor in said if factor))
    ids = objects[said == ""]
    if attribute not in factors or len(factors) < 2:
        raise ValueError(
            f"A factor is compared with others that were changed: {', '.join(factors) or 'none'}; {attribute!r} and one "
            "more have to be among them."
        )
    if len(ids) < 10 or len(changed) != len(ids) * (1 + len(factors)):
        raise ValueError(
            f"Ten pictures at least are needed, and each again for every factor; got {len(ids)} pictures, "
            f"{len(factors)} factors and {len(changed)} rows."
        )
    return ids, factors


def _moved(changed: Features, ids: np.ndarray, factors: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Squared distances: by which each factor moves each picture (f, n), and twice that from the mean of all (n,)."""
    said, objects = changed.column("changed").astype(str), changed.column("object").astype(str)
    where = {(o, f): i for i, (o, f) in enumerate(zip(objects, said, strict=True))}
    x = changed.x.astype(np.float64)
    plain = x[[where[o, ""] for o in ids]]
    steps = [((x[[where[o, factor] for o in ids]] - plain) ** 2).sum(axis=1) for factor in factors]
    around = ((plain - plain.mean(axis=0)) ** 2).sum(axis=1)
    return np.array(steps), 2 * around * len(ids) / (len(ids) - 1)
