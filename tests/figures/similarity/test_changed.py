"""Changed: is what is drawn what was counted, beside unrelated spaces?"""

import numpy as np
import pytest

from sslviz.diagnostics.similarity.changed import changed as diagnose
from sslviz.features import Features
from sslviz.figures.parts import theme
from sslviz.figures.similarity.changed import changed


def result(noise=0.5, classes=3, seed=0, k=10, n=150):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 8))
    table = {"label": [f"class {i}" for i in np.arange(n) % classes]} if classes else None
    other = Features.from_array(x + noise * rng.normal(size=x.shape))
    return diagnose(Features.from_array(x, table=table), other, k=k)


def trace(fig, name):
    return next(t for t in fig.data if t.name == name)


def class_dots(fig):
    return next(t for t in fig.data if t.type == "scatter" and t.mode == "markers")


def test_bars_are_the_shares_of_images():
    one = result()
    bar = trace(changed(one), "this pair")
    assert bar.type == "bar" and sum(bar.y) == pytest.approx(100)
    for percent, share in zip(bar.x, bar.y, strict=True):
        assert share == pytest.approx(100 * np.isclose(one.change, percent / 100).mean())


def test_unrelated_spaces_are_grey_and_drawn_once_for_each_k_and_n():
    fig = changed({"a": result(), "b": result(seed=1)})
    grey = [t for t in fig.data if t.line.color == theme.CONTROL and len(t.y) == 11]
    assert [t.name for t in grey] == ["unrelated spaces (control)"]
    assert sum(grey[0].y) == pytest.approx(100)
    assert np.dot(grey[0].x, grey[0].y) / 100 == pytest.approx(100 * result().chance)
    fig = changed({"a": result(), "b": result(k=5)})
    assert sum("(control)" in t.name and "k = " in t.name for t in fig.data) == 2


def test_class_means_come_most_changed_first_beside_chance():
    one = result(classes=4)
    fig = changed({"pair": one})
    dots = class_dots(fig)
    means = {name: 100 * mean for name, mean in one.by_class.items()}
    assert dict(zip(dots.y, dots.x, strict=True)) == pytest.approx(means)
    assert list(dots.y) == sorted(means, key=lambda name: -means[name])
    assert set(trace(fig, "unrelated, mean (control)").x) == {100 * one.chance}
    assert sum(dots.customdata) == 150 and set(dots.customdata) == {37, 38}


def test_without_classes_there_is_the_histogram_alone():
    fig = changed(result(classes=0))
    assert len(fig.data) == 2 and "yaxis2" not in fig.layout


def test_of_many_classes_the_most_changed_are_drawn_and_it_says_so():
    fig = changed(result(classes=50))
    dots = class_dots(fig)
    assert len(dots.y) == 30 and "30 classes that changed most, of 50" in fig.layout.meta["caption"]


def test_ten_pairs_keep_their_colours_and_speak():
    names = [f"a-long-name-of-a-run-with-temperature-0.{i} → and another" for i in range(10)]
    named = {name: result(seed=i) for i, name in enumerate(names)}
    fig = changed(named)
    palette = theme.colors(names)
    assert {
        t.line.color for t in fig.data if t.type == "scatter" and t.name in theme.short_names(names).values()
    } == set(palette.values())
    few = changed({names[4]: named[names[4]]}, colors=palette)
    assert next(t for t in few.data if t.type == "bar").marker.color == palette[names[4]]
    assert all(name in fig.layout.meta["alt"] for name in names) and fig.layout.meta["caption"].endswith(".")
    assert "NaN" not in fig.to_json()
    evil = changed({"<script>x</script>": result()})
    assert not any("<script" in (t.hovertemplate or "") for t in evil.data)
    with pytest.raises(ValueError, match="at least one"):
        changed({})
