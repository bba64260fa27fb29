"""The linked maps, on features whose neighbours are planted."""

import re

import numpy as np
import pandas as pd
import pytest

import sslviz
from sslviz import Checkpoint, Features
from sslviz.diagnostics.projection.projection import aligned_projections
from sslviz.figures import theme
from sslviz.figures.projection.projection import projection as maps_figure

N = 72
KIND = np.array(["disc", "ring", "square"])[np.arange(N) % 3]
SHOWN = re.compile(r'<img [^>]*alt="([^":]*)')


def space(group, seed):
    """Each picture's five nearest are the others of its group."""
    rng = np.random.default_rng(seed)
    return np.eye(24)[group] + 0.01 * rng.normal(size=(N, 24))


@pytest.fixture(scope="module")
def images():
    pixels = np.random.default_rng(0).integers(0, 256, (N, 8, 8, 3), dtype=np.uint8)
    return sslviz.Images(pixels, [f"p{i}" for i in range(N)], pd.DataFrame({"label": KIND, "size": np.arange(N) / N}))


@pytest.fixture
def explorer(images):
    rows = np.arange(N)
    return sslviz.explore_map({"rows": space(rows // 6, 0), "turns": space(rows % 12, 1)}, images)


def lasso(explorer, ids, name, drawn=True):
    """What the page sends when these pictures are drawn around in the map of one checkpoint, or a line is taken away."""
    figure, inside = explorer.figure, []
    for number, trace in enumerate(figure.data):
        if trace.customdata is not None and trace.hovertemplate.endswith(f"<extra>{name}</extra>"):
            inside += [(number, i) for i, (one,) in enumerate(trace.customdata) if one in ids]
    points = {
        "trace_indexes": [trace for trace, _ in inside],
        "point_indexes": [i for _, i in inside],
        "xs": [float(figure.data[trace].x[i]) for trace, i in inside],
        "ys": [float(figure.data[trace].y[i]) for trace, i in inside],
    }
    selector = {"type": "lasso", "selector_state": {"xs": [0, 1, 1], "ys": [0, 0, 1]}} if drawn else None
    figure._handler_js2py_pointsCallback(
        {"new": {"event_type": "plotly_selected", "points": points, "selector": selector, "device_state": None}}
    )


def standing_out(explorer):
    """{checkpoint: the ids that stand out in its map}; None where nothing fades."""
    found = {}
    for trace in explorer.figure.data:
        if trace.customdata is not None:
            name = re.search("<extra>(.*)</extra>", trace.hovertemplate)[1]
            chosen = trace.selectedpoints
            found.setdefault(name, set())
            if chosen is None:
                found[name] = None
            else:
                found[name] |= {trace.customdata[i][0] for i in chosen}
    return found


def test_a_lasso_in_one_map_stands_out_in_all_and_shows_its_pictures(explorer):
    ids = [f"p{i}" for i in range(6)]
    lasso(explorer, ids, "rows")
    assert explorer.selected == tuple(ids)
    assert standing_out(explorer) == {"rows": set(ids), "turns": set(ids)}
    assert SHOWN.findall(explorer.chosen.value) == ids
    assert "<b>6 pictures chosen</b> · disc 2 · ring 2 · square 2" in explorer.chosen.value


def test_what_stands_out_survives_that_the_line_is_taken_away(explorer):
    lasso(explorer, ["p3", "p4"], "turns")
    lasso(explorer, [], "turns", drawn=False)
    assert explorer.selected == ("p3", "p4") and standing_out(explorer) == {"rows": {"p3", "p4"}, "turns": {"p3", "p4"}}


def test_a_lasso_around_nothing_and_the_button_clear_it(explorer, said):
    lasso(explorer, ["p1", "p30"], "turns")
    lasso(explorer, [], "turns")
    assert explorer.selected == () and standing_out(explorer) == {"rows": None, "turns": None}
    assert f"Until then all {N} count" in said(explorer)


def test_the_counts_are_the_planted_ones_beside_chance(explorer):
    explorer.selected = [f"p{i}" for i in range(6)]  # one group of `rows`, in `turns` all in different ones
    lines = re.findall(r"<tr>(.*?)</tr>", explorer.counts.value)
    cells = [re.sub(r"<[^>]*>", "|", line) for line in lines]
    k, chance = 10, 10 * 5 / (N - 1)
    assert f"Of the {k} nearest" in cells[0] and "among the chosen" in cells[0]
    assert f"5.00 [5.00, 5.00]  vs {chance:.2f} chance" in cells[1]
    assert explorer.shared.together("rows", np.arange(6)).value == 5
    alone = explorer.shared.together("turns", np.arange(6)).value
    assert f"|{alone:.2f} [" in cells[2] or f"|{alone:.2g} [" in cells[2]
    assert f"{k**2 / (N - 1):.2f} chance" in cells[1]


def test_the_neighbours_of_one_picture_are_the_planted_ones_nearest_first(explorer):
    explorer.image.value = "p7"
    rows, turns = explorer.near.value.split("<b>rows</b>")[1].split("<b>turns</b>")
    assert set(SHOWN.findall(rows)[:5]) == {"p6", "p8", "p9", "p10", "p11"}
    assert set(SHOWN.findall(turns)[:5]) == {f"p{i}" for i in range(7, N, 12) if i != 7}
    both = set(SHOWN.findall(rows)) & set(SHOWN.findall(turns))
    for part in (rows, turns):
        marked = set(re.findall(r'alt="(p\d+): • ', part))
        assert marked == both
    explorer.selected = ["p30", "p31"]
    assert explorer.image.value == "p30"
    assert [value for _, value in explorer.image.options] == ["p30", "p31"]


def test_figure_colours_and_scores_are_those_of_the_library(explorer, images):
    maps = aligned_projections(explorer.features, "pca")
    expected = maps_figure(maps, color=images.table["label"], colors=theme.colors(["rows", "turns"]))
    assert [trace.marker.color for trace in explorer.figure.data] == [trace.marker.color for trace in expected.data]
    for ours, theirs in zip(explorer.figure.data, expected.data, strict=True):
        assert np.array_equal(ours.x, theirs.x) and np.array_equal(ours.y, theirs.y)
    for result, heading in zip(maps.values(), explorer.figure.layout.annotations, strict=True):
        scores = result.scores()["trustworthiness"]
        assert f"trustworthy {scores.value:.2f}" in heading.text
        assert f"null {scores.controls['null map']:.2f}" in heading.text


def test_every_other_layout_stands_beside_the_pca_and_the_noise(images):
    made = sslviz.explore_map(space(np.arange(N) // 6, 0), images, method="umap")
    heading = made.figure.layout.annotations[0].text
    assert re.search(r"trustworthy \d\.\d\d · PCA \d\.\d\d · null \d\.\d\d", heading)


class TestWhatItTakes:
    def test_an_array_alone(self, said):
        made = sslviz.explore_map(space(np.arange(N) // 6, 0))
        made.selected = [0, "3"]
        assert made.selected == ("0", "3")
        assert "<div>0, 3</div>" in made.chosen.value and "<img" not in said(made)

    def test_arrays_and_pixels(self):
        pixels = np.random.default_rng(1).integers(0, 256, (N, 4, 4, 3), dtype=np.uint8)
        made = sslviz.explore_map({"a": space(np.arange(N) // 6, 0), "b": space(np.arange(N) % 12, 1)}, pixels)
        assert SHOWN.findall(made.chosen.value)[:2] == ["0", "1"]

    def test_checkpoints_of_pictures(self):
        world = sslviz.shapes(n=60, seed=0)
        one = Checkpoint("untrained", 0, {"name": "conv_nano"}, path=None)
        made = sslviz.explore_map(one, world, color="color")
        assert np.array_equal(made.features["untrained"].x, sslviz.embed(one, world, progress=False).x)
        assert {trace.name for trace in made.figure.data} >= set(world.table["color"])

    def test_values_or_reliability_as_colours(self, images):
        x = space(np.arange(N) // 6, 0)
        made = sslviz.explore_map(x, images, color=np.linspace(0, 1, N))
        assert made.figure.layout.coloraxis.cmax == 1
        assert "neighbours kept" in str(sslviz.explore_map(x, images, color="reliability").figure.layout.coloraxis)

    def test_features_in_another_order_of_the_same_pictures(self, images):
        first = Features.from_array(space(np.arange(N) // 6, 0), ids=list(images.ids), table=images.table)
        made = sslviz.explore_map({"a": first, "b": first.rows(np.arange(N)[::-1])}, images)
        assert made.shared.between("a", "b", np.arange(N)).value == made.shared.k

    @pytest.mark.parametrize(
        ("given", "options", "expected"),
        [
            ({}, {}, "the dict is empty"),
            ({"a": np.eye(40), "b": np.eye(41)}, {}, "the same pictures"),
            (Checkpoint("u", 0, {"name": "conv_nano"}, path=None), {}, "give `images` too"),
            (np.eye(40), {"images": np.zeros((39, 4, 4, 3), np.uint8)}, "40 rows for 39 pictures"),
            (np.eye(40), {"color": "shape"}, "no column 'shape' to colour by"),
            (np.eye(40), {"color": [1, 2]}, "one value for each of the 40"),
            (np.eye(40), {"images": np.zeros((40, 4, 4, 3))}, "uint8"),
        ],
    )
    def test_what_cannot_be_drawn_is_refused_in_one_sentence_and_leaves_nothing(self, given, options, expected, opened):
        with pytest.raises(ValueError, match=re.escape(expected)):
            sslviz.explore_map(given, **options)
        assert opened() == 0

    def test_ids_that_no_map_shows_are_refused_and_the_selection_stays(self, explorer):
        explorer.selected = ["p1"]
        with pytest.raises(ValueError, match="no picture 'q9' on these maps"):
            explorer.selected = ["p2", "q9"]
        assert explorer.selected == ("p1",)


def test_it_closes_whole(images, opened):
    made = sslviz.explore_map(space(np.arange(N) // 6, 0), images)
    made.selected = ["p1", "p2"]
    made.close()
    assert opened() == 0
