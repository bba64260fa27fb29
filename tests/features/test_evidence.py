"""Evidence: what encoders are shown is one table, and a new row is all that a new stimulus takes."""

import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

import sslviz
from sslviz.catalog import Entry
from sslviz.evaluation.answers import compute_entry, requirements
from sslviz.features import diagnosed, evidence
from sslviz.features.diagnosed import stored_evidence
from sslviz.features.evidence import STIMULI, Stimulus, find_stimulus
from sslviz.features.passes import gather_passes
from sslviz.features.stored import gather
from sslviz.methods import build_method


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    images = sslviz.shapes(n=200, size=16, seed=0)
    out = tmp_path_factory.mktemp("runs") / "r"
    return sslviz.pretrain(images, out=out, epochs=1, batch_size=64, progress=False)


NEGATIVES = Stimulus(
    "negatives",
    "on request",
    ("trained", "untrained"),
    pictures="negatives:negatives",
    max_images=12,
    layer="negatives",
    words="negatives",
    missing="Its negatives were not embedded.",
)


@pytest.fixture
def with_negatives(monkeypatch):
    """A made-up row: twelve of the pictures with their colours turned round, by an encoder and by it untrained."""
    drawn = []
    module = ModuleType("sslviz.negatives")

    def negatives(images):
        drawn.append(len(images))
        return replace(images, pixels=255 - images.pixels)

    module.negatives = negatives
    module.darkest = lambda negatives, *, negatives_controls: (negatives, negatives_controls)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for room in (evidence, diagnosed):
        monkeypatch.setattr(room, "STIMULI", (*STIMULI, NEGATIVES))
    return drawn


def test_a_new_row_is_drawn_embedded_kept_and_given_to_whoever_asks(run, with_negatives):
    test = sslviz.shapes(n=40, size=16, seed=3)
    entry = Entry(
        name="darkest",
        question="?",
        home="negatives",
        control="none",
        page="geometry",
        inputs=("negatives",),
        options=("negatives_controls",),
    )
    assert requirements([entry]) == {"negatives"}
    with pytest.raises(ValueError, match="Its negatives were not embedded"):
        compute_entry(entry, gather(run, run.last, test, None))
    announced = gather_passes(run, run.last, test, None, requested=["negatives"])
    assert {one.encoder: one.pictures for one in announced if one.stimulus == "negatives"} == dict.fromkeys(
        ("trained", "untrained"), 12
    )
    assert not with_negatives
    for _ in range(2):
        found = gather(run, run.last, test, None, requested=["negatives"])
    assert len(with_negatives) == 1  # for both encoders, and not again where nothing is wanting
    features, controls = compute_entry(entry, found)
    assert features.x.shape[0] == 12 and set(controls) == {"untrained"}
    few = test.rows(np.isin(test.ids, features.ids))
    expected = sslviz.embed(run.last, replace(few, pixels=255 - few.pixels), progress=False)
    np.testing.assert_allclose(features.x, expected.x, atol=1e-5)


def test_the_table_says_what_it_means():
    assert len({stimulus.name for stimulus in STIMULI}) == len(STIMULI)
    for stimulus in STIMULI:
        assert stimulus.encoders or stimulus.further
        if stimulus.shown == "on request":
            assert stimulus.words
    assert find_stimulus("view") is find_stimulus("views") is find_stimulus("views_controls")


def test_what_was_not_diagnosed_is_one_sentence(run):
    with pytest.raises(ValueError, match="was not diagnosed on these images"):
        stored_evidence(run, run.last, "0" * 16)


def test_a_method_without_a_projector_is_diagnosed_without(tmp_path, monkeypatch):
    """It is not built to find that out, at any diagnosis."""
    arguments = {"method": "denoising", "settings": {"width": 8}}
    run = sslviz.Run.create(
        tmp_path / "r", {"encoder": {"name": "conv_nano", "image_size": 16}, "arguments": arguments}
    )
    method, _ = build_method("denoising", sslviz.create_encoder("conv_nano", image_size=16), {"width": 8})
    run.save_checkpoint(1, method.state_dict())
    with monkeypatch.context() as unbuilt:
        unbuilt.setattr("sslviz.methods.build_method", None)
        found = gather(run, run.last, sslviz.shapes(n=20, size=16), None)
    assert found.of("projector") is None and len(found.features) == 20
    with pytest.raises(ValueError, match="denoising has no projector"):
        sslviz.embed(run.last, sslviz.shapes(n=20, size=16), layer="projector", progress=False)
    with pytest.raises(ValueError, match="denoising has no projector"):
        sslviz.embed(run.last.untrained(), sslviz.shapes(n=20, size=16), layer="projector", progress=False)
    fresh = replace(run.last, path=None, step=-1)
    assert gather(run, fresh, sslviz.shapes(n=20, size=16), None).of("projector") is None
