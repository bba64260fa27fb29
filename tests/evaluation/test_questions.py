"""What is asked of a table with gaps, tiny classes and too many of them, from the table to the answers."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest

import sslviz
from sslviz.catalog import diagnostics, find_entry
from sslviz.data import Images
from sslviz.diagnostics.result import ResultKey
from sslviz.evaluation.answers import compute_entry
from sslviz.evaluation.questions import Questions, make_questions, trained_and_watched
from sslviz.features import Features
from sslviz.features.evidence import Evidence
from sslviz.reports.audit.plan import make_plan


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small encoder that nobody trained: enough for questions about tables."""
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("untrained")
    save_file(sslviz.create_encoder("conv_nano", seed=1).model.state_dict(), folder / "w.safetensors")
    return sslviz.import_checkpoint("conv_nano", weights=folder / "w.safetensors", image_size=32, out=folder / "run")[0]


def images(**table):
    """Noisy squares whose colour says the first column."""
    frame = pd.DataFrame(table)
    codes = pd.factorize(frame.iloc[:, 0])[0] if len(frame.columns) else np.zeros(len(frame), int)
    pixels = np.random.default_rng(0).integers(0, 120, (len(frame), 32, 32, 3), np.uint8)
    for i, code in enumerate(codes):
        pixels[i, 8:24, 8:24, code % 3] += 120
    return Images(pixels, [f"p{i}" for i in range(len(frame))], frame)


def diagnosed(run, shown, **options):
    """The results, and what was said."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        results = sslviz.diagnose(run, shown, progress=False, **options)[run.name]
    return results, [str(one.message) for one in said]


def test_a_gap_leaves_out_its_image_and_a_lone_class_itself(run):
    hospital = [None, *np.array(["x", "y"])[np.arange(1, 60) % 2]]
    label = ["axolotl", *np.array(["cat", "dog"])[np.arange(1, 60) // 2 % 2]]
    results, said = diagnosed(run, images(label=label, hospital=hospital), only=["linear_probe"])
    assert set(results) == {"linear_probe", "linear_probe:hospital"}
    assert results["linear_probe"].classes.tolist() == ["cat", "dog"]
    assert said == [
        "1 image left out: label 'axolotl' has too few images to fit on and to score. (linear_probe)",
        "1 image left out: no value of hospital. (linear_probe:hospital)",
    ]


def test_the_answer_is_that_of_the_complete_rows_alone(planted_evidence):
    whole = planted_evidence()
    keep = np.random.default_rng(1).random(len(whole.features)) > 0.2

    def with_gaps(features):
        table = features.table.assign(coin=features.table["coin"].where(keep, None))
        return Features(features.x, features.ids, table, features.source)

    shown = {name: dict(seen) for name, seen in whole.shown.items()}
    shown["images"] = {name: with_gaps(x) for name, x in whole.shown["images"].items()}
    alone = {name: dict(seen) for name, seen in whole.shown.items()}
    alone["images"] = {name: x.rows(keep) for name, x in whole.shown["images"].items()}
    for entry in diagnostics():
        columns = {"label": ("coin",), "attribute": ("coin",), "columns": ("label", "coin")}.get(entry.scope)
        if columns is None or entry.inputs != ("features",):
            continue
        scores = [compute_entry(entry, Evidence(one), columns).scores() for one in (shown, alone)]
        assert {n: s.value for n, s in scores[0].items()} == pytest.approx(
            {n: s.value for n, s in scores[1].items()}, nan_ok=True
        ), entry.name


def test_many_classes_are_read_by_the_probes_and_what_is_not_asked_is_named(run):
    table = {"label": [f"class {i % 60:02}" for i in range(180)]}
    results, said = diagnosed(run, images(**table), only=["linear_probe", "knn_probe", "slices"])
    assert set(results) == {"linear_probe", "knn_probe"} and len(results["linear_probe"].classes) == 60
    assert said == ["Not asked: label has 60 classes; it is asked of up to 50. (slices)"]


@pytest.mark.parametrize(
    ("table", "only", "message"),
    [
        ({"age": np.linspace(0, 1, 30)}, ["linear_probe"], "by linear_probe.* age: numbers with fractions"),
        ({"label": ["a"] * 30}, ["knn_probe"], "label: all images have the value 'a'"),
        ({}, ["linear_probe", "slices"], "linear_probe, slices.*class folders"),
        ({"label": [f"c{i % 60}" for i in range(120)]}, ["slices"], "label has 60 classes"),
        ({"label": list("ab") * 15}, ["similarity"], "compares two checkpoints: name a second run"),
    ],
)
def test_where_nothing_can_be_asked_it_says_so_and_why(run, table, only, message):
    shown = images(**table) if table else images(nothing=[None] * 30)
    if not table:
        shown = Images(shown.pixels, shown.ids, pd.DataFrame(index=range(30)))
    with pytest.raises(ValueError, match=message):
        sslviz.diagnose(run, shown, only=only, progress=False)


def test_an_attribute_that_none_of_the_named_diagnostics_asks_about_is_said_so(run):
    shown = images(label=list("ab") * 20, sex=["m", "m", "f", "f"] * 10)
    _, said = diagnosed(run, shown, only=["linear_probe"], label="label", attribute="sex")
    assert said == ["Nothing is asked about sex: none of these asks about an attribute. (linear_probe)"]


def test_one_diagnostic_may_be_named_by_a_text_and_no_run_is_said_so(run):
    shown = images(label=list("ab") * 20)
    assert set(diagnosed(run, shown, only="spectrum")[0]) == {"spectrum"}
    for asked in (sslviz.diagnose, sslviz.audit):
        with pytest.raises(ValueError, match="Name at least one run"):
            asked([], shown)


def test_a_column_that_is_named_is_taken_as_it_is_or_refused(run):
    shown = images(label=np.arange(120) % 2, identity=np.arange(120) // 2, weight=np.linspace(0, 1, 120))
    results, _ = diagnosed(run, shown, only=["knn_probe"], label="identity")
    assert len(results["knn_probe:identity"].classes) == 60
    with pytest.raises(ValueError, match="Nothing can be asked about 'weight': numbers with fractions"):
        sslviz.diagnose(run, shown, only=["knn_probe"], label="weight", progress=False)


def test_a_class_that_does_not_vary_is_left_out_of_groups_and_reliance_alone():
    emoji = np.repeat(["hand", "face", "cat"], 40)
    tone = np.where(emoji == "cat", "none", np.tile(["light", "dark"], 60))
    table = pd.DataFrame({"emoji": emoji, "tone": tone})
    entries = [find_entry(name) for name in ("groups", "reliance", "cooccurrence", "retrieval")]
    counts = {"emoji": 3, "tone": 3}
    reasons = Questions(entries, ["emoji"], ["tone"], [("emoji", "tone")], counts).left_out(table, None)
    assert reasons == {
        "40 images left out: emoji 'cat' shows one tone only.": ["groups:emoji~tone", "reliance:emoji~tone"]
    }
    x = np.random.default_rng(0).normal(size=(120, 6)) + 4 * np.eye(3, 6)[pd.factorize(emoji)[0]]
    evidence = Evidence({"images": {"trained": Features.from_array(x, table=table)}})
    result = compute_entry(find_entry("groups"), evidence, ("emoji", "tone"))
    assert result.classes.tolist() == ["face", "hand"] and len(result.ids) == 40
    assert compute_entry(find_entry("reliance"), evidence, ("emoji", "tone")).classes.tolist() == ["face", "hand"]


def test_every_question_of_a_column_is_asked_or_left_out_with_its_reason():
    table = {
        "label": list("ab") * 60,
        "fine": [f"c{i % 60}" for i in range(120)],
        "patient": [f"n{i}" for i in range(120)],
    }
    shown = images(**table)
    questions = make_questions(diagnostics(), shown, None, attributes=["fine"])
    asked = {str(ResultKey(entry.name, columns)) for entry, columns in questions.of_checkpoints}
    left_out = {key for keys in questions.left_out(shown.table, None).values() for key in keys}
    for entry in (entry for entry in diagnostics() if not entry.needs_target):  # no other domain was named
        for columns in {"label": [("label",), ("fine",)], "columns": [("label", "fine")]}.get(entry.scope, []):
            assert (str(ResultKey(entry.name, columns)) in asked) != (str(ResultKey(entry.name, columns)) in left_out)


def test_an_audit_of_classes_alone_asks_what_it_can_and_lists_the_rest(run):
    shown = images(label=list("ab") * 60, age=np.linspace(0, 1, 120))
    dear = ["drift", "invariance", "projection", "mlp_probe", "description_length", "selectivity"]
    report = sslviz.audit(run, shown, plan=make_plan(shown.table, maps=0, skip=dear), progress=False)
    skipped = {one["what"]: one["why"] for one in report["runs"][run.name]["skipped"]}
    assert report["plan"]["label"] == "label" and report["plan"]["attributes"] == []
    assert "no other column with classes" in skipped["groups"] and "counterfactual_effect" in skipped
    lines = report["asked"]["lines"]
    assert any(
        line.startswith("The label, which is to be read: label (2 classes); of the columns label, age")
        for line in lines
    )
    assert any(line.startswith("Not asked about: age (numbers with fractions") for line in lines)
    assert json.loads(json.dumps(report["asked"]))["columns"][1]["name"] == "age"


@pytest.mark.parametrize(
    ("split", "trained", "watched", "said"),
    [
        (["train"] * 6 + ["probe"] * 3 + ["test"] * 2 + [None], 6, 3, "not used: 2 of split test, 1 without a split."),
        (["val"] * 8 + ["test"] * 4, 12, None, "no `train` split (but val, test). Trained on all 12"),
        (["Training"] * 6 + ["Valid"] * 6, 6, 6, "Trained on 6 of split Training, watched on 6 of split Valid."),
        (["train"] * 12, 12, None, "a tenth of them at most is kept to watch the training by."),
        (["train"] * 10 + ["extra"] * 2, 10, None, "Trained on 10 of split train; not used: 2 of split extra."),
    ],
)
def test_what_is_trained_on_watched_and_not_used_adds_up(split, trained, watched, said):
    train, held_out, sentence = trained_and_watched(images(label=list("ab") * 6, split=split))
    assert len(train) == trained and (None if held_out is None else len(held_out)) == watched and said in sentence


def test_classes_that_are_left_out_do_not_count_among_too_many():
    label = [f"once {i}" for i in range(55)] + list("ab") * 60
    shown = images(label=label)
    questions = make_questions([find_entry("slices")], shown, None, label="label")
    assert questions.class_counts == {"label": 2} and len(questions.of_checkpoints) == 1
    assert [*questions.left_out(shown.table, None)][0].startswith("55 images left out")
