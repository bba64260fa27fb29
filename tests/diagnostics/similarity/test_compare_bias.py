"""Differences of bias results: their intervals hold the true one, and readouts fitted on different images say so; 8 s."""

from dataclasses import replace

import numpy as np
import pytest

import sslviz
from sslviz import Features
from sslviz.diagnostics.bias import retrieval as retrieval_module
from sslviz.diagnostics.bias.groups_result import Groups
from sslviz.diagnostics.bias.slices import slices
from sslviz.diagnostics.similarity.compare import compare

TWO = np.array([0, 1])


def groups_of(correct, group):
    """Four groups of two classes and two values, of which it is known whom the readout reads rightly."""
    truth = group // 2
    return Groups(
        label="shape",
        attribute="color",
        classes=TWO.astype(str),
        values=TWO.astype(str),
        ids=np.arange(len(group)).astype(str),
        truth=truth,
        cue=group % 2,
        predicted=np.where(correct, truth, 1 - truth),
        group=group,
        group_class=np.array([0, 0, 1, 1]),
        group_value=np.array([0, 1, 0, 1]),
        control_correct={},
        null_worst=np.zeros(10),
        null_disparity=np.zeros(10),
        seed=0,
    )


@pytest.mark.parametrize(
    ("a", "b"),
    [((0.9, 0.9, 0.9, 0.7), (0.9, 0.9, 0.9, 0.85)), ((0.8,) * 4, (0.8,) * 4), ((0.9, 0.6) * 2, (0.6, 0.9) * 2)],
)
def test_intervals_of_worst_group_and_disparity_hold_the_true_difference(a, b):
    """Two readouts that err on the same images more often than by luck; the truth is the mean over all samples."""
    rng, group = np.random.default_rng(0), np.repeat(np.arange(4), 60)
    found = {"worst_group": [], "disparity": []}
    for _ in range(100):
        ease = rng.random(240)
        other = np.where(rng.random(240) < 0.7, ease, rng.random(240))
        both = (groups_of(level < np.array(shares)[group], group) for level, shares in ((ease, a), (other, b)))
        result = compare(*both)
        for name, ends in found.items():
            ends.append((result.second[name] - result.first[name], result.low[name], result.high[name]))
    for name, ends in found.items():
        values, low, high = np.array(ends).T
        held = ((low <= values.mean()) & (values.mean() <= high)).mean()
        assert 0.88 <= held, f"{name}: held in {held}"
        assert np.mean(high - low) < 1.9 * 3.92 * values.std()  # and no wider than it has to be


def test_a_group_too_small_for_an_interval_has_none_of_the_difference():
    group = np.r_[np.repeat(np.arange(3), 60), [3] * 8]
    one = groups_of(np.ones(188, bool), group)
    assert compare(one, one).low["worst_group"] is None and one.paired_replicates() == {}


def neighbours(seed, strengths, n=120):
    """Two spaces of the same images, which hold an attribute so strongly."""
    rng = np.random.default_rng(seed)
    label, attribute = rng.integers(2, size=(2, n))
    common = 3 * np.eye(2, 6)[label] + rng.normal(size=(n, 6))
    for strength in strengths:
        x = common + 0.5 * rng.normal(size=(n, 6)) + strength * np.eye(2, 6)[attribute][:, ::-1]
        yield Features.from_array(x, table={"label": label, "attribute": attribute})


def test_the_interval_of_retrieval_holds_the_true_difference(monkeypatch):
    monkeypatch.setattr(retrieval_module, "DRAWS", 5)
    found = []
    for seed in range(60):
        score = compare(*(sslviz.retrieval(x, k=8) for x in neighbours(seed, (1.0, 1.5)))).scores()["retrieval"]
        found.append((score.value, score.low, score.high))
    values, low, high = np.array(found).T
    assert values.mean() > 0.05 and 0.88 <= ((low <= values.mean()) & (values.mean() <= high)).mean()
    assert np.mean(high - low) < 2 * 3.92 * values.std()


def test_retrieval_is_paired_only_on_the_same_images():
    one, other = (sslviz.retrieval(x) for x in neighbours(0, (1.0, 1.5)))
    assert compare(one, replace(other, images="")).low["retrieval"] is None  # stored by an older sslviz
    with pytest.raises(ValueError, match="images with other ids"):
        compare(one, replace(other, images="others"))
    with pytest.raises(ValueError, match="attribute is 'attribute' and 'hair'; ask about the same attribute"):
        compare(one, replace(other, attribute="hair"))


@pytest.fixture(scope="module")
def probes():
    """Three readouts scored on the same images: fitted on some, on others of the same ids, on a part of them."""
    rng, label = np.random.default_rng(0), np.arange(120) % 2
    x = 3 * np.eye(2, 4)[label] + rng.normal(size=(120, 4))

    def made(rows, name, images):
        features = Features.from_array(x[rows], table={"label": label[rows]}, ids=[f"{name}{row}" for row in rows])
        return Features(features.x, features.ids, features.table, {"run": "mine", "images": images})

    first, last = np.arange(60), np.arange(60, 120)
    fits = {"a": made(last, "f", "fit"), "b": made(last, "f", "other pixels"), "c": made(last[:50], "f", "fit")}
    return {name: sslviz.linear_probe(made(first, "s", "scored"), fit=fit) for name, fit in fits.items()}


class TestDifferentImages:
    """Readouts compare only where both were fitted on the same images."""

    @pytest.mark.parametrize("other", ["b", "c"])
    def test_it_is_said_by_compare_and_beside_every_figure(self, probes, other):
        result = compare(probes["a"], probes[other])
        assert "fitted on different images" in result.caution and result.caution in result.sentence("accuracy")
        assert "fitted on different images" in sslviz.draw(result).layout.meta["caption"]
        both = sslviz.draw({"a": probes["a"], "mine": probes[other]})
        assert both.layout.meta["caption"].startswith("a, mine were fitted on different images")

    def test_nothing_is_said_of_the_same_images_and_of_what_is_not_known(self, probes):
        for other in (probes["a"], replace(probes["b"], fitted_on="")):
            assert compare(probes["a"], other).caution == ""
            assert "different images" not in sslviz.draw({"a": probes["a"], "b": other}).layout.meta["caption"]

    def test_other_pixels_under_the_same_names_are_refused(self, probes):
        _, ids = probes["a"].scored_on.split(":")
        with pytest.raises(ValueError, match="scored on different images, though some are called the same"):
            compare(probes["a"], replace(probes["a"], scored_on=f"others:{ids}"))
        assert compare(probes["a"], replace(probes["a"], scored_on=f":{ids}")).caution == ""


def test_slices_of_the_same_images_are_compared():
    random, label = np.random.default_rng(0), np.arange(400) % 3
    x = random.normal(size=(400, 8)) + 2 * np.eye(3, 8)[label]
    ours, theirs = (
        slices(Features.from_array(x + noise, table={"label": label})) for noise in (0, random.normal(size=x.shape))
    )
    difference = compare(ours, theirs).scores()["worst_slice"]
    assert difference.value == theirs.scores()["worst_slice"].value - ours.scores()["worst_slice"].value
