"""Alignment: closed forms, all pairs by brute force, and views that have nothing in common."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from sslviz.diagnostics.geometry.alignment import Alignment, alignment
from sslviz.features import Features
from sslviz.runs import load_result, save_result


def of(x, y, **keywords) -> Alignment:
    return alignment(Features.from_array(x), Features.from_array(y), **keywords)


def test_the_same_direction_is_0_the_opposite_4_and_independent_ones_2():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 64))
    assert of(x, 5 * x).scores()["alignment"].value == pytest.approx(0, abs=1e-9)
    assert of(x, -x).scores()["alignment"].value == pytest.approx(4, abs=1e-5)
    score = of(x, rng.normal(size=(3000, 64))).scores()["alignment"]
    assert score.value == pytest.approx(2, abs=0.02) and score.control == pytest.approx(2, abs=0.001)


def test_a_known_angle_has_the_distance_of_its_cosine():
    angle = np.linspace(0, np.pi, 30)
    x = np.tile([1.0, 0.0], (30, 1))
    y = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    np.testing.assert_allclose(of(x, y).distances, 2 - 2 * np.cos(angle), atol=1e-6)


def test_the_control_is_the_mean_over_all_pairs_of_different_images():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 6)) + 0.5, rng.normal(size=(40, 6)) + 0.5
    unit = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in (x, y)]
    pairs = cdist(*unit, "sqeuclidean")
    result = of(x, y)
    assert result.unrelated_mean == pytest.approx(pairs[~np.eye(40, dtype=bool)].mean(), rel=1e-5)
    np.testing.assert_allclose(result.distances, pairs.diagonal(), rtol=1e-5)
    others = [np.delete(row, i) for i, row in enumerate(pairs)]  # never a pair of an image with itself
    assert all(np.isclose(others[i], value, rtol=1e-4).any() for i, value in enumerate(result.unrelated))


def test_rows_are_matched_by_their_ids_and_rotation_and_length_do_not_matter():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 8))
    y = x + 0.3 * rng.normal(size=(50, 8))
    order = rng.permutation(50)
    ids = np.arange(50).astype(str)
    a, b = Features.from_array(x, ids=ids), Features.from_array(y[order], ids=ids[order])
    turn = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    lengths = rng.uniform(1, 9, size=(50, 1))
    for result in (alignment(a, b), of(lengths * x @ turn, y @ turn)):
        np.testing.assert_allclose(result.distances, of(x, y).distances, atol=1e-5)
        assert result.unrelated_mean == pytest.approx(of(x, y).unrelated_mean, rel=1e-5)
    assert (alignment(a, b).ids == ids).all() and alignment(a, b).per_image()["alignment"].shape == (50,)


def test_views_with_nothing_in_common_seldom_beat_unrelated_images():
    alarms = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        alarms += bool(
            of(rng.normal(size=(80, 16)) + 0.3, rng.normal(size=(80, 16)) + 0.3).scores()["alignment"].beats_control
        )
    print(f"alignment: {alarms} of 200 false alarms")
    assert alarms <= 20
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 16))
    assert of(x, x + rng.normal(size=(80, 16))).scores()["alignment"].beats_control


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_constant_features_are_aligned_no_better_than_unrelated_images(value):
    score = of(np.full((30, 4), value), np.full((30, 4), value)).scores()["alignment"]
    assert score.value == pytest.approx(0, abs=1e-12) and score.control == pytest.approx(0, abs=1e-12)
    assert score.low <= score.value <= score.high


def test_other_images_one_image_and_other_widths_are_refused_in_a_sentence():
    x = Features.from_array(np.eye(6))
    with pytest.raises(ValueError, match="same images, at least two.*6 and 5 rows, of which 5 share"):
        alignment(x, x.rows(np.arange(5)))
    with pytest.raises(ValueError, match="at least two.*got 1 and 1"):
        of(np.ones((1, 3)), np.ones((1, 3)))
    with pytest.raises(ValueError, match="6 and 3 dimensions"):
        of(np.eye(6), np.ones((6, 3)))


def test_it_is_stored_and_read_back_whole(tmp_path):
    rng = np.random.default_rng(0)
    result = of(rng.normal(size=(30, 4)), rng.normal(size=(30, 4)), seed=3)
    save_result(tmp_path / "r.npz", result)
    assert load_result(tmp_path / "r.npz", Alignment).scores() == result.scores()
