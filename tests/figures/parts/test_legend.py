import plotly.graph_objects as go

from sslviz.figures.parts.legend import one_entry_a_group


def test_each_group_is_named_once_at_its_first_trace_unless_that_is_hidden():
    shown = [("a", None), ("a", True), ("b", False), ("b", True), ("c", None)]
    fig = go.Figure([go.Scatter(name=group, legendgroup=group, showlegend=show) for group, show in shown])
    one_entry_a_group(fig.data)
    assert [trace.showlegend for trace in fig.data] == [True, False, False, False, True]
