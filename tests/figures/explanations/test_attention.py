"""Attention drawn: are the numbers those of the result, on one scale, and is the control beside them and grey?"""

import json
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from sslviz.data import Images
from sslviz.explanations.attention.attention_result import Attention
from sslviz.explanations.attention.heads import uniform_distance
from sslviz.figures.explanations.attention import attention
from sslviz.figures.explanations.attention_maps import head_maps, map_grid, query_view
from sslviz.figures.explanations.head_table import head_table
from sslviz.figures.parts import theme
from sslviz.figures.parts.saliency_sheet import MOST, Panel, sheet

NAMES = [f"a-long-name-of-a-run-with-temperature-0.{i}-seed" for i in range(10)]
N, LAYERS, HEADS, SIDE = 12, 3, 4, 5


def weights(rng, *shape):
    w = rng.random((*shape, SIDE, SIDE)).astype(np.float32) ** 4
    return w / w.sum((-2, -1), keepdims=True)


def made(seed=0, run="run", heads=HEADS):
    """A result of five by five patches of ten pixels, with numbers that mean nothing but are all different."""
    rng = np.random.default_rng(seed)
    numbers = {
        n: rng.random((N, LAYERS, heads)).astype(np.float32) for n in ("distance", "entropy", "nmi", "homogeneity")
    }
    numbers["distance"] *= 30
    likeness = rng.random((N, LAYERS)).astype(np.float32) if heads > 1 else np.full((N, LAYERS), np.nan, np.float32)
    same = np.random.default_rng(99)  # the control is the same for all
    control = {f"control_{n}": same.random((N, LAYERS, heads)).astype(np.float32) for n in numbers}
    return Attention(
        run=run,
        ids=np.array([f"i{i}" for i in range(N)]),
        query="class token",
        layers=[f"blocks.{i}.attn" for i in range(LAYERS)],
        layer="blocks.2.attn",
        image_size=50,
        registers=0,
        maps=weights(rng, N, heads),
        rollout=weights(rng, N),
        **numbers,
        redundancy=likeness,
        norms=weights(rng, N),
        outliers=np.zeros((N, SIDE, SIDE), bool),
        outlier_layers=np.zeros(LAYERS),
        emerges=2,
        substituted=np.full(N, np.nan),
        substituted_random=np.full(N, np.nan),
        control="untrained",
        control_maps=weights(same, N),
        control_rollout=weights(same, N),
        **control,
        control_redundancy=likeness * 0 + 0.5,
        control_outliers=np.zeros(N),
        seed=0,
    )


RESULTS = {name: made(i, name) for i, name in enumerate(NAMES)}
PIXELS = np.random.default_rng(0).integers(0, 256, (N, 40, 40, 3), dtype=np.uint8)
IMAGES = Images(PIXELS, RESULTS[NAMES[0]].ids, pd.DataFrame(index=range(N)))
QUERIES = weights(np.random.default_rng(1), HEADS, SIDE * SIDE)


def first_two():
    return {name: RESULTS[name] for name in NAMES[:2]}


DRAWN = {
    "one": lambda: attention(RESULTS[NAMES[0]]),
    "ten": lambda: attention(RESULTS, measure="entropy"),
    "table": lambda: head_table(RESULTS, measure="homogeneity"),
    "table of one": lambda: head_table(RESULTS[NAMES[0]]),
    "heads": lambda: head_maps(RESULTS[NAMES[0]], IMAGES, row=3),
    "grid": lambda: map_grid(RESULTS, IMAGES),
    "grid of one": lambda: map_grid(RESULTS[NAMES[0]], IMAGES, kind="maps"),
    "query": lambda: query_view(QUERIES, PIXELS[2], patch=7, control=QUERIES[:2], id="i2"),
}


@pytest.fixture(scope="module", params=DRAWN)
def fig(request):
    return DRAWN[request.param]()


class TestEvery:
    def test_speaks(self, fig):
        assert len(fig.layout.meta["alt"]) > 40 and fig.layout.meta["caption"].endswith(".")

    def test_the_control_is_there_and_grey(self, fig):
        grey = [t for t in fig.data if "line" in t and t.line.color == theme.CONTROL]
        frames = [axis for axis in fig.select_xaxes() if axis.linecolor == theme.CONTROL]
        assert grey or frames
        assert "(control)" in fig.to_json() and all("control" in t.name for t in grey)

    def test_is_json_without_nan_and_dark_by_its_template_alone(self, fig):
        assert "NaN" not in fig.to_json()
        light = json.loads(fig.to_json())
        dark = json.loads(theme.apply(go.Figure(fig), dark=True).to_json())
        assert light["layout"].pop("template") != dark["layout"].pop("template")
        assert light == dark

    def test_takes_no_more_than_a_report_can_bear(self, fig):
        assert len(fig.to_json()) < 1_000_000 and 200 < fig.layout.height < 2000


class TestAttention:
    def test_a_dot_is_a_head_as_a_share_of_the_diagonal(self):
        result = RESULTS[NAMES[0]]
        fig = attention({"one": result})
        dots = next(t for t in fig.data if t.name == "one, heads")
        expected = result.distance.mean(0) / (50 * np.sqrt(2))
        np.testing.assert_allclose(dots.y, expected.ravel(), rtol=1e-6)
        assert [list(c) for c in dots.customdata[:5]] == [[0, 0], [0, 1], [0, 2], [0, 3], [1, 0]]
        line = next(t for t in fig.data if t.name == "one")
        np.testing.assert_allclose(line.y, expected.mean(1), rtol=1e-6)

    def test_entropy_is_a_share_of_log_patches(self):
        dots = next(t for t in attention({"one": RESULTS[NAMES[0]]}, measure="entropy").data if t.name == "one, heads")
        np.testing.assert_allclose(dots.y, RESULTS[NAMES[0]].entropy.mean(0).ravel() / np.log(25), rtol=1e-6)

    @pytest.mark.parametrize(("measure", "value"), [("entropy", 1), ("homogeneity", 1), ("redundancy", 1), ("nmi", 0)])
    def test_uniform_attention_is_a_dashed_line_at_its_closed_form(self, measure, value):
        line = next(t for t in attention(first_two(), measure=measure).data if t.line.dash == "dash")
        assert line.line.color == theme.CONTROL and list(line.y) == [value, value] and "control" in line.name

    def test_distance_has_that_of_the_grid(self):
        line = next(t for t in attention(first_two()).data if t.line.dash == "dash")
        np.testing.assert_allclose(line.y, uniform_distance(5, 5) * 10 / (50 * np.sqrt(2)), atol=1e-6)

    def test_equal_controls_are_drawn_once_and_others_each(self):
        grey = [t for t in attention(first_two()).data if t.mode == "lines+markers"]
        assert [t.name for t in grey] == ["untrained (control), mean of heads"]
        two = first_two()
        two[NAMES[1]] = replace(two[NAMES[1]], control_distance=two[NAMES[1]].control_distance * 2)
        assert len([t for t in attention(two).data if t.mode == "lines+markers"]) == 2

    def test_colours_stay_when_a_checkpoint_goes(self):
        palette = theme.colors(NAMES)
        fig = attention({NAMES[4]: RESULTS[NAMES[4]]}, colors=palette)
        assert {t.line.color for t in fig.data if t.mode == "lines"} == {palette[NAMES[4]], theme.CONTROL}

    def test_a_single_head_has_no_likeness_and_that_is_a_gap(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fig = attention(made(heads=1), measure="redundancy")
        assert "NaN" not in fig.to_json() and "run not defined" in fig.layout.meta["alt"]

    def test_names_cannot_inject(self):
        nasty = "<script>alert(1)</script>"
        for fig in (attention({nasty: made()}), head_table({nasty: made()}), map_grid({nasty: made()}, IMAGES)):
            assert not any("<script" in (t.hovertemplate or "") for t in fig.data)
            assert not any("<script" in (a.text or "") for a in fig.layout.annotations)

    def test_unknown_measures_and_nothing(self):
        with pytest.raises(ValueError, match="no measure 'reach'.*distance, entropy"):
            attention(made(), measure="reach")
        with pytest.raises(ValueError, match="at least one result"):
            head_table({})


def test_the_table_has_a_cell_for_each_head_on_one_scale_that_marks_the_control():
    fig = head_table(first_two())
    assert [t.name for t in fig.data] == [*NAMES[:2], "untrained (control)"]
    for name, table in zip(NAMES[:2], fig.data[:2], strict=True):
        expected = RESULTS[name].distance.mean(0) / (50 * np.sqrt(2))
        np.testing.assert_allclose(np.array(table.z, float), expected, rtol=1e-6)
    assert {t.coloraxis for t in fig.data} == {"coloraxis"}
    key = fig.layout.coloraxis.colorbar
    at = [i for i, text in enumerate(key.ticktext) if "uniform (control)" in text]
    assert key.tickvals[at[0]] == pytest.approx(RESULTS[NAMES[0]].uniform["distance"])


def heat(fig):
    return [t for t in fig.data if isinstance(t, go.Heatmap)]


class TestMaps:
    def test_are_multiples_of_uniform_attention(self):
        result = RESULTS[NAMES[0]]
        maps = heat(head_maps(result, IMAGES, row=3))
        assert [t.name for t in maps] == ["mean of the heads", "untrained, mean", *(f"head {h}" for h in range(HEADS))]
        np.testing.assert_allclose(maps[2].z, result.maps[3, 0] * 25, rtol=1e-3)
        np.testing.assert_allclose(maps[0].z, result.maps[3].mean(0) * 25, rtol=1e-3)
        np.testing.assert_allclose(maps[1].z, result.control_maps[3] * 25, rtol=1e-3)
        uniform = replace(result, maps=np.full_like(result.maps, 1 / 25))
        np.testing.assert_allclose(heat(head_maps(uniform, IMAGES))[0].z, 1, rtol=1e-3)

    def test_share_one_scale_from_zero_with_a_tick_at_the_control(self):
        fig = map_grid(first_two(), IMAGES, rows=[0, 5])
        assert {t.coloraxis for t in heat(fig)} == {"coloraxis"} and fig.layout.coloraxis.cmin == 0
        key = fig.layout.coloraxis.colorbar
        assert key.ticktext[list(key.tickvals).index(1)] == "1 = uniform (control)"
        drawn = np.concatenate([np.ravel(t.z) for t in heat(fig)])
        assert fig.layout.coloraxis.cmax == pytest.approx(np.quantile(drawn, 0.995), rel=1e-2)

    def test_a_grid_has_a_row_per_image_and_the_controls_last(self):
        fig = map_grid(first_two(), IMAGES, rows=[7, 0])
        maps = heat(fig)
        assert len(maps) == 2 * 3 and len([t for t in fig.data if isinstance(t, go.Image)]) == 2 * 4
        np.testing.assert_allclose(maps[1].z, RESULTS[NAMES[1]].rollout[7] * 25, rtol=1e-3)
        np.testing.assert_allclose(maps[5].z, RESULTS[NAMES[0]].control_rollout[0] * 25, rtol=1e-3)
        assert {c for t in maps[:3] for row in t.customdata for c in row} == {"i7"}
        grey = [t for t in fig.data if "line" in t and t.line.color == theme.CONTROL]
        assert len(grey) == 2

    def test_the_map_of_a_head_lies_over_its_picture(self):
        fig = map_grid(first_two(), IMAGES, rows=[1])
        for picture, one in zip([t for t in fig.data if isinstance(t, go.Image)][1:], heat(fig), strict=True):
            left, top = picture.x0 - picture.dx / 2, picture.y0 - picture.dy / 2
            assert (one.x0 - one.dx / 2, one.y0 - one.dy / 2) == pytest.approx((left, top))
            assert one.dx * 5 == pytest.approx(picture.dx * 40) == pytest.approx(1)

    def test_subtitles_stand_below(self):
        subtitles = {NAMES[0]: [f"AUC {i}" for i in range(N)]}
        texts = [a.text for a in map_grid(first_two(), IMAGES, rows=[3, 4], subtitles=subtitles).layout.annotations]
        assert texts.count("AUC 3") == texts.count("AUC 4") == 1

    def test_by_default_eight_images_evenly_spread(self):
        assert len(heat(map_grid(RESULTS[NAMES[0]], IMAGES))) == 8 * 2

    def test_images_are_found_by_their_ids(self):
        shuffled = IMAGES.rows(np.arange(N)[::-1])
        one, other = (head_maps(RESULTS[NAMES[0]], images, row=2) for images in (IMAGES, shuffled))
        assert one.data[0].source == other.data[0].source

    def test_titles_name_the_control(self):
        assert "beside the same encoder untrained" in map_grid(first_two(), IMAGES).layout.title.text
        other = replace(RESULTS[NAMES[0]], control="step 100")
        assert "beside the encoder step 100" in head_maps(other, IMAGES).layout.title.text

    def test_bad_input(self):
        result = RESULTS[NAMES[0]]
        with pytest.raises(ValueError, match="other images than were looked at: there is no 'i9'"):
            head_maps(result, IMAGES.rows(np.arange(3)), row=9)
        with pytest.raises(ValueError, match="images from 0 to 11"):
            head_maps(result, IMAGES, row=12)
        with pytest.raises(ValueError, match="same images in the same order"):
            map_grid({"a": result, "b": replace(result, ids=result.ids[::-1])}, IMAGES)
        with pytest.raises(ValueError, match="'rollout' or 'maps'"):
            map_grid(result, IMAGES, kind="heads")
        with pytest.raises(ValueError, match=f"At most {MOST} maps"):
            sheet([Panel(PIXELS[0], None, "", "a")] * (MOST + 1), 10, unit="", reference="")


class TestQuery:
    def test_shows_the_row_of_the_patch_and_marks_it(self):
        fig = query_view(QUERIES, PIXELS[0], patch=13, id="i0")
        np.testing.assert_allclose(heat(fig)[1].z, QUERIES[0, 13] * 25, rtol=1e-3)
        mark = next(t for t in fig.data if t.name == "query")
        points = next(t for t in fig.data if t.name == "patches")
        at = [list(c) for c in points.customdata].index(["i0", 13])
        assert min(mark.x) < points.x[at] < max(mark.x) and min(mark.y) < points.y[at] < max(mark.y)
        assert max(mark.x) - min(mark.x) == pytest.approx(1 / 5)
        assert "row 3, column 4" in fig.layout.title.text and "beside uniform attention" in fig.layout.title.text

    def test_markers_lie_over_the_picture(self):
        fig = query_view(QUERIES, PIXELS[0], control=QUERIES)
        picture, points = fig.data[0], next(t for t in fig.data if t.name == "patches")
        assert points.x[0] == pytest.approx(picture.x0 - picture.dx / 2 + 0.1)
        assert points.y[-1] == pytest.approx(picture.y0 - picture.dy / 2 + 0.9)
        assert len(points.x) == 25 and "untrained" in fig.layout.title.text

    def test_patches_that_are_not_there(self):
        with pytest.raises(ValueError, match="no patch 25; this grid of 5 x 5 has those from 0 to 24"):
            query_view(QUERIES, PIXELS[0], patch=25)
