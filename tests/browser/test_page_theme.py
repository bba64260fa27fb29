"""Figures of explorers on a dark page: text, lines and paper are those of the dark theme, and on a light page of the light."""

import plotly.graph_objects as go
import pytest

from sslviz.figures import theme
from sslviz.widgets.parts import page_theme

pytestmark = pytest.mark.browser

PAGES = {
    "JupyterLab, light": ('data-jp-theme-light="true"', False),
    "JupyterLab, dark": ('data-jp-theme-light="false"', True),
    "VS Code, light": ('class="vscode-light"', False),
    "VS Code, dark": ('class="vscode-dark"', True),
    "elsewhere": ("", False),
}
LOOK = """() => {
    const style = selector => getComputedStyle(document.querySelector(selector));
    return {
        text: style(".xtitle").fill, muted: style(".xtick text").fill, grid: style(".xgrid").stroke,
        axis: style(".xaxislayer-above path.ticks").stroke, paper: style(".main-svg").backgroundColor,
        plot: style(".bglayer .bg, .main-svg .bg").fill, data: style(".point").fill, legend: style(".legendtext").fill,
    };
}"""


def rgb(color):
    return f"rgb({int(color[1:3], 16)}, {int(color[3:5], 16)}, {int(color[5:], 16)})"


@pytest.fixture(scope="module")
def figure():
    line = go.Scatter(x=[0, 1], y=[0, 1], mode="markers", marker={"color": "#009E73"}, name="one", showlegend=True)
    layout = {"xaxis": {"title": {"text": "x"}}, "yaxis": {"title": {"text": "y"}}}
    figure = theme.finish(go.Figure(line, layout=layout), alt="A line.", caption="")
    return figure.to_html(include_plotlyjs=True, full_html=False, config={"responsive": False})


@pytest.mark.parametrize("name", PAGES)
def test_a_figure_has_the_colours_of_its_page(page, figure, name):
    body, dark = PAGES[name]
    page.set_content(f'<body {body}><div class="{page_theme.EXPLORER}">{page_theme.style()}{figure}</div></body>')
    page.wait_for_selector(".legendtext")
    found, ink = page.evaluate(LOOK), theme.ink(dark)
    for part in ("text", "muted", "grid", "axis"):
        assert found[part] == rgb(ink[part]), part
    assert found["legend"] == rgb(ink["text"]) and found["data"] == rgb("#009E73")
    clear = "rgba(0, 0, 0, 0)"
    assert found["paper"] == (clear if dark else rgb(ink["paper"]))
    point = page.locator(".point").first.bounding_box()
    page.mouse.move(point["x"] + point["width"] / 2, point["y"] + point["height"] / 2)
    page.wait_for_selector(".hovertext")
    assert page.evaluate("getComputedStyle(document.querySelector('.hovertext path')).fill") == rgb(ink["paper"])
