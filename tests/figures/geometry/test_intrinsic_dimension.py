"""Intrinsic dimension: is the slope of what is drawn the dimension, beside noise of the same shape?"""

import numpy as np
import pytest

from sslviz.diagnostics.geometry.intrinsic_dimension import intrinsic_dimension as diagnose
from sslviz.features import Features
from sslviz.figures.geometry.intrinsic_dimension import intrinsic_dimension
from sslviz.figures.parts import theme


def result(inner=4, n=1500, d=20, seed=0, discard=0.1):
    rng = np.random.default_rng(seed)
    return diagnose(
        Features.from_array(rng.standard_normal((n, inner)) @ rng.standard_normal((inner, d))), discard=discard
    )


def lines(fig):
    return {t.name: t for t in fig.data if t.mode == "lines"}


def slope(trace):
    x, y = np.log(np.array(trace.x)), np.log(np.array(trace.y))
    return -(x @ y) / (x @ x)


def test_slopes_are_dimensions():
    drawn = lines(intrinsic_dimension({"four": result(4), "one": result(1)}))
    for name, d in (("four", 4), ("one", 1)):
        assert slope(drawn[name]) == pytest.approx(d, rel=0.12)
    fitted = slope(drawn["four fitted"])
    assert fitted == pytest.approx(result(4).scores()["two_nn"].value)
    noise = slope(drawn["noise (control) fitted"])
    assert noise == pytest.approx(result(4).scores()["two_nn"].controls["noise"])


def test_shares_are_of_the_images_that_lie_beyond():
    one = result(n=400)
    line = lines(intrinsic_dimension(one))["this checkpoint"]
    at = np.searchsorted(one.ratios, line.x, side="right")
    np.testing.assert_allclose(line.y, 1 - at / 400)
    assert min(line.y) == pytest.approx(0.02) and len(line.x) == 200


def test_what_is_censored_lies_below_the_dotted_line():
    fig = intrinsic_dimension({"a": result(), "b": result(discard=0.3)})
    assert sorted(shape.y0 for shape in fig.layout.shapes) == [0.1, 0.3]
    assert lines(fig)["a fitted"].y[-1] == 0.1 and lines(fig)["b fitted"].y[-1] == 0.3
    assert not intrinsic_dimension(result(discard=0)).layout.shapes


def test_noise_is_grey_and_drawn_once_for_each_shape():
    fig = intrinsic_dimension({"a": result(), "b": result(2)})
    assert sum(t.line.color == theme.CONTROL and t.showlegend is not False for t in fig.data) == 1
    fig = intrinsic_dimension({"a": result(), "b": result(d=8), "c": result(n=200)})
    grey = [t.name for t in fig.data if t.line.color == theme.CONTROL and t.showlegend is not False]
    assert len(set(grey)) == 3 and all("control" in name for name in grey)


def test_the_caption_says_what_is_drawn():
    assert "200 of the images" in intrinsic_dimension(result()).layout.meta["caption"]
    assert "Drawn at" not in intrinsic_dimension(result(n=100)).layout.meta["caption"]


def test_the_smallest_results_are_drawn():
    x = np.random.default_rng(0).standard_normal((60, 4))
    x[3:] = x[3]
    fig = intrinsic_dimension(diagnose(Features.from_array(x), k=10))
    assert np.isfinite(lines(fig)["this checkpoint"].y).all() and "NaN" not in fig.to_json()
