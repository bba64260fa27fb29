"""Figures of cost: every precision in its place, controls grey, and what was not measured said."""

import json

import numpy as np
import pytest

from sslviz.catalog import draw
from sslviz.figures.parts import theme
from sslviz.figures.transfer.cost import cost
from sslviz.figures.transfer.pareto import pareto
from sslviz.statistics import Score
from sslviz.transfer.cost_result import NO_ENCODER, Cost

NAMES = [f"a-long-name-of-a-run-with-temperature-0.{i}" for i in range(10)]


def made_up(i=0, int8=True, batches=(1, 64)):
    """Ten milliseconds in fp32, five in bf16, four in int8, one without an encoder; times i + 1."""
    rng = np.random.default_rng(i)
    times = {"fp32": 10, "bf16": 5, "int8": 4, NO_ENCODER: 1}
    if not int8:
        del times["int8"]
    noise = 1 + 0.01 * rng.random(9)
    seconds = {k: np.stack([noise * ms * b * (i + 1) / 1000 for b in batches]) for k, ms in times.items()}
    cosines = {k: rng.uniform(0.9, 1, 8) for k in ("bf16", "int8") if k in times}
    other = {k: rng.uniform(-0.1, 0.1, 8) for k in ("fp32", "bf16", "int8")}
    return Cost(
        run=f"run {i}",
        encoder="vit_nano",
        image_size=32,
        dim=128,
        parameters=1000 * (i + 1),
        macs=10**7 * (i + 1),
        weight_bytes={"fp32": 4000, "bf16": 2000, "int8": 1000},
        batch_sizes=list(batches),
        seconds=seconds,
        memory_gb={k: 0.5 for k in times},
        ids=np.arange(8).astype(str),
        similarity=cosines,
        other_similarity=other,
        not_measured={} if int8 else {"int8": "it has no linear layers"},
        machine={"processor": "Made Up 9000", "threads": "2"},
    )


def accuracy(i):
    return Score(0.5 + 0.04 * i, 0.48 + 0.04 * i, 0.52 + 0.04 * i, {"chance": 0.25})


@pytest.fixture(params=["cost", "pareto"])
def case(request):
    if request.param == "cost":
        return cost, {name: made_up(i) for i, name in enumerate(NAMES)}
    return pareto, {name: (made_up(i), accuracy(i)) for i, name in enumerate(NAMES)}


def colours(fig):
    every = [c for t in fig.data for c in (t.marker.color, t.line.color, t.marker.line.color)]
    return {c for c in every if isinstance(c, str)}


def test_it_is_titled_speaks_and_only_the_control_is_grey(case):
    figure, results = case
    fig = figure(results)
    assert theme.CONTROL in colours(fig) and colours(fig) - {theme.CONTROL} <= set(theme.CHECKPOINT_COLORS)
    assert all(axis.title.text for axis in fig.select_xaxes()) and fig.layout.meta["caption"].endswith(".")
    assert all(name in fig.layout.meta["alt"] for name in NAMES) and "NaN" not in fig.to_json()
    light, dark = (json.loads(theme.apply(figure(results), dark=d).to_json()) for d in (False, True))
    assert light["layout"].pop("template") != dark["layout"].pop("template") and light == dark
    fewer = figure({name: results[name] for name in NAMES[4:6]}, colors=theme.colors(NAMES))
    assert colours(fewer) - {theme.CONTROL} == {theme.colors(NAMES)[name] for name in NAMES[4:6]}


def test_names_cannot_inject_and_nothing_is_an_error(case):
    figure, results = case
    fig = figure({"<script>alert(1)</script>": results[NAMES[0]]})
    assert not any("<script" in text for trace in fig.data for text in trace.text or ())
    with pytest.raises(ValueError, match="at least one"):
        figure({})


class TestCost:
    def test_dots_are_the_medians_in_the_units_of_their_axes(self):
        fig = draw(made_up())
        dots = [trace for trace in fig.data if trace.name == "run 0"]
        latency, pace, weights, macs = (np.array(trace.x) for trace in dots)
        np.testing.assert_allclose(latency, [10, 5, 4], rtol=0.02)
        np.testing.assert_allclose(pace, [100, 200, 250], rtol=0.02)
        np.testing.assert_allclose(weights, [0.004, 0.002, 0.001])
        np.testing.assert_allclose(macs, [10])
        assert "1 picture" in fig.layout.xaxis.title.text and "64 at a time" in fig.layout.xaxis2.title.text
        assert "Made Up 9000 with 2 threads" in fig.layout.meta["caption"]

    def test_lines_are_the_middle_half_of_the_rounds(self):
        one = made_up()
        fig = draw(one)
        dot = next(trace for trace in fig.data if trace.name == "run 0")
        low, high = np.quantile(1000 * one.seconds["fp32"][0], [0.25, 0.75])
        assert dot.x[0] - dot.error_x.arrayminus[0] == pytest.approx(low)
        assert dot.x[0] + dot.error_x.array[0] == pytest.approx(high)

    def test_what_was_not_measured_is_left_out_and_said(self):
        fig = draw({"conv": made_up(int8=False), "vit": made_up(1)})
        assert "Not measured: conv in int8 (it has no linear layers)." in fig.layout.meta["caption"]
        latency = next(trace for trace in fig.data if trace.name == "conv")
        assert len(latency.x) == 2

    def test_different_batches_are_not_called_by_one_number(self):
        fig = draw({"a": made_up(batches=(1, 64)), "b": made_up(batches=(2, 32))})
        assert "a small batch" in fig.layout.xaxis.title.text and "a large batch" in fig.layout.xaxis2.title.text


class TestPareto:
    def test_who_is_beaten_is_open_and_says_by_whom(self):
        points = {"good": (made_up(0), accuracy(5)), "bad": (made_up(3), accuracy(0))}
        fig = pareto(points)
        marks = {trace.name: trace for trace in fig.data if trace.mode == "markers"}
        assert marks["good"].marker.symbol == "circle" and marks["bad"].marker.symbol == "circle-open"
        assert "beaten by good" in marks["bad"].text[0] and "bad: accuracy" in fig.layout.meta["alt"]
        assert list(marks["strongest control"].y) == [0.25, 0.25]

    @pytest.mark.parametrize("axis", ["latency_ms", "million_macs", "parameters", "megabytes"])
    def test_the_cost_is_the_one_asked_for(self, axis):
        fig = pareto({"one": (made_up(), accuracy(0))}, cost=axis)
        dot = next(trace for trace in fig.data if trace.name == "one" and trace.mode == "markers")
        assert dot.x[0] == made_up().scores()[axis].value

    def test_a_cost_that_is_none_is_one_sentence(self):
        with pytest.raises(ValueError, match="A cost is one of latency_ms.*got 'price'"):
            pareto({"one": (made_up(), accuracy(0))}, cost="price")
