"""Is the first the best, and is what is said of a ranking true?"""

import numpy as np
import pytest

from sslviz.evaluation.ranking import all_scores, over_seeds, ranked, ranking_sentences
from sslviz.statistics import Score

UP = {
    name: Score(v, v - 0.05, v + 0.05, {"chance": 0.3})
    for name, v in {"a": 0.5, "b": 0.9, "c": 0.32, "d": 0.87}.items()
}


def test_best_first_whichever_way_is_good_and_unknown_last():
    unknown = Score.unknown("too few images", {})
    assert ranked({**UP, "x": unknown}) == ["b", "d", "a", "c", "x"]
    assert ranked({name: Score(s.value, higher_is_better=False) for name, s in UP.items()}) == ["c", "a", "d", "b"]


def test_sentences_say_who_is_first_who_may_be_as_good_and_who_beats_nothing():
    said = ranking_sentences("shape: accuracy", UP, {})
    assert said[0].startswith("b is first in shape: accuracy: 0.90 [0.85, 0.95]  vs 0.30 chance")
    assert said[1:] == ["The interval of 1 other overlaps its own.", "3 of 4 beat their strongest control; not c."]
    assert ranking_sentences("x", {"a": Score.unknown("no images", {})}, {}) == ["x: no run has this score."]


def test_where_neither_end_is_good_both_ends_are_said():
    neutral = {name: Score(s.value, higher_is_better=None) for name, s in UP.items()}
    assert ranking_sentences("x", neutral, {}) == ["b is highest in x: 0.90. c is lowest: 0.32."]


def test_groups_of_seeds_are_those_of_numpy():
    spreads = over_seeds(UP, {"one": ["a", "b", "gone"], "two": ["c", "d"], "three": ["a", "gone"]})
    assert list(spreads) == ["one", "two"]
    for title, names in {"one": "ab", "two": "cd"}.items():
        values = [UP[name].value for name in names]
        assert (spreads[title].score.value, spreads[title].spread) == pytest.approx(
            (np.mean(values), np.std(values, ddof=1))
        )
    assert ranking_sentences("x", UP, spreads)[-1].startswith("Over seeds, one is first: 0.70 ± 0.28 over 2 seeds")


def test_scores_of_all_results_are_found_under_words():
    one = {"knn_preservation": Score(0.5)}
    found = all_scores({"a": {"linear_probe:shape": one}, "b": {"linear_probe:shape": one, "reliance:x~y": one}})
    assert {title: list(runs) for title, runs in found.items()} == {
        "linear probe, shape: knn preservation": ["a", "b"],
        "reliance, x, y: knn preservation": ["b"],
    }
