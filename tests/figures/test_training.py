"""Training curves: are the numbers those of the history, with the untrained encoder beside them?"""

import numpy as np
import pandas as pd
import pytest

from sslviz.figures.parts import theme
from sslviz.figures.training import loss_terms, term_columns, training


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


# --- the terms of a loss -----------------------------------------------------------------------------------------------


def with_terms(seed: int = 0, names=("invariance", "variance", "covariance"), epochs: int = 6) -> pd.DataFrame:
    """A history whose loss is the sum of its terms, as the training loop writes it: nothing at step 0."""
    table, rng = history(seed, epochs), np.random.default_rng(10 + seed)
    for name in names:
        table[f"loss_{name}"] = np.r_[np.nan, rng.uniform(0, 5, epochs)]
    return table.assign(loss=table[[f"loss_{name}" for name in names]].sum(axis=1, min_count=1))


def test_each_term_is_a_line_in_the_colour_of_its_run_told_apart_by_its_dash():
    table, palette = with_terms(), theme.colors(["a", "vicreg"])
    fig = loss_terms({"a": history(), "vicreg": table}, colors=palette)
    lines = curves(fig, "vicreg")
    assert [line.name for line in lines] == ["invariance", "variance", "covariance"] and not curves(fig, "a")
    assert len({line.line.dash for line in lines}) == 3 and {line.line.color for line in lines} == {palette["vicreg"]}
    for line in lines:
        np.testing.assert_array_equal(line.y, table[f"loss_{line.name}"].dropna())
        np.testing.assert_array_equal(line.x, np.arange(1, 7))


def test_every_run_with_terms_has_a_panel_under_its_name():
    runs = {
        f"run {i}": with_terms(i, names) for i, names in enumerate([("p", "q"), ("reconstruction", "kl"), ("p", "r")])
    }
    fig = loss_terms(runs)
    assert [len(curves(fig, name)) for name in runs] == [2, 2, 2]
    assert len({curves(fig, name)[0].yaxis for name in runs}) == 3
    said = {annotation.text for annotation in fig.layout.annotations}
    assert {f"<b>{name}</b>" for name in runs} | {"p", "q", "r", "reconstruction", "kl"} <= said
    assert all(name in fig.layout.meta["alt"] for name in runs)


def test_a_terms_control_is_its_first_epoch_in_grey():
    table = with_terms()
    fig = loss_terms(table)
    assert {line.line.color for line in controls(fig)} == {theme.CONTROL}
    firsts = sorted(line.y[0] for line in controls(fig))
    assert firsts == pytest.approx(sorted(table[column].dropna().iloc[0] for column in term_columns(table)))
    assert sum(line.showlegend is not False for line in controls(fig)) == 1


def test_names_of_terms_that_end_together_do_not_lie_on_each_other():
    table = with_terms(names=("one", "two", "three"))
    for column, last in zip(term_columns(table), (1.0, 1.001, 4.0), strict=True):
        table.loc[table.index[-1], column] = last
    heights = {a.text: a.y for a in loss_terms(table).layout.annotations if a.text in ("one", "two", "three")}
    span = max(table[column].max() for column in term_columns(table)) - min(table[c].min() for c in term_columns(table))
    assert heights["one"] == 1.0 and heights["two"] - heights["one"] > span / 10 and heights["three"] == 4.0


def test_runs_without_terms_are_one_sentence():
    with pytest.raises(ValueError, match="No history holds terms"):
        loss_terms({"a": history()})
    with pytest.raises(ValueError, match="at least one"):
        loss_terms({})


def test_terms_cannot_inject_and_are_json_without_nan():
    fig = loss_terms({"<script>": with_terms(names=("<b>bad",))})
    assert "<script" not in "".join(a.text for a in fig.layout.annotations) and "NaN" not in fig.to_json()
