"""A figure on the page becomes exactly the next one, and of what stays nothing is sent."""

import json

import numpy as np
import plotly.graph_objects as go
import pytest

from sslviz.figures import theme
from sslviz.widgets.parts.live_figure import WIDTH, LiveFigure


def figure(*traces, **layout):
    return theme.finish(go.Figure(list(traces), layout=layout), alt="A figure.", caption=f"{len(traces)} & more.")


def line(*y, color="#123456", **more):
    return go.Scatter(y=np.array(y, float), line={"color": color}, **more)


FIGURES = {
    "one line": figure(line(1, 2, 3), height=300),
    "another": figure(
        line(1, 2, 4, color="#654321", text=["a", "b", "c"]), height=320, annotations=[{"text": "x", "x": 1}]
    ),
    "fewer words": figure(line(1, 2, 4), annotations=[]),
    "marks": figure(line(1, 2, 4), shapes=[{"type": "line", "x0": 1, "x1": 1, "y0": 0, "y1": 1}], title={"text": "t"}),
    "a map": figure(go.Heatmap(z=[[1, 2], [3, 4]], coloraxis="coloraxis"), coloraxis={"cmin": 0, "cmax": 4}),
    "a map of an array": figure(go.Heatmap(z=np.arange(6.0).reshape(2, 3), customdata=np.arange(6).reshape(2, 3))),
    "two panels": figure(line(1), line(2, xaxis="x2", yaxis="y2"), xaxis2={"range": [0, 1]}),
}


def plain(figure):
    found = json.loads(go.Figure(figure).to_json())
    for trace in found["data"]:
        trace.pop("uid", None)
    return found


@pytest.mark.parametrize("last", FIGURES)
@pytest.mark.parametrize("first", FIGURES)
def test_it_becomes_the_next_figure_with_its_caption(first, last):
    live = LiveFigure(FIGURES[first])
    live.show(FIGURES[last])
    shown, meant = plain(live.widget), plain(FIGURES[last])
    assert shown["layout"].pop("width") == WIDTH
    empty = [key for key, value in shown["layout"].items() if value in ([], {}, None)]
    for key in empty:
        assert not meant["layout"].pop(key, None)
        shown["layout"].pop(key)
    assert shown == meant and live.figure is FIGURES[last]
    caption = live.box.children[1].value
    assert f">{len(FIGURES[last].data)} &amp; more.<" in caption


def test_only_what_differs_is_sent(monkeypatch):
    live = LiveFigure(FIGURES["one line"])
    sent = []
    monkeypatch.setattr(live.widget, "_send_update_msg", lambda **message: sent.append(message))
    live.show(figure(line(1, 2, 3), height=300))
    assert sent == []
    live.show(figure(line(1, 5, 3), height=300))
    (message,) = sent
    assert list(message["restyle_data"]) == ["y"] and not message["relayout_data"]


def test_no_message_holds_a_number_that_is_no_json():
    gaps = figure(go.Scatter(y=[1.0, float("nan")], error_y={"array": [float("inf"), 1.0]}, text=["a", None]))
    live = LiveFigure(figure(line(1)))
    live.show(gaps)
    for one in (live, LiveFigure(gaps)):
        trace = one.widget.to_plotly_json()["data"][0]
        assert list(trace["y"]) == [1.0, None] and list(trace["error_y"]["array"]) == [None, 1.0]
    assert np.isnan(live.figure.data[0].y[1])  # the figure itself stays as it was


def test_arrays_stay_arrays_which_go_as_bytes():
    values = np.arange(6.0).reshape(2, 3)
    live = LiveFigure(figure(go.Heatmap(z=values)))
    np.testing.assert_array_equal(live.widget.data[0].z, values)
    live.show(figure(go.Heatmap(z=values + 1)))
    assert isinstance(live.widget.data[0].z, np.ndarray) and (live.widget.data[0].z == values + 1).all()
