"""Ranking: which of many runs is best at a question, and by how much they differ between seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from sslviz.diagnostics.result import ResultKey
from sslviz.statistics import Score, SeedSpread

Scores = Mapping[str, Score]  # {run: its score} of one question


def all_scores(of_runs: Mapping[str, Mapping[str, Mapping[str, Score]]]) -> dict[str, dict[str, Score]]:
    """{title: {run: Score}} of all in {run: {"linear_probe:shape": {"accuracy": Score}}}, in their order.

    A title says the diagnostic, its columns and the score: "linear probe, shape: accuracy".
    """
    found: dict[str, dict[str, Score]] = {}
    for run, of_run in of_runs.items():
        for key, scores in of_run.items():
            for name, score in scores.items():
                found.setdefault(score_title(ResultKey.parse(key), name), {})[run] = score
    return found


def score_title(key: ResultKey, score: str) -> str:
    """What a score is called among those of many diagnostics."""
    return f"{', '.join([key.name.replace('_', ' '), *key.columns])}: {score.replace('_', ' ')}"


def ranked(scores: Scores) -> list[str]:
    """The runs, best first; highest first where neither end is good; last those whose score cannot be told."""

    def place(name: str) -> tuple[bool, float]:
        value = scores[name].value
        return (not math.isfinite(value), value if scores[name].higher_is_better is False else -value)

    return sorted(scores, key=place)


def over_seeds(scores: Scores, groups: Mapping[str, Sequence[str]]) -> dict[str, SeedSpread]:
    """{group: its mean and spread over seeds}, of groups {name: runs} of which two seeds at least have the score."""
    found = {title: SeedSpread.of(scores[run] for run in runs if run in scores) for title, runs in groups.items()}
    return {title: one for title, one in found.items() if one.n > 1}


def ranking_sentences(title: str, scores: Scores, spreads: Mapping[str, SeedSpread]) -> list[str]:
    """What is to be said of a ranking: who is first, who may be as good, who beats no control, and what seeds do."""
    order = [name for name in ranked(scores) if math.isfinite(scores[name].value)]
    if not order:
        return [f"{title}: no run has this score."]
    first, best = order[0], scores[order[0]]
    if best.higher_is_better is None:
        said = [f"{first} is highest in {title}: {best}. {order[-1]} is lowest: {scores[order[-1]]}."]
    else:
        said = [f"{first} is first in {title}: {best}.", *_as_good(scores, order)]
    said += _against_controls(scores)
    if spreads:
        top = ranked({name: one.score for name, one in spreads.items()})[0]
        said.append(f"Over seeds, {top} is first: {spreads[top]}.")
    return said


def _as_good(scores: Scores, order: Sequence[str]) -> list[str]:
    """How many others have intervals that overlap that of the first."""
    near = sum(_overlap(scores[order[0]], scores[name]) for name in order[1:])
    return [
        f"The interval{'s' * (near > 1)} of {near} other{'s' * (near > 1)} overlap{'s' * (near == 1)} its own."
    ] * bool(near)


def _overlap(a: Score, b: Score) -> bool:
    """Whether both have an interval and these share a number."""
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return False
    return max(a.low, b.low) <= min(a.high, b.high)


def _against_controls(scores: Scores) -> list[str]:
    """How many beat their strongest control, of those for which that can be said."""
    judged = {name: score.beats_control for name, score in scores.items() if score.beats_control is not None}
    if not judged:
        return []
    lost = [name for name, beats in judged.items() if not beats]
    some = f"; not {', '.join(lost)}" if 0 < len(lost) <= 3 else ""
    return [f"{len(judged) - len(lost)} of {len(judged)} beat their strongest control{some}."]
