"""The table of a study: every arm beside the untrained encoder, means and intervals over seeds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from sslviz.evaluation.study.plan import Arm
from sslviz.statistics import Score, t_interval

UNTRAINED = "untrained"
PACE = ("images_per_second", "seconds", "memory_gb")  # of a run, averaged over seeds


@dataclass(frozen=True, eq=False)
class ArmResult:
    """What came of one arm.

    - arm: how it was trained
    - runs: {measured: number} of each seed; empty for an arm that cannot be
    - untrained: {score: number} of each seed's untrained encoder
    - reason: why the arm cannot be, or which of its seeds failed and why; empty where all is well
    """

    arm: Arm
    runs: Sequence[Mapping[str, Any]]
    untrained: Sequence[Mapping[str, Any]]
    reason: str

    @cached_property
    def scores(self) -> dict[str, Score]:
        """Mean and 95 % interval over seeds beside the mean of the untrained encoders; {} where no run is there."""
        return {name: self._score(self.runs, name, self.control(name).value) for name in self._names}

    def control(self, name: str) -> Score:
        """The same of the untrained encoders."""
        return self._score(self.untrained, name)

    def beats_untrained(self, name: str) -> bool | None:
        """Whether the interval over seeds lies above that of the untrained encoders; None without intervals."""
        score, control = self.scores[name], self.control(name)
        if score.low is None or control.high is None:
            return None
        return score.low > control.high

    @property
    def verdict(self) -> str:
        """The verdict on collapse, with the number of seeds where they differ: "healthy 2, complete collapse 1"."""
        counts = Counter(run["verdict"] for run in self.runs).most_common()
        return ", ".join(verdict if len(counts) == 1 else f"{verdict} {n}" for verdict, n in counts)

    def pace(self, name: str) -> float:
        """The mean over seeds of pictures a second, seconds, or peak memory in GB; NaN without a run."""
        return float(np.mean([run[name] for run in self.runs])) if self.runs else float("nan")

    @property
    def _names(self) -> list[str]:
        return [name for name in self.untrained[0] if name != "verdict"] if self.runs else []

    @staticmethod
    def _score(runs: Sequence[Mapping[str, Any]], name: str, control: float | None = None) -> Score:
        values = np.array([run[name] for run in runs], float)
        controls = {} if control is None else {UNTRAINED: control}
        low, high = t_interval(values)
        return Score(float(values.mean()), low, high, controls, None if name == "rankme" else True)


@dataclass(frozen=True, eq=False)
class StudyResult:
    """What came of a study.

    - arguments: all that it was started with
    - arms: {name: ArmResult}
    """

    arguments: Mapping[str, Any]
    arms: Mapping[str, ArmResult]

    name = "study"

    @classmethod
    def of(cls, arguments: Mapping[str, Any], arms: Sequence[Arm], measured: Mapping[str, Any]) -> StudyResult:
        """From {run, or untrained encoder: what was measured}."""
        results = {}
        for arm in arms:
            seeds = [] if arm.reason else list(range(arguments["seeds"]))
            found = {seed: measured[arm.run(seed)] for seed in seeds}
            failed = [f"seed {seed}: {run['failed']}" for seed, run in found.items() if "failed" in run]
            runs = [run for run in found.values() if "failed" not in run]
            untrained = [measured[untrained_name(arm.encoder, seed)] for seed in seeds]
            results[arm.name] = ArmResult(arm, runs, untrained, arm.reason or " ".join(failed))
        return cls(arguments, results)

    def scores(self) -> dict[str, Score]:
        """{"arm score": Score}, each beside the untrained encoder."""
        return {f"{name} {key}": score for name, arm in self.arms.items() for key, score in arm.scores.items()}

    def table(self) -> pd.DataFrame:
        """A row for each arm: how it was trained, how fast, and every score with its interval and its control's."""
        return pd.DataFrame([_row(arm) for arm in self.arms.values()])

    def to_dict(self) -> dict[str, Any]:
        """The stable JSON form; what cannot be told is null."""
        rows = json.loads(self.table().to_json(orient="records"))
        return {"arguments": dict(self.arguments), "arms": rows}


def untrained_name(encoder: str, seed: int) -> str:
    """What an untrained encoder is called beside the runs."""
    return f"{UNTRAINED} {encoder} seed{seed}"


def _row(result: ArmResult) -> dict[str, Any]:
    arm = result.arm
    row: dict[str, Any] = {"arm": arm.name, "method": arm.method, "encoder": arm.encoder}
    row |= {"settings": json.dumps({**arm.settings, **arm.training}), "seeds": len(result.runs)}
    row |= {"steps": arm.steps, "views": arm.rendered} | {name: result.pace(name) for name in PACE}
    for name, score in result.scores.items():
        control = result.control(name)
        row |= {name: score.value, f"{name}_low": score.low, f"{name}_high": score.high}
        row |= {f"{name}_{UNTRAINED}": control.value}
        row |= {f"{name}_{UNTRAINED}_low": control.low, f"{name}_{UNTRAINED}_high": control.high}
    return row | {"verdict": result.verdict, "reason": result.reason}
