"""The pages of maps: what they show of encoders that are there, and what they say where something is not."""

import json
import shutil

import numpy as np
import pytest
from planted import plant, plant_foreign

from sslviz import attribute, create_encoder
from sslviz.cli.main import List
from sslviz.data import shapes
from sslviz.explanations.attribution.methods import ATTRIBUTION_METHODS, AttributionMethod
from sslviz.explanations.attribution.question import Answer
from sslviz.explanations.passes import Passes
from sslviz.explanations.targets.question import TARGET_KINDS, TargetQuestion, target_of
from sslviz.features.diagnosed import stored_evidence
from sslviz.runs import Run

RUNS = ["their-resnet", "their-vit"]
QUICK = {"attribution_count": "2", "attention_count": "4", "method": "Saliency"}


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    folder = tmp_path_factory.mktemp("foreign")
    plant_foreign(folder)
    return folder


def charts(app):
    return {chart.proto.alt: json.loads(chart.proto.spec) for chart in app.get("plotly_chart")}


def captions(app):
    return " ".join(caption.value for caption in app.caption)


def evidence_of(folder, name):
    run = Run(folder / name)
    return stored_evidence(run, run.last, next(iter(run.info["diagnosed"])))


def drawn(spec):
    return json.dumps([trace.get("name") for trace in spec["data"]]) + json.dumps(spec["layout"].get("annotations"))


# --- attention ---------------------------------------------------------------------------------------------------------


def test_attention_reads_the_transformer_and_says_of_the_other_where_its_grid_answers(open_app, foreign):
    app = open_app(foreign, "attention")
    assert app.title[0].value == "Where does it look?" and not app.error
    shown = charts(app)
    assert all("control" in drawn(spec) for spec in shown.values())
    wanted = ("(rollout)", "attention distance", "head by head", "Attention of the patch", "last grid answers")
    for what in wanted:
        assert any(what in alt for alt in shown), what
    (grid,) = (alt for alt in shown if "last grid answers" in alt)
    assert "their-resnet" in grid and "their-vit" not in grid
    assert "their-resnet: This ResNet holds no attention." in captions(app)
    assert any("registers" in element.value and "their-vit" in element.value for element in app.html)


def test_attention_shows_the_layer_and_the_measure_of_the_link(open_app, foreign):
    app = open_app(
        foreign, "attention", runs="their-vit", layer="layer 2", attention_measure="spread", subjects="color: blue"
    )
    shown = charts(app)
    assert any("in layer 2 of 6, mean of the heads" in alt for alt in shown)
    assert any(alt.startswith("Entropy of attention") for alt in shown)
    table = evidence_of(foreign, "their-vit").features
    ids = app.selectbox(key="heads_on").options
    assert set(table.table.set_index(table.ids).loc[ids, "color"]) == {"blue"}


def test_a_pooling_head_is_refused_by_name(open_app, foreign, tmp_path):
    shutil.copytree(foreign / "their-vit", tmp_path / "pooled")
    run = Run(tmp_path / "pooled")
    run.update(encoder={"name": "test_vit3", "image_size": 64})
    encoder = run._checkpoint(0, None).encoder()
    run.save_checkpoint(0, {f"encoder.{name}": one for name, one in encoder.state_dict().items()})
    app = open_app(tmp_path, "attention")
    assert not app.error and "AttentionPoolLatent" in captions(app)
    assert [alt for alt in charts(app) if "last grid answers" in alt]


# --- attribution -------------------------------------------------------------------------------------------------------


def test_attribution_shows_maps_at_once_and_their_evidence_when_measured(open_app, foreign, tmp_path, monkeypatch):
    folder = shutil.copytree(foreign, tmp_path / "runs")
    app = open_app(folder, "attribution", attribution_count="2", method="Input x gradient")
    from components import progress as waiting

    assert app.title[0].value == "Why are these near each other?" and not app.error
    if waiting.PATIENCE < 1e6:  # on a slow machine measuring waits for the button
        monkeypatch.setattr(waiting, "PATIENCE", 1e9)
        app.run()
    shown = charts(app)
    assert all("control" in drawn(spec) for spec in shown.values())
    (maps,) = (alt for alt in shown if alt.startswith("Attribution maps"))
    assert all(f"{name}: input_x_gradient of near its own shape and not the others" in maps for name in RUNS)
    assert maps.count("untrained test_") == 2 and "not measured yet" not in maps
    (truth,) = (alt for alt in shown if alt.startswith("Deletion and insertion"))
    assert all(f"{name}: insertion" in truth for name in RUNS)
    kept = sorted(path.name for path in folder.glob("*/results/*"))
    monkeypatch.setattr(waiting, "bar", None)  # nothing is made again
    app = open_app(folder, "attribution", attribution_count="2", method="Input x gradient")
    assert charts(app).keys() == shown.keys() and kept == sorted(path.name for path in folder.glob("*/results/*"))


def test_an_attribution_method_costs_three_files(open_app, foreign, tmp_path, monkeypatch, capsys):
    """Its file, a line in the table and its test: with the line it can be called, is listed, and is offered here."""

    def made_up(question):
        """How red is each pixel?"""
        return Answer(question.x[None, :, 0])

    monkeypatch.setitem(ATTRIBUTION_METHODS, "made_up", AttributionMethod(made_up, "Made up", lambda *_: Passes()))
    encoder, images = create_encoder("conv_nano"), shapes(n=2, seed=0)
    maps = attribute(encoder, images, method="made_up", check=False, progress=False).maps
    np.testing.assert_allclose(maps, images.pixels[..., 0] / 127.5 - 1, atol=1e-5)
    List("maps")()
    assert "made_up" in (listed := capsys.readouterr().out) and "How red is each pixel?" in listed
    app = open_app(shutil.copytree(foreign, tmp_path / "runs"), "attribution", runs="their-resnet", method="Made up")
    assert app.selectbox(key="method").options == [method.title for method in ATTRIBUTION_METHODS.values()]
    assert any("their-resnet: made_up of near its own shape" in alt for alt in charts(app))


def test_maps_that_take_long_wait_for_a_button(open_app, foreign, monkeypatch):
    monkeypatch.setattr("components.progress.PATIENCE", 0.0)
    app = open_app(foreign, "attribution", method="RELAX", runs="their-vit")
    assert any(button.label.startswith("Make the maps (about") for button in app.button)
    assert not [alt for alt in charts(app) if alt.startswith("Attribution maps")]


@pytest.mark.parametrize("kind", [name for name, kind in TARGET_KINDS.items() if kind.app_words and name != "contrast"])
def test_every_question_can_be_asked(open_app, foreign, kind):
    app = open_app(
        foreign,
        "attribution",
        runs="their-resnet",
        explained=TARGET_KINDS[kind].app_words,
        attribution_count="2",
        method="Input x gradient",
        outline="object",
    )
    said = {
        "similarity": "mean of its own shape",
        "image": "near ",
        "readout": "the logit of its own shape",
        "unit": "unit 0",
        "itself": "itself (dot product)",
        "component": "principal component 0",
    }[kind]
    (maps,) = ((alt, spec) for alt, spec in charts(app).items() if alt.startswith("Attribution maps"))
    assert f"input_x_gradient of {said}" in maps[0].replace("similarity to the ", "") and not app.error
    assert any(trace["name"] == "outline" for trace in maps[1]["data"])


def test_what_was_drawn_around_is_set_against_the_others_or_against_the_kept(open_app, foreign):
    features = evidence_of(foreign, "their-vit").features
    first, second = list(features.ids[:6]), list(features.ids[10:14])
    app = open_app(foreign, "collapse", runs="their-resnet", **QUICK)
    app.session_state["map_ids"] = first
    app.switch_page("app_pages/attribution.py").run()
    assert any("near drawn around on the Map and not the others" in alt for alt in charts(app))
    app.session_state["map_kept"] = second
    app.switch_page("app_pages/collapse.py").run()
    app.switch_page("app_pages/attribution.py").run()
    assert not app.exception and any("near its own group and not the others" in alt for alt in charts(app))


def test_a_pair_is_explained_when_it_is_asked_for(open_app, foreign, monkeypatch):
    app = open_app(foreign, "attribution", runs="their-resnet", **QUICK)
    from components import progress as waiting
    from sections import attribution as explained

    monkeypatch.setattr(waiting, "PATIENCE", 1e9)
    monkeypatch.setattr(explained, "PAIR_GRID", 2)
    assert not [alt for alt in charts(app) if alt.startswith("Two pictures")]
    app.session_state["pair_open"] = True
    app.run()
    (pair,) = (alt for alt in charts(app) if alt.startswith("Two pictures"))
    a, b = app.selectbox(key="pair_a").value, app.selectbox(key="pair_b").value
    assert f"{a} and {b} have a similarity of" in pair and a != b


# --- the number that is explained --------------------------------------------------------------------------------------


def test_a_contrast_is_the_mean_cosine_to_these_minus_that_to_those(foreign):
    import torch

    features = evidence_of(foreign, "their-resnet").features
    question = TargetQuestion("contrast", near=((0, 1, 2), (3, 4)), far=((3, 4), (0, 1, 2)))
    target = target_of(question, np.array([0, 9]), features, None)
    s = target.value(torch.from_numpy(features.x[[0, 9]].copy()), *target.references).numpy()
    x = features.x / np.linalg.norm(features.x, axis=1, keepdims=True)
    by_hand = [
        x[0] @ x[[1, 2]].T.mean(1) - x[0] @ x[[3, 4]].T.mean(1),
        x[9] @ x[[3, 4]].T.mean(1) - x[9] @ x[:3].T.mean(1),
    ]
    np.testing.assert_allclose(s, by_hand, atol=1e-5)


def test_a_decision_is_the_logit_of_each_images_own_class(foreign):
    import torch

    from sslviz.diagnostics.probes.linear import linear_weights

    evidence = evidence_of(foreign, "their-resnet")
    classes, w, b = linear_weights(evidence.fit, "shape")
    rows, own = np.array([0, 5]), tuple(evidence.features.table["shape"].iloc[[0, 5]])
    question = TargetQuestion("readout", column="shape", classes=own)
    target = target_of(question, rows, evidence.features, evidence.fit)
    s = target.value(torch.from_numpy(evidence.features.x[rows].copy()), *target.references).numpy()
    logits = evidence.features.x[rows] @ w.T + b
    np.testing.assert_allclose(s, [logits[i, list(classes).index(c)] for i, c in enumerate(own)], rtol=1e-4, atol=1e-4)


def test_a_group_of_the_image_alone_is_refused(foreign):
    features = evidence_of(foreign, "their-resnet").features
    with pytest.raises(ValueError, match="more than the image itself"):
        target_of(TargetQuestion("similarity", near=((4,),)), np.array([4]), features)


def test_the_images_are_as_many_of_each_class_and_always_the_same(open_app, foreign):
    app = open_app(foreign, "attention")
    from components import image_picker as pictured

    pools = {name: np.arange(start, start + 10) for name, start in (("a", 0), ("b", 10), ("c", 20))}
    some = pictured._some(pools, list(pools), "letter", 6, 0)
    assert list(some.groups) == ["a", "a", "b", "b", "c", "c"]
    assert all(row in pools[group] for row, group in zip(some.rows, some.groups, strict=True))
    np.testing.assert_array_equal(some.rows, pictured._some(pools, list(pools), "letter", 6, 0).rows)
    assert not app.exception


# --- what is missing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["attention", "attribution"])
def test_weights_that_cannot_be_read_are_one_line_and_the_others_are_shown(open_app, foreign, tmp_path, page):
    folder = shutil.copytree(foreign, tmp_path / "runs")
    checkpoint = next((folder / "their-vit" / "checkpoints").glob("*"))
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    app = open_app(folder, page, **QUICK)
    assert not app.error and "their-vit: " in captions(app)
    assert any("their-resnet" in alt for alt in charts(app)) and not any("their-vit" in alt for alt in charts(app))


@pytest.mark.parametrize("page", ["attention", "attribution"])
def test_images_that_are_gone_are_looked_at_as_the_folder_keeps_them(open_app, foreign, tmp_path, page):
    folder = shutil.copytree(foreign, tmp_path / "runs")
    for path in folder.glob("*/run.json"):
        path.write_text(path.read_text().replace("shapes:n=240", f"folder:{tmp_path}/gone,n=240"))
    app = open_app(folder, page, **QUICK)
    assert not app.error and "thumbnails of 32 x 32 pixels" in captions(app) and charts(app)
    for path in folder.glob("*/thumbnails/*"):
        path.unlink()
    app = open_app(folder, page, **QUICK)
    assert "cannot be looked at" in app.error[0].value and "diagnose again" in app.error[0].value


@pytest.mark.parametrize("page", ["attention", "attribution"])
def test_other_images_than_were_diagnosed_are_not_taken_for_them(open_app, foreign, tmp_path, page):
    folder = shutil.copytree(foreign, tmp_path / "runs")
    for path in folder.glob("*/run.json"):
        path.write_text(path.read_text().replace("seed=0", "seed=1"))
    app = open_app(folder, page, **QUICK)
    assert "no longer gives the images that were diagnosed" in captions(app) and not app.error


@pytest.mark.parametrize("page", ["attention", "attribution"])
def test_nonsense_in_the_url_is_left_out(open_app, foreign, page):
    app = open_app(
        foreign,
        page,
        runs="their-resnet",
        subjects="nobody",
        layer="layer 99",
        explained="?",
        method="magic",
        outline="moon",
        attribution_count="1000000",
    )
    assert not app.error and app.selectbox(key="subjects").value == "a few of each shape"


def test_a_map_that_cannot_be_had_of_an_encoder_is_one_line(open_app, tmp_path):
    plant(tmp_path / "bare", shapes(240), "shape", losses=[1.0], knn=[0.5])
    app = open_app(tmp_path, "attribution")
    assert not app.error and "bare: " in captions(app) and not charts(app)


# --- earlier checkpoints -----------------------------------------------------------------------------------------------


@pytest.fixture
def twice(foreign, tmp_path):
    """The ResNet with a second, later checkpoint, whose weights are others; both were embedded."""
    from sslviz.evaluation.questions import scored_and_fit
    from sslviz.features.stored import stored_embed

    run = Run(shutil.copytree(foreign / "their-resnet", tmp_path / "twice"))
    tensors = run.last.untrained(3).encoder().state_dict()
    later = run.save_checkpoint(30, {f"encoder.{name}": tensor for name, tensor in tensors.items()})
    for part in scored_and_fit(shapes(240)):
        stored_embed(run, later, part, progress=False)
    return tmp_path


@pytest.mark.parametrize("page", ["attention", "attribution"])
def test_earlier_checkpoints_can_be_looked_at(open_app, twice, page, monkeypatch):
    app = open_app(twice, page, attribution_count="2", attention_count="4", method="Input x gradient")
    box = app.selectbox(key="step_twice")
    assert box.options == ["step 0", "step 30 (the last)"] and "Not the last" not in captions(app)

    def pictures():
        """The charts whose alt text says that they are maps, as JSON."""
        return [
            json.dumps(spec["data"])
            for alt, spec in charts(app).items()
            if "last grid" in alt or "Attribution maps" in alt
        ]

    last = pictures()
    box.set_value(0)
    app.run()
    assert not app.exception and not app.error
    assert "Not the last checkpoints: twice at step 0 of 30." in captions(app)
    first = pictures()
    assert len(first) == len(last) > 0 and first != last


def test_only_embedded_checkpoints_are_explained_and_the_others_are_offered(open_app, twice):
    for path in (twice / "twice" / "features").glob("000000-*"):
        path.unlink()
    app = open_app(twice, "attribution", attribution_count="2", method="Input x gradient")
    assert not [box for box in app.selectbox if box.key == "step_twice"]
    assert "Embed every checkpoint" in [button.label for button in app.button]
    assert app.selectbox  # and the page is there all the same
