"""Few labels: do curve, band and controls stand where the scores say?"""

import numpy as np
import pytest

from sslviz.features import Features
from sslviz.figures.parts import theme
from sslviz.figures.transfer.low_label import low_label as figure
from sslviz.transfer.low_label import low_label


def blobs(shift, seed=0):
    label = np.arange(200) % 2
    x = np.random.default_rng(seed).normal(size=(200, 6)) + shift * np.eye(2, 6)[label]
    return Features.from_array(x, table={"label": label})


def result(shift=1.5, **given):
    controls = {"pixels": blobs(0.5, seed=1), "untrained": blobs(0.2, seed=2)}
    return low_label(blobs(shift), shots=(1, 5, 10), readout="centroid", control_features=controls, **given)


def named_trace(fig, name):
    return next(trace for trace in fig.data if trace.name == name)


def test_line_and_band_are_the_scores():
    one = result()
    fig = figure({"mine": one})
    scores = [one.scores()[name] for name in ("1 label a class", "5 labels a class", "10 labels a class")]
    line, band = named_trace(fig, "mine"), next(trace for trace in fig.data if trace.fill)
    assert list(line.x) == [1, 5, 10] and list(line.y) == [score.value for score in scores]
    assert list(band.y) == [s.low for s in scores] + [s.high for s in scores][::-1]
    of_all = [trace for trace in fig.data if trace.name == "mine"][1]
    assert of_all.y[0] == one.scores()["all labels"].value and of_all.x[0] > 10


def test_each_control_is_grey_has_a_mark_of_its_own_and_is_drawn_once():
    fig = figure({"a": result(scratch={5: [0.6, 0.7]}), "b": result(2.0)})
    controls = [trace for trace in fig.data if "(control)" in (trace.name or "")]
    assert [trace.name.partition(" (")[0] for trace in controls] == ["chance", "pixels", "untrained", "from scratch"]
    assert {trace.line.color for trace in controls} == {theme.CONTROL} and len({t.marker.symbol for t in controls}) == 4
    assert controls[-1].x == (5,) and controls[-1].y[0] == pytest.approx(0.65)


def test_the_legend_names_every_checkpoint_and_control_once():
    fig = figure({"a": result(), "b": result(2.0)})
    shown = [trace.name for trace in fig.data if trace.showlegend is not False]
    assert sorted(shown) == ["a", "b", "chance (control)", "pixels (control)", "untrained (control)"]


def test_the_caption_says_how_many_labels_match():
    one, better = result(0.7), result(1.5)
    assert "10 labels a class with pixels are" not in figure(one).layout.meta["caption"]
    assert (
        f"{better.labels_to_match(one).sentence('b', 'a')}." in figure({"a": one, "b": better}).layout.meta["caption"]
    )
    assert "with raw pixels are worth" in figure({"a": one}).layout.meta["caption"]


def test_no_labels_are_matched_by_one_that_is_no_better_than_its_control():
    nothing = result(0.0)
    assert nothing.scores()["10 labels a class"].beats_control is False
    assert "are worth" not in figure({"a": nothing}).layout.meta["caption"]


def test_single_draws_are_dots_where_there_is_one_checkpoint():
    one = result()
    dots = [trace for trace in figure(one).data if trace.mode == "markers" and len(trace.x) == 30]
    assert len(dots) == 1 and sorted(dots[0].y) == sorted(one.accuracy.ravel())
    assert "single draws" in figure(one).layout.meta["caption"]
    assert not any(trace.mode == "markers" and len(trace.x) == 30 for trace in figure({"a": one, "b": one}).data)


def test_without_an_interval_there_is_no_band():
    fig = figure(result(draws=1))
    assert not any(trace.fill for trace in fig.data)
