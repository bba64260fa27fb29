"""Which encoder beats which: intervals decide, and luck does not."""

import numpy as np

from sslviz.statistics import Score, t_interval
from sslviz.transfer.pareto_front import dominated, steps


def point(cost, accuracy, reach=0.01, cost_reach=None, higher=True):
    price = Score(cost) if cost_reach is None else Score(cost, cost - cost_reach, cost + cost_reach)
    return price, Score(accuracy, accuracy - reach, accuracy + reach, {"chance": 0.5}, higher)


def test_worse_at_more_cost_is_beaten_and_better_at_more_cost_is_not():
    points = {"small": point(1, 0.7), "wasteful": point(5, 0.6), "large": point(9, 0.8)}
    assert dominated(points) == {"small": "", "wasteful": "small", "large": ""}
    assert steps(points) == ["small", "large"]


def test_intervals_that_overlap_beat_nobody():
    assert not any(dominated({"a": point(1, 0.7, 0.03), "b": point(5, 0.65, 0.03)}).values())
    assert dominated({"a": point(1, 0.7, 0.02), "b": point(5, 0.65, 0.02)})["b"] == "a"


def test_an_accuracy_without_an_interval_beats_nobody_and_is_not_beaten():
    bare = (Score(1.0), Score(0.9, controls={"chance": 0.5}))
    assert dominated({"bare": bare, "b": point(5, 0.6)}) == {"bare": "", "b": ""}
    assert dominated({"a": point(1, 0.99), "bare": (Score(5.0), Score(0.5))})["bare"] == ""


def test_the_same_network_trained_better_beats_the_other_though_its_time_came_out_longer():
    points = {"worse": point(8.0, 0.6, cost_reach=0.5), "better": point(8.2, 0.7, cost_reach=0.5)}
    assert dominated(points) == {"worse": "better", "better": ""}
    points["better"] = point(9.0, 0.7, cost_reach=0.2)  # surely dearer
    assert not any(dominated(points).values())


def test_of_several_that_beat_one_the_cheapest_is_named():
    points = {"large": point(4, 0.9), "small": point(1, 0.8), "bad": point(5, 0.5)}
    assert dominated(points)["bad"] == "small"


def test_where_less_is_better_the_lower_wins():
    points = {"a": point(1, 0.2, higher=False), "b": point(5, 0.4, higher=False), "c": point(9, 0.1, higher=False)}
    assert dominated(points) == {"a": "", "b": "a", "c": ""} and steps(points) == ["a", "c"]


def test_steps_only_go_up():
    points = {"a": point(1, 0.70, 0.1), "b": point(2, 0.65, 0.1), "c": point(3, 0.75, 0.1), "d": point(3, 0.72, 0.1)}
    assert steps(points) == ["a", "c"] and not any(dominated(points).values())


def test_equally_good_encoders_are_rarely_called_beaten():
    """Both have the same accuracy: intervals of 95 % that must not overlap call one beaten in less than 5 of 100 draws."""
    rng, alarms = np.random.default_rng(0), 0
    for _ in range(400):
        pair = {}
        for cost, name in ((1, "cheap"), (2, "dear")):
            values = rng.normal(0.7, 0.05, 10)
            pair[name] = Score(cost), Score(float(values.mean()), *t_interval(values))
        alarms += bool(dominated(pair)["dear"])
    assert alarms / 400 < 0.03  # one side of two intervals, which is about 0.3 %
