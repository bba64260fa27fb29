"""Training curves: are the numbers those of the history, with the untrained encoder beside them?"""

import numpy as np
import pandas as pd
import pytest

from sslviz.figures.parts import theme
from sslviz.figures.training import training


def history(seed: int = 0, epochs: int = 6, untrained: float = 0.3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    columns = {c: rng.uniform(1, 2, epochs + 1) for c in ("loss", "knn", "rankme", "std")}
    table = pd.DataFrame({"step": np.arange(epochs + 1) * 10, "epoch": np.arange(epochs + 1)} | columns)
    table.loc[0, ["knn", "rankme", "std"]] = untrained
    table.loc[0, "loss"] = np.nan
    table.loc[table.epoch % 2 == 1, ["knn", "rankme", "std"]] = np.nan  # evaluated every other epoch
    return table.assign(std_isotropic=128**-0.5)


def curves(fig, run):
    return [t for t in fig.data if t.legendgroup == f"run {run}"]


def controls(fig):
    return [t for t in fig.data if "control" in t.name]


def test_curves_are_the_history_without_gaps():
    table = history()
    fig = training({"a": table})
    for trace, column in zip(curves(fig, "a"), ("loss", "knn", "rankme", "std"), strict=True):
        rows = table[table[column].notna()]
        assert np.array_equal(trace.x, rows["epoch"]) and np.array_equal(trace.y, rows[column])


def test_untrained_encoder_is_the_grey_line_of_every_panel_it_was_measured_in():
    fig = training({"a": history(), "b": history(1, untrained=0.5)})
    assert {t.line.color for t in controls(fig)} == {theme.CONTROL}
    untrained = {(t.yaxis, t.y[0]) for t in controls(fig) if t.name.startswith("untrained")}
    assert untrained == {(axis, value) for axis in ("y2", "y3", "y4") for value in (0.3, 0.5)}
    isotropic = [t for t in controls(fig) if t.name.startswith("isotropic")]
    assert [t.yaxis for t in isotropic] == ["y4"] and isotropic[0].y[0] == pytest.approx(128**-0.5)


def test_equal_controls_are_drawn_once():
    assert len(controls(training({f"run {i}": history(i) for i in range(10)}))) == 4


def test_each_run_has_one_colour_and_one_legend_entry():
    palette = theme.colors(["a", "b", "c"])
    fig = training({"b": history(), "c": history(1)}, colors=palette)
    for run in "bc":
        assert {t.line.color for t in curves(fig, run)} == {palette[run]}
        assert sum(t.showlegend for t in curves(fig, run)) == 1
    assert sum(t.showlegend for t in controls(fig)) == 2


def test_columns_that_no_run_has_get_no_panel():
    table = history().drop(columns="knn")
    titles = {a.title.text for a in training(table).select_yaxes() if a.visible is not False}
    assert len(titles) == 3 and not any("kNN" in t for t in titles)
    fig = training({"a": table, "b": history()}, columns=["knn"])
    assert len(curves(fig, "a")[0].y) == 0 and len(curves(fig, "b")[0].y) > 0
    with pytest.raises(ValueError, match="none of knn"):
        training(table, columns=["knn"])


def test_axes_are_titled_and_meta_speaks():
    fig = training(history())
    assert all(axis.title.text for axis in fig.select_yaxes())
    assert "epoch" in {axis.title.text for axis in fig.select_xaxes()}
    assert "rankme 0.3 to" in fig.layout.meta["alt"] and fig.layout.meta["caption"]
