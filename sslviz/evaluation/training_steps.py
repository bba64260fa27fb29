"""Steps of a training on some images: the map, the spectrum and the scores of each stored checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from sslviz.catalog import Entry, diagnostics, find_entry
from sslviz.data import Images
from sslviz.data.sampling import sample_rows
from sslviz.diagnostics.projection.projection import Projection, aligned_projections
from sslviz.evaluation.answers import Columns, compute_entry, stored_result
from sslviz.evaluation.diagnose import diagnose
from sslviz.evaluation.questions import scored_and_fit
from sslviz.features import Features
from sslviz.features.diagnosed import diagnosed_steps, stored_evidence
from sslviz.features.evidence import TRAINED, Evidence
from sslviz.figures.parts.score_bars import UNIT_SCORES
from sslviz.runs import Run
from sslviz.statistics import Score

LABEL = "label"
WATCHED = "knn_probe"  # the readout that a training is watched by


@dataclass(frozen=True, eq=False)
class TrainingSteps:
    """The steps of one training, first step first.

    - name: what figures call it
    - evidences: {step: what is known of its checkpoint}, all of the same images
    - run: in whose folder answers are kept; None: there is none
    - missing: a sentence that says what is not stored; empty where nothing is missing
    """

    name: str
    evidences: Mapping[int, Evidence]
    run: Run | None = None
    missing: str = ""

    @property
    def table(self) -> pd.DataFrame:
        """What is known of the images that a map shows, in their order."""
        return _on_a_map(next(iter(self.evidences.values()))).table

    def until(self, step: int) -> int:
        """The step that was stored last before this one, or at it; the first, where there is none."""
        return max((one for one in self.evidences if one <= step), default=min(self.evidences))

    def epoch(self, step: int) -> float | None:
        """How many epochs were over at this step, by the history; None where there is none."""
        if self.run is None or self.run.history["epoch"].isna().all():
            return None
        history = self.run.history[["step", "epoch"]].dropna()
        return float(np.interp(step, history["step"], history["epoch"]))

    def maps(self, layout: Any) -> dict[int, Projection]:
        """{step: its map}, each laid over the one before it, so that points stay put if they can."""
        if self.run is not None:
            return stored_journey(self.run, self.evidences, layout)
        return _journey(self.evidences, layout)

    def answer(self, name: str, step: int) -> Any:
        """The result of a diagnostic of the catalog at this step; of the label, where it asks for one.

        ValueError where it cannot be asked.
        """
        entry, evidence = find_entry(name), self.evidences[step]
        columns: Columns = (LABEL,) if entry.scope == "label" else ()
        if columns and LABEL not in evidence.features.table:
            raise ValueError(f"{name} asks for the column {LABEL!r}, which these images do not have.")
        if self.run is None:
            return compute_entry(entry, evidence, columns)
        return stored_result(self.run, entry, evidence, columns)

    def scores(self, step: int) -> dict[str, Score]:
        """{heading of the overview: first score} of what is followed over training, without what cannot be asked."""
        found: dict[str, Score] = {}
        for entry in followed():
            try:
                name, score = next(iter(self.answer(entry.name, step).scores().items()))
            except ValueError:
                continue
            found[f"{entry.overview} {name}" if name in UNIT_SCORES else entry.overview] = score
        return found


def followed() -> list[Entry]:
    """The entries of the catalog that are followed over training."""
    return [entry for entry in diagnostics() if entry.over_training or entry.name == WATCHED]


def steps_of_runs(runs: Mapping[str, Run], images: Images | None = None) -> dict[str, TrainingSteps]:
    """The stored steps of these runs, all on the same images.

    Without `images`, those that most checkpoints were embedded on; with them, what is missing is embedded and kept in the
    run folders.  ValueError for a run without a checkpoint, and where no images are common to all.
    """
    if images is None:
        digest = _common_digest(runs)
    else:
        scored, fit = scored_and_fit(images)
        digest = scored.digest
        for run in runs.values():
            if len(diagnosed_steps(run, digest)) < len(run.checkpoints) or digest not in run.info.get("diagnosed", {}):
                diagnose(run, scored, fit=fit, only=[entry.name for entry in followed()], every=True)
    return {name: _of_run(name, run, digest) for name, run in runs.items()}


def steps_of_features(name: str, features: Mapping[int, Features]) -> TrainingSteps:
    """The steps of a training of which only the features {step: Features} are at hand, all of the same images."""
    return TrainingSteps(name, {step: Evidence({"images": {TRAINED: features[step]}}) for step in sorted(features)})


def stored_journey(run: Run, evidences: Mapping[int, Evidence], layout: Any) -> dict[int, Projection]:
    """{step: its map}, each laid over the one before it; read from the run folder, or computed and kept there one by one."""
    digests = [evidence.features.digest for evidence in evidences.values()]
    made: dict[int, Projection] = {}

    def compute(step: int) -> Projection:
        if not made:
            made.update(_journey(evidences, layout))
        return made[step]

    keys = {
        step: {"diagnostic": "projection", "method": layout, "journey": digests, "step": step} for step in evidences
    }
    return {step: run.result(key, Projection, partial(compute, step)) for step, key in keys.items()}


def _journey(evidences: Mapping[int, Evidence], layout: Any) -> dict[int, Projection]:
    shown = {str(step): _on_a_map(evidence) for step, evidence in evidences.items()}
    return {int(step): one for step, one in aligned_projections(shown, layout).items()}


def _on_a_map(evidence: Evidence) -> Features:
    """Those of the images that a map shows."""
    return evidence.features.rows(sample_rows(len(evidence.features), find_entry("projection").max_images))


def _of_run(name: str, run: Run, digest: str) -> TrainingSteps:
    steps = diagnosed_steps(run, digest)
    left = len(run.checkpoints) - len(steps)
    missing = f"{name}: {left} of {len(run.checkpoints)} checkpoints were not embedded on these images" if left else ""
    return TrainingSteps(name, {one.step: stored_evidence(run, one, digest) for one in steps}, run, missing)


def _common_digest(runs: Mapping[str, Run]) -> str:
    """Of the images that all runs were diagnosed on, those that most of their checkpoints were embedded on."""
    known: Sequence[set[str]] = [set(run.info.get("diagnosed", {})) for run in runs.values()]
    common = sorted(set.intersection(*known)) if known else []
    counts = {digest: [len(diagnosed_steps(run, digest)) for run in runs.values()] for digest in common}
    counts = {digest: each for digest, each in counts.items() if all(each)}
    if not counts:
        raise ValueError(
            f"No step is stored on images that all of these share: {', '.join(runs)}; give `images`, and every checkpoint is "
            "embedded on them."
        )
    return max(counts, key=lambda digest: sum(counts[digest]))
