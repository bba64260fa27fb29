"""Small SVGs: are they well-formed, and do they say what the score says?"""

import base64
import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from sslviz.figures import score_bar_svg, sparkline_svg, svg_uri
from sslviz.figures.parts import theme
from sslviz.figures.parts.score_bars import zone
from sslviz.statistics import Score

ACCURACY = Score(0.83, 0.80, 0.85, {"chance": 0.25, "untrained": 0.4})
SCORES = [
    ACCURACY,
    Score(41.0, 39.0, 43.0, {"noise": 118.0}, control_is="ceiling"),
    Score(1.1, 1.0, 1.3, {"noise": 0.2}, higher_is_better=None),
    Score(0.3, 0.2, 0.4, {"random": 2.0}, higher_is_better=False),
    Score(math.nan, math.nan, math.nan),
    Score(2.0, controls={"<&>": 1.0}),
]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("score", SCORES)
def test_svg_is_xml_that_says_the_score(score, dark):
    svg = score_bar_svg(score, "#E69F00", dark, name="accuracy & <more>")
    root = ElementTree.fromstring(svg)
    assert "nan" not in svg.replace(str(score), "")
    assert root.find("{*}title").text == root.get("aria-label") == f"accuracy & <more>: {score}"
    greys = [e for e in root.iter() if theme.CONTROL in (e.get("stroke"), e.get("fill"))]
    assert len(greys) == len(score.controls) + (zone(score, (0, 1)) is not None)
    assert base64.b64decode(svg_uri(svg).partition(",")[2]).decode() == svg


def test_svg_positions():
    root = ElementTree.fromstring(score_bar_svg(ACCURACY, "#E69F00", name="accuracy"))
    x = float(root.find("{*}circle").get("cx"))
    rect = root.find("{*}rect")
    left, wide = float(rect.get("x")), float(rect.get("width"))
    assert (x - left) / wide == pytest.approx(0.83 / 0.4, rel=0.01)


def test_sparkline():
    root = ElementTree.fromstring(sparkline_svg([math.nan, 1, math.nan, 3, 2], "#E69F00", control=0.5, name="knn"))
    points = [tuple(map(float, p.split(","))) for p in root.find("{*}polyline").get("points").split()]
    heights = [-y for _, y in points]
    assert len(points) == 3 and np.argsort(heights).tolist() == [0, 2, 1]
    grey = next(e for e in root.iter() if e.get("stroke") == theme.CONTROL)
    control = -float(re.search(r",([\d.]+)H", grey.get("d"))[1])
    assert control < min(heights)
    assert root.find("{*}title").text == "knn: 1 → 2, control 0.5"
    for values in ([], [math.nan], [2.0], [2.0, 2.0]):
        for control in (None, math.nan, 2.0):
            ElementTree.fromstring(svg := sparkline_svg(values, "#E69F00", control=control))
            assert "nan" not in svg
