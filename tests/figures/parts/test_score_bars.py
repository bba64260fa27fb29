"""The score bar: does the picture say what the score says?"""

import math

import numpy as np
import pytest

from sslviz.figures.parts import theme
from sslviz.figures.parts.score_bars import scale, score_bars, zone
from sslviz.statistics import Score

ACCURACY = Score(0.83, 0.80, 0.85, {"chance": 0.25, "untrained": 0.4})
RANK = Score(41.0, 39.0, 43.0, {"noise": 118.0}, control_is="ceiling")
ALPHA = Score(1.1, 1.0, 1.3, {"noise": 0.2}, higher_is_better=None)
DISTANCE = Score(0.3, 0.2, 0.4, {"random": 2.0}, higher_is_better=False)
ALL = {"accuracy": ACCURACY, "rankme": RANK, "alpha": ALPHA, "distance": DISTANCE}


def dots(fig):
    return [t for t in fig.data if t.error_x.color is not None]


@pytest.mark.parametrize("scores", [ALL, {"one": ALL}, {"one": ALL, "two <&>": {"accuracy": ACCURACY}}])
def test_interval_ends_and_control_ticks_are_the_scores(scores):
    fig = score_bars(scores)
    nested = scores if "one" in scores else {"": scores}
    ticks = next(t for t in fig.data if t.name == "control")
    seen = 0
    for trace in dots(fig):
        for x, up, down, y, (checkpoint, name) in zip(
            trace.x, trace.error_x.array, trace.error_x.arrayminus, trace.y, trace.customdata, strict=True
        ):
            score, (low, high) = nested[checkpoint][name], scale(name, [nested["one" if "one" in nested else ""][name]])
            back = [low + u * (high - low) for u in (x, x - down, x + up)]
            assert back == pytest.approx([score.value, score.low, score.high])
            at = {
                c[2]: low + u * (high - low)
                for u, c, ty in zip(ticks.x, ticks.customdata, ticks.y, strict=True)
                if ty == y
            }
            assert at == pytest.approx(dict(score.controls))
            seen += 1
    assert seen == sum(map(len, nested.values()))
    assert ticks.marker.line.color == theme.CONTROL


def test_the_text_beside_a_bar_is_the_score_itself():
    fig = score_bars({"a": ALL, "b": ALL})
    assert list(fig.layout.yaxis2.ticktext) == [str(score) for score in ALL.values() for _ in "ab"]
    assert str(ACCURACY) in fig.layout.meta["alt"] and fig.layout.meta["caption"]


@pytest.mark.parametrize(
    "score, expected",
    [
        (ACCURACY, (0, 0.4)),
        (RANK, (118 / 150, 1)),  # beyond the ceiling; the scale ends at 150
        (ALPHA, None),  # neither direction is good
        (DISTANCE, (2 / 2.5, 1)),  # lower is better: from the control upwards
        (Score(0.5), None),
    ],
)
def test_zone_lies_on_the_side_that_shows_nothing(score, expected):
    name = "accuracy" if score is ACCURACY else "other"
    assert zone(score, scale(name, [score])) == (expected and pytest.approx(expected))


def test_floors_are_filled_and_ceilings_hatched():
    fig = score_bars(ALL)
    by_name = {t.name: t for t in fig.data}
    assert by_name["no better than control"].fillpattern.shape is None
    assert by_name["beyond ceiling"].fillpattern.shape == "/"
    assert "beyond ceiling" not in {t.name for t in score_bars({"accuracy": ACCURACY}).data}


def test_scales():
    assert scale("shape accuracy", [ACCURACY]) == (0, 1)
    assert scale("std", [Score(0.07, controls={"isotropic": 0.088})]) == (0, 0.1)
    low, high = scale("difference", [Score(-0.3, -0.5, 0.1)])
    assert low <= -0.5 and high >= 0.1
    assert scale("nothing", [Score(math.nan)]) == (0, 1)
    assert scale("zero", [Score(0.0)]) == (0, 1)
    for value in np.random.default_rng(0).lognormal(sigma=5, size=200):
        assert value < scale("rank", [Score(float(value))])[1] < 2.2 * value


def test_checkpoints_share_a_scale_and_keep_their_colours():
    low, high = ({"rank": Score(v)} for v in (3.0, 300.0))
    fig = score_bars({"low": low, "high": high})
    assert dots(fig)[0].x[0] * 100 == pytest.approx(dots(fig)[1].x[0])
    palette = theme.colors(["low", "high"])
    assert [t.marker.color for t in dots(fig)] == list(palette.values())
    assert dots(score_bars({"high": high}, colors=palette))[0].marker.color == palette["high"]


def test_a_score_that_could_not_be_had_is_a_row_without_a_dot():
    fig = score_bars({"accuracy": Score(math.nan, None, None, {"chance": 0.25})})
    assert math.isnan(dots(fig)[0].x[0]) and fig.layout.yaxis2.ticktext[0].startswith("n/a")
    with pytest.raises(ValueError, match="at least one score"):
        score_bars({})


def test_ten_checkpoints_of_different_scores_make_a_taller_figure():
    heights = [score_bars({f"run {i}": ALL for i in range(n)}).layout.height for n in (2, 10)]
    assert heights[0] < heights[1]
    partly = score_bars({"a": {"x": ACCURACY}, "b": {"y": ACCURACY}})
    assert len(partly.layout.yaxis2.ticktext) == 2
