"""What was found, what was not, and what could not have been?  The tests of an audit, each with effect, p and n."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sslviz.catalog import entry
from sslviz.diagnostics.bias.association import Association
from sslviz.diagnostics.bias.cooccurrence import Cooccurrence
from sslviz.diagnostics.bias.counterfactual_effect import Counterfactual
from sslviz.diagnostics.bias.groups import Groups
from sslviz.diagnostics.bias.reliance import Reliance
from sslviz.diagnostics.bias.retrieval import Retrieval
from sslviz.diagnostics.probes.probe import Probe
from sslviz.statistics import MIN_PER_CLASS, POWER_80, Score, benjamini_hochberg, holm

LEVEL = 0.05  # for all tests of an audit together
EXAMPLES = 8
IMAGES = "the images"  # whose table is a finding about no checkpoint


@dataclass(frozen=True)
class HypothesisTest:
    """Was this found in this checkpoint?

    `said` is what there is to say if it was, `effect` {score name: Score}, `p` of nothing being there, `detectable` the
    least effect found in 80 of 100 such samples (None where it cannot be told), `n` the scored images, `examples` ids.
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


def p_beyond(score: Score, null: float = 0.0) -> float:
    """How surprising is this score, if the truth were `null`?  Two-sided, as if 95 % interval and error were normal's.

    1 without an interval, and where the interval is a point at `null`.
    """
    if score.low is None or score.high is None:
        return 1.0
    error = (score.high - score.low) / 3.92
    distance = abs(score.value - null)
    if error == 0:
        return 0.0 if distance else 1.0
    return math.erfc(distance / error / math.sqrt(2))


def hypothesis_tests(run: str, results: Mapping[str, Any]) -> list[HypothesisTest]:
    """The tests that the results {diagnostic: Result} of one checkpoint hold."""
    found = []
    for key, result in results.items():
        name, _, of = key.partition(":")
        if name in TESTS:
            columns = tuple(of.split("~")) if of else (result.label,)
            said, effect, p, detectable, n, examples = TESTS[name](result)
            score = result.scores()[effect]
            who = IMAGES if name == "cooccurrence" else run
            shown = tuple(map(str, examples[:EXAMPLES]))
            found.append(HypothesisTest(who, name, columns, said, (effect, score), p, detectable, n, shown))
    return found


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
            rank = (list(TESTS).index(test.diagnostic), -abs(score.value))
            one |= {"said": test.said, "does_not_mean": about.caveat, "examples": list(test.examples)}
            found.append((rank, one))
        else:
            wanting.append(one | {"follow_up": bool(follow_up)})
    return [one for _, one in sorted(found, key=lambda pair: pair[0])], wanting


# --- what each diagnostic tests ----------------------------------------------------------------------------------------

Tested = tuple[str, str, float, float | None, int, Sequence[str]]


def _groups(result: Groups) -> Tested:
    by_value, worst = result.by_value, result.worst
    low, high = int(np.argmin(by_value)), int(np.argmax(by_value))
    least, value = result.classes[result.group_class[worst]], result.values[result.group_value[worst]]
    said = (
        f"{result.label} is read right in {by_value[low]:.2f} of the images with {result.attribute} {result.values[low]}, "
        f"in {by_value[high]:.2f} of those with {result.values[high]}; least of all for {least} with {value} "
        f"({result.accuracy()[worst]:.2f})."
    )
    missed = result.ids[(result.group == worst) & (result.predicted != result.truth)]
    p = min(1.0, 2 * min(result.p.values())) if result.counts.min() >= MIN_PER_CLASS else 1.0
    return said, "disparity", p, result.detectable, len(result.ids), missed


def _reliance(result: Reliance) -> Tested:
    score = result.scores()["even_gap"]
    more = "more" if score.value >= 0 else "less"
    said = (
        f"A readout of {result.label} that was fitted on even images is right {abs(score.value):.2f} {more} often where "
        f"{result.attribute} agrees with it than where it does not."
    )
    conflict = result.expected_pairs[result.truth] != result.cue
    misled = conflict & (result.answers[0] != result.truth).any(axis=0)
    reach = result.detectable if result.pairs_known else None  # between arbitrary pairs no gap says nothing
    return said, "even_gap", p_beyond(score), reach, len(result.ids), result.ids[misled]


def _counterfactual(result: Counterfactual) -> Tested:
    score = result.scores()["against_others"]
    own = result.scores()[result.attribute].value
    more = "more" if score.value >= 0 else "less"
    said = (
        f"Changing {result.attribute} alone moves a picture {own:.2f} of the way to another picture, which is "
        f"{abs(score.value):.2f} {more} than the other factors do on average."
    )
    p = p_beyond(score) if score.value > 0 else 1.0  # moved less than by others is what one would wish
    return said, "against_others", p, result.detectable, len(result.ids), ()


def _association(result: Association) -> Tested:
    c, v = result.strongest
    leans = "to" if result.margin[c, v] >= 0 else "away from"
    score = result.scores()["association"]
    said = (
        f"{result.label} {result.classes[c]} leans {leans} {result.attribute} {result.values[v]}: {score.value:.2f} of "
        f"cosine more than the others do, {abs(result.effect[c, v]):.1f} standard deviations."
    )
    p, n = float(result.p_corrected.min()), int(result.counts.sum())
    return said, "association", p, None if result.confounded else result.detectable, n, ()


def _retrieval(result: Retrieval) -> Tested:
    said = (
        f"Neighbours share {result.attribute} beyond what their {result.label} explains, by {result.excess:.2f} of what there "
        "was to gain."
    )
    return said, "retrieval", result.p, result.detectable, int(result.counts.sum()), ()


def _probe(result: Probe) -> Tested:
    score = result.scores()["accuracy"]
    beside = ", ".join(f"{name} {value:.2f}" for name, value in score.controls.items() if name != "chance")
    how = {"linear": "linearly", "mlp": "by a small network"}[result.method]
    said = (
        f"{result.label} can be read from the features {how} at {score.value:.2f}, by chance at {result.chance:.2f} "
        f"({beside})."
    )
    first = np.concatenate([np.flatnonzero(result.truth == c)[:2] for c in range(len(result.classes))])
    p = p_beyond(score, result.chance) if score.value > result.chance else 1.0
    error = None if score.low is None or score.high is None else (score.high - score.low) / 3.92
    reach = None if error is None else result.chance + POWER_80 * error
    return said, "accuracy", p, reach, len(result.ids), result.ids[first]


def _cooccurrence(result: Cooccurrence) -> Tested:
    score = result.scores()["cramers_v"]
    said = (
        f"In the images themselves {result.label} and {result.attribute} go together (Cramér's V {score.value:.2f}, of 1 "
        "where one settles the other)."
    )
    return said, "cramers_v", result.p, result.detectable, int(result.table.sum()), ()


TESTS: dict[str, Callable[[Any], Tested]] = {
    "groups": _groups,
    "reliance": _reliance,
    "counterfactual_effect": _counterfactual,
    "association": _association,
    "retrieval": _retrieval,
    "linear_probe": _probe,
    "mlp_probe": _probe,
    "cooccurrence": _cooccurrence,
}
