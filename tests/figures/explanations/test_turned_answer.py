"""A turned picture drawn: are maps the numbers they were given, over the turned picture, and controls grey?"""

import json

import numpy as np
import plotly.graph_objects as go

from sslviz.figures.explanations.turned_answer import turned_answer
from sslviz.figures.parts import theme
from sslviz.figures.parts.thumbnails import data_uri, pale

RNG = np.random.default_rng(0)
BEFORE, AFTER = RNG.integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
MAPS = {name: RNG.normal(size=(16, 16)) for name in ("run", "untrained", "edges")}


def figure():
    controls = {name: MAPS[name] for name in ("untrained", "edges")}
    words = {name: f"0.{number} on it" for number, name in enumerate(MAPS)}
    return turned_answer(
        {"as drawn": BEFORE, "color <blue>": AFTER},
        {"run": MAPS["run"]},
        control_maps=controls,
        subtitles=words,
        what="Where it comes from",
        id="7",
    )


def test_maps_are_what_speaks_for_the_answer_in_multiples_of_its_mean():
    maps = {t.name: np.array(t.z, float) for t in figure().data if isinstance(t, go.Heatmap)}
    assert list(maps) == ["run", "untrained (control)", "edges (control)"]
    for drawn, given in zip(maps.values(), MAPS.values(), strict=True):
        positive = given.clip(0)
        np.testing.assert_allclose(drawn, positive / positive.mean(), rtol=1e-3, atol=1e-6)


def test_they_lie_over_the_turned_picture():
    pictures = [t.source for t in figure().data if isinstance(t, go.Image)]
    assert pictures == [data_uri(BEFORE), data_uri(AFTER), *[data_uri(pale(AFTER))] * 3]


def test_controls_are_framed_in_grey_and_the_numbers_stand_below():
    fig = figure()
    frames = {t.name: t.line.color for t in fig.data if t.type == "scatter"}
    grey = dict.fromkeys(("untrained (control)", "edges (control)"), theme.CONTROL)
    assert frames == {"run": theme.CHECKPOINT_COLORS[0]} | grey
    texts = [a.text for a in fig.layout.annotations]
    assert {"0.0 on it", "0.1 on it", "0.2 on it", "color &lt;blue&gt;"} <= set(texts)
    assert "run: 0.0 on it" in fig.layout.meta["alt"] and fig.layout.meta["caption"].endswith(".")


def test_dark_is_the_template_and_nothing_else():
    light = json.loads(figure().to_json())
    dark = json.loads(theme.apply(figure(), dark=True).to_json())
    assert light["layout"].pop("template") != dark["layout"].pop("template") and light == dark
