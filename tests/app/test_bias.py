"""The Bias page: a planted reliance is drawn with its sign, the worst group's errors are shown, and a slider moves pictures."""

import base64
import json
import re

import numpy as np
import pandas as pd
import pytest
from planted import plant

from sslviz import diagnose, pretrain
from sslviz.catalog import find_entry
from sslviz.data import shapes
from sslviz.evaluation.answers import compute_entry
from sslviz.evaluation.questions import scored_and_fit
from sslviz.features.diagnosed import record_expected_pairs, stored_evidence
from sslviz.features.stored import gather
from sslviz.runs import Run

IS_USED, SERVED, THERE = "Is it used?", "Who is served worse?", "Is it there?"


@pytest.fixture(scope="module")
def biased(tmp_path_factory):
    """One run that keeps shape and one that keeps color, with nothing but what every diagnosed run has."""
    folder, images = tmp_path_factory.mktemp("biased"), shapes(4000, size=16)
    for factor in ("shape", "color"):
        plant(folder / f"keeps-{factor}", images, factor, losses=[2.0, 1.0], knn=[0.4, 0.5])
    return folder


def charts(app):
    return {chart.proto.alt: json.loads(chart.proto.spec) for chart in app.get("plotly_chart")}


def thumbnails(app):
    shown = "".join(element.value for element in app.html)
    return re.findall(r'<figure[^>]*><img src="data[^"]*" alt="([^"]*)"', shown)


def reliance_of(app):
    (spec,) = (spec for alt, spec in charts(app).items() if alt.startswith("Reliance of"))
    return {
        trace["name"]: trace for trace in spec["data"] if trace.get("name") and trace.get("mode") == "lines+markers"
    }


def values(array):
    """The numbers of a trace, which plotly may write as base64."""
    return np.frombuffer(base64.b64decode(array["bdata"]), array["dtype"]) if isinstance(array, dict) else array


def test_the_run_that_keeps_color_falls_to_the_oracle_that_sees_nothing_else(open_app, biased):
    app = open_app(biased, "bias", label="shape", attribute="color")
    assert not app.error
    last = {name: values(trace["y"])[-1] for name, trace in reliance_of(app).items()}
    assert last["core oracle (control)"] == 1 and last["shortcut oracle (control)"] == 0
    assert last["keeps-shape"] > 0.8 and last["keeps-color"] < 0.1
    # Probes are fitted on a balanced split, in which no colour goes with a shape.
    assert "which agree is arbitrary" in " ".join(caption.value for caption in app.caption)


def test_pairs_that_are_named_are_kept_and_asked_with(open_app, tmp_path):
    plant(tmp_path / "keeps-color", shapes(2000, size=16), "color", losses=[2.0, 1.0], knn=[0.4, 0.5])
    app = open_app(tmp_path, "bias", label="shape", attribute="color")
    run = Run(tmp_path / "keeps-color")
    evidence = stored_evidence(run, run.last, next(iter(run.info["diagnosed"])))
    asked = compute_entry(find_entry("reliance"), evidence, ("shape", "color"))
    (button,) = (b for b in app.button if b.label == "Ask with these pairs")
    button.click().run()
    said = " ".join(caption.value for caption in app.caption)
    assert not app.exception and "which agree is arbitrary" not in said and "would have been seen" in said
    (noted,) = Run(tmp_path / "keeps-color").info["diagnosed"].values()
    pairs = noted["partners"]["shape~color"]
    assert pairs == dict(zip(asked.classes, asked.values[asked.expected_pairs], strict=True))  # what was shown first
    app = open_app(tmp_path, "audit", audit_label="shape")
    (told,) = (c.value for c in app.caption if "as named on the Bias page" in c.value)
    assert all(f"{value} with {c}" in told for c, value in pairs.items()) and not app.error
    app = open_app(tmp_path, "bias", label="shape", attribute="color")
    next(b for b in app.button if b.label == "Forget the pairs").click().run()
    assert "which agree is arbitrary" in " ".join(caption.value for caption in app.caption)
    assert not any("as named on the Bias page" in c.value for c in open_app(tmp_path, "audit").caption)


def test_pairs_that_cannot_be_asked_with_are_refused_and_named_anew(open_app, tmp_path):
    """In these images each class shows one value only, so that nothing could be told apart; and such pairs may be there."""
    images = shapes(2000, size=16)
    table = images.table
    alike = table["shape"].map(dict(zip(sorted(table["shape"].unique()), sorted(table["color"].unique()), strict=True)))
    settled = images.rows(np.flatnonzero(table["color"] == alike))
    plant(tmp_path / "one", settled, "shape", losses=[2.0, 1.0], knn=[0.4, 0.5])
    app = open_app(tmp_path, "bias", label="shape", attribute="color")
    next(b for b in app.button if b.label == "Ask with these pairs").click().run()
    assert not app.exception and "show one color only" in app.error[0].value
    run = Run(tmp_path / "one")
    (digest,) = run.info["diagnosed"]
    assert not run.info["diagnosed"][digest]["partners"]
    record_expected_pairs(run, digest, "shape~color", {"disc": "pink"})  # as a command for other images might have
    app = open_app(tmp_path, "audit", audit_label="shape")
    assert not app.exception and any("Partners name for each shape" in c.value for c in app.caption)
    app = open_app(tmp_path, "bias", label="shape", attribute="color")
    next(b for b in app.button if b.label == "Forget the pairs").click().run()
    assert not app.exception and not Run(tmp_path / "one").info["diagnosed"][digest]["partners"]


def test_errors_of_the_worst_group_are_shown_with_what_they_were_taken_for(open_app, biased):
    app = open_app(biased, "bias", label="shape", attribute="color", bias=SERVED, errors_of="keeps-color")
    said = next(m.value for m in app.markdown if "are read wrongly" in m.value)
    wrong = int(said.partition(" ")[0])
    assert wrong > 0 and len(thumbnails(app)) == min(wrong, 60)
    group = app.selectbox(key="errors_in").value
    assert f"**{group}**" in said
    shape = group.partition(",")[0]
    assert not any(alt.endswith(f": {shape}") for alt in thumbnails(app))


def test_a_button_embeds_the_other_controls_and_then_a_slider_moves_pictures(open_app, tmp_path):
    images = shapes(600, size=16)
    run = pretrain(images.split("train"), out=tmp_path / "mine", epochs=1, batch_size=64, progress=False)
    scored, fit = scored_and_fit(images)
    diagnose(run, scored, fit=fit, only=["spectrum"], progress=False)
    app = open_app(tmp_path, "bias", label="shape", attribute="color", bias=THERE)
    (button,) = (b for b in app.button if b.label == "Embed the other controls")
    assert "color histogram" not in json.dumps(charts(app))
    button.click().run(timeout=120)
    assert not app.exception and not any(b.label == "Embed the other controls" for b in app.button)
    assert "color histogram" in json.dumps(charts(app))
    assert set(gather(run, run.last, scored, fit, attributes=True).further) == {
        "color histogram",
        "untrained (seed 1)",
        "untrained (seed 2)",
    }
    app = open_app(tmp_path, "bias", label="shape", attribute="color", bias=IS_USED)
    assert any("How far each factor moves" in alt for alt in charts(app))
    before = thumbnails(app)
    assert len(before) == 9 and "color" in before[2]  # as it is, and eight factors changed
    app.slider(key="moved_place").set_value(1).run()
    assert thumbnails(app) != before and not app.exception


def test_images_of_a_single_column_have_no_bias_to_ask_about(open_app, tmp_path):
    plant(tmp_path / "one", shapes(700), "shape", losses=[1.0], knn=[0.5])
    for path in (tmp_path / "one").glob("features/*.parquet"):
        pd.read_parquet(path).drop(columns=["label", "color", "texture"], errors="ignore").to_parquet(path)
    app = open_app(tmp_path, "bias")
    assert "A bias is about two columns" in app.info[0].value
