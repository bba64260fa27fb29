"""The Pareto front of encoders: which of them no other one beats in accuracy at no more cost."""

from __future__ import annotations

from collections.abc import Mapping

from sslviz.statistics import Score


def dominated(points: Mapping[str, tuple[Score, Score]]) -> dict[str, str]:
    """{name: who beats it, "" where nobody does} of {name: (cost, accuracy)}.

    One beats another if it is surely better and no dearer.  Then the 95 % interval of its accuracy lies beyond the
    other's, and its cost does not lie above the interval of the other's.  Intervals that do not overlap are stricter
    than a paired difference that excludes 0, so that fewer are called beaten.  Accuracies without an interval beat
    nobody.  Of several that beat one, the cheapest is named.
    """
    order = sorted(points, key=lambda name: points[name][0].value)
    return {name: next((other for other in order if _beats(points[other], points[name])), "") for name in points}


def _beats(one: tuple[Score, Score], other: tuple[Score, Score]) -> bool:
    (cost, accuracy), (other_cost, other_accuracy) = one, other
    if cost.value > (other_cost.value if other_cost.high is None else other_cost.high):
        return False
    worst, best = (accuracy.low, other_accuracy.high)
    if accuracy.higher_is_better is False:
        worst, best = other_accuracy.low, accuracy.high
    return worst is not None and best is not None and worst > best


def steps(points: Mapping[str, tuple[Score, Score]]) -> list[str]:
    """Those of {name: (cost, accuracy)} that buy more accuracy than all that cost less, the cheapest first."""
    bought: list[str] = []
    for name in sorted(points, key=lambda name: (points[name][0].value, -_goodness(points[name][1]))):
        if not bought or _goodness(points[name][1]) > _goodness(points[bought[-1]][1]):
            bought.append(name)
    return bought


def _goodness(accuracy: Score) -> float:
    return -accuracy.value if accuracy.higher_is_better is False else accuracy.value
