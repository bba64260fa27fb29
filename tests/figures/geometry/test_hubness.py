"""Hubness: is what is drawn how often images are neighbours, beside noise of the same shape?"""

import numpy as np
import pytest

from sslviz.diagnostics.geometry.hubness import hubness as diagnose
from sslviz.features import Features
from sslviz.figures.geometry.hubness import hubness
from sslviz.figures.parts import theme


def result(n=300, d=12, k=10, seed=0, hub=False, ids=None):
    x = np.random.default_rng(seed).standard_normal((n, d))
    if hub:
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        x[7] = 0
    return diagnose(Features.from_array(x, ids=ids), k=k, metric="euclidean")


def lines(fig):
    return {t.name: t for t in fig.data if "lines" in t.mode}


def test_shares_are_of_all_images_and_in_bins_that_double():
    one = result()
    line = lines(hubness({"one": one}))["one"]
    assert list(line.x)[:5] == ["never", "1", "2 to 3", "4 to 7", "8 to 15"] and sum(line.y) == pytest.approx(1)
    for share, low, high in zip(line.y, [0, 1, 2, 4, 8], [0, 1, 3, 7, 15], strict=False):
        assert share == pytest.approx(((one.counts >= low) & (one.counts <= high)).mean())


def test_the_ring_lies_at_the_largest_hub_and_names_it():
    one = result(d=100, hub=True)
    ring = next(t for t in hubness({"one": one, "two": result()}).data if t.mode == "markers")
    assert ring.x[0] == "256 to 511" and ring.y[0] == pytest.approx(1 / 300) and ring.customdata[0] == "7"
    assert "image 7, neighbour of 299 of 299 others" in ring.hovertemplate


def test_noise_is_grey_and_drawn_once_for_each_shape():
    fig = hubness({"a": result(), "b": result(seed=1)})
    assert [t.name for t in fig.data if t.line.color == theme.CONTROL] == ["noise (control)"]
    noise = lines(fig)["noise (control)"]
    assert noise.y[0] == pytest.approx((result().noise_counts == 0).mean()) and sum(noise.y) == pytest.approx(1)
    fig = hubness({"a": result(), "b": result(d=8), "c": result(n=200)})
    grey = [t.name for t in fig.data if t.line.color == theme.CONTROL]
    assert len(set(grey)) == 3 and all("control" in name for name in grey)


def test_the_caption_and_axis_say_which_k():
    fig = hubness({"a": result(k=5), "b": result(k=10)})
    assert "5 or 10 nearest" in fig.layout.xaxis.title.text and "5 or 10 nearest" in fig.layout.meta["caption"]


def test_ids_cannot_inject():
    ids = [f"<b>{i}</b>" for i in range(300)]
    assert all("<b>7" not in t.hovertemplate for t in hubness(result(hub=True, d=100, ids=ids)).data)
