"""Every page, without a browser: what is shown, what is said where something is missing, and that nothing is ever raised."""

import json
import re
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
from menu import PAGES
from planted import plant, plant_results

from sslviz.data import load_images, shapes
from sslviz.diagnostics.geometry.collapse import collapse
from sslviz.diagnostics.geometry.spectrum import spectrum
from sslviz.diagnostics.probes.knn import knn_probe
from sslviz.diagnostics.probes.linear import linear_probe
from sslviz.evaluation.diagnose import diagnose
from sslviz.evaluation.questions import scored_and_fit
from sslviz.features.diagnosed import stored_evidence
from sslviz.figures.parts import theme
from sslviz.figures.projection.map_figure import TRAILS
from sslviz.runs import Run

QUESTIONS = {name: question for name, (question, _) in PAGES.items()}
WITHOUT_CHARTS = {"attention", "attribution", "audit"}  # what wants weights, or a button, first
NAMES = ["collapsed", "keeps-color", "keeps-shape"]


def charts(app):
    return {chart.proto.alt: json.loads(chart.proto.spec) for chart in app.get("plotly_chart")}


def captions(app):
    return " ".join(caption.value for caption in app.caption)


def html(app):
    return "".join(element.value for element in app.html)


def thumbnails(app):
    """The ids of all images shown: what their alt texts begin with."""
    return [alt.partition(":")[0] for alt in re.findall(r'<figure[^>]*><img src="data[^"]*" alt="([^"]*)"', html(app))]


def rows(app):
    """The overview's table, run by run."""
    return re.findall('<tr><th scope="row".*?</tr>', html(app))


def fed(app):
    """What the sidebar says of how pictures are fed."""
    (expander,) = [one for one in app.sidebar.expander if one.label == "How pictures are fed"]
    return re.sub(r"<[^>]+>", " ", "".join(element.value for element in expander.get("html")))


def evidence_of(folder, name):
    run = Run(folder / name)
    return stored_evidence(run, run.last, next(iter(run.info["diagnosed"])))


@pytest.mark.parametrize("page", QUESTIONS)
def test_every_page_asks_its_question_and_draws_its_control(open_app, planted, page):
    app = open_app(planted, page)
    assert app.title[0].value == QUESTIONS[page]
    assert not app.error
    assert bool(charts(app)) == (page not in WITHOUT_CHARTS)
    for alt, spec in charts(app).items():
        drawn = json.dumps([trace.get("name") for trace in spec["data"]]) + json.dumps(
            spec["layout"].get("annotations")
        )
        assert "control" in drawn or "null" in drawn or "ceiling" in drawn, f"no control is drawn in: {alt}"
        assert alt and spec["layout"]["meta"]["caption"]


@pytest.mark.parametrize("page", QUESTIONS)
def test_every_page_works_on_runs_the_library_made(open_app, trained, page):
    app = open_app(trained, page, runs="first")
    assert app.title[0].value == QUESTIONS[page] and not app.error


@pytest.mark.parametrize("page", QUESTIONS)
def test_the_page_is_dark_where_the_theme_is(planted, page, open_app):
    plain, dark = (charts(open_app(planted, page, dark=dark)) for dark in (False, True))
    assert dark.keys() == plain.keys()
    for alt, spec in dark.items():
        paper = [s["layout"]["template"]["layout"]["paper_bgcolor"] for s in (plain[alt], spec)]
        assert paper == [theme.ink(False)["paper"], theme.ink(True)["paper"]]


# --- what the pages say ------------------------------------------------------------------------------------------------


def test_overview_tells_that_the_lowest_loss_is_the_worst_encoder(open_app, planted):
    app = open_app(planted)
    said = [link.value for link in app.page_link]
    assert any("collapse" in text for text in said) and sum("healthy" in text for text in said) == 2
    assert "collapsed" in app.info[0].value and "lowest loss" in app.info[0].value
    assert [re.search('title="([^"]*)"', row)[1] for row in rows(app)] == NAMES
    assert "complete collapse" in rows(app)[0] and "healthy" in rows(app)[2]


def test_overview_table_holds_the_scores_of_the_library(open_app, planted):
    (table,) = (one.value for one in open_app(planted).dataframe if "diagnostic" in one.value)
    table = table.set_index(["run", "diagnostic", "score"])
    evidence = evidence_of(planted, "keeps-shape")
    expected = spectrum(evidence.features).scores()["rankme"]
    assert table.loc[("keeps-shape", "spectrum", "rankme"), "value"] == pytest.approx(expected.value)
    probe = linear_probe(
        evidence.features, "shape", fit=evidence.fit, control_features=evidence.control_features()
    ).scores()["accuracy"]
    row = table.loc[("keeps-shape", "linear_probe:shape", "accuracy")]
    assert (row["value"], row["control"]) == pytest.approx((probe.value, probe.control))


def test_training_draws_each_run_and_its_untrained_start(open_app, planted):
    (spec,) = charts(open_app(planted, "training")).values()
    named = {trace["name"] for trace in spec["data"]}
    assert set(NAMES) <= named and any("untrained" in name for name in named)


def test_collapse_gives_the_reasons_of_each_verdict(open_app, planted):
    said = [m.value for m in open_app(planted, "collapse").markdown]
    for name in NAMES:
        evidence = evidence_of(planted, name)
        result = collapse(evidence.features, evidence.of("projector"))
        assert any(name in text and result.verdict in text and result.reasons[0] in text for text in said)


def test_probes_shows_the_images_that_one_run_reads_and_another_does_not(open_app, planted):
    app = open_app(planted, "probes", label="shape", readout="Neighbours", right="keeps-shape", wrong="keeps-color")
    a, b = (
        knn_probe(e.features, "shape", fit=e.fit)
        for e in (evidence_of(planted, n) for n in ("keeps-shape", "keeps-color"))
    )
    expected = set(a.ids[a.correct & ~b.correct])
    shown = thumbnails(app)
    assert len(shown) == min(75, len(expected)) and set(shown) <= expected


# --- the map -----------------------------------------------------------------------------------------------------------


def test_map_shows_the_pca_until_the_umap_is_stored(open_app, tmp_path):
    run = plant(tmp_path / "one", shapes(1000), "shape", losses=[3.0, 2.0], knn=[0.4, 0.6])
    app = open_app(tmp_path, "map")
    assert "PCA of 150 images" in captions(app)
    assert [b.label for b in app.button] == ["Compute UMAP"]
    plant_results(run)
    app.run()
    assert "UMAP of 150 images" in captions(app) and not app.button


def test_a_selection_is_shown_and_stands_out_in_every_map(open_app, planted):
    app = open_app(planted, "map", layout="PCA")
    ids = list(evidence_of(planted, "keeps-shape").features.ids[5:20])
    app.session_state["map_ids"] = ids
    app.run()
    assert not app.exception and app.subheader[0].value == "15 images selected"
    assert thumbnails(app)[:15] == ids
    maps = [spec for alt, spec in charts(app).items() if alt.startswith("A map")]
    assert len(maps) == 3
    for spec in maps:
        chosen = {
            trace["customdata"][row][0]
            for trace in spec["data"]
            for row in np.atleast_1d(decoded(trace["selectedpoints"]))
        }
        assert chosen == set(ids)


def decoded(values):
    """Plotly sends long arrays of numbers as base64."""
    if isinstance(values, dict):
        import base64

        return np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"])
    return np.asarray(values, dtype=int)


def test_neighbours_are_those_of_the_whole_space(open_app, planted):
    app = open_app(planted, "map", layout="PCA")
    shown = thumbnails(app)[1:]  # the first is the image itself
    for row, name in enumerate(NAMES):
        features = evidence_of(planted, name).features
        x = features.x / np.linalg.norm(features.x, axis=1, keepdims=True)
        similar = x @ x[list(features.ids).index(app.selectbox(key="map_image").value)]
        expected = features.ids[np.argsort(-similar)[1:11]]
        got = shown[10 * row : 10 * row + 10]
        assert len(set(got) & set(expected)) >= 9  # float32 may order equal ones otherwise


def test_null_maps_are_grey_and_cannot_be_taken_for_the_map(open_app, planted):
    maps = [
        s for alt, s in charts(open_app(planted, "map", layout="PCA", null="true")).items() if "null map" in alt[:20]
    ]
    assert len(maps) == 3 and all("null map" in trace["name"] for spec in maps for trace in spec["data"])


def test_the_map_is_played_through_training_or_drawn_with_trails(open_app, trained, tmp_path):
    shutil.copytree(trained / "first", tmp_path / "first")
    run = Run(tmp_path / "first")
    spec = next(iter(run.info["diagnosed"].values()))["spec"]
    scored, fit = scored_and_fit(load_images(spec))
    diagnose(run, scored, fit=fit, only=["spectrum"], every=True, progress=False)
    app = open_app(tmp_path, "map", layout="PCA")
    closed = charts(app)
    app.session_state["came"] = True
    app.run()
    played = {alt: spec for alt, spec in charts(app).items() if alt not in closed}
    (journey,) = (spec for alt, spec in played.items() if "journey" in alt.lower() or spec.get("frames"))
    assert len(journey["frames"]) == len(run.checkpoints) > 1
    assert any("moved" in alt for alt in played)  # what moved on the map, beside what changed in all dimensions
    app.toggle(key="journey_trails").set_value(True).run()
    assert not app.exception
    drawn = list(charts(app).values())
    trails = [trace for spec in drawn for trace in spec["data"] if trace.get("name") == TRAILS]
    assert len(trails) == 1 and not any(spec.get("frames") for spec in drawn)


def test_at_most_four_maps(open_app, tmp_path):
    images = shapes(700)
    for i in range(5):
        plant(tmp_path / f"run{i}", images, "shape", losses=[1.0], knn=[0.5], seed=i)
    app = open_app(tmp_path, "map", layout="PCA")  # a UMAP of four takes longer, and says no more about how many
    assert sum(alt.startswith("A map") for alt in charts(app)) == 4 and "Maps of 4 of the 5 runs" in captions(app)


# --- the choice, and the URL -------------------------------------------------------------------------------------------


def test_the_url_chooses_runs_colour_and_layout(open_app, planted):
    app = open_app(planted, "map", runs=["collapsed", "keeps-shape"], color="texture", layout="PCA")
    assert app.multiselect(key="runs").value == ["collapsed", "keeps-shape"]
    assert app.selectbox(key="color").value == "texture"
    maps = [spec for alt, spec in charts(app).items() if alt.startswith("A map")]
    assert len(maps) == 2 and {t["name"] for t in maps[0]["data"]} == {"horizontal", "vertical"}


def test_unknown_names_in_the_url_are_left_out(open_app, planted):
    app = open_app(planted, "map", runs=["nobody"], color="nothing", layout="PCA")
    assert app.multiselect(key="runs").value == NAMES and app.selectbox(key="color").value == "shape"


def test_a_run_keeps_its_colour_when_others_are_taken_away(open_app, planted):
    color = theme.colors(NAMES)["keeps-shape"]
    for query in ({}, {"runs": "keeps-shape"}):
        app = open_app(planted, "training", **query)
        (spec,) = charts(app).values()
        assert {t["line"]["color"] for t in spec["data"] if t["name"] == "keeps-shape"} == {color}
        assert color in html(app)


def test_choosing_no_run_asks_for_one(open_app, planted):
    app = open_app(planted)
    app.multiselect(key="runs").set_value([]).run()
    assert not app.exception and "Choose at least one run" in app.info[0].value


# --- what is missing or broken -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("made", [True, False])
def test_no_runs_says_how_to_make_some(open_app, tmp_path, made):
    folder = tmp_path / "runs"
    if made:
        folder.mkdir()
    app = open_app(folder)
    assert [b.label for b in app.button] == ["Make the demo"]
    assert "sslviz demo" in app.code[0].value and "sslviz pretrain" in app.code[0].value
    assert str(folder) in app.markdown[0].value


def test_the_demo_button_starts_it_once_and_reports_how_it_ends(open_app, tmp_path, monkeypatch):
    app = open_app(tmp_path)
    from sections import welcome

    started = []
    real = welcome.subprocess.Popen

    def failing(command, **options):
        started.append(command)
        return real([sys.executable, "-c", "print('the disk is full'); raise SystemExit(3)"], **options)

    monkeypatch.setattr(welcome.subprocess, "Popen", failing)
    app.button[0].click().run()
    app.run()
    assert started == [[sys.executable, "-m", "sslviz", "demo", "--no-app", "--runs", str(tmp_path)]]
    welcome.cached.demos()[str(tmp_path.resolve())].wait()
    app.run()
    assert not app.exception and "the disk is full" in app.error[0].value


def test_progress_of_the_demo_is_read_from_its_folder(open_app, tmp_path):
    open_app(tmp_path)
    from sections import welcome

    assert welcome.progress(tmp_path)[0] == 0
    run = Run.create(tmp_path / next(iter(welcome.RUNS)), {})
    run.write_history([{"step": 0, "epoch": 0}, {"step": 9, "epoch": welcome.EPOCHS // 2, "loss": 1.0}])
    share, text = welcome.progress(tmp_path)
    assert share == pytest.approx(welcome.TRAINING * (welcome.EPOCHS // 2) / (3 * welcome.EPOCHS))
    assert run.name in text and str(welcome.EPOCHS) in text


def test_runs_whose_probes_were_fitted_on_other_images_are_told_apart(open_app, planted, tmp_path):
    for name in ("keeps-shape", "keeps-color"):
        shutil.copytree(planted / name, tmp_path / name)
    assert "fitted on different images" not in captions(open_app(tmp_path))
    run = Run(tmp_path / "keeps-color")
    run.update(diagnosed={digest: noted | {"fit": None} for digest, noted in run.info["diagnosed"].items()})
    for page in ("overview", "probes"):
        assert "fitted on different images" in captions(open_app(tmp_path, page))


def test_folders_that_are_no_runs_are_named_and_left_out(open_app, planted, tmp_path):
    shutil.copytree(planted / "keeps-shape", tmp_path / "good")
    (tmp_path / "empty").mkdir()
    (tmp_path / "garbled").mkdir()
    (tmp_path / "garbled" / "run.json").write_text("{")
    (tmp_path / "newer").mkdir()
    (tmp_path / "newer" / "run.json").write_text(json.dumps({"format": 99}))
    app = open_app(tmp_path)
    assert app.multiselect(key="runs").options == ["good"]
    skipped = [c.value for c in app.caption if "Skipped" in c.value]
    assert len(skipped) == 3 and any("newer sslviz" in text for text in skipped)


@pytest.mark.parametrize("page", QUESTIONS)
def test_a_run_without_labels_pictures_or_history(open_app, planted, tmp_path, page):
    run = shutil.copytree(planted / "keeps-shape", tmp_path / "bare")
    for path in run.glob("features/*.parquet"):
        pd.read_parquet(path)[["__id__"]].to_parquet(path)
    shutil.rmtree(run / "thumbnails")
    shutil.rmtree(run / "results", ignore_errors=True)
    (run / "history.csv").unlink()
    app = open_app(tmp_path, page)
    assert app.title[0].value == QUESTIONS[page] and not app.error
    if page == "map":
        assert "hold no thumbnails" in captions(app)
    if page == "probes":
        assert "diagnose again" in app.info[0].value


@pytest.mark.parametrize("page", QUESTIONS)
def test_names_are_shown_as_they_are(open_app, planted, tmp_path, page):
    name = "a[b] *c* <i>d $e$"
    shutil.copytree(planted / "keeps-shape", tmp_path / name)
    app = open_app(tmp_path, page)
    assert "<i>d" not in html(app) and "&lt;i&gt;d" in html(app)
    assert not any("*c*" in m.value.replace("\\*", "") for m in app.markdown)


def test_runs_of_other_images_can_be_chosen_between(open_app, tmp_path):
    worlds = [shapes(700), shapes(800)]
    for i, images in enumerate(worlds):
        plant(tmp_path / f"run{i}", images, "shape", losses=[1.0], knn=[0.5])
    app = open_app(tmp_path, "collapse")
    assert [o.split(",")[0] for o in app.selectbox(key="images").options] == ["shapes:n=800", "shapes:n=700"]
    assert any("run1" in m.value and "healthy" in m.value for m in app.markdown)
    assert any("run0" in m.value and "Not compared yet" in m.value for m in app.markdown)
    app.selectbox(key="images").select_index(1).run()
    assert not app.exception and any("run0" in m.value and "healthy" in m.value for m in app.markdown)


def test_a_run_that_still_trains_is_waited_for(open_app, planted, tmp_path):
    shutil.copytree(planted / "keeps-shape", tmp_path / "done")
    Run.create(tmp_path / "starting", {"kind": "pretrain", "arguments": {"method": "byol", "epochs": 5}, "encoder": {}})
    app = open_app(tmp_path)
    assert "starting has no checkpoint yet" in captions(app) and "epoch 0 of 5" in html(app)


def test_damaged_features_can_be_made_again_from_the_page(open_app, trained, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "runs")
    features = next(path for path in (folder / "first" / "features").glob("[0-9]*.npy"))
    features.write_bytes(features.read_bytes()[:100])
    app = open_app(folder)
    assert any("first" in m.value and "second" in m.value for m in app.markdown)
    assert [b.label for b in app.button] == ["Diagnose now"]


def test_diagnose_now_makes_a_run_comparable(open_app, trained, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "runs")
    app = open_app(folder)
    assert any("second" in m.value for m in app.markdown) and len(rows(app)) == 1
    app.button[0].click().run(timeout=120)
    assert not app.exception and not app.button and len(rows(app)) == 2
    diagnosed = [Run(folder / name).info["diagnosed"] for name in ("first", "second")]
    assert diagnosed[0] == diagnosed[1]


def test_what_was_left_out_is_offered_and_then_shown(open_app, trained, tmp_path):
    shutil.copytree(trained / "first", tmp_path / "first")
    run = Run(tmp_path / "first")
    assert stored_evidence(run, run.last, next(iter(run.info["diagnosed"]))).of("views") is None
    app = open_app(tmp_path, "geometry")
    assert "Views and altered pictures of **first** were not embedded." in [m.value for m in app.markdown]
    next(b for b in app.button if b.label == "Embed views and altered pictures").click().run(timeout=300)
    assert not app.exception and not app.error
    assert not any("not embedded" in text for text in [m.value for m in app.markdown] + [c.value for c in app.caption])
    assert any("Two views of one image" in alt or "views" in alt for alt in charts(app))
    assert not any("not embedded" in m.value for m in open_app(tmp_path, "similarity").markdown)


def test_the_sidebar_says_how_pictures_are_fed_and_who_says_so(open_app, trained, tmp_path):
    """Once for runs that are fed alike; of an import, and of a run that an older sslviz wrote, too."""
    alike = fed(open_app(trained))
    assert "first, second" in alike and alike.count("0.5 0.5 0.5") == 2
    for said in (
        "sslviz's default for presets",
        "32 px",
        "the pictures it was trained on",
        "bilinear",
        "the whole picture",
    ):
        assert said in alike.replace("&#x27;", "'")
    shutil.copytree(trained / "first", tmp_path / "old")
    info = json.loads((tmp_path / "old" / "run.json").read_text())
    del info["preprocessing"]
    (tmp_path / "old" / "run.json").write_text(json.dumps(info))
    stem = {"encoder": {"name": "resnet18", "image_size": 64}, "arguments": {"encoder": "resnet18"}}
    Run.create(
        tmp_path / "theirs",
        {
            **stem,
            "kind": "import",
            "preprocessing": {
                "values": {"mean": [0.485, 0.456, 0.406], "stem": "solo-learn", "stem_layers": "3x3, stride 1"},
                "origins": {"mean": "given", "stem": "<given>"},
                "notes": ["also --tag <dino>"],
            },
        },
    )
    both = fed(open_app(tmp_path))
    assert "the views it was trained on" in both and "solo-learn (3x3, stride 1)" in both
    assert "&lt;given&gt;" in both and "also --tag &lt;dino&gt;." in both
