"""Fine-tuning: do the curves, intervals and controls stand where the scores say?"""

import json

import numpy as np
import plotly.graph_objects as go
import pytest

from sslviz.catalog import draw
from sslviz.figures.parts import theme
from sslviz.figures.transfer.fine_tune import fine_tune as figure
from sslviz.transfer.tuned_answers import ARMS, FROZEN, TUNED, FineTune

SHOTS = (5, 20)


def result(right=0.8, seed=0, **given):
    """Made up: fine-tuning is right this often, the other arms less."""
    rng, n = np.random.default_rng(seed), 80
    truth = np.arange(n) % 4
    often = dict.fromkeys(ARMS, 0.4) | {TUNED: right, FROZEN: right - 0.1}
    controls = np.random.default_rng(9)  # two checkpoints of one network share what does not know them
    predicted = []
    for arm, p in often.items():
        draws = (rng if arm in (TUNED, FROZEN) else controls).random((len(SHOTS), 3, n))
        predicted.append(np.where(draws < p, truth, (truth + 1) % 4))
    fields = {
        "run": "mine",
        "label": "shape",
        "classes": np.array(list("abcd")),
        "ids": np.arange(n).astype(str),
        "truth": truth,
        "shots": np.array(SHOTS),
        "n_labels": np.full((2, 3), 20),
        "arms": list(ARMS),
        "predicted": np.array(predicted),
        "rates": {},
        "steps": 300,
        "how": "full",
        "layer_decay": 0.65,
        "pull": 0.0,
        "interpolate": 1.0,
        "unfreeze": "all",
        "strength": [],
        "left_out": {},
        "seed": seed,
    }
    return FineTune(**fields | given)


def named_trace(fig, name):
    return next(trace for trace in fig.data if trace.name == name)


def test_points_and_intervals_are_the_scores():
    one = result()
    fig = figure({"mine": one})
    scores = [one.scores()[f"accuracy at {k}"] for k in SHOTS]
    tuned, frozen = named_trace(fig, "mine, fine-tuned"), named_trace(fig, "mine, frozen")
    assert list(tuned.x) == [*SHOTS] and list(tuned.y) == [score.value for score in scores]
    assert [y + up for y, up in zip(tuned.y, tuned.error_y.array, strict=True)] == pytest.approx(
        [s.high for s in scores]
    )
    low = [y - down for y, down in zip(tuned.y, tuned.error_y.arrayminus, strict=True)]
    assert low == pytest.approx([s.low for s in scores])
    assert list(frozen.y) == pytest.approx([score.controls[FROZEN] for score in scores])
    assert frozen.line.dash == "dash" and frozen.line.color == tuned.line.color


def test_controls_are_grey_marked_apart_and_drawn_once():
    fig = figure({"a": result(), "b": result(0.7, seed=1)})
    controls = [trace for trace in fig.data if "(control)" in trace.name]
    assert [t.name.partition(" (")[0] for t in controls] == ["chance", "pixels", "untrained", "from scratch"]
    assert {t.line.color for t in controls} == {theme.CONTROL} and len({t.marker.symbol for t in controls}) == 4
    assert controls[-1].error_y.color == theme.CONTROL and len(controls[-1].error_y.array) == 2
    assert list(controls[0].y) == [0.25, 0.25]


def test_no_interval_hides_another():
    names = [f"checkpoint {i}" for i in range(9)]
    fig = figure({name: result(seed=i) for i, name in enumerate(names)})
    places = [trace.x[0] for trace in fig.data if "(control)" not in trace.name]
    assert len(set(places)) == 18 and max(places) < 1.4 * SHOTS[0]


@pytest.mark.parametrize("shots", [(5,), (1, 10, 100)])
def test_what_belongs_to_a_number_of_labels_stands_together_inside_the_axis(shots):
    one = result(shots=np.array(shots), predicted=np.repeat(result().predicted[:, :1], len(shots), axis=1))
    fig = figure({"a": one, "b": one})
    low, high = fig.layout.xaxis.range
    for i, k in enumerate(shots):
        places = np.log10([trace.x[i] for trace in fig.data if trace.mode != "lines"])
        assert low < places.min() and places.max() < high
        assert np.ptp(places) < 0.2 * (high - low) and abs(places - np.log10(k)).min() == 0
    (chance,) = (trace for trace in fig.data if trace.name == "chance (control)")
    assert np.log10(chance.x) == pytest.approx([low, high]) and list(chance.y) == [
        0.25,
        0.25,
    ]  # seen at one number, too


def test_colours_legend_words_and_themes():
    fig = draw({"a": result(), "b": result(how="linear")}, colors={"a": "#009E73", "b": "#E69F00"})
    assert {t.line.color for t in fig.data} == {"#009E73", "#E69F00", theme.CONTROL}
    shown = [trace.name for trace in fig.data if trace.showlegend is not False]
    assert {"a, fine-tuned", "a, frozen", "b, head only", "b, frozen"} < set(shown) and len(shown) == 8
    assert "labelled images a class" in fig.layout.xaxis.title.text and "shape accuracy" in fig.layout.yaxis.title.text
    assert len(fig.layout.meta["alt"]) > 40 and fig.layout.meta["caption"].endswith(".")
    dark, light = (json.loads(theme.apply(go.Figure(fig), dark=d).to_json())["layout"] for d in (True, False))
    assert dark.pop("template") != light.pop("template") and dark == light


def test_of_a_single_draw_there_is_no_interval_and_names_cannot_inject():
    one = result()
    fig = figure({"<script>x</script>": result(predicted=one.predicted[:, :, :1])})
    assert all(trace.error_y.array is None for trace in fig.data)
    assert not any("<script" in text for trace in fig.data for text in trace.text)
    with pytest.raises(ValueError, match="at least one"):
        figure({})
