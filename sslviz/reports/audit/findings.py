"""What was found, what was not, and what could not have been?  The tests of an audit, each with effect, p and n."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sslviz.catalog import entry
from sslviz.diagnostics.hypothesis import Testable
from sslviz.statistics import Score, benjamini_hochberg, holm

LEVEL = 0.05  # for all tests of an audit together
EXAMPLES = 8
IMAGES = "the images"  # whose table is a finding about no checkpoint
GRAVITY = (  # the gravest finding first
    "groups",
    "reliance",
    "counterfactual_effect",
    "association",
    "retrieval",
    "linear_probe",
    "mlp_probe",
    "cooccurrence",
)


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
    for key, result in results.items():
        name, _, of = key.partition(":")
        tested = result.hypothesis() if isinstance(result, Testable) else None
        if tested is None:
            continue
        columns = tuple(of.split("~")) if of else (result.label,)
        effect = tested.score, result.scores()[tested.score]
        who = IMAGES if name == "cooccurrence" else run
        shown = tuple(map(str, tested.examples[:EXAMPLES]))
        tests.append(
            HypothesisTest(who, name, columns, tested.statement, effect, tested.p, tested.detectable, tested.n, shown)
        )
    return tests


def judged(tests: Sequence[HypothesisTest]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Which tests hold, if at most 1 audit in 20 may hold one by luck?  Findings, the gravest first, and what was not found.

    p is corrected by Holm over all tests; of what does not hold, `follow_up` says what Benjamini and Hochberg would still
    let through, one in twenty of which and the findings together is expected to be luck, and of which alone many may be:
    a question to ask of new images, no finding.  Gravest is who is
    served worse, then what is used, what moves a picture, what associates, what neighbours share, what is there, and
    last what the images themselves hold; among equals the larger effect comes first.
    """
    p_values = np.array([test.p for test in tests])
    corrected, discovered = holm(p_values), benjamini_hochberg(p_values) < LEVEL
    found: list[tuple[tuple[int, float], dict[str, Any]]] = []
    wanting = []
    for test, p, follow_up in zip(tests, corrected, discovered, strict=True):
        name, score = test.effect
        about = entry(test.diagnostic)
        one = {
            "run": test.run, "diagnostic": test.diagnostic, "columns": list(test.columns), "question": about.question,
            "score": name, "effect": score.to_dict(), "p": float(test.p), "p_corrected": float(p), "n": test.n,
            "detectable": test.detectable,
        }  # fmt: skip
        if p < LEVEL:
            grave = GRAVITY.index(test.diagnostic) if test.diagnostic in GRAVITY else len(GRAVITY)
            rank = (grave, -abs(score.value))
            one |= {"said": test.said, "does_not_mean": about.caveat, "examples": list(test.examples)}
            found.append((rank, one))
        else:
            wanting.append(one | {"follow_up": bool(follow_up)})
    return [one for _, one in sorted(found, key=lambda pair: pair[0])], wanting
