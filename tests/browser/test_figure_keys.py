"""The key of a sheet of maps: its unit is written between the pictures and the bar, however low or tall the figure."""

import numpy as np
import pytest

from sslviz.figures.parts import theme
from sslviz.figures.parts.saliency_sheet import Panel, sheet

pytestmark = pytest.mark.browser

SLACK = 3  # pixels, that the box of a text is higher than its letters
LOOK = """() => {
    const box = element => element.getBoundingClientRect();
    const title = Array.from(document.querySelectorAll(".annotation-text")).find(e => e.textContent === "times its mean");
    const maps = Array.from(document.querySelectorAll(".heatmaplayer image"), e => box(e).bottom);
    return {pictures: Math.max(...maps), top: box(title).top, bottom: box(title).bottom,
            bar: box(document.querySelector(".cbfills, .cbfill")).top};
}"""


@pytest.mark.parametrize(("n", "columns"), [(8, 8), (3, 3), (12, 4)])
def test_the_title_covers_neither_the_bar_nor_the_pictures(page, n, columns):
    rng = np.random.default_rng(0)
    pictures = rng.integers(256, size=(n, 32, 32, 3)).astype(np.uint8)
    panels = [Panel(picture, rng.gamma(1, 1, (8, 8)), "map", str(i)) for i, picture in enumerate(pictures)]
    figure = theme.finish(sheet(panels, columns, unit="times its mean", reference="1 = alike"), alt="", caption="")
    page.set_content(figure.to_html(include_plotlyjs=True))
    page.wait_for_selector(".cbfills, .cbfill")
    found = page.evaluate(LOOK)
    assert found["pictures"] <= found["top"] + SLACK and found["bottom"] <= found["bar"] + SLACK
