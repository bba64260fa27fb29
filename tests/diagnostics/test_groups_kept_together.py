"""Copies of one object with labels that mean nothing: a readout reads chance where they stay together, and memory where not."""

import dataclasses
from functools import cache

import numpy as np
import pytest

import sslviz
from sslviz.catalog import CATALOG, diagnostics
from sslviz.diagnostics.result import Fitted
from sslviz.evaluation.answers import compute_entry
from sslviz.features import Features
from sslviz.features.evidence import Evidence
from sslviz.statistics import balanced_mean, bootstrap_balanced_mean, group_sizes, percentile_interval

CLASSES, COPIES = 4, 10
READOUTS = {"knn": sslviz.knn_probe, "linear": sslviz.linear_probe, "mlp": sslviz.mlp_probe}
HEEDING = [entry for entry in diagnostics() if "group" in entry.options]


def copies(objects=120, seed=0, noise=0.1):
    """Ten pictures of each object that hardly differ; the label of an object, and its tone, are drawn by lot."""
    rng = np.random.default_rng(seed)
    of = np.repeat(np.arange(objects), COPIES)
    label, tone = rng.permutation(np.arange(objects) % CLASSES), rng.permutation(np.arange(objects) % 2)
    x = rng.normal(size=(objects, 32))[of] + noise * rng.normal(size=(len(of), 32))
    table = {"label": np.array(list("abcd"))[label[of]], "tone": np.array(["light", "dark"])[tone[of]], "object": of}
    order = rng.permutation(len(of))
    return Features.from_array(x, table=table).rows(order)


@pytest.mark.parametrize("name", READOUTS)
def test_a_readout_reads_chance_with_groups_and_memory_without(name):
    alone = READOUTS[name](copies())
    together = READOUTS[name](copies().grouped_by("object"))
    assert alone.scores()["accuracy"].low > 2 / CLASSES
    score = together.scores()["accuracy"]
    assert score.low < 1 / CLASSES < score.high and score.value < 0.5
    assert len(np.unique(together.units)) == pytest.approx(60, abs=4) and together.group_column == "object"


def test_by_luck_copies_kept_together_pass_for_something_as_often_as_they_may():
    """Labels drawn by lot are read by the 95 % interval's promise; copies on both sides would make it every time."""
    lows = [
        sslviz.knn_probe(copies(80, seed=seed).grouped_by("object")).scores()["accuracy"].low for seed in range(100)
    ]
    assert 0 <= sum(low > 1 / CLASSES for low in lows) <= 10


def test_with_images_of_their_own_to_fit_on_those_that_belong_to_scored_ones_are_refused_by_name():
    features = copies().grouped_by("object")
    half = np.arange(len(features)) % 2 == 0
    with pytest.raises(
        ValueError, match=r"600 of 600 images fitted on share their 'object' with images that are scored"
    ):
        sslviz.linear_probe(features.rows(half), fit=features.rows(~half))
    apart = features.column("object") < 60
    probe = sslviz.linear_probe(
        features.rows(apart), fit=features.rows(~apart).grouped_by("")
    )  # their column is asked for
    assert probe.accuracy < 0.5 and probe.n_fit == 600


def test_a_class_whose_images_all_belong_together_is_named():
    table = {"label": ["a"] * 12 + ["b"] * 12, "author": ["x"] * 12 + list("uvw") * 4}
    features = Features.from_array(np.random.default_rng(0).normal(size=(24, 3)), table=table, group="author")
    with pytest.raises(ValueError, match="share their 'author' stay together, so that label 'a' cannot be both"):
        sslviz.knn_probe(features, k=3)
    with pytest.raises(ValueError, match="no such column; there are: label, author"):
        features.grouped_by("painter")


@cache
def evidence(objects):
    """What diagnostics look at: a few copies of each object, and the controls of the same images."""
    features = copies(objects, noise=0.3)
    noise = dataclasses.replace(features, x=np.random.default_rng(1).normal(size=features.x.shape))
    kinds = [("", 0), ("fog", 1), ("fog", 2)]
    some = features.ids[:40]
    spoilt = Features.from_array(
        np.concatenate([(1 - 0.3 * s) * features.x[:40] for _, s in kinds]),
        table={
            "object": np.tile(some, 3),
            "changed": np.repeat([f"{kind} {s}" if kind else "" for kind, s in kinds], 40),
            "corruption": np.repeat([kind for kind, _ in kinds], 40),
            "severity": np.repeat([s for _, s in kinds], 40),
        },
    )
    elsewhere = copies(80, seed=3, noise=0.3)
    other_objects = elsewhere.table.assign(object=1000 + elsewhere.table["object"])
    elsewhere = dataclasses.replace(elsewhere, table=other_objects, ids=np.char.add("t", elsewhere.ids))
    shown = {
        "images": {"trained": features, "untrained": noise},
        "corrupted": {"trained": spoilt, "untrained": spoilt},
        "target": {"trained": elsewhere},
    }
    return Evidence(shown).grouped_by("object")


def ask(entry, evidence):
    columns = {"label": ("label",), "attribute": ("tone",), "columns": ("label", "tone")}[entry.scope]
    return compute_entry(entry, evidence, columns)


@pytest.mark.parametrize("entry", HEEDING, ids=lambda e: e.name)
def test_every_answer_says_what_was_kept_together_and_finds_nothing_where_nothing_is(entry):
    result = ask(entry, evidence(160))
    assert result.group_column == "object"
    if isinstance(result, Fitted):
        assert len(result.units) == len(result.ids if hasattr(result, "ids") else result.units)
    # A head on labels drawn by lot is surer than it is right, of objects that it never met too: that is truly found.
    if hasattr(result, "found") and entry.name != "calibration":
        assert not result.found
    assert ask(entry, evidence(60).grouped_by("")).group_column == ""


def test_every_entry_that_splits_heeds_groups():
    """What takes images to fit on, or returns a result that knows them, splits: a new one has to take part."""
    unheeding = [e.name for e in CATALOG if e.scope in ("label", "columns", "attribute") and "fit" in e.options]
    assert set(unheeding) <= {entry.name for entry in HEEDING}


def test_intervals_of_whole_groups_hold_what_they_promise():
    """The truth lies in 95 % intervals of whole groups about 95 times of 100, in those of single images far less often."""
    inside = {"units": 0, "images": 0}
    for seed in range(200):
        rng = np.random.default_rng(seed)
        units = np.repeat(np.arange(60), rng.integers(2, 15, 60))
        classes = (np.arange(60) % 2)[units]
        right = rng.random(60)[units] < 0.7  # the copies of an object are all read alike
        for name, given in (("units", units), ("images", None)):
            low, high = percentile_interval(bootstrap_balanced_mean(right, classes, draws=300, seed=seed, units=given))
            inside[name] += low <= 0.7 <= high
    assert 0.90 * 200 <= inside["units"] <= 0.99 * 200
    assert inside["images"] < 0.7 * 200


def test_units_of_several_classes_are_drawn_whole():
    """Authors who differ in how well they are read, each with pictures of both classes: the mean keeps their luck."""
    inside = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        authors = np.repeat(np.arange(40), 20)
        skill = rng.choice([0.5, 0.9], 40)[authors]
        right, classes = rng.random(800) < skill, np.tile([0, 1], 400)
        low, high = percentile_interval(bootstrap_balanced_mean(right, classes, draws=300, seed=seed, units=authors))
        inside += low <= 0.7 <= high
    assert 88 <= inside <= 100


def test_units_of_one_image_each_are_drawn_as_images_are():
    rng = np.random.default_rng(0)
    values, classes = rng.random(300), rng.integers(0, 3, 300)
    widths = [
        np.ptp(percentile_interval(bootstrap_balanced_mean(values, classes, seed=1, units=units)))
        for units in (None, np.arange(300))
    ]
    assert widths[0] == pytest.approx(widths[1], rel=0.1)
    draws = bootstrap_balanced_mean(values, classes, seed=1, units=np.arange(300))
    assert draws.mean() == pytest.approx(balanced_mean(values, classes), abs=0.01)
    np.testing.assert_array_equal(group_sizes(classes, np.arange(300)), np.bincount(classes))


def test_two_results_are_paired_by_whole_groups():
    """One and the same difference over all copies of an object is one difference, not ten."""
    features = copies(noise=0.0).grouped_by("object")
    other = dataclasses.replace(features, x=features.x * np.linspace(0, 2, 32))
    a, b = (sslviz.knn_probe(one) for one in (features, other))
    together = sslviz.compare(a, b).scores()["accuracy"]
    alone = sslviz.compare(*(dataclasses.replace(one, units=None) for one in (a, b))).scores()["accuracy"]
    assert together.high - together.low > 2 * (alone.high - alone.low)
    with pytest.raises(ValueError, match="group_column is 'object' and ''"):
        sslviz.compare(a, dataclasses.replace(a, group_column=""))
