"""Budget: what entries say that they put through an encoder is what goes through it, and what is too long is made shorter."""

from collections import Counter

import pytest
import torch

import sslviz
from sslviz.catalog import find_entry
from sslviz.encoders import Encoder
from sslviz.evaluation.transfer_plans import plan, plan_lines, plans_of, shortened_of
from sslviz.evaluation.worth import prepared
from sslviz.runs import Run
from sslviz.transfer.budget import MINUTES, Passes, TrainingPace, training_pace

SMALL = {  # little enough for seconds, and enough that every part of a count is in it
    "fine_tune": {"shots": (2, 4), "steps": 3, "draws": 2},
    "continual": {"steps": 2},
    "continued_pretraining": {"steps": 4},
    "flips": {},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    images = sslviz.shapes(n=160, size=16, seed=3)
    return sslviz.pretrain(images, out=tmp_path_factory.mktemp("runs") / "mine", steps=1, batch_size=32, progress=False)


@pytest.fixture(scope="module")
def asked():
    source, target = (sslviz.shapes(n=240, size=16, seed=seed) for seed in (0, 1))
    return prepared(source, None, "shape", target)


@pytest.fixture
def counted(monkeypatch):
    """Pictures that go through any encoder, with and without a gradient."""
    counts, forward = Counter(), Encoder.forward

    def counting(self, x):
        counts["trained" if torch.is_grad_enabled() else "seen"] += len(x)
        return forward(self, x)

    monkeypatch.setattr(Encoder, "forward", counting)
    return counts


@pytest.mark.parametrize("name", SMALL)
def test_what_is_counted_is_what_goes_through_the_encoder(name, run, asked, counted):
    entry = find_entry(name)
    arguments = asked.arguments(entry) | SMALL[name]
    entry.compute(run.last, asked.images, **arguments, progress=False)
    said = entry.budget.passes(run.last, asked.images, **arguments)
    for kind in ("seen", "trained"):
        assert getattr(said, kind) == pytest.approx(counted[kind], rel=0.3, abs=5), kind


def test_a_pace_is_of_seconds_and_training_takes_longer(run):
    paces = [training_pace(run.last) for _ in range(4)]  # the fastest: whatever else the machine does makes it slower
    assert 0 < min(pace.seen for pace in paces) < min(pace.trained for pace in paces) < 1
    before = run.last.encoder().state_dict()
    assert all(
        torch.equal(a, b) for a, b in zip(before.values(), run.last.encoder().state_dict().values(), strict=True)
    )


def test_the_longest_way_that_fits_is_asked_and_what_is_shorter_is_said(run, asked):
    entry = find_entry("fine_tune")
    trained = entry.budget.passes(run.last, asked.images, **asked.arguments(entry)).trained
    fast = plan(run, run.last, entry, asked, lambda _: TrainingPace(0, 1 / trained))
    assert fast.shortened == {} and fast.seconds == pytest.approx(1) and fast.sentence == "about 5 s here"
    slow = plan(run, run.last, entry, asked, lambda _: TrainingPace(0, 60 * MINUTES / trained * 1.1))
    assert slow.shortened == {"draws": 2} and slow.seconds <= 60 * MINUTES
    assert "shortened to draws 2, as the defaults would take this encoder more than 15 min" in slow.sentence
    slowest = plan(run, run.last, entry, asked, lambda _: TrainingPace(0, 1e6))
    assert slowest.shortened == dict(entry.budget.shorter[-1]) and slowest.seconds > 60 * MINUTES


def test_a_stored_answer_is_found_however_it_was_shortened(run, asked, monkeypatch):
    entry = find_entry("continual")
    few = dict(entry.budget.shorter[-1])
    asked_few = plan(run, run.last, entry, asked, lambda _: TrainingPace(0, 1e6))
    assert asked_few.shortened == few and not asked_few.stored

    from sslviz.explanations.cache import cached_result

    cached_result(run, entry.compute, run.last, asked.images_for(entry), **asked_few.arguments, progress=False)
    found = plan(run, run.last, entry, asked, lambda _: pytest.fail("it is stored: nothing is timed"))
    assert found.stored and found.arguments == asked_few.arguments and found.sentence == ""
    plans, problems = plans_of([run], [entry], asked)
    assert shortened_of(plans) == {"mine": {"continual": few}} and plan_lines(plans) == [] and problems == []


def test_what_cannot_be_asked_is_no_plan(tmp_path, asked):
    foreign = Run.create(tmp_path / "theirs", {"encoder": {"name": "conv_nano", "image_size": 16}})
    foreign.save_checkpoint(1, sslviz.create_encoder("conv_nano", seed=1).state_dict())
    plans, (problem,) = plans_of([foreign], [find_entry("continued_pretraining")], asked)
    assert plans == {"theirs": {}} and "theirs was not pretrained here" in problem


def test_seconds_are_those_of_both_kinds():
    assert TrainingPace(0.5, 2.0).seconds(Passes(seen=4, trained=3)) == 8
