"""Drift under corruption: accuracy lost and distance moved under noise, blur, weather and poor cameras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from sslviz.diagnostics.probes.control_features import ControlFeatures, scored_and_fit
from sslviz.diagnostics.probes.linear import linear_weights
from sslviz.diagnostics.result import Fitted, units_of
from sslviz.diagnostics.robustness.feature_steps import Steps, feature_steps, in_spreads, why_untold
from sslviz.features import Features
from sslviz.features.column_kinds import class_text
from sslviz.features.columns import apart, coded
from sslviz.statistics import Score, percentile_interval, resampled_times

SAME = "no corruption"
HALF_WIDTH = (
    0.1  # of the pictures, and of the distance of two: what a hundred answers tell that are right and wrong by halves
)


@dataclass(frozen=True, eq=False)
class Drift(Fitted):
    """Result of `drift`, of n pictures, c corruptions and s severities.

    - label: the column that is read
    - ids: the pictures, (n,)
    - corruptions: their names, (c,)
    - severities: in rising order, (s,)
    - moved: squared lengths of steps, (c, s, n)
    - spread: on average the squared distance of two pictures, (n,)
    - correct: whether a linear readout of pictures as they are still reads the label, (c, s, n) bool
    - clean: whether it reads the picture as it is, (n,) bool
    - control_values: {name: {"moved": (c, s) in units of the spread, "accuracy": (c, s), "clean": ()}}
    - seed: of the bootstrap
    - difference: how much of their squared length pictures do not share, None in results of an older sslviz
    - left_out: {reason: pictures} that were not corrupted, since the others told enough
    - control_pictures: what `control_values` are made of, {name: {"moved": (c, s, n) squared lengths, "correct": (c, s, n),
      "clean", "spread": (n,), "difference": ()}}; empty in results of an older sslviz
    """

    label: str
    ids: np.ndarray
    corruptions: list[str]
    severities: list[int]
    moved: np.ndarray
    spread: np.ndarray
    correct: np.ndarray
    clean: np.ndarray
    control_values: dict[str, dict[str, np.ndarray]]
    seed: int
    difference: float | None = None
    left_out: dict[str, int] = field(default_factory=dict)
    control_pictures: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)

    def per_image(self) -> dict[str, np.ndarray]:
        """The quantity whose mean is the score, for each picture: {score: (n,)}."""
        return {"accuracy_lost": self.clean - self.correct.mean(axis=(0, 1))}

    def paired_replicates(self) -> dict[str, np.ndarray]:
        """{score: (10,)}: `drift` without one tenth of the pictures at a time, for paired differences."""
        kept = (np.arange(len(self.ids)) % 10 != np.arange(10)[:, None]).astype(float)
        return {"drift": (kept @ self.moved.mean(axis=(0, 1))) / (kept @ self.spread)}

    def of_pictures(self, ids: np.ndarray) -> Drift:
        """The same of some of its pictures, in this order, as where another result was had of fewer.

        So are its controls; those of which an older sslviz kept no single pictures are left out.
        """
        at = pd.Index(self.ids).get_indexer(pd.Index(ids))
        controls = {
            name: {key: value[..., at] if value.ndim else value for key, value in seen.items()}
            for name, seen in self.control_pictures.items()
        }
        return replace(
            self,
            ids=self.ids[at],
            moved=self.moved[..., at],
            spread=self.spread[at],
            correct=self.correct[..., at],
            clean=self.clean[at],
            control_values=_control_values(controls),
            control_pictures=controls,
            units=None if self.units is None else self.units[at],
            scored_on="",  # which is of other pictures
        )

    @property
    def drift(self) -> np.ndarray:
        """How far each corruption moves a picture, in units of the squared distance of two, (c, s)."""
        return self.moved.mean(axis=2) / self.spread.mean()

    @property
    def accuracy(self) -> np.ndarray:
        """The share of pictures still read rightly, (c, s)."""
        return self.correct.mean(axis=2)

    def _times(self, n: int) -> np.ndarray:
        """How often each picture is in other samples of n, (1000, n)."""
        rng = np.random.default_rng(self.seed)
        if self.units is None:
            return rng.multinomial(n, np.full(n, 1 / n), size=1000)
        times = resampled_times(np.zeros(n), 1000, rng, self.units)
        return times * (n / times.sum(axis=1, keepdims=True))

    def scores(self) -> dict[str, Score]:
        """`accuracy_lost` and `drift`, means over corruptions and severities, lower is better; and `relative_error`.

        `relative_error` is the mean over corruptions of the errors over those of a control (mCE): 1 is the control's own.
        """
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        n = len(self.ids)
        times = self._times(n)
        lost = self.per_image()["accuracy_lost"]
        moved = self.moved.mean(axis=(0, 1))
        low, high = percentile_interval(times @ lost / n)
        controls = {c: float(values["clean"] - values["accuracy"].mean()) for c, values in self.control_values.items()}
        scores = {"accuracy_lost": Score(float(lost.mean()), low, high, {SAME: 0.0} | controls, None)}
        low, high = percentile_interval(times @ moved / (times @ self.spread))
        controls = {name: float(values["moved"].mean()) for name, values in self.control_values.items()}
        controls = {"another picture": 1.0} | controls
        scores["drift"] = Score(float(self.drift.mean()), low, high, controls, None)
        if reason := why_untold(self.difference, moved, self.spread):
            scores["drift"] = Score.unknown(reason, controls)
        wrong = n - times @ self.correct.reshape(-1, n).T.astype(float)  # (b, c * s)
        wrong = wrong.reshape(len(times), *self.correct.shape[:2]).sum(axis=2) / n  # (b, c)
        for name, values in self.control_values.items():
            control_errors = np.maximum((1 - values["accuracy"]).sum(axis=1), 1 / n)
            low, high = percentile_interval((wrong / control_errors).mean(axis=1))
            value = float(((1 - self.accuracy).sum(axis=1) / control_errors).mean())
            scores[f"relative_error to {name}"] = Score(value, low, high, {name: 1.0}, False)
        return scores


def drift(
    features: Features,
    corrupted: Features,
    label: str = "label",
    *,
    fit: Features | None = None,
    control_features: ControlFeatures | None = None,
    corrupted_controls: Mapping[str, Features] | None = None,
    seed: int = 0,
) -> Drift:
    """How does it bear corruption?  ImageNet-C's fifteen (arXiv 1903.12261), each in five severities.

    The features `corrupted` are of some pictures of `features`, and of each again for every corruption and severity.
    Such pictures are drawn by `sslviz.corrupted`.  The columns are `object`, `changed`, `corruption` and `severity`.  A
    linear readout of `label` reads them all.  It is fitted on `fit`, or else on the pictures of `features` that were not
    corrupted.

    - accuracy_lost: by corruption, on average over all corruptions
    - drift: E|step|^2 over that of two pictures
    - relative_error to a control: errors over those of the control

    Controls are those of `control_features` {name: (features, fit)} that `corrupted_controls` {name: Features} has too.
    The reference is the same encoder re-initialised, not another network.  Interval: bootstrap over pictures.  ValueError
    for missing columns, fewer than 20 pictures, and features that are all the same.

    Example:
        >>> import numpy as np, sslviz
        >>> label = np.arange(80) % 2
        >>> x = 9 * np.eye(2)[label] + np.random.default_rng(0).normal(size=(80, 2))
        >>> ids = [f"p{i}" for i in range(80)]
        >>> features = sslviz.Features.from_array(x, table={"label": label}, ids=ids)
        >>> table = {"object": ids[:40] * 2, "changed": [""] * 40 + ["fog 1"] * 40}
        >>> table |= {"corruption": [""] * 40 + ["fog"] * 40, "severity": [0] * 40 + [1] * 40}
        >>> foggy = sslviz.Features.from_array(np.concatenate([x[:40], 9 - x[:40]]), table=table)
        >>> sslviz.drift(features, foggy).accuracy  # the fog swaps the classes
        array([[0.]])

    Caveat: Severities were made for photographs of 224 px.  An encoder to which pictures were alike before has nothing
    to lose: read what is lost beside the accuracy there was.
    """
    steps = feature_steps(corrupted)
    kinds = _kinds(corrupted)
    shown = features.select(list(steps.ids))
    truth = np.array([class_text(value) for value in shown.column(label)])
    correct, clean = _read(features, fit, label, steps, truth)
    control_pictures = {}
    for name, control in (control_features or {}).items():
        if name in (corrupted_controls or {}):
            whole, own_fit = scored_and_fit(control)
            control_steps = feature_steps((corrupted_controls or {})[name], steps.ids)
            control_correct, control_clean = _read(whole, own_fit, label, control_steps, truth)
            control_pictures[name] = {
                "moved": _stacked(control_steps.moved, kinds),
                "correct": _stacked(control_correct, kinds).astype(bool),
                "clean": control_clean,
                "spread": control_steps.spread,
                "difference": np.array(control_steps.difference),
            }
    return Drift(
        label=label,
        ids=steps.ids,
        corruptions=[name for name, _ in kinds],
        severities=[int(s) for s in kinds[0][1]],
        moved=_stacked(steps.moved, kinds),
        spread=steps.spread,
        correct=_stacked(correct, kinds).astype(bool),
        clean=clean,
        control_values=_control_values(control_pictures),
        control_pictures=control_pictures,
        seed=seed,
        difference=steps.difference,
        left_out=_not_shown(corrupted),
        scored_on=corrupted.pictures,
        fitted_on="" if fit is None else fit.pictures,
        **units_of(shown),
    )


def _control_values(pictures: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, dict[str, np.ndarray]]:
    """What controls read of their pictures, as `Drift.control_values`."""
    return {
        name: {
            "moved": in_spreads(seen["moved"].mean(axis=2), seen["spread"], float(seen["difference"])),
            "accuracy": seen["correct"].mean(axis=2),
            "clean": np.array(seen["clean"].mean()),
        }
        for name, seen in pictures.items()
    }


def _not_shown(corrupted: Features) -> dict[str, int]:
    """{reason: pictures} that were left out where these were shown in rounds until they told enough."""
    shown, of = int((corrupted.column("changed") == "").sum()), corrupted.source.get("of")
    if not corrupted.source.get("enough") or not of:
        return {}
    return {f"{shown} corrupted pictures tell what is lost to {HALF_WIDTH:g} to either side": of - shown}


Kinds = list[tuple[str, dict[int, str]]]  # corruptions, and the name of the change of each of their severities


def _kinds(corrupted: Features) -> Kinds:
    """The corruptions and severities; ValueError where a corruption has not every severity."""
    kinds: dict[str, dict[int, str]] = {}
    table = corrupted.table.assign(severity=corrupted.column("severity"), corruption=corrupted.column("corruption"))
    for name, severity, change in (
        table[["corruption", "severity", "changed"]].drop_duplicates().itertuples(index=False)
    ):
        if change:
            kinds.setdefault(str(name), {})[int(severity)] = str(change)
    if len({tuple(sorted(changes)) for changes in kinds.values()}) != 1:
        raise ValueError("Every corruption is to come in the same severities; draw them with `corrupted`.")
    return [(name, dict(sorted(changes.items()))) for name, changes in kinds.items()]


def _stacked(values: Mapping[str, np.ndarray], kinds: Kinds) -> np.ndarray:
    """Values (n,) of each change as (corruptions, severities, n)."""
    return np.stack([np.stack([values[change] for change in changes.values()]) for _, changes in kinds])


def _read(
    features: Features, fit: Features | None, label: str, steps: Steps, truth: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Whether a readout that saw none of the pictures reads them rightly, {change: (n,) bool}, and as they are (n,)."""
    shown = features.select(list(steps.ids))
    others = ~np.isin(features.ids, steps.ids) & ~features.shares_units_with(shown)
    if fit is None and not others.any():
        raise ValueError(
            f"All {len(features)} images are corrupted, and none is left to fit a readout on: name images to fit on, or more."
        )
    rest = features.rows(others) if fit is None else apart(shown, fit)
    coded(rest, label)  # complete, and two classes at least
    classes, weights, bias = linear_weights(rest, label)

    def correct(x: np.ndarray) -> np.ndarray:
        return classes[(x @ weights.T + bias).argmax(axis=1)] == truth

    return {change: correct(steps.plain + step) for change, step in steps.steps.items()}, correct(steps.plain)
