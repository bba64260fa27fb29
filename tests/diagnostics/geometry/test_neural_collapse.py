"""Tightness of classes: closed forms, numpy's pseudo-inverse, and classes drawn at random."""

import numpy as np
import pytest

from sslviz.diagnostics.geometry.neural_collapse import NeuralCollapse, neural_collapse
from sslviz.features import Features
from sslviz.runs import load_result, save_result


def of(x, label, **keywords) -> NeuralCollapse:
    return neural_collapse(Features.from_array(x, table={"label": label}), **keywords)


def values(result):
    return {name: score.value for name, score in result.scores().items()}


def planted(rng, classes=10, d=32, each=400, s=1.0):
    """Classes with means at right angles and of length one, and noise of variance s^2 / d in each direction."""
    label = np.repeat(np.arange(classes), each)
    return np.eye(classes, d)[label] + s / np.sqrt(d) * rng.normal(size=(len(label), d)), label


def textbook(x, label):
    """Both scores from the definitions, with whole covariances and numpy's pseudo-inverse."""
    groups = [x[label == c] for c in np.unique(label)]
    means = np.stack([g.mean(axis=0) for g in groups])
    within = np.mean([np.cov(g.T, bias=True) for g in groups], axis=0)
    nc1 = np.trace(within @ np.linalg.pinv(np.cov(means.T, bias=True), rcond=1e-10)) / len(groups)
    v = [g.var(axis=0).sum() for g in groups]
    pairs = [(i, j) for i in range(len(groups)) for j in range(i)]
    cdnv = np.mean([(v[i] + v[j]) / (2 * ((means[i] - means[j]) ** 2).sum()) for i, j in pairs])
    return {"nc1": nc1, "cdnv": cdnv}


class TestClosedForms:
    def test_orthonormal_means_and_noise(self):
        x, label = planted(np.random.default_rng(0))
        read = values(of(x, label))
        assert read["nc1"] == pytest.approx(9 / 32, rel=0.02)  # s^2 (C - 1) / d = 0.28125
        assert read["cdnv"] == pytest.approx(0.5, rel=0.02)  # s^2 / 2

    def test_classes_that_are_points_read_0(self):
        x, label = planted(np.random.default_rng(0), each=5, s=0)
        assert values(of(x, label)) == pytest.approx({"nc1": 0, "cdnv": 0}, abs=1e-10)


class TestBesideTheTextbook:
    @pytest.mark.parametrize(("classes", "d"), [(2, 8), (5, 8), (12, 6)])
    def test_both_scores(self, classes, d):
        rng = np.random.default_rng(0)
        label = rng.integers(0, classes, 400)
        x = (rng.normal(size=(classes, d))[label] + rng.normal(size=(400, d)) + 7).astype(np.float32)
        assert values(of(x, label)) == pytest.approx(textbook(x.astype(float), label), rel=1e-6)

    def test_each_class_and_what_is_left_without_some_images(self):
        from sslviz.statistics import delete_groups

        x, label = planted(np.random.default_rng(0), classes=3, d=6, each=40)
        x = x.astype(np.float32).astype(float)
        result, group = of(x, label), delete_groups(120, 10, 0)
        assert result.by_class.mean() == pytest.approx(values(result)["cdnv"])
        pair = textbook(x[label < 2], label[label < 2])["cdnv"] + textbook(x[label != 1], label[label != 1])["cdnv"]
        assert result.by_class[0] == pytest.approx(pair / 2, rel=1e-6)
        for name in ("nc1", "cdnv"):
            rests = [textbook(x[group != g], label[group != g])[name] for g in range(10)]
            np.testing.assert_allclose(result.replicates[name], rests, rtol=1e-6)


def test_rotation_scale_place_names_and_sizes_of_classes_do_not_matter():
    rng = np.random.default_rng(0)
    x, label = planted(rng, each=20)
    turned = 9 * x @ np.linalg.qr(rng.normal(size=(32, 32)))[0] + 3
    again = np.r_[np.arange(200), np.arange(20)]  # every image of class 0 twice
    for here, names in ((turned, [f"class {c}" for c in label]), (x[again], label[again])):
        assert values(of(here, names)) == pytest.approx(values(of(x, label)), rel=1e-4)


def test_classes_drawn_at_random_seldom_beat_shuffled_ones():
    alarms = {"nc1": 0, "cdnv": 0}
    for seed in range(100):
        rng = np.random.default_rng(seed)
        scores = of(rng.normal(size=(150, 10)), rng.integers(0, 4, 150), seed=seed).scores()
        for name in alarms:
            alarms[name] += bool(scores[name].beats_control)
    print(f"neural collapse, false alarms of 100: {alarms}")
    assert max(alarms.values()) <= 10
    real = of(*planted(np.random.default_rng(0), classes=4, each=40)).scores()
    assert all(score.beats_control for score in real.values())


class TestBadInput:
    def test_constant_features_a_single_class_and_single_images_are_refused(self):
        with pytest.raises(ValueError, match="exactly the same mean.*constant"):
            of(np.ones((20, 3)), np.arange(20) % 2)
        with pytest.raises(ValueError, match="two classes of 'label'.*got 1"):
            of(np.eye(4), list("aaaa"))
        with pytest.raises(ValueError, match=r"the smallest \('b'\) with 1"):
            of(np.eye(4), list("aaab"))
        with pytest.raises(ValueError, match="no column 'colour'.*label"):
            neural_collapse(Features.from_array(np.eye(4), table={"label": list("aabb")}), "colour")
        with pytest.raises(ValueError, match="no value for 1 of 4"):
            of(np.eye(4), ["a", "a", "b", None])

    def test_few_rows_have_no_interval_and_small_classes_do(self):
        rng = np.random.default_rng(0)
        assert of(rng.normal(size=(19, 4)), np.arange(19) % 3).scores()["nc1"].low is None
        small = of(rng.normal(size=(22, 4)), np.arange(22) // 2).scores()["nc1"]
        assert np.isfinite(small.value)


def test_it_is_stored_and_read_back_whole(tmp_path):
    result = of(*planted(np.random.default_rng(0), each=10))
    save_result(tmp_path / "r.npz", result)
    back = load_result(tmp_path / "r.npz", NeuralCollapse)
    assert back.scores() == result.scores() and list(back.classes) == list(result.classes)
