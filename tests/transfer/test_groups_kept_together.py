"""Ten copies of each object, labels drawn by lot: what is kept together reads chance, what is not reads its memory."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest

import sslviz
from sslviz.features import Features
from sslviz.statistics import Score, bootstrap_crossed_means, crossed_interval

CLASSES, COPIES = 4, 10


def copies(objects=120, seed=0, noise=0.1, start=0):
    """Ten pictures of each object that hardly differ; the label of an object, and its tone, are drawn by lot."""
    rng = np.random.default_rng(seed)
    of = np.repeat(np.arange(objects), COPIES)
    label, tone = rng.permutation(np.arange(objects) % CLASSES), rng.permutation(np.arange(objects) % 2)
    x = rng.normal(size=(objects, 32))[of] + noise * rng.normal(size=(len(of), 32))
    table = {
        "label": np.array(list("abcd"))[label[of]],
        "tone": np.array(["light", "dark"])[tone[of]],
        "object": start + of,
    }
    ids = [f"{start + i // COPIES}-{i % COPIES}" for i in range(len(of))]
    return Features.from_array(x, ids=ids, table=table).rows(rng.permutation(len(of)))


@dataclass
class Read:
    """How a question is asked of features, which score would show memory, and what it reads by luck."""

    ask: Callable
    score: Callable[..., Score]
    by_luck: Callable[..., float]
    memory: float  # the least that the score is better than luck where copies lie on both sides
    objects: int = 120


READ = {
    "low_label": Read(sslviz.low_label, lambda r: r.scores()["all labels"], lambda r: 0.25, 0.3),
    "noise_tolerance linear": Read(sslviz.noise_tolerance, lambda r: r.scores()["linear"], lambda r: 0.25, 0.15),
    "noise_tolerance neighbours": Read(sslviz.noise_tolerance, lambda r: r.scores()["neighbours"], lambda r: 0.25, 0.1),
    "calibration": Read(
        sslviz.calibration,
        lambda r: r.scores()["brier"],
        lambda r: r.scores()["brier"].controls["class shares alone"],
        0.15,
    ),
    "novelty": Read(partial(sslviz.novelty, k=3), lambda r: r.scores()["auroc"], lambda r: 0.5, 0.2),
    "label_choice": Read(
        partial(sslviz.label_choice, budget=110), lambda r: r.scores()["accuracy"], lambda r: 0.25, 0.15, 240
    ),
    "domains": Read(
        partial(sslviz.domains, domain="tone"),
        lambda r: Score(r.in_domain_correct.mean(), None, None, {"chance": r.chance}),
        lambda r: r.chance,
        0.3,
    ),
    "ranking": Read(
        sslviz.ranking, lambda r: r.scores()["hit@1"], lambda r: r.scores()["hit@1"].controls["chance"], 0.6
    ),
}


@pytest.mark.parametrize("name", READ)
def test_what_is_kept_together_reads_chance_and_what_is_not_reads_memory(name):
    read = READ[name]
    alone, together = (read.ask(one) for one in (copies(read.objects), copies(read.objects).grouped_by("object")))
    assert alone.group_column == "" and alone.units is None
    assert together.group_column == "object" and len(together.units) == len(together.ids)
    won = {}
    for key, result in (("alone", alone), ("together", together)):
        score = read.score(result)
        sign = -1 if score.higher_is_better is False else 1
        won[key] = sign * (score.value - read.by_luck(result))
    assert won["alone"] > read.memory
    score = read.score(together)
    if score.low is None:
        assert won["together"] < 0.1
    elif score.higher_is_better is False:
        assert score.high > read.by_luck(together)
    else:
        assert score.low < read.by_luck(together)
    assert won["together"] < won["alone"] / 3


@pytest.mark.parametrize("name", sorted(READ.keys() - {"ranking"}))
def test_images_to_fit_on_that_belong_to_scored_ones_are_refused(name):
    features = copies(40).grouped_by("object")
    half = np.arange(len(features)) % 2 == 0
    with pytest.raises(ValueError, match="share their 'object' with images that are scored"):
        READ[name].ask(features.rows(half), fit=features.rows(~half))


def test_a_draw_of_few_labels_holds_one_image_of_each_object_and_a_class_of_few_objects_is_named():
    features = copies(16).grouped_by("object")  # four objects a class, half of them fitted on
    result = sslviz.low_label(features, shots=(1, 2, 5), draws=2)
    assert [*result.shots] == [1, 2] and list(result.left_out) == ["at 5 labels a class, as a has 2 to draw from"]
    assert result.scores()["all labels"].low is None  # 20 scored images a class, which are two objects
    with pytest.raises(ValueError, match="'a' of 'label' has 2 images that do not belong together to label"):
        sslviz.low_label(features, shots=(5,), draws=2)


def test_crossed_intervals_of_whole_units_hold_what_they_promise():
    """Copies are read alike: of 200 worlds the truth lies in about 95 of 100 intervals of units, in far fewer of images."""
    inside, truth = {"units": 0, "images": 0}, _truth(0.7)
    for seed in range(200):
        rng = np.random.default_rng(seed)
        units = np.repeat(np.arange(60), rng.integers(2, 15, 60))
        classes, chance = (np.arange(60) % 2)[units], 0.7 + rng.normal(scale=0.02, size=(1, 8, 1))
        right = (rng.random((1, 8, 60)) * 0.3 + rng.random(60) * 0.7)[..., units] < chance
        for name, given in (("units", units), ("images", None)):
            means = bootstrap_crossed_means(right, classes, resamples=300, seed=seed, units=given)[:, 0]
            low, high = crossed_interval(means, right[0].mean(axis=1))
            inside[name] += low <= truth <= high
    assert 0.90 * 200 <= inside["units"] <= 0.99 * 200
    assert inside["images"] < 0.75 * 200


def _truth(at):
    """The probability that 0.3 u + 0.7 v < at + 0.02 z, by many draws."""
    rng = np.random.default_rng(123)
    n = 1_000_000
    return (0.3 * rng.random(n) + 0.7 * rng.random(n) < at + 0.02 * rng.normal(size=n)).mean()


def test_a_query_never_finds_what_belongs_together_with_it():
    """As if the gallery of each query had no image of its unit; chance is that of the same gallery."""
    features = copies(12).grouped_by("object")
    result = sslviz.ranking(features, at=(1, 3))
    for i in (0, 7, 50):
        others = features.column("object") != features.column("object")[i]
        alone = sslviz.ranking(
            features.rows(np.arange(len(features)) == i), gallery=features.rows(others).grouped_by(""), at=(1, 3)
        )
        for name, values in result.values.items():
            assert values[i] == pytest.approx(alone.values[name][0])
            assert result.chance[name][i] == pytest.approx(alone.chance[name][0])
    assert result.scores()["map"].low is None  # three objects a class
    whole = sslviz.ranking(features, gallery=features, at=(1, 3))
    np.testing.assert_allclose(whole.values["map"], result.values["map"])


def test_a_head_on_labels_that_its_objects_earn_is_found_calibrated_although_copies_repeat_each_error():
    """Labels of objects drawn from the very probabilities of a head: its ECE is no larger than luck, 95 times of 100."""
    found = {"object": 0, "": 0}
    for seed in range(30):
        rng = np.random.default_rng(seed)
        of = np.concatenate([np.arange(1000), np.repeat(np.arange(1000, 1150), 5)])  # enough for a head that is right
        x = rng.normal(size=(1150, 2))
        label = (rng.random(1150) < 1 / (1 + np.exp(-2 * x[:, 0])))[of]
        features = Features.from_array(x[of], table={"label": label.astype(int), "object": of}, group="object")
        for group in found:
            both = features.grouped_by(group)
            result = sslviz.calibration(both.rows(of >= 1000), fit=both.rows(of < 1000), seed=seed)
            found[group] += result.found
    assert found["object"] <= 5 and found[""] >= 10


def test_novelty_counts_units_and_refuses_those_of_known_images():
    known, queries, novel = (copies(40, seed=i, start=100 * i).grouped_by("object") for i in range(3))
    result = sslviz.novelty_of(known, queries, novel)
    assert len(result.units) == len(result.ids) == 800 and result.units.max() == 79
    assert 0.3 < result.scores()["auroc"].low < 0.5 < result.scores()["auroc"].high < 0.7
    width = np.ptp([result.scores()["auroc"].low, result.scores()["auroc"].high])
    alone = sslviz.novelty_of(*(one.grouped_by("") for one in (known, queries, novel))).scores()["auroc"]
    assert width > 2 * (alone.high - alone.low)
    with pytest.raises(ValueError, match="400 of 400 images fitted on share their 'object'"):
        sslviz.novelty_of(known, queries, known)


def test_one_of_each_object_can_be_chosen_to_be_labelled():
    features = copies(40).grouped_by("object")
    result = sslviz.label_choice(features, budget=12)
    rows = [list(features.ids).index(one) for one in result.chosen_ids]
    assert len(set(features.column("object")[rows])) == 12
    assert list(result.left_out.values()) == [180]  # 20 objects to choose from, of ten copies


def two_places():
    """Features of 80 objects here and of 80 others there, which differ by a shift; ten copies of each."""
    here, there = copies(80, seed=1), copies(80, seed=2, start=500)
    return here, dataclasses.replace(there, x=there.x + 0.3)


@pytest.mark.parametrize("group", ["", "object"])
def test_another_domain_is_read_by_heads_that_met_none_of_its_objects(group):
    here, there = two_places()
    result = sslviz.shift(here.grouped_by(group), there)
    source, ceiling = (result.levels()[name] for name in ("source", "ceiling"))
    if group:
        assert source.low < 0.25 and ceiling.low < 0.25
        assert len(result.units) == len(result.ids) and len(result.source_units) == len(result.source_truth)
        assert len(result.domain) <= 40 + 80 + 8  # one of each object takes part in the distances
    else:
        assert min(source.low, ceiling.low) > 0.6 and result.units is None
    won = sslviz.adaptation(here.grouped_by(group), there).scores()["target_trained"]
    assert (won.low > 0.3) if not group else (won.low < 0)


def test_two_samples_of_one_place_in_many_copies_are_no_two_domains():
    """MMD's p is about uniform where copies count once; shuffled one by one, copies find a domain nearly every time."""
    found = {"object": 0, "": 0}
    for seed in range(15):
        here, there = copies(32, seed=seed), copies(32, seed=1000 + seed, start=500)
        for group in found:
            found[group] += sslviz.shift(here.grouped_by(group), there).p < 0.05
    assert found["object"] <= 4 and found[""] >= 9


def test_images_of_the_target_that_belong_to_images_fitted_on_are_not_scored():
    here, there = two_places()
    objects = np.where(there.column("object") < 510, there.column("object") - 500, there.column("object"))
    there = dataclasses.replace(there, table=there.table.assign(object=objects))
    left_out = sslviz.shift(here.grouped_by("object"), there).left_out
    (why,) = left_out
    assert why == "of the target, their object is fitted on in the source" and left_out[why] % COPIES == 0
    assert (
        sslviz.shift(here.grouped_by("object"), dataclasses.replace(there, table=there.table[["label"]])).units is None
    )
