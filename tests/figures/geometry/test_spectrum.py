"""Spectra: is what is drawn the spectrum, beside noise of the same shape?"""

import numpy as np
import pytest

from sslviz.diagnostics.geometry.spectrum import spectrum as diagnose
from sslviz.features import Features
from sslviz.figures.geometry.spectrum import spectrum
from sslviz.figures.parts import theme


def result(rank=16, n=400, d=16, scale=1.0, mean=0.0, seed=0):
    x = np.random.default_rng(seed).standard_normal((n, d))
    x[:, rank:] = 0
    return diagnose(Features.from_array(scale * x + mean))


def lines(fig):
    return {t.name: t for t in fig.data if t.mode == "lines"}


def test_shares_are_of_all_that_the_features_hold():
    one = result(mean=3.0)
    line = lines(spectrum({"one": one}))["one"]
    x = np.random.default_rng(0).standard_normal((400, 16)) + 3
    assert line.y.sum() == pytest.approx(((x - x.mean(0)) ** 2).sum() / (x**2).sum(), rel=1e-5)
    assert line.y[0] == pytest.approx(np.linalg.svd(x - x.mean(0))[1][0] ** 2 / (x**2).sum(), rel=1e-5)
    assert list(line.x) == list(range(1, 17))


def test_a_cliff_falls_to_the_floor_at_the_rank():
    y = np.array(lines(spectrum({"low": result(rank=5)}))["low"].y)
    assert (y[:5] > 0.1).all() and (y[5:] <= 1e-8).all() and y.min() == pytest.approx(1e-8 * y.max())


def test_a_complete_collapse_lies_below_a_healthy_space_and_counts_no_directions():
    fig = spectrum({"healthy": result(), "collapsed": result(scale=1e-3, mean=1.0)})
    assert lines(fig)["collapsed"].y[0] < 1e-4 * lines(fig)["healthy"].y[-1]
    assert {t.legendgroup for t in fig.data if t.mode == "markers"} == {"healthy"}


def test_noise_is_grey_and_drawn_once_for_each_shape():
    same = spectrum({"a": result(), "b": result(rank=5)})
    assert [t.name for t in same.data if t.line.color == theme.CONTROL] == ["noise (control)"]
    noise = lines(same)["noise (control)"]
    assert noise.y.sum() == pytest.approx(1) and noise.y[0] < 2 / 16
    fig = spectrum({"a": result(), "b": result(d=8, rank=8), "c": result(n=300)})
    assert sum(t.line.color == theme.CONTROL for t in fig.data) == 3


def test_dot_is_at_the_directions_in_use():
    one = result(rank=5)
    dot = next(t for t in spectrum({"one": one}).data if t.mode == "markers")
    assert (
        dot.x[0] == one.directions_in_use
        and dot.y[0] == lines(spectrum({"one": one}))["one"].y[one.directions_in_use - 1]
    )


def test_alpha_is_marked_for_a_single_result_only():
    wide = diagnose(Features.from_array(np.random.default_rng(0).standard_normal((300, 60)) / np.arange(1, 61)))
    shape = spectrum(wide).layout.shapes[0]
    assert (shape.x0, shape.x1) == (wide.alpha_fit["first"], wide.alpha_fit["last"])
    assert not spectrum({"a": wide, "b": wide}).layout.shapes
    assert not spectrum(result(rank=3)).layout.shapes  # too few ranks to fit


def test_constant_features_are_drawn_too():
    fig = spectrum(diagnose(Features.from_array(np.ones((30, 4)))))
    assert np.isfinite(lines(fig)["this checkpoint"].y).all()
    assert "hardly varies" in fig.layout.meta["alt"]


def test_the_caption_says_on_how_many_images_and_whether_they_are_as_many():
    same = spectrum({"a": result(), "b": result(rank=5)}).layout.meta["caption"]
    assert same.endswith("Measured on 400 images.")
    different = spectrum({"a": result(), "b": result(n=1300)}).layout.meta["caption"]
    assert "Not to be compared: measured on 400, 1,300 images" in different
