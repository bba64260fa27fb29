"""A run folder of an older sslviz is read as it lies, and nothing in it is computed again.

fixtures/make_old_run.py says how it was written; its encoder cannot be built here, so that embedding again would fail.
"""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import sslviz
from sslviz.catalog import CATALOG, diagnostics, explanations, find_entry
from sslviz.evaluation import answers
from sslviz.explanations import cache
from sslviz.features import Features
from sslviz.features.diagnosed import diagnosed_steps, layers_of, stored_evidence
from sslviz.features.stored import gather
from sslviz.runs import Run, load_result

FIXTURES = Path(__file__).parents[1] / "fixtures"
ANSWERS = json.loads((FIXTURES / "old_run.json").read_text())
EXPLAINED = {entry.name for entry in explanations()}
FEATURES = [answer for answer in ANSWERS if answer["diagnostic"] not in EXPLAINED]
PARTNERS = {"shape~color": {"cross": "purple", "disc": "orange", "square": "green", "triangle": "blue"}}


def name(answer):
    return answer["diagnostic"]


@pytest.fixture(scope="module")
def images():
    return sslviz.shapes(n=280, bias=0.5)


@pytest.fixture(scope="module")
def scored(images):
    return images.split("test")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "old_run"
    shutil.copytree(FIXTURES / "old_run", folder)
    return Run(folder)


@pytest.fixture(scope="module")
def evidence(run, scored):
    return stored_evidence(run, run.last, scored.digest)


@pytest.fixture(scope="module")
def other(run, scored):
    """What the last checkpoint was compared with: the first, of which only the features lie there."""
    first = Features.load(run.features_stem(run.checkpoints[0].key, scored.digest))
    found = stored_evidence(run, run.last, scored.digest)
    return replace(found, shown={**found.shown, "images": {**found.shown["images"], "trained": first}})


@pytest.fixture
def untouched(run):
    """Fails where a file was written, or written again."""

    def state():
        return {path.relative_to(run.path): path.stat().st_mtime_ns for path in run.path.rglob("*") if path.is_file()}

    before = state()
    yield
    assert state() == before


def check(answer, path, kind, result):
    """`path` is where today's code looks; `result()` is what it gives."""
    assert path.name == answer["file"], f"{name(answer)}: what its stored result is found by has changed"
    assert path.exists(), f"{name(answer)}: its stored result is not in the fixture"
    try:
        load_result(path, kind)
    except (ValueError, TypeError, KeyError) as error:
        pytest.fail(f"{name(answer)}: its stored result is no longer read as a {kind.__name__}: {error}")
    scores = {key: [one.value, one.low, one.high, one.control] for key, one in result().scores().items()}
    assert list(scores) == list(answer["scores"]), f"{name(answer)}: its scores have other names"
    for score, numbers in answer["scores"].items():
        for now, then in zip(scores[score], numbers, strict=True):
            assert (now is None) == (then is None), f"{name(answer)}: {score}"
            assert now is None or now == pytest.approx(then, rel=1e-9, nan_ok=True), f"{name(answer)}: {score}"


@pytest.mark.parametrize("answer", FEATURES, ids=name)
def test_a_diagnostic_is_found_and_not_asked_again(answer, run, evidence, other, untouched, monkeypatch):
    entry, of = find_entry(name(answer)), answer["of"]
    columns = tuple(of) if isinstance(of, list) else () if of is None else (of,)
    beside = {"other": other if entry.scope == "pair" else None}
    again = "was computed again"
    monkeypatch.setattr(answers, "compute_entry", lambda asked, *_, **__: pytest.fail(f"{asked.name} {again}"))
    path = run.result_path(answers.storage_key(entry, evidence, columns, **beside))
    check(answer, path, entry.result_type, lambda: answers.stored_result(run, entry, evidence, columns, **beside))


@pytest.fixture(scope="module")
def explained(run, scored):
    """{explanation: the function, what it was given, and its parameters}, as make_old_run.py asked."""
    few = scored.rows(np.arange(3))
    pair = [few.rows(np.array([i])) for i in (0, 1)]
    stored = next(answer["file"] for answer in ANSWERS if name(answer) == "attribute")
    maps = load_result(run.path / "results" / stored, find_entry("attribute").result_type)
    controls = {"others": maps.maps[::-1]}
    return {
        "attention": (sslviz.attention, (run.last, few), {}),
        "attribute": (sslviz.attribute, (run.last, few), {"method": "saliency"}),
        "faithfulness": (sslviz.faithfulness, (maps, run.last, few), {"steps": 4, "control_maps": controls}),
        "explain_pair": (sslviz.explain_pair, (run.last, *pair), {"grid": 2, "orders": 2}),
    }


@pytest.mark.parametrize(
    "answer", [a for a in ANSWERS if name(a) in EXPLAINED and name(a) not in cache.REVISIONS], ids=name
)
def test_an_explanation_is_found_and_not_made_again(answer, run, explained, untouched):
    function, given, parameters = explained[name(answer)]
    path = run.result_path(cache._key(function, given, parameters))
    kind = find_entry(name(answer)).result_type
    check(answer, path, kind, lambda: cache.cached_result(run, function, *given, **parameters, progress=False))


def test_an_explanation_by_a_former_definition_is_not_read(run, explained):
    (stored,) = [answer["file"] for answer in ANSWERS if name(answer) == "faithfulness"]
    function, given, parameters = explained["faithfulness"]
    path = run.result_path(cache._key(function, given, parameters))
    assert (path.parent / stored).exists() and not path.exists()


def test_all_that_was_asked_can_still_be_asked():
    assert {name(answer) for answer in ANSWERS} <= {entry.name for entry in CATALOG}


def test_evidence_holds_all_that_was_embedded(run, evidence, scored):
    assert list(evidence.features.ids) == list(scored.ids) and evidence.fit is not None
    controls = ["pixels", "untrained", "color histogram", "untrained (seed 1)", "untrained (seed 2)"]
    assert list(evidence.control_features(further=True)) == controls and evidence.expected_pairs == PARTNERS
    for part in ("projector", "views", "changed", "altered", "corrupted"):
        assert evidence.of(part) is not None, part
    assert list(layers_of(run, run.last, scored.digest)) == ["blocks.0", "blocks.1", "pooled"]
    assert [checkpoint.step for checkpoint in diagnosed_steps(run, scored.digest)] == [0, 1]
    assert run.thumbnails(scored.digest).shape == (len(scored), 8, 8, 3) and len(run.history) == 2


def test_diagnosing_it_again_embeds_nothing(run, images, scored, tmp_path):
    """On another copy: pixels and colours, which no encoder is needed for, may be written again."""
    shutil.copytree(run.path, tmp_path / "old_run")
    copy = Run(tmp_path / "old_run")
    fit = images.split("train").rows(np.arange(96))
    fit = replace(fit, table=fit.table[["label", "split", "shape", "color"]])
    before = sorted(path.name for path in copy.path.rglob("*"))
    requested = answers.requirements(diagnostics())
    gather(copy, copy.last, scored, fit, requested=requested, attributes=True, expected_pairs=PARTNERS)
    assert sorted(path.name for path in copy.path.rglob("*")) == before
