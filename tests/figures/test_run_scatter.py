"""Does every run lie at its score, beside its control, and can it be clicked?"""

import numpy as np
import pytest

from sslviz.figures.parts import theme
from sslviz.figures.parts.argument_axis import ArgumentAxis
from sslviz.figures.run_scatter import run_scatter
from sslviz.statistics import Score, SeedSpread

NAMES = [f"run{i}" for i in range(20)]
SCORES = {
    name: Score(i / 20, i / 20 - 0.05, i / 20 + 0.05, {"chance": 0.1, "pixels": 0.3}) for i, name in enumerate(NAMES)
}


def dots(fig):
    return {trace.name: trace for trace in fig.data if trace.name in NAMES}


def test_every_run_is_at_its_score_and_its_control_is_grey():
    fig = run_scatter(SCORES, {name: SCORES[NAMES[-1 - i]] for i, name in enumerate(NAMES)}, y="a", x="b")
    for i, (name, trace) in enumerate(dots(fig).items()):
        assert (trace.y[0], trace.x[0], trace.customdata[0][0]) == (i / 20, (19 - i) / 20, name)
        assert trace.error_y.array[0] == pytest.approx(0.05) and trace.error_x.arrayminus[0] == pytest.approx(0.05)
        assert (trace.marker.symbol == "circle") == (i / 20 - 0.05 > 0.3)
    (control,) = (trace for trace in fig.data if trace.name == "strongest control")
    assert (
        set(control.y) == {0.3}
        and control.marker.color == theme.CONTROL
        and not any("run" in str(c) for c in [control.customdata])
    )


def test_dots_of_one_argument_are_side_by_side_about_it_and_nearer_to_it_than_to_another():
    places = {name: (0.001, 0.004, 0.1)[i % 3] for i, name in enumerate(NAMES)}
    fig = run_scatter(SCORES, places, y="a", x="learning rate")
    at = {name: trace.x[0] for name, trace in dots(fig).items()}
    assert len(set(at.values())) == 20 and fig.layout.xaxis.type == "log"
    for name, place in places.items():
        nearest = min((0.001, 0.004, 0.1), key=lambda p: abs(np.log10(at[name] / p)))
        assert nearest == place


@pytest.mark.parametrize("values", [["simclr", "byol"], [True, False], [None, 0.1]])
def test_what_is_no_number_is_written_at_the_axis(values):
    fig = run_scatter(SCORES, {name: values[i % 2] for i, name in enumerate(NAMES)}, y="a", x="b")
    assert list(fig.layout.xaxis.ticktext) == sorted(map(str, values)) and len(dots(fig)) == 20


def test_axes_of_numbers():
    assert not ArgumentAxis.of([1, 2, 3]).logarithmic and ArgumentAxis.of([1, 20]).logarithmic
    assert not ArgumentAxis.of([0, 20]).logarithmic and ArgumentAxis.of([]).at(3) == 3
    assert ArgumentAxis.of(range(100)).beside({"a": 5, "b": 5}) == {"a": 5, "b": 5}  # too many to set apart


def test_means_over_seeds_have_intervals_of_their_own_with_ends():
    groups = {"first": NAMES[:10], "second": NAMES[10:]}
    spreads = {title: SeedSpread.of(SCORES[name] for name in names) for title, names in groups.items()}
    places = {name: title for title, names in groups.items() for name in names}
    colors = theme.colors([*NAMES, *groups])
    fig = run_scatter(SCORES, places, y="a", x="b", colors=colors, seeds={t: (t, s) for t, s in spreads.items()})
    means = [trace for trace in fig.data if trace.name == "mean over seeds"]
    for x, (trace, (title, spread)) in enumerate(zip(means, spreads.items(), strict=True)):
        assert round(trace.x[0]) == x and trace.x[0] > max(dots(fig)[name].x[0] for name in groups[title])
        assert (trace.y[0], trace.marker.color) == (spread.score.value, colors[title])
        assert trace.error_y.array[0] == pytest.approx(spread.score.high - spread.score.value)
        assert trace.error_y.width > dots(fig)["run0"].error_y.width and trace.customdata is None
    assert "over seeds" in fig.layout.meta["caption"] and "over images" in fig.layout.meta["caption"]


def test_the_caption_says_what_the_intervals_are_over():
    told = {
        over: run_scatter(SCORES, SCORES, y="a", x="b", over=over).layout.meta["caption"]
        for over in ("images", "seeds")
    }
    for over, other in (("images", "seeds"), ("seeds", "images")):
        assert f"95 % interval over {over}" in told[over] and f"over {other}" not in told[over]
    assert "Dot: a run" in told["images"] and "Dot: the mean of runs" in told["seeds"]


def test_runs_without_a_place_are_named_and_none_at_all_is_an_error():
    fig = run_scatter({**SCORES, "lost": Score.unknown("too few", {})}, dict.fromkeys(NAMES[1:], 1.0), y="a", x="b")
    assert len(dots(fig)) == 19 and "Without a place: lost, run0." in fig.layout.meta["alt"]
    assert not dots(run_scatter(SCORES, {}, y="a", x="b"))
    with pytest.raises(ValueError, match="at least one score"):
        run_scatter({}, {}, y="a", x="b")


def test_names_cannot_inject():
    nasty = "<script>alert(1)</script>"
    fig = run_scatter({nasty: Score(1.0)}, {nasty: "<b>"}, y=nasty, x=nasty)
    assert "<script" not in "".join(str(trace.text) for trace in fig.data) + fig.layout.xaxis.title.text
