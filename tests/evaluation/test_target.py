"""Images of another domain: named, embedded beside the others, kept, and found again."""

import json
import warnings

import numpy as np
import pytest

import sslviz
from sslviz.catalog import diagnostics, find_entry
from sslviz.cli.main import main
from sslviz.evaluation.answers import compute_entry, is_stored, requirements, storage_key
from sslviz.evaluation.questions import make_questions, scored_and_fit
from sslviz.features.diagnosed import record_diagnosis, stored_evidence

SOURCE, TARGET = "shapes:n=400,size=16,seed=0", "shapes:n=400,size=16,seed=1"
ENTRY = find_entry("shift")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    images = sslviz.load_images(SOURCE).split("train")
    return sslviz.pretrain(images, out=tmp_path_factory.mktemp("r") / "mine", epochs=1, batch_size=64, progress=False)


@pytest.fixture(scope="module")
def images():
    return *scored_and_fit(sslviz.load_images(SOURCE)), sslviz.load_images(TARGET).split("test")


@pytest.fixture(scope="module")
def result(run, images):
    """The answer of a run that had been diagnosed without a target before."""
    scored, fit, target = images
    sslviz.diagnose(run, scored, fit=fit, only=["spectrum"], progress=False)
    assert "target" not in run.info["diagnosed"][scored.digest]
    given = {"fit": fit, "target": target, "only": ["shift"], "label": "shape", "progress": False}
    return sslviz.diagnose(run, scored, **given)["mine"]["shift:shape"]


def test_the_answer_stands_beside_pixels_and_the_encoder_untrained(result, images):
    scored, fit, target = images
    assert set(result.control_values) == {"halves of the source", "pixels", "untrained"}
    assert set(result.ids) <= set(target.ids) and result.n_fit == len(fit)
    assert result.scored_on.startswith(target.digest) and result.fitted_on.startswith(fit.digest)


def test_it_is_kept_under_the_targets_digest_and_found_again(result, run, images):
    scored, _, target = images
    run = sslviz.Run(run.path)
    diagnosed = run.info["diagnosed"][scored.digest]
    assert (diagnosed["target"], diagnosed["target_spec"]) == (target.digest, target.spec)
    evidence = stored_evidence(run, run.last, scored.digest)
    assert set(evidence.shown["target"]) == {"trained", "pixels", "untrained"}
    assert is_stored(run, ENTRY, evidence, ("shape",))
    assert compute_entry(ENTRY, evidence, ("shape",)).scores() == result.scores()
    assert storage_key(ENTRY, evidence, ("shape",))["target"] == evidence.of("target").digest


def test_a_diagnosis_without_a_target_forgets_none_and_an_older_one_is_read(result, run, images):
    scored, fit, target = images
    before = run.info["diagnosed"][scored.digest]
    sslviz.diagnose(run, scored, fit=fit, only=["spectrum"], progress=False)
    assert run.info["diagnosed"][scored.digest] == before
    other = scored.rows(np.arange(40))
    sslviz.diagnose(run, other, only=["spectrum"], progress=False)
    evidence = stored_evidence(run, run.last, other.digest)
    assert evidence.of("target") is None
    with pytest.raises(ValueError, match="No images of another domain were named"):
        compute_entry(ENTRY, evidence, ("shape",))
    record_diagnosis(run, other, None, target=target.rows(np.arange(20)))  # named, but never embedded
    assert stored_evidence(run, run.last, other.digest).of("target") is None


def test_it_is_asked_only_where_a_target_is_named(images):
    scored, fit, target = images
    entries = [ENTRY, find_entry("spectrum"), find_entry("linear_probe")]
    without = make_questions(entries, scored, fit, label="shape")
    assert [entry.name for entry, _ in without.of_checkpoints] == ["spectrum", "linear_probe"]
    asked = make_questions(entries, scored, fit, label="shape", target=target)
    assert [entry.name for entry, _ in asked.of_checkpoints] == ["shift", "spectrum", "linear_probe"]
    assert not ENTRY.by_default and requirements([ENTRY]) == {"images", "fit", "target"}
    assert all(entry.by_default <= (not entry.needs_target) for entry in diagnostics())
    with pytest.raises(ValueError, match="shift asks about another domain; name images of it as target"):
        sslviz.diagnose([], scored, only=["shift"])


def test_a_column_that_the_target_lacks_is_not_asked_about_and_said(run, images):
    scored, fit, target = images
    poorer = sslviz.Images(target.pixels, target.ids, target.table[["shape"]], spec="")
    questions = make_questions([ENTRY], scored, fit, target=poorer)
    assert [columns for _, columns in questions.of_checkpoints] == [("shape",)]
    reasons = questions.left_out(scored.table, fit.table)
    assert {"shift:color", "shift:texture"} == set(
        reasons["Not asked: the target has no column 'color'."]
        + reasons["Not asked: the target has no column 'texture'."]
    )
    fewer = sslviz.Images(
        target.pixels, target.ids, target.table[["shape"]].replace({"disc": "blob", "circle": "blob"}), spec=""
    )
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        sslviz.diagnose(run, scored, fit=fit, target=fewer, only=["shift"], label="shape", progress=False)
    gone = [str(one.message).partition(" images left out: ")[2] for one in said]
    assert {"shape 'blob': not in the source. (shift:shape)", "shape 'disc': not in the target. (shift:shape)"} <= {
        *gone
    }


def test_the_command_line_names_it(result, run, tmp_path, capsys):
    scores = tmp_path / "scores.json"
    asked = ["--only", "shift", "--label", "shape", "--json", str(scores)]
    main(["diagnose", str(run.path), "--images", SOURCE, "--target", TARGET, *asked])
    said = capsys.readouterr().out
    assert f"Target: 60 of 400 pictures of {sslviz.load_images(TARGET).split('test').spec}." in said
    written = json.loads(scores.read_text())["mine"]["shift:shape"]
    assert written["accuracy"]["value"] == result.scores()["accuracy"].value
    with pytest.raises(SystemExit):
        main(["diagnose", str(run.path), "--images", SOURCE, *asked])
    assert "name images of it as target (--target)" in capsys.readouterr().err
