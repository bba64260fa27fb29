"""Attribution maps: are the maps drawn the maps, at one scale, beside baselines, evidence and a control?"""

import base64
import json
import subprocess
import sys
from dataclasses import replace
from io import BytesIO

import numpy as np
import plotly.graph_objects as go
import pytest
from PIL import Image

from sslviz.explanations.attribution.attribution import Attribution
from sslviz.explanations.attribution.pairs import PairExplanation
from sslviz.figures.explanations.attribution import EDGES, attribution
from sslviz.figures.explanations.attribution_panels import MOST
from sslviz.figures.explanations.pair_explanation import pair_explanation
from sslviz.figures.parts import theme

NAMES = [f"a-long-name-of-a-run-with-temperature-0.{i}" for i in range(10)]


def result(n=4, s=16, seed=0, **given):
    rng = np.random.default_rng(seed)
    empty = np.empty((0, n))
    fields = {
        "maps": rng.normal(size=(n, s, s)).astype(np.float32),
        "ids": np.array([f"<i>{i}" for i in range(n)]),
        "method": "integrated_gradients",
        "target": "a & b",
        "name": "",
        "signed": True,
        "pixels": rng.integers(0, 256, (n, s, s, 3), dtype=np.uint8),
        "baseline_names": ["mean colour", "blurred"],
        "baselines": rng.integers(0, 256, (2, n, s, s, 3), dtype=np.uint8),
        "by_baseline": empty,
        "s": np.ones(n),
        "s_baseline": empty,
        "twice": rng.normal(size=(2, n, s, s)),
        "twice_by": "two baselines",
        "completeness": empty[:0],
        "one_step": empty[:0],
        "masks": {"tag": np.tile(np.arange(s) < 4, (n, s, 1))},
    }
    return Attribution(**fields | given)


def heatmaps(fig, name):
    return [t for t in fig.data if isinstance(t, go.Heatmap) and t.name == name]


def axis_of(fig, trace):
    return fig.layout[trace.coloraxis]


def text(fig):
    return "\n".join(a.text for a in fig.layout.annotations)


def test_the_maps_drawn_are_the_maps_over_their_own_pictures():
    one = result()
    fig = attribution({"mine": one})
    cells = heatmaps(fig, "mine")
    assert len(cells) == 4
    for trace, drawn in zip(cells, one.maps, strict=True):
        np.testing.assert_allclose(trace.z, drawn, rtol=1e-3)
    pictures = [t for t in fig.data if isinstance(t, go.Image)]
    first = np.asarray(Image.open(BytesIO(base64.b64decode(pictures[0].source.partition(",")[2]))))
    np.testing.assert_array_equal(first, one.pixels[0])
    under = [t for t in pictures if t.xaxis == cells[0].xaxis]
    assert len(under) == 1  # the picture, pale, below the map
    assert cells[0].customdata[0][0] == "<i>0"


def test_one_scale_for_all_checkpoints_and_another_for_another_method():
    a, b, other = result(), result(seed=1), result(seed=2, method="saliency", signed=False)
    b = replace(b, maps=10 * b.maps)
    fig = attribution({"a": a, "b": b, "c": replace(other, maps=np.abs(other.maps))})
    first, second, third = (axis_of(fig, heatmaps(fig, name)[0]) for name in "abc")
    assert first.cmax == second.cmax == -first.cmin
    assert first.cmax == pytest.approx(np.quantile(np.abs([a.maps, b.maps]), 0.995), rel=1e-3)
    assert third.cmin == 0 and third.cmax == pytest.approx(np.quantile(np.abs(other.maps), 0.995), rel=1e-3)


def test_maps_no_model_made_are_drawn_in_grey_and_said_to_be_controls():
    one, free = result(), np.random.default_rng(5).random((4, 8, 8))
    fig = attribution({"a": one}, control_maps={"saturation <b>": free}, rows=[2, 0])
    (name,) = {t.name for t in fig.data if (t.name or "").startswith("saturation")}
    assert name == "saturation &lt;b&gt;, no encoder asked (control)" and name in text(fig)
    cells = heatmaps(fig, name)
    np.testing.assert_allclose(cells[0].z, free[2], rtol=1e-3)
    assert axis_of(fig, cells[0]).colorscale[-1][1] == axis_of(fig, heatmaps(fig, EDGES)[0]).colorscale[-1][1]
    assert axis_of(fig, cells[0]).cmax == pytest.approx(free[[2, 0]].max())


def test_dot_products_are_drawn_as_shares_and_relax_without_its_level():
    one = result()
    longer = replace(one, maps=50 * one.maps, unit=50.0)
    fig = attribution({"a": one, "b": longer})
    np.testing.assert_allclose(heatmaps(fig, "a")[0].z, heatmaps(fig, "b")[0].z, rtol=1e-2)
    assert "shares of the number" in fig.layout.meta["caption"]
    level = result(method="relax", extra={"uncertainty": np.full((4, 16, 16), 4.0)})
    fig = attribution({"r": replace(level, maps=level.maps + 100)})
    assert abs(np.mean(heatmaps(fig, "r")[0].z)) < 0.01
    np.testing.assert_allclose(heatmaps(fig, "r uncertainty")[0].z, 2)
    assert "RELAX less its mean" in fig.layout.meta["caption"]


def test_evidence_baselines_and_control_are_beside_every_map():
    fig = attribution({"a": result(), "b": result(seed=1)}, evidence={"a": "does not beat <edges>: .61 vs .70"})
    said = text(fig)
    assert "does not beat &lt;edges&gt;: .61 vs .70" in said and "a &amp; b" in said
    assert "agreement between two baselines" in said and "other images" in said or "mirrored" in said
    assert "baseline: mean colour" in said and "baseline: blurred" in said and EDGES in said
    control = heatmaps(fig, EDGES)
    assert len(control) == 4
    assert fig.layout[f"xaxis{control[0].xaxis[1:]}"].linecolor == theme.CONTROL
    assert "control" in fig.layout.meta["caption"]
    frame = fig.layout[f"xaxis{heatmaps(fig, 'a')[0].xaxis[1:]}"].linecolor
    assert frame == theme.CHECKPOINT_COLORS[0]


def test_the_control_does_not_depend_on_the_maps():
    a, b = attribution(result()), attribution(replace(result(), maps=result(seed=5).maps))
    np.testing.assert_array_equal(heatmaps(a, EDGES)[0].z, heatmaps(b, EDGES)[0].z)


def test_masks_are_outlined_on_request():
    assert not [t for t in attribution(result()).data if isinstance(t, go.Contour)]
    fig = attribution(result(), outline="tag")
    lines = [t for t in fig.data if isinstance(t, go.Contour)]
    assert len(lines) == 3 * 4  # over the pictures, the maps and the control
    assert np.array(lines[0].z).sum() == 4 * 16
    with pytest.raises(ValueError, match="no mask 'hat' to outline; there are: tag"):
        attribution(result(), outline="hat")


def test_different_images_are_refused_and_many_are_sampled():
    with pytest.raises(ValueError, match="same images"):
        attribution({"a": result(), "b": result(n=3)})
    fig = attribution(result(n=40))
    assert len(heatmaps(fig, "map")) == MOST and "Shown: 6 of 40 images" in fig.layout.meta["caption"]
    assert len(heatmaps(attribution(result(n=1)), "map")) == 1


def test_large_maps_are_drawn_coarser():
    assert np.shape(heatmaps(attribution(result(n=1, s=224)), "map")[0].z) == (64, 64)


def test_maps_of_zeros_are_drawn():
    fig = attribution(replace(result(), maps=np.zeros((4, 16, 16), np.float32)))
    assert axis_of(fig, heatmaps(fig, "map")[0]).cmax == 1


def pair(seed=0, grid=4, **given):
    rng = np.random.default_rng(seed)
    pairs = rng.normal(size=(grid**2, grid**2)).astype(np.float32)
    fields = {
        "pairs": pairs,
        "halves": np.stack([pairs, pairs]),
        "ids": ["<a>", "b"],
        "grid": grid,
        "pixels": rng.integers(0, 256, (2, 16, 16, 3), dtype=np.uint8),
        "baseline": np.zeros((2, 16, 16, 3), np.uint8),
        "baseline_name": "mean colour",
        "similarity": 0.9,
        "due": float(pairs.sum()),
        "due_others": np.array([0.1, 0.3]),
        "others": "other images",
    }
    return PairExplanation(**fields | given)


def test_links_join_the_patches_that_go_together():
    pairs = np.zeros((16, 16), np.float32)
    pairs[1, 14], pairs[6, 6] = 0.5, -0.25
    fig = pair_explanation(pair(pairs=pairs))
    lines = [t for t in fig.data if isinstance(t, go.Scatter)]
    assert len(lines) == 2
    against, strongest = lines
    assert (strongest.x[0], strongest.y[0]) == (1.5 / 4, 0.5 / 4)
    assert (strongest.x[-1], strongest.y[-1]) == (2.5 / 4 + 1.5, 3.5 / 4)
    assert strongest.line.width > against.line.width and strongest.line.color != against.line.color
    assert "&lt;a&gt;" in strongest.hovertemplate
    table = next(t for t in fig.data if isinstance(t, go.Heatmap))
    np.testing.assert_allclose(table.z, pairs)
    assert fig.layout.coloraxis.cmax == 0.5 == -fig.layout.coloraxis.cmin


def test_the_pair_stands_beside_its_control():
    said = text(pair_explanation({"x": pair()}))
    assert "other images (control): 0.20" in said and "similarity 0.90" in said and "by chance" in said


@pytest.mark.parametrize("draw, make", [(attribution, result), (pair_explanation, pair)])
class TestHouse:
    def test_one_two_and_ten(self, draw, make):
        for count in (1, 2, 10):
            fig = draw({name: make(seed=i) for i, name in enumerate(NAMES[:count])})
            meta = fig.layout.meta
            assert all(name in meta["alt"] for name in NAMES[:count]) and meta["caption"].endswith(".")
            assert "NaN" not in fig.to_json() and "control" in text(fig)
            assert len(fig.to_json()) < 4e6

    def test_a_single_result_and_an_empty_dict(self, draw, make):
        assert "this checkpoint" in draw(make()).layout.meta["alt"]
        with pytest.raises(ValueError, match="at least one result"):
            draw({})

    def test_dark_is_the_template_and_nothing_else(self, draw, make):
        fig = draw(make())
        light = json.loads(fig.to_json())
        dark = json.loads(theme.apply(go.Figure(fig), dark=True).to_json())
        assert light["layout"].pop("template") != dark["layout"].pop("template")
        assert light == dark

    def test_names_are_escaped(self, draw, make):
        assert "<b onload=x>" not in text(draw({"<b onload=x>": make()}))


def test_drawing_needs_no_torch():
    modules = "sslviz.figures.explanations.attribution, sslviz.figures.explanations.pair_explanation"
    code = f"import sys, {modules}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
