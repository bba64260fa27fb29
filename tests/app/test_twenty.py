"""Twenty runs at once: five recipes with four seeds each, which lie in subfolders and of which every answer is planted."""

import json
import re
import shutil
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from planted import RECIPES, SEEDS, plant_answers, plant_twenty

from sslviz.catalog import find_entry
from sslviz.evaluation.answers import storage_key, stored_result
from sslviz.features.diagnosed import stored_evidence
from sslviz.figures.parts import theme
from sslviz.runs import Run

NAMES = sorted(f"{recipe}/seed-{seed}" for recipe in RECIPES for seed in range(SEEDS))
LINEAR = "linear probe, shape: accuracy"


@pytest.fixture(scope="module")
def twenty(tmp_path_factory):
    folder = tmp_path_factory.mktemp("twenty")
    plant_answers(plant_twenty(folder))
    return folder


@pytest.fixture(scope="module")
def accuracies(twenty):
    """{run: accuracy of the linear readout of shape}, from the stored results and not by the app."""
    found = {}
    for name in NAMES:
        run = Run(twenty / name)
        evidence = stored_evidence(run, run.last, next(iter(run.info["diagnosed"])))
        probe = stored_result(run, find_entry("linear_probe"), evidence, ("shape",))
        found[name] = np.mean(
            [(probe.predicted == probe.truth)[probe.truth == c].mean() for c in np.unique(probe.truth)]
        )
    return pd.Series(found)


def charts(app):
    return {chart.proto.alt: json.loads(chart.proto.spec) for chart in app.get("plotly_chart")}


def table(app):
    return app.dataframe[0].value.set_index("run")


def dots(app):
    """{run: its dot} of the scatter."""
    (spec,) = (spec for alt, spec in charts(app).items() if "a dot for each" in alt)
    return {trace["customdata"][0][0]: trace for trace in spec["data"] if "customdata" in trace}


@pytest.mark.parametrize("page", ["overview", "training", "collapse", "geometry", "map", "similarity", "probes"])
def test_every_page_opens_with_twenty_runs(open_app, twenty, page):
    app = open_app(twenty, page)
    assert not app.error and app.multiselect(key="runs").value == NAMES
    drawn = len(charts(app))
    assert 0 < drawn <= 12


# --- ranked and filtered ----------------------------------------------------------------------------------------------


def test_runs_are_ranked_by_the_score_that_was_chosen(open_app, twenty, accuracies):
    app = open_app(twenty)
    assert app.selectbox(key="rank_by").value == LINEAR
    best_first = accuracies.sort_values(ascending=False)
    assert accuracies[list(table(app).index)].tolist() == best_first.tolist()
    first = table(app).iloc[0]
    assert first["score"].startswith(f"{best_first.iloc[0]:.2f} [")
    assert re.fullmatch(r"0\.\d+ (chance|pixels|untrained)", first["control"])
    app.selectbox(key="rank_by").set_value("spectrum: rankme").run()
    ranks = [float(text.split()[0]) for text in table(app)["score"]]
    assert ranks == sorted(ranks, reverse=True) and not app.exception


def test_runs_are_filtered_by_an_argument_and_by_a_score(open_app, twenty, accuracies):
    app = open_app(twenty, filter=["method", LINEAR])
    app.multiselect(key="keep method").set_value(["byol", "mae"]).run()
    byol = {name for name in NAMES if name.startswith(("byol", "mae"))}
    assert set(table(app).index) == byol == set(dots(app)) and "12 of 20 runs" in {c.value for c in app.caption}
    low = float(np.median(accuracies))
    slider = app.slider(key=f"keep {LINEAR}")
    slider.set_range(low, slider.max).run()
    assert not app.exception
    assert set(table(app).index) == {name for name in byol if accuracies[name] >= low - 0.01 * np.ptp(accuracies)}


def test_the_url_ranks_and_filters(open_app, twenty):
    app = open_app(
        twenty, rank_by="collapse: spread", ranked_against="learning_rate", filter="method", **{"keep method": "mae"}
    )
    assert (
        app.selectbox(key="rank_by").value == "collapse: spread"
        and app.selectbox(key="ranked_against").value == "learning_rate"
    )
    assert set(table(app).index) == {f"mae/seed-{seed}" for seed in range(SEEDS)}


def test_the_scatter_holds_every_run_at_its_score_with_its_interval(open_app, twenty, accuracies):
    app = open_app(twenty, ranked_against="knn probe, shape: accuracy")
    assert set(dots(app)) == set(NAMES)
    for name, dot in dots(app).items():
        assert (
            dot["y"][0] == pytest.approx(accuracies[name])
            and dot["error_y"]["array"][0] > 0 < dot["error_x"]["array"][0]
        )


# --- a click ----------------------------------------------------------------------------------------------------------


def test_a_click_on_a_row_lets_its_run_stand_out_on_every_page(open_app, twenty):
    app = open_app(twenty)
    name = table(app).index[3]
    app.session_state["ranking"] = {"selection": {"rows": [3], "columns": [], "cells": []}}
    app.run()
    from sections.ranking import _clicked_row

    assert _clicked_row(list(table(app).index), app.session_state["ranking"]) == name
    app.session_state["run"] = name
    app.run()
    assert {dot["marker"]["size"] for run, dot in dots(app).items() if run == name} == {18}
    assert any(name in element.value for element in app.html if "<b>" in element.value)  # what is to be said of it
    app.switch_page("app_pages/collapse.py").run()
    spectrum = next(spec for alt, spec in charts(app).items() if alt.startswith("Spectra of the features"))
    bright = {t["legendgroup"] for t in spectrum["data"] if t.get("legendgroup") in NAMES and t.get("opacity", 1) == 1}
    assert bright == {name}


def test_a_click_on_a_dot_lets_its_run_stand_out(monkeypatch, open_app, twenty):
    open_app(twenty)
    from sections import ranking

    state = {"scatter": {"selection": {"points": [{"curve_number": 2, "customdata": [NAMES[5]]}]}}}
    monkeypatch.setattr(ranking.st, "session_state", state)
    ranking._on_dot()
    assert state["run"] == NAMES[5]
    state["scatter"]["selection"]["points"] = []
    ranking._on_dot()
    assert state["run"] is None


def test_the_run_that_stands_out_can_be_shown_alone_or_with_its_seeds(open_app, twenty):
    app = open_app(twenty, run=NAMES[0])
    next(b for b in app.button if b.label == f"Show its {SEEDS} seeds alone").click().run()
    assert app.multiselect(key="runs").value == NAMES[:SEEDS]
    next(b for b in app.button if b.label == "Show this run alone").click().run()
    assert app.multiselect(key="runs").value == NAMES[:1] and not app.exception


# --- studies, seeds and colours ---------------------------------------------------------------------------------------


def test_mean_and_spread_over_seeds_are_those_of_numpy(open_app, twenty, accuracies):
    app = open_app(twenty, ranked_against="study")
    shown, recipe = table(app)["over seeds"], [name.rpartition("/")[0] for name in table(app).index]
    expected = accuracies.groupby(lambda name: name.rpartition("/")[0]).agg([np.mean, lambda v: np.std(v, ddof=1)])
    for text, of in zip(shown, recipe, strict=True):
        mean, spread = map(float, re.match(r"([\d.]+) ± ([\d.]+) over 4 seeds", text).groups())
        assert (mean, spread) == pytest.approx(expected.loc[of].tolist(), abs=0.006)
    (spec,) = (spec for alt, spec in charts(app).items() if "a dot for each" in alt)
    means = [trace["y"][0] for trace in spec["data"] if trace["name"] == "mean over seeds"]
    assert sorted(means) == pytest.approx(sorted(expected.iloc[:, 0]))


def test_all_runs_of_a_study_are_chosen_at_once(open_app, twenty):
    app = open_app(twenty)
    studies = app.sidebar.button_group(key="studies")
    assert studies.options == [f"{recipe} ({SEEDS})" for recipe in sorted(RECIPES)] and studies.value == []
    studies.set_value(["mae", "byol-slow"]).run()
    assert app.multiselect(key="runs").value == [name for name in NAMES if name.startswith(("mae", "byol-slow"))]
    app.sidebar.button_group(key="studies").set_value([]).run()
    assert app.multiselect(key="runs").value == NAMES and not app.exception


def test_seeds_of_a_recipe_share_a_colour_and_recipes_do_not(open_app, twenty):
    colors = {name: dot["marker"]["color"] for name, dot in dots(open_app(twenty)).items()}
    of_recipe = pd.Series(colors).groupby(lambda name: name.rpartition("/")[0]).agg(set)
    assert all(len(found) == 1 for found in of_recipe) and len(set(colors.values())) == len(RECIPES)
    assert theme.CONTROL not in colors.values()


def test_a_page_chooses_its_four(open_app, twenty):
    app = open_app(twenty, "map", layout="PCA", maps_of=NAMES[-2:])
    assert (
        sum(alt.startswith("A map") for alt in charts(app)) == 2 and app.multiselect(key="maps_of").value == NAMES[-2:]
    )
    assert "Maps of 2 of the 20 runs" in " ".join(c.value for c in app.caption)
    app = open_app(twenty, "probes")
    assert sum(alt.startswith("Confusion") for alt in charts(app)) == 4


def test_two_runs_of_one_colour_are_told_apart_where_they_are_compared(open_app, twenty):
    app = open_app(twenty, "similarity")
    assert any(alt.startswith("CKA of 190 pairs") for alt in charts(app))
    from sections.comparison import only_two
    from state.selection import Choice

    same = dict.fromkeys(NAMES, theme.CHECKPOINT_COLORS[0])
    choice = Choice({}, dict.fromkeys(NAMES), [], same, None, False, {}, "")
    two = only_two(choice, NAMES[0], NAMES[1])
    assert two.colors[NAMES[0]] != two.colors[NAMES[1]] and list(two.evidence) == NAMES[:2]


def test_pairs_that_were_never_compared_wait_for_a_button(open_app, twenty, tmp_path):
    for name in NAMES[:6]:
        shutil.copytree(twenty / name, tmp_path / "runs" / name)
    runs = {name: Run(tmp_path / "runs" / name) for name in NAMES[:6]}
    shown = {name: stored_evidence(run, run.last, next(iter(run.info["diagnosed"]))) for name, run in runs.items()}
    for a, b in combinations(runs, 2):
        runs[b].result_path(storage_key(find_entry("similarity"), shown[b], other=shown[a])).unlink()
    app = open_app(tmp_path / "runs", "similarity")
    assert "Compare all pairs" in [b.label for b in app.button] and not any(
        " 15 pairs of" in alt for alt in charts(app)
    )
    next(b for b in app.button if b.label == "Compare all pairs").click().run()
    assert any(alt.startswith("CKA of 15 pairs") for alt in charts(app))
