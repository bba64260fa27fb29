"""Findings: the hypotheses that an audit tests, corrected for their number, each with effect, p and n."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sslviz.catalog import find_entry
from sslviz.diagnostics.hypothesis import Testable
from sslviz.diagnostics.result import ResultKey
from sslviz.statistics import Score, benjamini_hochberg, holm

LEVEL = 0.05  # for all tests of an audit together
EXAMPLES = 8
IMAGES = "the images"  # whose table is a finding about no checkpoint


@dataclass(frozen=True)
class HypothesisTest:
    """One hypothesis tested in one checkpoint.

    - run: the checkpoint's, or IMAGES
    - diagnostic: the catalog's name of what tested it
    - columns: what it was asked of
    - said: what there is to say if it was found
    - effect: name of the score, and the score
    - p: probability of such a score where nothing is there
    - detectable: the least effect found in 80 of 100 such samples; None where it cannot be told
    - n: scored images
    - examples: ids
    """

    run: str
    diagnostic: str
    columns: tuple[str, ...]
    said: str
    effect: tuple[str, Score]
    p: float
    detectable: float | None
    n: int
    examples: Sequence[str] = ()


def hypothesis_tests(run: str, results: Mapping[str, Any]) -> list[HypothesisTest]:
    """The tests that the results {diagnostic: Result} of one checkpoint hold."""
    tests = []
    for text, result in results.items():
        tested = result.hypothesis() if isinstance(result, Testable) else None
        if tested is None:
            continue
        key = ResultKey.parse(text)
        if not find_entry(key.name).gravity:
            continue
        tests.append(
            HypothesisTest(
                run=IMAGES if find_entry(key.name).about_images else run,
                diagnostic=key.name,
                columns=key.columns or (result.label,),
                said=tested.statement,
                effect=(tested.score, result.scores()[tested.score]),
                p=tested.p,
                detectable=tested.detectable,
                n=tested.n,
                examples=tuple(map(str, tested.examples[:EXAMPLES])),
            )
        )
    return tests


def judged(tests: Sequence[HypothesisTest]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The findings, the gravest first, and what was not found, as a report writes them.

    p is corrected by Holm over all tests: at most 1 audit in 20 holds a finding by luck.  The gravest come first, by the
    catalog's `gravity`; among equals, the larger effect.

    Of what was not found, `follow_up` marks what Benjamini and Hochberg would let through.  Of these and the findings
    together one in twenty is expected to be luck, so of these alone many may be: questions to ask of new images.
    """
    p_values = np.array([test.p for test in tests])
    corrected, discovered = holm(p_values), benjamini_hochberg(p_values) < LEVEL
    found: list[tuple[tuple[float, float], dict[str, Any]]] = []
    not_found = []
    for test, p, follow_up in zip(tests, corrected, discovered, strict=True):
        name, score = test.effect
        entry = find_entry(test.diagnostic)
        written = {
            "run": test.run,
            "diagnostic": test.diagnostic,
            "columns": list(test.columns),
            "question": entry.question,
            "score": name,
            "effect": score.to_dict(),
            "p": float(test.p),
            "p_corrected": float(p),
            "n": test.n,
            "detectable": test.detectable,
        }
        if p < LEVEL:
            rank = (entry.gravity or math.inf, -abs(score.value))
            written |= {"said": test.said, "does_not_mean": entry.caveat, "examples": list(test.examples)}
            found.append((rank, written))
        else:
            not_found.append(written | {"follow_up": bool(follow_up)})
    return [finding for _, finding in sorted(found, key=lambda pair: pair[0])], not_found
