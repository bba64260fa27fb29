"""Continued pretraining: nothing is gained by nothing, what was trained here goes on, and what destroys is seen to."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import sslviz
from sslviz.methods import build_method
from sslviz.runs import load_result, save_result
from sslviz.transfer.continued_pretraining import _trainings, continued_pretraining
from sslviz.transfer.continued_result import ARMS, CLASS_BY_CLASS, ONE_CLASS, SCRATCH, SOURCE, TARGET, Continued
from sslviz.transfer.continuing import continued, load_method
from sslviz.transfer.target_streams import NONE, TRAINED_THERE
from sslviz.transfer.two_domains import two_domains

SIZE = 16


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """BYOL has a projector, a predictor and a slow copy that is not written."""
    images = sslviz.shapes(n=160, size=SIZE, seed=3)
    out = tmp_path_factory.mktemp("runs") / "mine"
    return sslviz.pretrain(images, "byol", out=out, steps=2, batch_size=32, progress=False)


@pytest.fixture(scope="module")
def domains():
    return sslviz.shapes(n=120, size=SIZE, seed=0), sslviz.shapes(n=160, size=SIZE, seed=1)


@pytest.fixture(scope="module")
def asked(run, domains):
    source, target = domains
    return continued_pretraining(run.last, source, "shape", target=target, steps=4, progress=False)


def test_no_steps_gain_exactly_nothing(run, domains):
    source, target = domains
    still = continued_pretraining(run.last, source, "shape", target=target, steps=0, progress=False)
    for arm in (TARGET, SOURCE, ONE_CLASS, CLASS_BY_CLASS):
        assert (still.correct[arm] == still.correct[NONE]).all()
    assert still.scores()["gain"].value == 0
    assert (still.correct[SCRATCH] != still.correct[NONE]).any()  # other weights


def test_it_goes_on_from_these_weights_heads_and_all(run):
    """Without a step the method is the checkpoint, and its slow copy is its model."""
    checkpoint = run.last
    encoder = sslviz.create_encoder(**checkpoint.config, seed=9)
    method, _ = build_method("byol", encoder, {}, 9)
    load_method(method, checkpoint)
    own = method.state_dict()
    for name, written in load_file(checkpoint.path).items():
        assert torch.equal(own[name], written), name
    for slow, online in method.ema.items():
        pairs = zip(method.get_submodule(slow).parameters(), method.get_submodule(online).parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


def test_a_few_small_steps_move_it_a_little_and_large_ones_far(run, domains):
    pixels = domains[1].pixels[:64]

    def distance(rate):
        moved = continued(run.last, [pixels], 2, rate, 0, fresh=False)
        pairs = zip(moved.parameters(), run.last.encoder().parameters(), strict=True)
        return float(sum(((a - b) ** 2).sum().detach() for a, b in pairs)) ** 0.5

    assert 0 < distance(0.01) < distance(1.0) / 10


def test_labels_are_not_seen_and_numbers_are_equal(run, domains):
    """As many pictures of the source as of the target; one stage of each class; 85 % of one class."""
    source, target = domains
    here, there = (sslviz.embed(run.last, images, progress=False) for images in (source, target))
    two = two_domains(here, there, "shape", None, 0)
    pixels = [
        images.pixels[[list(images.ids).index(one) for one in half.ids]]
        for images, half in ((target, two.space.target_fitted), (source, two.space.fitted))
    ]
    trainings = _trainings(*pixels, two, 0)
    n = {arm: sum(map(len, stages)) for arm, stages in trainings.items()}
    assert n[TARGET] == n[SOURCE] == n[SCRATCH] == min(map(len, pixels)) and len(trainings[CLASS_BY_CLASS]) == 4
    codes = {
        picture.tobytes(): code for picture, code in zip(pixels[0], two.codes(two.space.target_fitted), strict=True)
    }
    shares = np.bincount([codes[picture.tobytes()] for picture in trainings[ONE_CLASS][0]])
    assert shares.max() / shares.sum() == pytest.approx(0.85, abs=0.05)
    for stage in trainings[CLASS_BY_CLASS]:
        assert len({codes[picture.tobytes()] for picture in stage}) == 1


def test_nobody_is_scored_who_was_trained_on_and_all_arms_are_paired(asked, domains):
    assert set(asked.correct) == set(ARMS) and all(len(of) == len(asked.ids) for of in asked.correct.values())
    assert set(asked.ids) <= set(domains[1].ids)
    scores = asked.scores()
    means = {arm: asked.level(arm).value for arm in (NONE, TARGET, SOURCE, TRAINED_THERE)}
    assert scores["gain"].value == pytest.approx(means[TARGET] - means[NONE])
    assert scores["gain_over_source"].value == pytest.approx(means[TARGET] - means[SOURCE])
    assert scores["gain"].controls[SOURCE] == pytest.approx(means[SOURCE] - means[NONE])
    assert scores["target_trained"].value == pytest.approx(means[TRAINED_THERE] - means[NONE])


def test_it_is_the_same_again_and_the_file_stays(run, domains, asked, tmp_path):
    before, state = run.last.digest, torch.get_rng_state()
    source, target = domains
    again = continued_pretraining(run.last, source, "shape", target=target, steps=4, progress=False)
    assert again.scores() == asked.scores() and run.last.digest == before
    assert torch.equal(torch.get_rng_state(), state)
    save_result(tmp_path / "r.npz", asked)
    assert load_result(tmp_path / "r.npz", Continued).scores() == asked.scores()


def test_pictures_of_another_size_are_brought_to_the_encoders(run, domains):
    target = sslviz.shapes(n=80, size=24, seed=1)
    result = continued_pretraining(run.last, domains[0], "shape", target=target, steps=1, progress=False)
    assert len(result.ids) <= 40


def test_what_cannot_be_asked_is_one_sentence(run, domains):
    source, target = domains
    with pytest.raises(ValueError, match="Images of another domain are needed"):
        continued_pretraining(run.last, source, "shape", progress=False)
    imported = replace(run.last, head=None)
    with pytest.raises(ValueError, match="mine was not pretrained here, so neither the method nor the head is known"):
        continued_pretraining(imported, source, "shape", target=target, progress=False)
    for wrong in ({"steps": -1}, {"rate": 0.0}):
        with pytest.raises(ValueError, match="steps is at least 0 and rate"):
            continued_pretraining(run.last, source, "shape", target=target, progress=False, **wrong)
