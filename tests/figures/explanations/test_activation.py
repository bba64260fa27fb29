"""Maps of grids, drawn: at one scale, in multiples of their mean, beside the untrained encoder framed in grey."""

import json

import numpy as np
import pandas as pd
import pytest

from sslviz.data import Images
from sslviz.figures.explanations.activation import activation
from sslviz.figures.parts import theme

N = 3
PIXELS = np.random.default_rng(0).integers(0, 256, (N, 24, 24, 3), dtype=np.uint8)
IMAGES = Images(PIXELS, np.array([f"i{i}" for i in range(N)]), pd.DataFrame(index=range(N)))
NAMES = ["mine <b>", "theirs"]


def maps(seed):
    return np.random.default_rng(seed).random((N, 4, 4)).astype(np.float32)


def drawn(**options):
    given = {name: 5 * maps(i) - 1 for i, name in enumerate(NAMES)}
    return given, activation(given, IMAGES, control_maps={"untrained": maps(9)}, what="How strongly", **options)


def test_maps_are_multiples_of_their_mean_without_what_is_negative():
    given, fig = drawn()
    heat = [trace for trace in fig.data if trace.type == "heatmap"]
    assert len(heat) == N * 3
    expected = given[NAMES[0]][0].clip(0) / given[NAMES[0]][0].clip(0).mean()
    np.testing.assert_allclose(np.array(heat[0].z), expected, rtol=1e-3)
    assert all(trace.coloraxis == "coloraxis" for trace in heat)


def test_the_control_is_grey_and_checkpoints_have_their_colours():
    _, fig = drawn(colors={NAMES[0]: "#123456", NAMES[1]: "#654321"})
    frames = [(trace.name, trace.line.color) for trace in fig.data if trace.type == "scatter"]
    assert [color for _, color in frames] == ["#123456", "#654321", theme.CONTROL] * N
    assert frames[2][0] == "untrained (control)"
    ticks = fig.layout.coloraxis.colorbar
    assert ticks.ticktext[list(ticks.tickvals).index(1)] == "1 = everywhere alike (control)"


def test_names_are_text_and_notes_are_said():
    _, fig = drawn(subtitles={"theirs": "radius 3.2 px"})
    assert (
        "radius 3.2 px" in json.dumps(fig.to_plotly_json()["layout"]["annotations"])
        and "radius 3.2" in fig.layout.meta["alt"]
    )
    assert not any("mine <b>" in (a.text or "") for a in fig.layout.annotations)
    assert "untrained" in fig.layout.meta["caption"]


def test_a_map_of_nothing_is_everywhere_alike_and_large_ones_are_shrunk():
    fig = activation({"a": np.zeros((N, 4, 4))}, IMAGES, control_maps={"u": np.ones((N, 200, 200))}, what="x")
    first, control = [np.array(t.z) for t in fig.data if t.type == "heatmap"][:2]
    assert (first == 1).all() and control.shape == (48, 48) and np.allclose(control, 1)


def test_maps_of_other_images_are_refused():
    with pytest.raises(ValueError, match="one for each of 3 images"):
        activation({"a": maps(0)[:2]}, IMAGES, control_maps={}, what="x")
