"""Maps through training, and what moved: every frame is its map, and every image is in its quadrant."""

import numpy as np
import pytest

from sslviz.diagnostics.projection.displacement import displacement as measure
from sslviz.diagnostics.projection.projection import aligned_projections
from sslviz.features import Features
from sslviz.figures.parts import theme
from sslviz.figures.projection.displacement import displacement
from sslviz.figures.projection.over_training import journey

CLASSES = np.array(["disc", "square", "cross"])[np.arange(120) % 3]


@pytest.fixture(scope="module")
def maps():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((120, 8))
    spaces = {str(10 * i): x + 0.4 * i * rng.standard_normal(x.shape) for i in range(3)}
    ids = [f"image {i}" for i in range(120)]
    return aligned_projections({step: Features.from_array(s, ids=ids) for step, s in spaces.items()}, "pca")


@pytest.mark.parametrize("color", [None, CLASSES])
def test_each_frame_is_the_map_of_its_step(maps, color):
    fig = journey(maps, color=color)
    assert [frame.name for frame in fig.frames] == list(maps) == [s.label for s in fig.layout.sliders[0].steps]
    for frame, result in zip(fig.frames, maps.values(), strict=True):
        where = dict(zip(result.ids, map(tuple, result.xy), strict=True))
        drawn = {}
        for i, data in zip(frame.traces, frame.data, strict=True):
            ids = fig.data[i].customdata[:, 0]
            drawn |= dict(zip(ids, zip(data.x, data.y, strict=True), strict=True))
        assert drawn == where
        assert "null map, control" in frame.layout.annotations[0].text
        for axis, values in ((fig.layout.xaxis, result.xy[:, 0]), (fig.layout.yaxis, result.xy[:, 1])):
            assert axis.range[0] < values.min() and values.max() < axis.range[1]
    assert "NaN" not in fig.to_json()


def test_a_journey_is_of_the_same_images(maps):
    with pytest.raises(ValueError, match="at least one map"):
        journey({})
    other = aligned_projections({"0": Features.from_array(np.random.default_rng(1).normal(size=(120, 4)))}, "pca")
    with pytest.raises(ValueError, match="same images in the same order"):
        journey(maps | other)


def test_the_quadrants_hold_the_images_that_are_in_them(maps):
    first, last = maps["0"], maps["20"]
    change = np.linspace(0, 1, 120)
    result = measure(first, last, change)
    fig = displacement(result)
    assert np.array_equal(fig.data[0].customdata[:, 0], result.ids) and np.array_equal(fig.data[0].y, result.moved)
    assert np.abs(fig.data[0].x - change).max() <= 0.02
    assert fig.data[1].line.color == theme.CONTROL and fig.data[1].y[0] == result.line
    words = " ".join(a.text for a in fig.layout.annotations)
    hidden = (result.moved <= result.line) & (change >= 0.5)
    assert f"hidden by the map: {hidden.mean():.0%}" in words
    assert len(displacement({"a": result, "b": result}).data) == 3
