"""What every diagnostic of the catalog must keep: its control, its purity, its caveat, its figure, its stored form."""

import dataclasses
import inspect
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import plotly.graph_objects as go
import pytest

import sslviz
from sslviz.catalog import CATALOG, SECTIONS, Entry, diagnostics, draw, explanations, find_entry, transfers
from sslviz.diagnostics.result import CheckpointKey, PerImage, Replicated, Result, ResultKey
from sslviz.evaluation.answers import compute_entry, is_stored, requirements, storage_key
from sslviz.evaluation.column_checks import check_columns
from sslviz.evaluation.questions import Questions
from sslviz.features.diagnosed import stored_evidence
from sslviz.runs import load_result, save_result

ROOT = Path(__file__).parents[1]
COLUMNS = {"label": ("label",), "attribute": ("coin",), "columns": ("label", "coin")}


def compute(entry, evidence, other=None):
    columns = COLUMNS.get(entry.scope, ())
    return compute_entry(entry, evidence, columns, other=other if entry.scope == "pair" else None)


@pytest.fixture(scope="module")
def others(planted_evidence):
    """What pairs are made with: the same images in another space."""
    return planted_evidence(seed=1)


@pytest.fixture(scope="module")
def results(planted_evidence, others):
    evidence = planted_evidence()
    return {entry.name: compute(entry, evidence, others) for entry in diagnostics()}


@pytest.mark.parametrize("one", diagnostics(), ids=lambda e: e.name)
class TestEveryDiagnostic:
    def test_has_a_question_a_caveat_and_a_docstring_that_asks(self, one):
        assert one.question.endswith("?") and one.caveat.endswith(".") and 20 < len(one.caveat) < 300
        assert "?" in (one.compute.__doc__ or "").strip().partition("\n")[0]

    def test_gives_scores_that_all_have_a_control(self, one, results):
        scores = results[one.name].scores()
        assert scores
        for name, score in scores.items():
            assert score.control is not None and np.isfinite(score.control), f"{name} has no control"
            assert np.isfinite(score.value)
            if score.low is not None:
                assert score.low <= score.high

    def test_leaves_its_input_alone_and_repeats_itself(self, one, results, planted_evidence, others):
        evidence = planted_evidence()
        features = evidence.features
        before, table = features.x.copy(), features.table.copy()
        again = compute(one, evidence, others)
        np.testing.assert_array_equal(features.x, before)
        assert features.table.equals(table)
        assert again.scores() == results[one.name].scores()

    def test_belongs_to_a_page_and_says_what_its_control_is(self, one):
        assert (ROOT / "app" / "app_pages" / f"{one.page}.py").exists() and one.control

    def test_is_stored_and_read_back_whole(self, one, results, tmp_path):
        save_result(tmp_path / "r.npz", results[one.name])
        back = load_result(tmp_path / "r.npz", one.result_type)
        assert back.scores() == results[one.name].scores()
        assert {f.name for f in dataclasses.fields(back)} == {f.name for f in dataclasses.fields(one.result_type)}

    def test_has_a_figure_of_one_and_of_several(self, one, results):
        for given in (results[one.name], {"a": results[one.name], "b": results[one.name]}):
            fig = draw(given)
            assert isinstance(fig, go.Figure) and fig.data
            assert fig.layout.meta["alt"] and fig.layout.meta["caption"]

    def test_is_found_by_name(self, one):
        assert find_entry(one.name) is one

    def test_keeps_the_protocols_that_it_seems_to_keep(self, one, results):
        """A method by one of these names with other contents would be paired wrongly, or silently not at all."""
        result = results[one.name]
        assert isinstance(result, Result) and isinstance(result, one.result_type)
        scores = result.scores()
        if isinstance(result, PerImage):
            assert all(len(values) == len(result.ids) for values in result.per_image().values())
        if isinstance(result, Replicated):
            for name, values in result.paired_replicates().items():
                assert name in scores and np.ndim(values) == 1 and len(values) >= 2


@pytest.fixture(scope="module")
def maps(asked_maps):
    return {entry.name: asked_maps(entry.name) for entry in explanations()}


@pytest.mark.parametrize("one", explanations(), ids=lambda e: e.name)
class TestEveryExplanation:
    def test_has_a_question_a_caveat_and_a_docstring_that_asks(self, one):
        assert one.question.endswith("?") and one.caveat.endswith(".") and 20 < len(one.caveat) < 300 and one.control
        assert "?" in (one.compute.__doc__ or "").strip().partition("\n")[0]

    def test_gives_scores_that_all_have_a_control(self, one, maps):
        scores = maps[one.name].scores()
        assert scores
        for name, score in scores.items():
            assert score.control is not None and np.isfinite(score.control), f"{name} has no control"
            assert np.isfinite(score.value)

    def test_repeats_itself_and_is_stored_and_read_back_whole(self, one, maps, asked_maps, tmp_path):
        result = maps[one.name]
        assert asked_maps(one.name).scores() == result.scores()
        save_result(tmp_path / "r.npz", result)
        back = load_result(tmp_path / "r.npz", type(result))
        assert back.scores() == result.scores() and isinstance(back, one.result_type)

    def test_has_a_figure_of_one_and_of_several(self, one, maps):
        for given in (maps[one.name], {"a": maps[one.name], "b": maps[one.name]}):
            fig = draw(given)
            assert isinstance(fig, go.Figure) and fig.data
            assert fig.layout.meta["alt"] and fig.layout.meta["caption"]


# What makes an answer small; each is given to those that take it.
@pytest.fixture(scope="module")
def answers(asked_transfers):
    return {entry.name: asked_transfers(entry.name) for entry in transfers()}


@pytest.mark.parametrize("one", transfers(), ids=lambda e: e.name)
class TestEveryTransfer:
    def test_has_a_question_a_caveat_and_a_docstring_that_asks(self, one):
        assert one.question.endswith("?") and one.caveat.endswith(".") and 20 < len(one.caveat) < 300 and one.control
        assert "?" in (one.compute.__doc__ or "").strip().partition("\n")[0]
        assert (ROOT / "app" / "app_pages" / f"{one.page}.py").exists() and one.group

    def test_takes_what_it_says_by_keyword(self, one):
        taken = inspect.signature(one.compute).parameters
        assert list(taken)[:2] == ["checkpoint", "images"] and {*one.options, "seed", "progress"} - {"group"} <= set(
            taken
        )

    def test_says_what_it_puts_through_the_encoder_and_shorter_is_less(self, one, asked_transfers):
        asked, taken = asked_transfers.asked, inspect.signature(one.compute).parameters
        ways = [{}, *one.budget.shorter]
        given = asked_transfers.checkpoint, asked.images
        passes = [one.budget.passes(*given, **asked.arguments(one), **way) for way in ways]
        effort = [way.seen + 3 * way.trained for way in passes]
        assert effort[-1] > 0 and all(a > b for a, b in zip(effort, effort[1:], strict=False))
        assert {name for way in ways for name in way} <= set(taken)

    def test_gives_scores_that_all_have_a_control(self, one, answers):
        scores = answers[one.name].scores()
        assert scores
        for name, score in scores.items():
            assert score.control is not None and np.isfinite(score.control), f"{name} has no control"
            assert np.isfinite(score.value) or score.reason, f"{name} is not a number, and no reason is given"
            assert score.low is None or score.low <= score.high

    def test_is_stored_and_read_back_whole(self, one, answers, tmp_path):
        save_result(tmp_path / "r.npz", answers[one.name])
        back = load_result(tmp_path / "r.npz", one.result_type)
        assert back.scores().keys() == answers[one.name].scores().keys()
        for name, score in back.scores().items():
            np.testing.assert_equal(score.to_dict(), answers[one.name].scores()[name].to_dict())

    def test_has_a_figure_of_one_and_of_several(self, one, answers):
        for given in (answers[one.name], {"a": answers[one.name], "b": answers[one.name]}):
            fig = draw(given)
            assert isinstance(fig, go.Figure) and fig.data
            assert fig.layout.meta["alt"] and fig.layout.meta["caption"]

    def test_refuses_clips_in_a_sentence(self, one, asked_transfers):
        images = sslviz.shapes(n=8)
        clips = sslviz.Images(np.repeat(images.pixels[:, None], 2, axis=1), images.ids, images.table)
        with pytest.raises(ValueError, match=r"[.!]$"):
            asked_transfers(one.name, clips)


def test_names_and_public_names_agree():
    assert len({entry.name for entry in CATALOG}) == len(CATALOG)
    assert all(getattr(sslviz, entry.name) is entry.compute for entry in CATALOG)


def test_sections_and_gravity_are_told_apart():
    assert {entry.section for entry in CATALOG} - {""} == set(SECTIONS)
    ranks = sorted(entry.gravity for entry in CATALOG if entry.gravity)
    assert ranks == list(range(1, len(ranks) + 1))


def test_drawing_something_else_is_one_sentence():
    with pytest.raises(ValueError, match="no figure for a int"):
        draw(3)
    with pytest.raises(ValueError, match="no figure for a NoneType"):
        draw({})


@pytest.mark.parametrize("name", sslviz.__all__)
def test_every_public_name_says_what_it_is_for(name):
    thing = getattr(sslviz, name)
    if callable(thing):
        first = (thing.__doc__ or "").strip().partition("\n")[0]
        assert "?" in first, f"the first line of {name}'s docstring should ask the question it answers: {first!r}"


@pytest.fixture
def run(tmp_path):
    """Two checkpoints that nobody trained."""
    made = sslviz.Run.create(tmp_path / "r", {"encoder": {"name": "conv_nano", "image_size": 16}})
    for step in (0, 1):
        made.save_checkpoint(step, sslviz.create_encoder("conv_nano", image_size=16, seed=step).state_dict())
    return made


def test_one_diagnostic_that_cannot_be_had_does_not_cost_the_others(run):
    """Too few images have no map; their spectrum still stands."""
    few = sslviz.shapes(n=24, size=16)
    with pytest.warns(UserWarning, match="r: no projection: "):
        results = sslviz.diagnose(run, few, only=["spectrum", "projection"], progress=False)
    assert set(results["r"]) == {"spectrum"}
    with pytest.raises(ValueError, match="no projection"):
        sslviz.diagnose(run, few, only=["projection"], progress=False)
    with pytest.raises(ValueError, match="two are called the same"):
        sslviz.diagnose([run, run], few, progress=False)


def test_features_of_weights_that_were_replaced_are_embedded_again(run):
    images = sslviz.shapes(n=200, size=16)
    before = sslviz.diagnose(run, images, only=["spectrum"], progress=False)["r"]["spectrum"]
    run.last.path.write_bytes(run.checkpoints[0].path.read_bytes())
    after = sslviz.diagnose(run, images, only=["spectrum"], progress=False)["r"]["spectrum"]
    assert before.scores()["rankme"].value != after.scores()["rankme"].value


class TestColumns:
    """What is asked about an attribute is asked where one is named, and never by itself."""

    @pytest.fixture
    def paired(self, monkeypatch):
        """An entry whose function returns the columns that it is given."""
        module = ModuleType("sslviz.diagnostics.paired")
        module.paired = lambda features, *columns, **_: columns
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return self.entry("columns")

    @staticmethod
    def entry(scope):
        return Entry(name="paired", question="?", home="diagnostics.paired", control="none", page="probes", scope=scope)

    def test_of_a_label_and_an_attribute_both_are_given_in_order(self, planted_evidence, paired):
        evidence = planted_evidence()
        assert compute_entry(paired, evidence, ("label", "coin")) == ("label", "coin")
        keys = [storage_key(paired, evidence, columns) for columns in (("label", "coin"), ("coin", "label"), ())]
        assert keys[0] != keys[1] != keys[2]

    def test_pairs_are_asked_for_each_label_and_each_attribute_named(self):
        columns = [("shape", "color"), ("shape", "texture"), ("color", "texture")]

        def asked(scope, attributes=("color", "texture"), pairs=columns):
            questions = Questions([self.entry(scope)], ["shape", "color"], attributes, pairs)
            return [columns for _, columns in questions.of_checkpoints]

        assert asked("columns") == columns and asked("attribute") == [("color",), ("texture",)]
        assert asked("checkpoint") == [()] and asked("label") == [("shape",), ("color",)]
        assert asked("columns", (), []) == asked("attribute", (), []) == []
        assert not self.entry("columns").by_default and not self.entry("attribute").by_default

    def test_columns_that_cannot_be_asked_about_are_one_sentence(self):
        images = sslviz.shapes(n=200)
        for given, message in [
            ({"label": "shape", "attribute": "hue"}, "no column 'hue'"),
            ({"label": "color", "attribute": ["color"]}, "named as label and as attribute"),
            ({"attribute": "color", "partners": {"color": {}}}, "and the label they are partners of"),
            ({"label": "shape", "attribute": "texture", "partners": {"color": {}}}, "named as attribute"),
            ({"label": "shape", "attribute": "color", "partners": {"color": {}}}, "for each shape .* got none"),
        ]:
            with pytest.raises(ValueError, match=message):
                sslviz.diagnose([], images, **given)
        with pytest.raises(ValueError, match="paired asks about an attribute; name a column"):
            check_columns(images, None, [self.entry("columns")], None, [])
        with pytest.raises(ValueError, match="attention asks about pictures"):
            sslviz.diagnose([], images, only=["attention"])

    def test_from_a_training_to_the_answers_beside_all_controls(self, tmp_path):
        images = sslviz.shapes(n=2000, size=16, seed=0)
        run = sslviz.pretrain(
            images.split("train").rows(np.arange(256)), out=tmp_path / "r", epochs=1, batch_size=64, progress=False
        )
        asked = ["linear_probe", "description_length", "counterfactual_effect", "reliance", "groups"]
        given = {"fit": images.split("probe"), "only": asked, "label": "shape", "progress": False}
        results = sslviz.diagnose(run, images.split("test"), attribute="color", **given)["r"]
        assert list(results) == [
            "linear_probe:shape",
            "description_length:color",
            "counterfactual_effect:color",
            "reliance:shape~color",
            "groups:shape~color",
        ]
        untrained = {"untrained", "untrained (seed 1)", "untrained (seed 2)"}
        for controls in (
            results["reliance:shape~color"].control_answers,
            results["groups:shape~color"].control_correct,
            results["description_length:color"].control_bits,
        ):
            assert untrained | {"pixels", "color histogram"} <= set(controls)
        assert set(results["linear_probe:shape"].control_correct) == {"untrained", "pixels"}
        assert results["description_length:color"].scores()["compression"].controls["color histogram"] > 10
        assert set(results["counterfactual_effect:color"].control_moved) == {"untrained", "pixels"}
        again = stored_evidence(run, run.last, images.split("test").digest)
        assert set(again.control_features(further=True)) == untrained | {"pixels", "color histogram"}
        assert again.of("changed") is not None
        assert is_stored(run, find_entry("reliance"), again, ("shape", "color"))
        shapes, colors = (sorted(images.table[column].unique()) for column in ("shape", "color"))
        pairs = dict(zip(shapes, colors, strict=True))
        given |= {"only": ["reliance"], "attribute": "color", "partners": {"color": pairs}}
        named = sslviz.diagnose(run, images.split("test"), **given)["r"]["reliance:shape~color"]
        found = results["reliance:shape~color"]
        assert not found.pairs_known and named.pairs_known and [*named.values[named.expected_pairs]] == colors
        with pytest.warns(UserWarning, match="with the pairs named before: cross=blue"):  # what was named stays known
            kept = sslviz.diagnose(run, images.split("test"), **given | {"partners": None})["r"]["reliance:shape~color"]
        assert kept.pairs_known and np.array_equal(kept.expected_pairs, named.expected_pairs)
        again = stored_evidence(run, run.last, images.split("test").digest)
        assert again.expected_pairs == {"shape~color": pairs}
        answer = compute_entry(find_entry("reliance"), again, ("shape", "color"))
        assert np.array_equal(answer.expected_pairs, named.expected_pairs)


class TestKeys:
    """What results and checkpoints are called, in JSON, on the command line and in the app."""

    @pytest.mark.parametrize(
        ("key", "text"),
        [
            (ResultKey("spectrum"), "spectrum"),
            (ResultKey("linear_probe", ("color",)), "linear_probe:color"),
            (ResultKey("reliance", ("shape", "color")), "reliance:shape~color"),
            (ResultKey("similarity", ("a run",)), "similarity:a run"),
            (ResultKey("groups", ("a:b", "c~d")), r"groups:a:b~c\~d"),
        ],
    )
    def test_a_key_is_read_back_from_its_text(self, key, text):
        assert str(key) == text and ResultKey.parse(text) == key

    def test_the_column_called_label_is_left_out(self):
        assert str(ResultKey("linear_probe", ("label",))) == "linear_probe"
        assert str(ResultKey("reliance", ("label", "color"))) == "reliance:label~color"

    @pytest.mark.parametrize(
        ("key", "text"),
        [
            (CheckpointKey("simclr"), "simclr"),
            (CheckpointKey("simclr", 400), "simclr @ 400"),
            (CheckpointKey("mine @ home"), "mine @ home"),
        ],
    )
    def test_a_checkpoint_is_read_back_from_its_text(self, key, text):
        assert str(key) == text and CheckpointKey.parse(text) == key


def test_what_is_required_is_named_by_the_stimuli_it_belongs_to():
    needs = {entry.name: requirements([entry]) for entry in diagnostics()}
    assert needs["alignment"] == needs["lidar"] == {"views"} and needs["spectrum"] == {"images"}
    assert needs["similarity"] == {"images", "layers"} and needs["invariance"] == {"altered", "changed"}
    assert needs["reliance"] == {"images", "fit"} and needs["drift"] == {"images", "fit", "corrupted"}
