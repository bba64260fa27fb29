"""Maps: is each point the image that its id names, and is the null map there?"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sslviz.diagnostics.projection.projection import projection as diagnose
from sslviz.features import Features
from sslviz.figures import map_figure, selected_ids
from sslviz.figures.parts import theme
from sslviz.figures.projection.projection import projection

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


def test_classes_have_traces_of_their_own_and_no_checkpoint_colour(result):
    fig = map_figure(result, pd.Series(CLASSES, name="shape"))
    assert [t.name for t in fig.data if t.showlegend] == sorted(set(CLASSES))
    for name in set(CLASSES):
        drawn = [t for t in fig.data if t.name == name]
        ids = np.concatenate([t.customdata[:, 0] for t in drawn])
        assert sorted(ids) == sorted(result.ids[name == CLASSES])
        assert len({t.marker.color for t in drawn}) == 1 and drawn[0].marker.color in theme.CLASS_COLORS
        assert {t.legendgroup for t in drawn} == {name}  # a click in the legend hides all of them
    assert fig.layout.legend.title.text == "shape"


def test_numbers_have_a_scale_and_digits_are_classes(result):
    values = np.linspace(-2, 5, N)
    fig = map_figure(result, values)
    assert len(fig.data) == 1 and np.array_equal(fig.data[0].marker.color, values)
    assert (fig.layout.coloraxis.cmin, fig.layout.coloraxis.cmax) == (-2, 5)
    assert [t.name for t in map_figure(result, np.arange(N) % 11).data] == [str(i) for i in range(11)]


@pytest.mark.parametrize("deep", [2, 4, 15])
@pytest.mark.parametrize(("classes", "maps"), [(3, 1), (13, 1), (20, 1), (4, 4), (10, 2)])
def test_no_class_covers_the_others(result, deep, classes, maps):
    """Where several points lie in one place, the last one drawn there is of each class about as often as it should be."""
    places = 400 * max(1, classes // 4)
    many = places * deep
    label = np.sort(np.arange(many) % classes).astype(str)  # in the order of the table: class after class
    place = np.random.default_rng(1).permutation(many) // deep
    xy = np.stack([place % 20, place // 20], 1).astype(np.float32)
    large = replace(result, ids=np.arange(many).astype(str), xy=xy, null_xy=xy)
    if maps == 1:
        fig = map_figure(large, label, limit=many)
    else:
        fig = projection({str(i): large for i in range(maps)}, color=label)
    on_top = {}
    for trace in fig.data:
        if trace.xaxis in (None, "x") and trace.name in {str(c) for c in range(classes)}:
            for x, y in zip(trace.x, trace.y, strict=True):
                on_top[x, y] = trace.name
    assert len(on_top) == places
    share = np.array([list(on_top.values()).count(str(c)) for c in range(classes)]) / len(on_top) * classes
    assert share.min() > 0.6 and share.max() < 1.5


def test_reliability_colours_by_neighbours_kept_and_fades_what_is_there_by_chance(result):
    split = replace(result, preservation=np.where(np.arange(N) < 50, 0.0, 0.8))
    faded, sure = map_figure(split, "reliability").data
    assert set(faded.customdata[:, 0]) == set(result.ids[:50]) and set(sure.customdata[:, 0]) == set(result.ids[50:])
    assert faded.marker.opacity < 0.3 < sure.marker.opacity and faded.showlegend and "chance" in faded.name
    assert (sure.marker.color == 0.8).all()
    fig = map_figure(split, "reliability", result.ids[:3])
    assert (fig.layout.coloraxis.cmin, fig.layout.coloraxis.cmax) == (0, 1)
    assert sum(len(t.selectedpoints) for t in fig.data) == 3
    assert "Faded" in fig.layout.meta["caption"]
    assert len(map_figure(replace(result, preservation=np.ones(N)), "reliability").data) == 1
    both = projection({"a": split, "b": replace(result, preservation=np.ones(N))}, color="reliability")
    assert sum(t.customdata is not None for t in both.data) == 3


def test_trails_lead_from_the_earlier_map_to_the_farthest_movers(result):
    moved = result.xy.copy()
    moved[:5] += [30, 0]
    before = replace(result, xy=(2 * moved[::-1] + 7), ids=result.ids[::-1])
    fig = map_figure(result, CLASSES, trails=before, limit=100)
    (lines,) = [t for t in fig.data if t.mode == "lines"]
    assert len(lines.x) == 3 * 100 and lines.x[2] is None and lines.customdata is None
    assert "NaN" not in fig.to_json() and "lines lead" in lines.name and "Lines lead" in fig.layout.meta["caption"]
    length = np.hypot(lines.x[1] - lines.x[0], lines.y[1] - lines.y[0])
    assert length > np.hypot(lines.x[-2] - lines.x[-3], lines.y[-2] - lines.y[-3])  # farthest first
    ends = {(x, y) for x, y in zip(lines.x[1::3], lines.y[1::3], strict=True)}
    assert ends == {tuple(xy) for xy in placed(fig.data).values()}
    assert not [t for t in map_figure(result, null=True, trails=before).data if t.mode == "lines"]


def test_a_null_map_that_is_as_good_is_said_to_be(result):
    controls = {name: values | {"null map": 0.0} for name, values in result.control_values.items()}
    below = replace(result, control_values=controls)
    assert "null map" not in map_figure(below).layout.meta["caption"]
    controls["trustworthiness"]["null map"] = 1.0
    above = replace(result, control_values=controls)
    assert "null map keeps neighbours as well" in map_figure(above).layout.meta["caption"]
    below = replace(result, control_values={name: {"chance": 0.0} for name in controls})
    caption = projection({"<b>bad</b>": above, "good": below}).layout.meta["caption"]
    assert "of &lt;b&gt;bad&lt;/b&gt; keeps" in caption


@pytest.mark.parametrize("color", [None, "reliability", "classes"])
def test_a_large_map_is_a_few_traces_of_all_points(result, color):
    """A trace for each point would stop any browser; how long it takes is in benchmarks/figures.py."""
    n = 20_000
    rng = np.random.default_rng(0)
    large = replace(
        result,
        ids=np.arange(n).astype(str),
        xy=rng.normal(size=(n, 2)).astype(np.float32),
        preservation=rng.random(n),
        trustworthiness=rng.random(n),
    )
    values = rng.integers(10, size=n) if color == "classes" else color
    fig = map_figure(large, values)
    assert len(fig.data) <= 48
    assert {point[0] for trace in fig.data if trace.customdata is not None for point in trace.customdata} >= set(
        large.ids
    )


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
    assert len(nulls) == count and len({(t.name, t.xaxis) for t in maps}) == 3 * count
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
