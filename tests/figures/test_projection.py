"""Maps: is each point the image that its id names, and is the null map there?"""

import numpy as np
import pandas as pd
import pytest

from sslviz.diagnostics.projection import projection as diagnose
from sslviz.features import Features
from sslviz.figures import map_figure, projection, selected_ids, theme

N = 120
CLASSES = np.array(["disc", "square", "cross"])[np.arange(N) % 3]


@pytest.fixture(scope="module")
def result():
    x = np.random.default_rng(0).standard_normal((N, 8))
    return diagnose(Features.from_array(x, ids=[f"image {i}" for i in range(N)]), "pca")


def placed(traces):
    """{id: (x, y)} of all points that carry an id."""
    return {
        row[0]: xy for t in traces if t.customdata is not None for row, *xy in zip(t.customdata, t.x, t.y, strict=True)
    }


@pytest.mark.parametrize("color", [None, CLASSES, pd.Series(np.linspace(0, 1, N), name="x"), np.arange(N) % 4])
def test_every_point_is_where_its_image_is(result, color):
    points = placed(map_figure(result, color).data)
    assert len(points) == N
    for id_, xy in zip(result.ids, result.xy, strict=True):
        assert points[id_] == list(xy)


def test_classes_have_a_trace_each_and_no_checkpoint_colour(result):
    fig = map_figure(result, pd.Series(CLASSES, name="shape"))
    assert [t.name for t in fig.data] == sorted(set(CLASSES))
    for trace in fig.data:
        members = {i for i, c in zip(result.ids, CLASSES, strict=True) if c == trace.name}
        assert set(trace.customdata[:, 0]) == members
        assert trace.marker.color in theme.CLASS_COLORS
    assert fig.layout.legend.title.text == "shape"


def test_numbers_have_a_scale_and_digits_are_classes(result):
    values = np.linspace(-2, 5, N)
    fig = map_figure(result, values)
    assert len(fig.data) == 1 and np.array_equal(fig.data[0].marker.color, values)
    assert (fig.layout.coloraxis.cmin, fig.layout.coloraxis.cmax) == (-2, 5)
    assert [t.name for t in map_figure(result, np.arange(N) % 11).data] == [str(i) for i in range(11)]


def test_more_classes_than_colours_differ_by_symbol_and_leave_the_legend(result):
    fig = map_figure(result, np.array([f"c{i % 40:02}" for i in range(N)]))
    assert len({(t.marker.color, t.marker.symbol) for t in fig.data}) == 40
    assert not any(t.showlegend for t in fig.data)


def test_selected_points_are_marked_and_all_others_fade(result):
    chosen = result.ids[[3, 50, 7]]
    fig = map_figure(result, CLASSES, chosen)
    marked = [t.customdata[i, 0] for t in fig.data for i in t.selectedpoints]
    assert sorted(marked) == sorted(chosen)
    for trace in fig.data:
        assert trace.unselected.marker.opacity < trace.selected.marker.opacity == 1
        assert trace.selected.marker.size > trace.marker.size
    assert all(t.selectedpoints is None for t in map_figure(result, CLASSES).data)


def test_what_streamlit_returns_becomes_ids(result):
    points = [{"customdata": row} for t in map_figure(result).data for row in t.customdata.tolist()]
    assert selected_ids([*points[:5], points[2], {"x": 1}]) == list(result.ids[:5])


def test_a_sample_is_stated_stays_the_same_and_holds_the_selected(result):
    fig = map_figure(result, limit=30)
    first = placed(fig.data)
    assert len(first) == 30 and "30 of 120" in fig.layout.meta["caption"]
    assert placed(map_figure(result, limit=30).data) == first
    missing = [i for i in result.ids if i not in first][:10]
    assert set(missing) <= set(placed(map_figure(result, None, missing, limit=30).data))
    assert "120 images" in map_figure(result).layout.meta["caption"]


def test_null_map_is_grey_and_holds_no_images(result):
    (trace,) = map_figure(result, CLASSES, null=True).data
    assert trace.marker.color == theme.CONTROL and trace.customdata is None
    assert np.array_equal(np.column_stack([trace.x, trace.y]), result.null_xy)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 10])
def test_each_map_stands_beside_its_null_map(result, count):
    fig = projection({f"run {i}": result for i in range(count)}, color=CLASSES)
    nulls = [t for t in fig.data if t.marker.color == theme.CONTROL]
    maps = [t for t in fig.data if t.customdata is not None]
    assert len(nulls) == count and len(maps) == 3 * count
    assert len({t.xaxis for t in nulls} | {t.xaxis for t in maps}) == 2 * count
    assert sum(bool(t.showlegend) for t in fig.data) == 4  # three classes and the null map, once each
    assert len(fig.layout.annotations) == count
    for axis in fig.select_yaxes():
        assert axis.scaleanchor == axis.anchor


def test_heading_tells_what_the_map_may_be_believed_for(result):
    text = projection({"one": result}).layout.annotations[0].text
    scores = result.scores()
    for name in ("trustworthiness", "knn_preservation"):
        assert f"{scores[name].value:.2f}" in text and f"null {scores[name].controls['null map']:.2f}" in text
    assert "not meaningful" in projection(result).layout.meta["caption"]


def test_uncoloured_maps_have_their_checkpoints_colours(result):
    palette = theme.colors(["a", "b"])
    fig = projection({"b": result}, colors=palette)
    assert {t.marker.color for t in fig.data} == {palette["b"], theme.CONTROL}


def test_colours_must_belong_to_the_images(result):
    with pytest.raises(ValueError, match="one colour value for each"):
        map_figure(result, CLASSES[:5])
    other = diagnose(Features.from_array(np.random.default_rng(1).standard_normal((N, 8))), "pca")
    with pytest.raises(ValueError, match="same images"):
        projection({"a": result, "b": other}, color=CLASSES)
