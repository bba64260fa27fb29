"""The training page: curves, terms of the loss, pictures that a method makes, and how the methods of the library compare."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest

from sslviz import diagnose, pretrain, shapes
from sslviz.catalog import find_entry
from sslviz.data.images import Images
from sslviz.evaluation.questions import scored_and_fit
from sslviz.explanations.cache import is_cached
from sslviz.explanations.reconstruction import reconstruct
from sslviz.runs import Run, load_result

QUESTION = find_entry("reconstruct").question


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three short trainings: one makes pictures, one has terms, one neither."""
    folder, images = tmp_path_factory.mktemp("methods"), shapes(300, size=16)
    scored, fit = scored_and_fit(images)
    train, options = images.split("train"), {"batch_size": 60, "held_out": fit, "progress": False}
    for name, method, epochs in (("paints", "denoising", 2), ("parts", "vicreg", 2), ("plain", "simclr", 1)):
        settings = {"width": 8} if method == "denoising" else {}
        run = pretrain(train, method, out=folder / name, epochs=epochs, settings=settings, **options)
        diagnose(run, scored, fit=fit, only=["spectrum"], progress=False)
    return folder


def charts(app):
    return {chart.proto.alt: json.loads(chart.proto.spec) for chart in app.get("plotly_chart")}


def headings(app):
    return [heading.value for heading in app.subheader]


def captions(app):
    return " ".join(caption.value for caption in app.caption)


def test_the_terms_are_drawn_of_the_run_that_has_them(open_app, folder):
    app = open_app(folder, "training")
    (spec,) = (spec for alt, spec in charts(app).items() if alt.startswith("Terms of each loss"))
    drawn = {trace["name"] for trace in spec["data"]}
    assert drawn == {"invariance", "variance", "covariance", "in the first epoch (control)"}
    assert "Which term of the loss falls?" in headings(app)
    assert "Which term of the loss falls?" not in headings(open_app(folder, "training", runs="plain"))


def test_the_pictures_are_made_of_the_run_that_makes_some(open_app, folder):
    app = open_app(folder, "training")
    (pictures,) = (alt for alt in charts(app) if alt.startswith("Pictures as they were shown"))
    assert "paints (denoising): error" in pictures and "plain" not in pictures and QUESTION in headings(app)
    assert any("mean colour" in json.dumps(spec) for spec in charts(app).values())
    assert find_entry("reconstruct").caveat in captions(app)
    assert QUESTION not in headings(open_app(folder, "training", runs="plain"))


def test_their_scores_are_those_of_the_library_and_are_kept(open_app, folder):
    app = open_app(folder, "training", runs="paints")
    run, images = Run(folder / "paints"), scored_and_fit(shapes(300, size=16))[0]
    shown = [panel for panel in charts(app).items() if panel[0].startswith("Pictures as they were shown")][0]
    ids = list(dict.fromkeys(re.findall(r'"hovertemplate": "([^"<]*)<extra>', json.dumps(shown[1]))))
    assert len(ids) == 6 and set(ids) <= set(images.ids)
    stored = list((folder / "paints" / "results").glob("*.npz"))
    (kept,) = (load_result(path, find_entry("reconstruct").result_type) for path in stored if _is_ours(path))
    assert f"error {kept.scores()['error']}" in shown[0] and len(kept.ids) == 8
    rows = np.array([list(images.ids).index(i) for i in kept.ids])
    again: Images = images.rows(rows)
    assert is_cached(run, reconstruct, run.last, again)
    np.testing.assert_array_equal(kept.true, again.pixels)


def _is_ours(path):
    try:
        load_result(path, find_entry("reconstruct").result_type)
    except ValueError:
        return False
    return True


def test_an_earlier_checkpoint_can_be_looked_at(open_app, folder):
    app = open_app(folder, "training", runs="paints")
    last = next(alt for alt in charts(app) if alt.startswith("Pictures as they were shown"))
    app.selectbox(key="step_paints").set_value(0)
    app.run()
    assert not app.exception and not app.error
    first = next(alt for alt in charts(app) if alt.startswith("Pictures as they were shown"))
    assert first != last and "Not the last checkpoints: paints at step 0" in captions(app)


def test_pictures_that_take_long_wait_for_a_button(open_app, folder, tmp_path, monkeypatch):
    copy = shutil.copytree(folder / "paints", tmp_path / "paints")
    shutil.rmtree(copy / "results")
    monkeypatch.setattr("components.progress.PATIENCE", 0.0)
    app = open_app(tmp_path, "training")
    assert any(button.label.startswith("Make the pictures (about") for button in app.button)
    assert not [alt for alt in charts(app) if alt.startswith("Pictures as they were shown")]


def test_a_file_that_cannot_be_read_is_a_line_and_the_curves_are_there(open_app, folder, tmp_path):
    shutil.copytree(folder / "paints", tmp_path / "paints")
    last = sorted((tmp_path / "paints" / "checkpoints").glob("*"))[-1]
    last.write_bytes(last.read_bytes()[:1000])
    app = open_app(tmp_path, "training")
    assert not app.exception and any(alt.startswith("Training curves") for alt in charts(app))
    assert "paints" in captions(app) + " ".join(error.value for error in app.error)


# --- the study ---------------------------------------------------------------------------------------------------------


def stored(path):
    table = pd.DataFrame(
        {
            "method": ["simclr", "mae", "moco"],
            "family": ["contrastive", "masked and generative", "contrastive"],
            "hardware": "one H200",
            "budget_views": 2_000_000,
            "shape": [0.62, 0.5, np.nan],
            "shape_low": [0.6, 0.4, np.nan],
            "shape_high": [0.64, 0.6, np.nan],
            "shape_untrained": [0.41, 0.41, 0.41],
            "shape_untrained_low": 0.4,
            "shape_untrained_high": 0.42,
        }
    )
    table.to_csv(path, index=False)


def test_the_study_is_a_table_by_family_whose_numbers_stand_beside_the_untrained(
    open_app, folder, tmp_path, monkeypatch
):
    app = open_app(folder, "training", runs="plain")

    monkeypatch.setattr("sslviz.evaluation.study.stored.STUDY", tmp_path / "study.csv")
    assert "How do the methods compare?" not in headings(app.run())
    stored(tmp_path / "study.csv")
    app.run()
    assert not app.exception and "How do the methods compare?" in headings(app)
    table = app.dataframe[-1].value
    assert list(table.columns) == ["family", "method", "shape"]
    assert list(table["method"]) == ["simclr", "moco", "mae"]
    assert list(table["shape"]) == ["0.62 [0.60, 0.64]  vs 0.41 untrained", "", "0.50 [0.40, 0.60]  vs 0.41 untrained"]
    assert "hardware one H200" in captions(app) and "budget views 2000000" in captions(app)
    assert "untrained (control)" in captions(app)


def test_a_study_without_families_or_intervals_is_shown_as_it_is(open_app, folder, tmp_path, monkeypatch):
    app = open_app(folder, "training", runs="plain")

    monkeypatch.setattr("sslviz.evaluation.study.stored.STUDY", tmp_path / "study.csv")
    pd.DataFrame({"arm": ["a", "b"], "knn": [0.1, 0.2]}).to_csv(tmp_path / "study.csv", index=False)
    app.run()
    assert not app.exception and list(app.dataframe[-1].value.columns) == ["arm", "knn"]
