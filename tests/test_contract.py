"""What every diagnostic of the catalog must keep: its control, its purity, its caveat, its figure, its stored form."""

import dataclasses

import numpy as np
import plotly.graph_objects as go
import pytest

import sslviz
from sslviz.catalog import CATALOG, draw, entry
from sslviz.diagnose import called
from sslviz.features import Features
from sslviz.runs import load_result, save_result


def blobs(n=240, d=24, seed=0, shift=3.0):
    """Three planted classes and an attribute that has nothing to do with them."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % 3
    x = rng.normal(size=(n, d))
    x[np.arange(n), label] += shift
    table = {"label": np.array(["a", "b", "c"])[label], "coin": np.array(["heads", "tails"])[rng.integers(0, 2, n)]}
    return Features.from_array(x, table=table, name="planted")


def compute(one, features, fit=None):
    if not one.per_label:
        return one.compute(features)
    other = Features.from_array(
        np.random.default_rng(9).normal(size=features.x.shape), table=features.table, ids=features.ids, name="noise"
    )
    return one.compute(features, "label", controls={"untrained": (other, None)})


@pytest.fixture(scope="module")
def results():
    features = blobs()
    return {one.name: compute(one, features) for one in CATALOG}


@pytest.mark.parametrize("one", CATALOG, ids=lambda e: e.name)
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

    def test_leaves_its_input_alone_and_repeats_itself(self, one, results):
        features = blobs()
        before, table = features.x.copy(), features.table.copy()
        again = compute(one, features)
        np.testing.assert_array_equal(features.x, before)
        assert features.table.equals(table)
        assert again.scores() == results[one.name].scores()

    def test_is_stored_and_read_back_whole(self, one, results, tmp_path):
        save_result(tmp_path / "r.npz", results[one.name])
        back = load_result(tmp_path / "r.npz", one.kind)
        assert back.scores() == results[one.name].scores()
        assert {f.name for f in dataclasses.fields(back)} == {f.name for f in dataclasses.fields(one.kind)}

    def test_has_a_figure_of_one_and_of_several(self, one, results):
        for given in (results[one.name], {"a": results[one.name], "b": results[one.name]}):
            fig = draw(given)
            assert isinstance(fig, go.Figure) and fig.data
            assert fig.layout.meta["alt"] and fig.layout.meta["caption"]

    def test_is_found_by_name(self, one):
        assert entry(one.name) is one
        assert called(one, "label") == one.name and called(one, "color") == f"{one.name}:color"


def test_names_and_public_names_agree():
    assert len({one.name for one in CATALOG}) == len(CATALOG)
    assert all(getattr(sslviz, one.name) is one.compute for one in CATALOG)


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


def test_one_diagnostic_that_cannot_be_had_does_not_cost_the_others(tmp_path):
    """Too few images have no map; their spectrum still stands."""
    images = sslviz.shapes(n=400, seed=0).split("train")
    run = sslviz.pretrain(images, out=tmp_path / "r", epochs=1, batch_size=64, progress=False)
    few = images.rows(np.arange(24))
    with pytest.warns(UserWarning, match="r: no projection: "):
        results = sslviz.diagnose(run, few, only=["spectrum", "projection"], progress=False)
    assert set(results["r"]) == {"spectrum"}
    with pytest.raises(ValueError, match="no projection"):
        sslviz.diagnose(run, few, only=["projection"], progress=False)
    with pytest.raises(ValueError, match="two are called the same"):
        sslviz.diagnose([run, run], few, progress=False)


def test_features_of_weights_that_were_replaced_are_embedded_again(tmp_path):
    images = sslviz.shapes(n=400, seed=0).split("train")
    run = sslviz.pretrain(images, out=tmp_path / "r", epochs=1, batch_size=64, progress=False)
    before = sslviz.diagnose(run, images, only=["spectrum"], progress=False)["r"]["spectrum"]
    run.last.path.write_bytes(run.checkpoints[0].path.read_bytes())
    after = sslviz.diagnose(run, images, only=["spectrum"], progress=False)["r"]["spectrum"]
    assert before.scores()["rankme"].value != after.scores()["rankme"].value
