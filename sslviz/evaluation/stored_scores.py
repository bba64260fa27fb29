"""Scores of stored results, kept beside them: drawing the intervals takes longer than reading the results."""

from __future__ import annotations

import json
from typing import Any

from sslviz.catalog import Entry
from sslviz.evaluation.answers import Columns, storage_key
from sslviz.features.evidence import Evidence
from sslviz.runs import Run
from sslviz.runtime.files import atomic_write
from sslviz.statistics import Score

SCORES = 1  # of what is written; a larger one, where the way to an interval changes, means that old ones are not read


def stored_scores(run: Run, entry: Entry, evidence: Evidence, columns: Columns, result: Any) -> dict[str, Score]:
    """`result.scores()`, read from the run folder, or worked out and kept there where it can be written.

    - result: what `stored_result` gives for the same run, entry, evidence and columns
    """
    key = {"scores": SCORES, "of": storage_key(entry, evidence, columns)}
    path = run.result_path(key).with_suffix(".json")
    try:
        return {name: Score.from_dict(values) for name, values in json.loads(path.read_text()).items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass  # not there, damaged, or written by another version: work them out again
    scores: dict[str, Score] = result.scores()
    try:
        run.check_writable("results")
    except ValueError:  # somebody else's folder: they are worked out again next time
        return scores
    with atomic_write(path) as file:
        file.write(json.dumps({name: score.to_dict() for name, score in scores.items()}).encode())
    return scores
