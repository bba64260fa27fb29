"""The Audit page: what is asked, the report that the command would write, and what is said where it cannot be made."""

import json

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from PIL import Image
from planted import plant

import sslviz
from sslviz.data import shapes
from sslviz.evaluation.diagnose import diagnose
from sslviz.reports.audit.page import audit_page
from sslviz.reports.audit.plan import make_plan
from sslviz.runs import Run


@pytest.fixture(scope="module")
def signs(tmp_path_factory):
    """A tiny encoder on 120 files with a metadata.csv, two shapes in two colours that go together in 80 of 100."""
    folder = tmp_path_factory.mktemp("signs")
    (folder / "files").mkdir()
    world = shapes(n=1200, bias=0.8, seed=3, size=16)
    two = world.table["shape"].isin(["disc", "cross"]) & world.table["color"].isin(["orange", "blue"])
    rows = np.flatnonzero(two)[:120]
    for row in rows:
        Image.fromarray(world.pixels[row]).save(folder / "files" / f"{row:04d}.png")
    table = world.table.iloc[rows][["shape", "color"]]
    table.insert(0, "file_name", [f"{row:04d}.png" for row in rows])
    table.to_csv(folder / "files" / "metadata.csv", index=False)
    images = sslviz.folder(folder / "files")
    encoder = {"name": "conv_nano", "image_size": 16}
    run = Run.create(folder / "runs" / "mine", {"kind": "pretrain", "arguments": {}, "encoder": encoder})
    run.save_checkpoint(1, sslviz.create_encoder("conv_nano").state_dict())
    diagnose(run, images, only=["spectrum"], progress=False)
    return folder / "runs", images


@pytest.fixture
def offered(monkeypatch):
    """{file name: what a press of its button would download}, filled while the app runs."""
    files = {}

    def offer(label, data, name, *_, **__):
        if name.startswith("report."):
            files[name] = data

    monkeypatch.setattr(st, "download_button", offer)
    return files


def html(app):
    return "".join(element.value for element in app.html)


def press(app):
    (button,) = (b for b in app.button if b.label.startswith("Audit this checkpoint on 120 images"))
    button.click().run(timeout=120)
    assert not app.exception and not app.error
    return app


def test_it_asks_reads_and_hands_out_what_the_command_writes(open_app, signs, offered):
    folder, images = signs
    app = open_app(folder, "audit", audit_maps="false", intended_use="Sorting <signs> by shape.")
    assert "What was found" not in json.dumps([s.value for s in app.subheader]) and not offered
    press(app)
    assert [s.value for s in app.subheader] == ["What was found?", "What was not?"]
    (report,) = app.session_state["audits"].values()
    assert report["plan"]["label"] == "shape" and report["plan"]["attributes"] == ["color"]
    assert offered["report.html"]() == audit_page(report) and json.loads(offered["report.json"]()) == report
    assert "Sorting &lt;signs&gt; by shape." in offered["report.html"]()
    shown = html(app)
    for one in report["findings"]:
        assert one["does_not_mean"].split("'")[0] in shown
    about_images = next(one for one in report["findings"] if one["run"] == "the images")
    assert about_images["effect"]["value"] > 0.3  # 80 of 100 is a V of about 0.6, in the files themselves
    assert "would have been found from" in shown

    plan = make_plan(images.table, label="shape", maps=0, intended_use="Sorting <signs> by shape.")
    again = sslviz.audit(Run(folder / "mine"), images, plan=plan, progress=False)
    for key in ("plan", "images", "findings", "not_found"):
        assert json.loads(json.dumps(again[key])) == json.loads(json.dumps(report[key]))


def test_a_finished_report_is_there_at_once_and_another_plan_is_another_report(open_app, signs, offered, monkeypatch):
    app = press(open_app(signs[0], "audit", audit_maps="false"))
    monkeypatch.setattr("sections.audit.audit", lambda *_, **__: pytest.fail("audited again"))
    app.switch_page("app_pages/collapse.py").run()
    offered.clear()
    app.switch_page("app_pages/audit.py").run()
    app.toggle(key="audit_maps").set_value(False).run()
    assert set(offered) == {"report.html", "report.json"} and not app.exception
    offered.clear()
    app.segmented_control(key="audit_label").set_value("color").run()
    assert not offered and any(b.label.startswith("Audit this") for b in app.button)


def test_with_nothing_that_should_not_matter_the_rest_can_be_audited(open_app, signs):
    app = open_app(signs[0], "audit")
    app.button_group(key="attributes_shape").set_value([]).run()
    assert any("will be listed as not asked" in c.value for c in app.caption) and app.button and not app.exception


def test_where_the_images_are_not_at_hand_it_says_what_to_type(open_app, signs, tmp_path):
    plant(tmp_path / "far", shapes(700), "shape", losses=[1.0], knn=[0.5])
    run = Run(tmp_path / "far")
    said = {digest: known | {"spec": "hfds/far away"} for digest, known in run.info["diagnosed"].items()}
    run.update(diagnosed=said)
    app = open_app(tmp_path, "audit")
    assert any("hfds/far away is not loaded from here. Where the images are, type:" in m.value for m in app.markdown)
    assert app.code[0].value.startswith(f"sslviz audit {tmp_path / 'far'} --images 'hfds/far away' --fit ")
    assert not app.button


def test_weights_that_cannot_be_read_end_in_a_sentence(open_app, tmp_path):
    plant(tmp_path / "hollow", shapes(300, size=16), "shape", losses=[1.0], knn=[0.5])  # its weights are empty files
    app = open_app(tmp_path, "audit")
    next(b for b in app.button if b.label.startswith("Audit this")).click().run(timeout=60)
    assert not app.exception and "is empty; it is truncated" in app.error[0].value


def test_images_without_a_column_with_classes_cannot_be_audited_and_it_says_why(open_app, tmp_path):
    plant(tmp_path / "one", shapes(300, size=16), "shape", losses=[1.0], knn=[0.5])
    for path in (tmp_path / "one").glob("features/*.parquet"):
        pd.read_parquet(path).drop(columns=["label", "shape", "color", "texture"], errors="ignore").to_parquet(path)
    app = open_app(tmp_path, "audit")
    assert "no column with classes" in app.info[0].value and not app.exception
    assert any("numbers with fractions are no classes" in c.value for c in app.caption)
