"""Shift: planted drops and ceilings, what is left out, and how often nothing is taken for a shift."""

import numpy as np
import pytest
from scipy.stats import norm

from sslviz.features import Features
from sslviz.runs import load_result, save_result
from sslviz.transfer.shift import HALVES, TRAINED_THERE, Shift, shift
from sslviz.transfer.shift_measures import Apart, apart
from sslviz.transfer.two_domains import two_domains

D = 8


def domain(n, seed, *, by=0.0, apart=3.0, classes=2, labels=None, at_random=False):
    """n rows around one center a class, the first column moved by `by`."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, classes, n) if at_random else np.arange(n) % classes
    x = rng.normal(size=(n, D)) + apart * np.eye(classes, D)[label]
    x[:, 0] += by
    table = {"label": label if labels is None else np.array(labels, dtype=object)[label]}
    return Features.from_array(x, table=table, ids=[f"{seed}-{i}" for i in range(n)])


def test_drop_ceiling_and_distance_are_those_of_two_moved_normals():
    """Two classes D apart read at Phi(D / 2); the target moved by its half along that line reads (Phi(D) + 1/2) / 2."""
    apart = 2.0
    centers = apart / np.sqrt(2)  # of e0 and e1, so that classes lie `apart` from each other

    def at(n, seed, move):
        base = domain(n, seed, apart=centers)
        x = base.x + move * (np.eye(D)[0] - np.eye(D)[1]) / np.sqrt(2)
        return Features.from_array(x, table=base.table, ids=base.ids)

    result = shift(at(8000, 0, 0.0), at(8000, 1, apart / 2))
    assert result.source_accuracy == pytest.approx(norm.cdf(1), abs=0.015)
    assert result.accuracy == pytest.approx((norm.cdf(2) + norm.cdf(0)) / 2, abs=0.015)
    assert result.ceiling == pytest.approx(norm.cdf(1), abs=0.015)
    scores = result.scores()
    expected = norm.cdf(1) - (norm.cdf(2) + 0.5) / 2
    assert scores["drop"].low < expected < scores["drop"].high
    assert scores["recoverable"].low < expected < scores["recoverable"].high
    assert abs(scores["drop"].controls[TRAINED_THERE]) < 0.02 and abs(scores["drop"].controls[HALVES]) < 0.03
    # The difference of means is all the Frechet distance there is: 1, in units of D columns and the classes' own spread.
    variance = D + 2 * centers**2 / 4
    assert scores["frechet"].value == pytest.approx((apart / 2) ** 2 / variance, abs=0.02)
    assert result.p == pytest.approx(1 / 201)


def test_a_drop_between_samples_of_one_domain_is_seldom_told(monkeypatch):
    """100 seeds: the interval lies above 0 or below it in 1 to 10 of them (5 % are due).  Distances are counted apart."""
    nothing = Apart(np.arange(40) % 2, np.ones(40, bool), 0.0, np.zeros(1), 0.0)
    monkeypatch.setattr("sslviz.transfer.shift.apart", lambda *_: nothing)
    monkeypatch.setattr("sslviz.transfer.shift.of_halves", lambda *_: {})
    one = {"apart": 2.0, "at_random": True}
    drops = [shift(domain(160, 2 * s, **one), domain(160, 2 * s + 1, **one)).scores()["drop"] for s in range(100)]
    above, below = sum(drop.low > 0 for drop in drops), sum(drop.high < 0 for drop in drops)
    assert 1 <= above + below <= 10 and above <= 8


def distances(source, target):
    two = two_domains(source, target, "label", None, 0)
    return apart(two, two.space, 0)


def drawn(seed, share=0.5, shared=0.0):
    """Of 160 rows a `share` is of the second class; `shared` (160, D) is what they have in common with others."""
    rng = np.random.default_rng(seed)
    label = (np.random.default_rng(0 if np.ndim(shared) else 1000 + seed).random(160) < share).astype(int)
    x = rng.normal(size=(160, D)) + 3 * np.eye(2, D)[label] + shared
    ids = [f"{0 if np.ndim(shared) else seed}-{i}" for i in range(160)]
    return Features.from_array(x, table={"label": label}, ids=ids)


def twins(seed):
    """The same table and ids, drawn again with fresh noise."""
    shared = 3 * np.random.default_rng(10_000 + seed).normal(size=(160, D))
    return drawn(2 * seed, shared=shared), drawn(2 * seed + 1, shared=shared)


@pytest.mark.parametrize(
    ("make", "alike"),
    [
        (lambda seed: (drawn(2 * seed), drawn(2 * seed + 1)), True),
        (twins, True),
        (lambda seed: (drawn(2 * seed), drawn(2 * seed + 1, share=0.8)), False),
    ],
    ids=["another sample", "twins of the same pictures", "other shares of the classes"],
)
def test_p_of_what_differs_in_no_class_is_small_in_1_to_10_of_100_seeds(make, alike):
    found = [distances(*make(seed)).values() for seed in range(100)]
    assert 1 <= sum(one["mmd_p"] <= 0.05 for one in found) <= 10
    for name in ("proxy_a", "mmd", "frechet"):  # which see other shares of the classes, too
        values = np.array([one[name] for one in found])
        assert (abs(values.mean()) < 4 * values.std() / 10) == alike, name


def test_no_twin_of_a_picture_that_was_fitted_on_is_scored():
    source = domain(200, 0)
    target = Features.from_array(source.x + 1, table=source.table, ids=source.ids)
    result = shift(source, target)
    fitted = set(source.ids) - set(result.ids)
    assert len(result.ids) == 100 and result.n_fit == 100 and len(fitted) == 100


def test_controls_are_read_where_there_are_features_of_both_domains():
    source, target = domain(400, 0), domain(400, 1, by=3.0)
    blind = [
        Features.from_array(np.random.default_rng(s).normal(size=(400, 4)), table=f.table, ids=f.ids)
        for s, f in enumerate((source, target))
    ]
    result = shift(
        source, target, control_features={"pixels": blind[0], "lost": blind[0]}, target_controls={"pixels": blind[1]}
    )
    assert set(result.control_values) == {HALVES, "pixels"}
    scores = result.scores()
    assert scores["accuracy"].controls["pixels"] == pytest.approx(0.5, abs=0.1) and scores["accuracy"].beats_control
    assert abs(scores["proxy_a"].controls["pixels"]) < 0.4 < scores["proxy_a"].low
    assert scores["mmd_p"].controls["pixels"] > 0.05 > scores["mmd_p"].value


def test_a_class_that_one_domain_lacks_is_left_out_and_said():
    source = domain(300, 0, classes=3, labels=["a", "b", "c"])
    target = domain(300, 1, classes=3, labels=["a", "b", "new"])
    result = shift(source, target)
    assert list(result.classes) == ["a", "b"] and len(result.ids) == 100
    assert result.left_out == {"label 'c': not in the target": 100, "label 'new': not in the source": 100}
    fit = domain(300, 2, classes=3, labels=["a", "b", None])
    fewer = shift(source, target, fit=fit)
    assert fewer.left_out["no value of label in the images fitted on"] == 100


def test_numbers_and_text_that_are_written_the_same_are_one_class():
    source, target = domain(200, 0), domain(200, 1)
    text = Features.from_array(target.x, table={"label": target.table["label"].astype(str)}, ids=target.ids)
    assert shift(source, text).scores() == shift(source, target).scores()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": domain(40, 1, labels=["x", "y"])}, "two classes of 'label' in common.*the target has 'x', 'y'"),
        (
            {"target": Features.from_array(np.zeros((4, 3)), table={"label": [0, 1] * 2})},
            "8 dimensions and the target's",
        ),
        ({"target": Features.from_array(np.zeros((4, D)))}, "no column 'label'"),
        ({"target": domain(40, 0), "fit": domain(40, 0)}, "20 of the 20 images of the target are also fitted on"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(change, message):
    given = {"target": domain(40, 1), "fit": None} | change
    with pytest.raises(ValueError, match=message) as error:
        shift(domain(40, 3), **given)
    assert "\n" not in str(error.value)


def test_there_is_no_interval_of_few_images_and_it_is_stored_whole(tmp_path):
    few = shift(domain(30, 0), domain(30, 1))
    assert few.scores()["accuracy"].low is None and shift(domain(80, 0), domain(80, 1)).scores()["accuracy"].low
    save_result(tmp_path / "r.npz", few)
    assert load_result(tmp_path / "r.npz", Shift).scores() == few.scores()


def test_inputs_stay_and_answers_repeat():
    source, target = domain(80, 0), domain(80, 1, by=1.0)
    before = source.x.copy(), target.x.copy()
    assert shift(source, target).scores() == shift(source, target).scores() != shift(source, target, seed=1).scores()
    assert (source.x == before[0]).all() and (target.x == before[1]).all()
