"""Omissions: what is not asked, which images a question leaves out, and what was named before, in lines with the reason."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sslviz.data import Images
from sslviz.diagnostics.result import Partial, ResultKey
from sslviz.evaluation.answers import EXPECTED_PAIRS
from sslviz.evaluation.questions import Questions
from sslviz.features.complete_rows import left_out_sentences
from sslviz.features.diagnosed import recorded_pairs
from sslviz.runs import Run

NAMED = 4  # questions that a line names


def left_out_reasons(
    questions: Questions, images: Images, fit: Images | None, results: Mapping[str, Mapping[str, Any]]
) -> dict[str, list[str]]:
    """{reason: the questions it holds for}: what is not asked, and images that a question or a result left out."""
    reasons = questions.left_out(images.table, None if fit is None else fit.table)
    for of_run in results.values():
        for key, result in of_run.items():
            for sentence in left_out_sentences(result.left_out) if isinstance(result, Partial) else ():
                reasons.setdefault(sentence, []).append(key)
    return {reason: list(dict.fromkeys(keys)) for reason, keys in reasons.items()}


def reason_lines(reasons: Mapping[str, Sequence[str]]) -> list[str]:
    """A line for each reason, with the first few of the questions it holds for."""
    return [
        f"{reason} ({', '.join(keys[:NAMED])}{f' and {len(keys) - NAMED} more' if len(keys) > NAMED else ''})"
        for reason, keys in reasons.items()
    ]


def pairs_named_before(
    questions: Questions, runs: Sequence[Run], images: Images, given: Collection[str]
) -> dict[str, list[str]]:
    """{sentence: the questions it holds for}: questions asked with pairs that were named before, in the app or by an option.

    - given: the "label~attribute" of which pairs are named now
    """
    said: dict[str, list[str]] = {}
    asked = [
        ("~".join(c), str(ResultKey(e.name, c))) for e, c in questions.of_checkpoints if EXPECTED_PAIRS in e.options
    ]
    for run in runs:
        known = recorded_pairs(run, images.digest)
        for columns, key in asked:
            if columns in known and columns not in given:
                listed = ", ".join(f"{name}={value}" for name, value in known[columns].items())
                said.setdefault(f"Asked of {run.name} with the pairs named before: {listed}.", []).append(key)
    return said
