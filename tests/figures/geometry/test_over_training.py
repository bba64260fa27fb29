"""Scores and spectra through training: every step is there, and its control beside it."""

import numpy as np
import pytest

from sslviz.diagnostics.geometry.spectrum import spectrum
from sslviz.features import Features
from sslviz.figures.geometry import over_training
from sslviz.figures.parts import theme
from sslviz.statistics import Score


def score(value):
    return Score(value, value - 0.1, value + 0.2, {"noise": 3 * value, "chance": 0.1})


def opened(seed):
    x = np.random.default_rng(seed).normal(size=(200, 12)) * np.arange(1, 13.0) ** -(2.0 / (1 + seed))
    return spectrum(Features.from_array(x))


def test_scores_are_where_they_are_with_interval_and_control():
    fig = over_training.scores({"one": {0: score(1.0), 40: score(2.0)}, "two": {0: score(1.5)}}, name="directions")
    lines = {t.name: t for t in fig.data if t.legendgroup != "control"}
    assert list(lines["one"].x) == [0, 40] and list(lines["one"].y) == [1.0, 2.0]
    np.testing.assert_allclose(lines["one"].error_y.array, 0.2)
    np.testing.assert_allclose(lines["one"].error_y.arrayminus, 0.1)
    controls = [t for t in fig.data if t.legendgroup == "control"]
    assert [list(t.y) for t in controls] == [[3.0, 6.0], [4.5]] and {t.line.color for t in controls} == {theme.CONTROL}
    assert sum(t.showlegend for t in controls) == 1
    assert "one: 1 to 2" in fig.layout.meta["alt"] and fig.layout.yaxis.title.text == "directions"


def test_a_score_without_an_interval_is_a_dot():
    fig = over_training.scores({"one": {0: Score(1.0, controls={"chance": 0.5})}})
    (line,) = [t for t in fig.data if t.legendgroup != "control"]
    assert list(line.error_y.array) == list(line.error_y.arrayminus) == [0]


def test_spectra_have_a_frame_for_every_step_and_noise_in_grey():
    results = {0: opened(0), 20: opened(1), 40: opened(2)}
    fig = over_training.spectra(results, color="#0072B2")
    assert [frame.name for frame in fig.frames] == ["0", "20", "40"]
    assert [step.label for step in fig.layout.sliders[0].steps] == ["0", "20", "40"]
    for frame, result in zip(fig.frames, results.values(), strict=True):
        expected = result.eigenvalues / result.eigenvalues.sum()
        np.testing.assert_allclose(frame.data[0].y, expected)
        assert fig.data[frame.traces[0]].name == "this checkpoint"
    assert fig.data[0].line.color == theme.CONTROL and "control" in fig.data[0].name
    assert "NaN" not in fig.to_json()


def test_a_collapsed_step_is_drawn_too():
    flat = spectrum(Features.from_array(np.ones((30, 4))))
    fig = over_training.spectra({0: flat, 5: opened(0)})
    assert len(fig.frames) == 2 and "NaN" not in fig.to_json()


def test_nothing_is_an_error():
    with pytest.raises(ValueError, match="at least one step"):
        over_training.scores({"one": {}})
    with pytest.raises(ValueError, match="at least one step"):
        over_training.spectra({})
