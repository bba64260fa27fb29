"""Does the chosen run stand out, and everything that is no run's stay as it is?"""

import plotly.graph_objects as go

from sslviz.figures.parts import theme
from sslviz.figures.parts.highlight import FADED, highlight


def drawn():
    fig = go.Figure(go.Scatter(x=[1], y=[1], name="noise (control)", line={"color": theme.CONTROL}))
    for name in "abc":
        fig.add_trace(go.Scatter(x=[1], y=[1], mode="lines", name=f"short {name}", legendgroup=name, line={"width": 1}))
    return fig


def test_others_fade_and_the_control_does_not():
    fig = highlight(drawn(), "b", ["a", "b", "c"])
    assert [trace.opacity for trace in fig.data] == [None, FADED, None, FADED]
    assert fig.data[2].line.width > 1 == fig.data[1].line.width


def test_a_figure_without_the_run_is_left_alone():
    for name, among in (("d", ["a", "b", "c", "d"]), ("", ["a"])):
        assert highlight(drawn(), name, among) == drawn()
