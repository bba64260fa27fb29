"""Which encoder to take, in words: of planted encoders the right one, and none where nothing tells them apart."""

import dataclasses
from functools import cache

import numpy as np
import pytest

import sslviz
from sslviz.evaluation.recommendation import recommendation
from sslviz.transfer.continued_result import ARMS, TARGET, Continued

CLASSES, PER_CLASS = 3, 60


def features(name, distance, *, seed=0, dims=16):
    """Three Gaussian classes, `distance` apart; the same ids and labels for every encoder."""
    label = np.repeat(np.arange(CLASSES), PER_CLASS)
    x = np.random.default_rng(seed).normal(size=(len(label), dims))
    x[:, :CLASSES] += distance * np.eye(CLASSES)[label]
    return sslviz.Features.from_array(x, table={"label": label}, name=name)


def asked(**distances):
    pixels = {"pixels": features("pixels", 0.5, seed=9)}
    return {
        name: {
            "low_label": sslviz.low_label(
                features(name, distance, seed=seed), shots=(1, 5, 10), draws=5, control_features=pixels
            )
        }
        for seed, (name, distance) in enumerate(distances.items())
    }


def test_the_better_one_is_taken_and_by_how_much_is_said():
    (advice,) = recommendation(asked(weak=0.5, strong=20.0))
    assert advice.about == "Few labels" and advice.text.startswith("With 10 labels a class, take strong")
    assert "better than weak by" in advice.text and "10 labels a class with weak are worth" in advice.text
    assert advice.turns == "It holds at every number of labels that was tried."


def test_equal_ones_are_not_told_apart():
    (advice,) = recommendation(asked(one=3.0, other=3.0))
    assert "nothing tells" in advice.text and "apart" in advice.text and advice.turns


def test_none_is_taken_where_none_is_better_than_pixels():
    (advice,) = recommendation(asked(one=0.0, other=0.0))
    assert "take none of them" in advice.text and "no better than" in advice.text


def test_a_single_one_is_set_beside_what_needs_no_encoder():
    (advice,) = recommendation(asked(only=5.0))
    assert advice.text.startswith("With 10 labels a class, only reads label at")
    assert "10 labels a class with pixels are worth" in advice.turns


def test_it_says_where_the_answer_turns():
    """One encoder is better with one label, the other with many: a near direction of few classes, a far one of noise."""
    results = asked(weak=1.5, strong=6.0)
    strong = results["strong"]["low_label"]
    swapped = dataclasses.replace(strong, correct=strong.correct.copy(), correct_of_all=~strong.correct_of_all)
    results["strong"] = {"low_label": swapped}
    advice = recommendation(results)[0]
    assert "The answer turns with all labels, where weak is the better one." == advice.turns


def test_the_cheaper_one_is_named_where_it_is_surely_cheaper():
    """Times are planted: the strong encoder runs at 100 pictures a second, the weak one at 100 or at 1,000."""
    results = asked(weak=0.5, strong=20.0)
    for pace, said in ((1000.0, "weak would be the one to take if being 10.0 times as fast"), (100.0, "")):
        for name, of_run in (("weak", pace), ("strong", 100.0)):
            results[name]["cost"] = planted_cost(name, of_run)
        (cost,) = [advice for advice in recommendation(results) if advice.about == "Cost"]
        assert cost.turns.startswith(said) and bool(cost.turns) == bool(said)
        assert said or "None of them is surely faster than strong" in cost.text


@cache
def measured_cost():
    checkpoint = sslviz.Checkpoint("measured", 0, {"name": "conv_nano", "image_size": 16}, path=None)
    return sslviz.cost(checkpoint, sslviz.shapes(n=4, size=16), batch_sizes=(1, 4), rounds=1, progress=False)


def planted_cost(name, images_per_second):
    """A measured cost, with other times in its place."""
    found = measured_cost()
    seconds = {key: np.full((2, 9), 4 / images_per_second) for key in found.seconds}
    return dataclasses.replace(found, run=name, seconds=seconds)


def test_in_another_domain_it_says_who_bears_it_and_what_labels_there_would_win():
    """The strong encoder's classes lie where they were; those of the weak one are moved onto each other's place."""
    here, results = {}, {}
    for name, moved in (("bears", 0), ("breaks", 1)):
        here[name] = features(name, 8.0)
        label = np.roll(np.arange(CLASSES), moved)[here[name].column("label").astype(int)]
        x = np.random.default_rng(5).normal(size=here[name].x.shape) + 0.0
        x[:, :CLASSES] += 8.0 * np.eye(CLASSES)[label]
        ids = [f"there {i}" for i in range(len(x))]
        there = sslviz.Features.from_array(x, table={"label": here[name].column("label")}, ids=ids, name=name)
        results[name] = {"shift": sslviz.shift(here[name], there)}
    (advice,) = recommendation(results)
    assert advice.about == "Another domain" and "bears bears it best, by" in advice.text
    assert advice.turns.startswith("Labels there would change it: a readout fitted there wins")
    assert "Going on" not in advice.turns
    (alone,) = recommendation({"bears": results["bears"]})
    assert alone.turns.startswith("Labels there are not shown to change it: a readout fitted there wins 0.00 [")
    results["breaks"]["continued_pretraining"] = planted_continuation("breaks", wins=30)
    (advice,) = recommendation(results)
    assert "gains, beyond as many steps at home, 0.50 [" in advice.turns and "] with breaks." in advice.turns


def planted_continuation(name, *, wins):
    """Of 60 pictures nothing reads any, but after training on in the target `wins` are read."""
    right = {arm: np.zeros(60, bool) for arm in ARMS} | {TARGET: np.arange(60) // 2 < wins // 2}
    truth = np.arange(60) % 2
    told = {"steps": 1, "rate": 0.1, "n_fit": 60, "n_trained_on": 60, "left_out": {}, "seed": 0}
    return Continued(name, "simclr", "label", np.array(["a", "b"]), truth.astype(str), truth, right, **told)


def test_nothing_is_said_where_nothing_was_asked():
    assert recommendation({"one": {}, "other": {}}) == []


@pytest.mark.parametrize("seed", range(3))
def test_images_that_differ_are_not_compared(seed):
    results = asked(weak=1.5, strong=6.0)
    other = features("weak", 1.5, seed=seed).rows(np.arange(0, CLASSES * PER_CLASS, 2))
    results["weak"] = {"low_label": sslviz.low_label(other, shots=(1, 5, 10), draws=5)}
    assert "cannot be compared" in recommendation(results)[0].text
