"""Comparison: do the bars stand about zero where the differences say?"""

import pytest

from sslviz.diagnostics.similarity.compare import Comparison
from sslviz.figures.parts import theme
from sslviz.figures.similarity.comparison import comparison


def result(shift=0.1):
    return Comparison(
        kind="Probe",
        label="shape",
        first={"accuracy": 0.5, "loss": 1.0, "alpha": 1.0},
        second={"accuracy": 0.5 + shift, "loss": 0.8, "alpha": 1.5},
        low={"accuracy": shift - 0.05, "loss": -0.3, "alpha": None},
        high={"accuracy": shift + 0.05, "loss": 0.1, "alpha": None},
        higher_is_better={"accuracy": True, "loss": False, "alpha": None},
    )


def test_zero_is_in_the_middle_and_bars_to_scale():
    fig = comparison(result())
    dot = next(t for t in fig.data if t.error_x.color)
    names = [name for _, name in dot.customdata]
    assert names == ["accuracy ↑", "loss ↓", "alpha"]
    tick = next(t for t in fig.data if t.name == "control")
    assert set(tick.x) == {0.5} and tick.marker.color == theme.CONTROL
    assert "no difference" in tick.text[0]
    accuracy, loss, alpha = dot.x
    assert accuracy > 0.5 > loss and alpha > 0.5
    assert accuracy - dot.error_x.arrayminus[0] > 0.5  # the whole interval on one side
    assert loss + dot.error_x.array[1] > 0.5
    ends = [float(text) for text in next(t for t in fig.data if t.mode == "text").text]
    assert ends[0] == -ends[1] and ends[2] == -ends[3]
    assert (accuracy - 0.5) * 2 * ends[1] == pytest.approx(0.1)


def test_the_sentences_are_its_alt_text():
    alt = comparison({"linear_probe": result()}).layout.meta["alt"]
    assert "linear_probe: b reads shape better than a by 0.1 [0.05, 0.15]." in alt and "no interval" in alt


def test_several_share_a_scale_and_keep_their_colours():
    named = {f"probe {i}": result(0.1 * i) for i in range(1, 11)}
    palette = theme.colors(named)
    fig = comparison(named)
    dots = {t.name: t for t in fig.data if t.error_x.color}
    assert {name: t.marker.color for name, t in dots.items()} == palette
    for i in range(2, 11):
        assert dots[f"probe {i}"].x[0] - 0.5 == pytest.approx(i * (dots["probe 1"].x[0] - 0.5))
    only = comparison({"probe 7": named["probe 7"]}, colors=palette)
    assert next(t for t in only.data if t.error_x.color).marker.color == palette["probe 7"]
    assert "NaN" not in fig.to_json() and fig.layout.meta["caption"].endswith(".")
    with pytest.raises(ValueError, match="at least one"):
        comparison({})
