"""How does it bear corruption?  What noise, blur, weather and poor cameras cost, beside the encoder re-initialised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sslviz.diagnostics.probes.linear import linear_weights
from sslviz.diagnostics.probes.probe import Controls
from sslviz.diagnostics.robustness.feature_steps import Steps, steps_of
from sslviz.features import Features
from sslviz.features.columns import coded
from sslviz.statistics import Score, percentile_interval

SAME = "no corruption"


@dataclass(frozen=True, eq=False)
class Drift:
    """How does it bear corruption?

    For the pictures `ids` (n,), each of `corruptions` (c,) and `severities` (s,): `moved` (c, s, n) squared lengths of steps
    and `spread` (n,), on average the squared distance of two pictures; `correct` (c, s, n): whose `label` a linear readout
    fitted on pictures as they are still reads, `clean` (n,) as they are.  `controls` {name: {"moved": (c, s) in units of
    the spread, "accuracy": (c, s), "clean": ()}}.
    """

    label: str
    ids: np.ndarray
    corruptions: list[str]
    severities: list[int]
    moved: np.ndarray
    spread: np.ndarray
    correct: np.ndarray
    clean: np.ndarray
    controls: dict[str, dict[str, np.ndarray]]
    seed: int

    @property
    def drift(self) -> np.ndarray:
        """How far each corruption moves a picture, in units of the squared distance of two, (c, s)."""
        return self.moved.mean(axis=2) / self.spread.mean()

    @property
    def accuracy(self) -> np.ndarray:
        """The share of pictures still read rightly, (c, s)."""
        return self.correct.mean(axis=2)

    def scores(self) -> dict[str, Score]:
        """`accuracy_lost` and `drift`, means over corruptions and severities, lower is better; and `relative_error`.

        `relative_error`, beside each control, is the mean over corruptions of the errors over those of the control (mCE): 1 is
        the control's own.
        """
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        n = len(self.ids)
        times = np.random.default_rng(self.seed).multinomial(n, np.full(n, 1 / n), size=1000)
        lost = self.clean - self.correct.mean(axis=(0, 1))  # (n,)
        far = self.moved.mean(axis=(0, 1))
        low, high = percentile_interval(times @ lost / n)
        beside = {name: float(of["clean"] - of["accuracy"].mean()) for name, of in self.controls.items()}
        scores = {"accuracy_lost": Score(float(lost.mean()), low, high, {SAME: 0.0} | beside, None)}
        low, high = percentile_interval(times @ far / (times @ self.spread))
        beside = {name: float(of["moved"].mean()) for name, of in self.controls.items()}
        scores["drift"] = Score(float(self.drift.mean()), low, high, {"another picture": 1.0} | beside, None)
        wrong = n - times @ self.correct.reshape(-1, n).T.astype(float)  # (b, c * s)
        wrong = wrong.reshape(len(times), *self.correct.shape[:2]).sum(axis=2) / n  # (b, c)
        for name, of in self.controls.items():
            theirs = np.maximum((1 - of["accuracy"]).sum(axis=1), 1 / n)
            low, high = percentile_interval((wrong / theirs).mean(axis=1))
            value = float(((1 - self.accuracy).sum(axis=1) / theirs).mean())
            scores[f"relative_error to {name}"] = Score(value, low, high, {name: 1.0}, False)
        return scores


def drift(
    features: Features,
    corrupted: Features,
    label: str = "label",
    *,
    fit: Features | None = None,
    controls: Controls | None = None,
    corrupted_controls: Mapping[str, Features] | None = None,
    seed: int = 0,
) -> Drift:
    """How does it bear corruption?  ImageNet-C's fifteen (arXiv 1903.12261), each in five severities.

    `corrupted` holds some pictures of `features`, and each again for every corruption and severity (`corrupted` draws
    them): columns `object`, `changed`, `corruption` and `severity`.  A linear readout of `label`, fitted on `fit` or else
    on the pictures of `features` that were not corrupted, reads them all.  Scores: `accuracy_lost`; `drift`, E|step|^2 over
    that of two pictures; and errors relative to each of `controls` {name: (features, fit)} that `corrupted_controls`
    {name: Features} has too: the reference is the same encoder re-initialised, not another network.  Interval: bootstrap
    over pictures.  ValueError for missing columns, fewer than 20 pictures, and features that are all the same.

    Caveat: Severities were made for photographs of 224 px, and an encoder to which pictures were alike before has nothing
    to lose: read what is lost beside the accuracy there was.
    """
    steps = steps_of(corrupted)
    kinds = _kinds(corrupted)
    truth = np.array([str(value) for value in features.select(list(steps.ids)).column(label)])
    correct, clean = _read(features, fit, label, steps, truth)
    beside = {}
    for name, control in (controls or {}).items():
        if name in (corrupted_controls or {}):
            whole, own = control if isinstance(control, tuple) else (control, None)
            there = steps_of((corrupted_controls or {})[name], steps.ids)
            right, before = _read(whole, own, label, there, truth)
            moved = _stacked(there.moved, kinds).mean(axis=2) / there.spread.mean()
            accuracy = _stacked(right, kinds).mean(axis=2)
            beside[name] = {"moved": moved, "accuracy": accuracy, "clean": np.array(before.mean())}
    return Drift(
        label=label,
        ids=steps.ids,
        corruptions=[name for name, _ in kinds],
        severities=[int(s) for s in kinds[0][1]],
        moved=_stacked(steps.moved, kinds),
        spread=steps.spread,
        correct=_stacked(correct, kinds).astype(bool),
        clean=clean,
        controls=beside,
        seed=seed,
    )


Kinds = list[tuple[str, dict[int, str]]]  # corruptions, and what each of their severities is called


def _kinds(corrupted: Features) -> Kinds:
    """ValueError where a corruption has not every severity."""
    kinds: dict[str, dict[int, str]] = {}
    table = corrupted.table.assign(severity=corrupted.column("severity"), corruption=corrupted.column("corruption"))
    for name, severity, change in (
        table[["corruption", "severity", "changed"]].drop_duplicates().itertuples(index=False)
    ):
        if change:
            kinds.setdefault(str(name), {})[int(severity)] = str(change)
    if len({tuple(sorted(of)) for of in kinds.values()}) != 1:
        raise ValueError("Every corruption is to come in the same severities; draw them with `corrupted`.")
    return [(name, dict(sorted(of.items()))) for name, of in kinds.items()]


def _stacked(values: Mapping[str, np.ndarray], kinds: Kinds) -> np.ndarray:
    """Values (n,) of each change as (corruptions, severities, n)."""
    return np.stack([np.stack([values[change] for change in of.values()]) for _, of in kinds])


def _read(
    features: Features, fit: Features | None, label: str, steps: Steps, truth: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Whose label is read rightly, {change: (n,) bool} and as they are (n,), by a readout that saw none of them."""
    rest = features.rows(~np.isin(features.ids, steps.ids)) if fit is None else fit
    coded(rest, label)  # complete, and two classes at least
    classes, weights, bias = linear_weights(rest, label)

    def right(x: np.ndarray) -> np.ndarray:
        return classes[(x @ weights.T + bias).argmax(axis=1)] == truth

    return {change: right(steps.plain + step) for change, step in steps.steps.items()}, right(steps.plain)
