"""Average precision: numbers by hand, pycocotools' on random boxes, and what no order of boxes may change."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from sslviz.transfer.dense.average_precision import (
    MOST_BOXES,
    Matches,
    Placed,
    average_precisions,
    in_order,
    matches,
    precision_draws,
    without_truth,
)

FIXTURE = Path(__file__).parents[2] / "fixtures" / "detection_ap.npz"


def placed(rows):
    """(picture, class, x0, y0, x1, y1[, score]) a row."""
    rows = np.asarray(rows, float).reshape(len(rows), -1) if len(rows) else np.zeros((0, 7))
    score = rows[:, 6] if rows.shape[1] > 6 else np.ones(len(rows))
    return Placed(rows[:, 0].astype(int), rows[:, 1].astype(int), rows[:, 2:6], score)


def precisions(found, truth, pictures=1, classes=1):
    return average_precisions(matches(placed(found), placed(truth), pictures, classes))


OTHER, AWAY = (20, 0, 30, 10), (50, 50, 60, 60)
TWO = [(0, 0, 0, 0, 10, 10), (0, 0, *OTHER)]


def test_right_wrong_right_is_what_a_hand_counts():
    """Precision 1 at the 51 recalls 0 ... 0.5, and 2/3 at the other 50."""
    found = [(0, 0, 0, 0, 10, 10, 0.9), (0, 0, *AWAY, 0.8), (0, 0, *OTHER, 0.7)]
    np.testing.assert_allclose(precisions(found, TWO), (51 + 50 * 2 / 3) / 101)
    assert precisions(found, TWO)[0, 0] == pytest.approx(0.83498, abs=5e-6)


@pytest.mark.parametrize("case", range(5))
def test_random_boxes_have_the_precision_that_pycocotools_says(case):
    with np.load(FIXTURE) as stored:
        truth, found, shape, expected = (stored[f"{case}_{x}"] for x in ("truth", "found", "shape", "precision"))
    ours = precisions(found, truth, *shape.tolist())
    np.testing.assert_allclose(ours, expected, atol=1e-6)
    assert 0.05 < expected.mean() < 0.95


@pytest.mark.parametrize("seed", range(10))
def test_the_order_of_rows_and_of_pictures_changes_nothing_even_where_scores_are_equal(seed):
    rng = np.random.default_rng(seed)
    with np.load(FIXTURE) as stored:
        truth, found = stored["1_truth"], stored["1_found"].copy()
    found[:, 6] = (found[:, 6] * 3).round()  # four scores for all
    expected = precisions(found, truth, 30, 4)
    names = rng.permutation(30)
    truth, found = truth[rng.permutation(len(truth))], found[rng.permutation(len(found))]
    truth[:, 0], found[:, 0] = names[truth[:, 0].astype(int)], names[found[:, 0].astype(int)]
    np.testing.assert_array_equal(precisions(found, truth, 30, 4), expected)


def test_of_equal_scores_in_two_pictures_the_wrong_one_counts_first():
    truth = [(0, 0, 0, 0, 10, 10), (1, 0, 0, 0, 10, 10)]
    found = [(0, 0, 0, 0, 10, 10, 0.9), (1, 0, 0, 0, 10, 10, 0.5), (0, 0, *AWAY, 0.5)]
    for rows in (found, found[::-1]):
        np.testing.assert_allclose(precisions(rows, truth, 2), (51 + 50 * 2 / 3) / 101)


def test_points_of_recall_are_not_missed_by_rounding():
    """20 true boxes: 7 right, 5 wrong, 13 right.  0.35 is reached by 7 of 20, though 7 / 20 < np.linspace(0, 1, 101)[35]."""
    assert 7 / 20 < np.linspace(0, 1, 101)[35]
    truth = [(i, 0, 0, 0, 10, 10) for i in range(20)]
    kinds = [True] * 7 + [False] * 5 + [True] * 13
    rows, place = [], iter(range(20))
    for rank, right in enumerate(kinds):
        rows.append((next(place), 0, 0, 0, 10, 10, 1 - rank / 50) if right else (0, 0, *AWAY, 1 - rank / 50))
    expected = (36 + 65 * Fraction(20, 25)) / Fraction(101)
    np.testing.assert_allclose(precisions(rows, truth, 20), float(expected))


def test_a_true_box_is_found_once_and_the_surest_takes_the_best_that_is_free():
    twice = [(0, 0, 0, 0, 10, 10, 0.9), (0, 0, 0, 0, 10, 9, 0.8)]
    found = matches(placed(twice), placed(TWO), 1, 1)
    assert found.right.tolist() == [[True] * 10, [False] * 10]
    # The second overlaps more with the box that is taken, and by .6 with the one that is free: right up to .6.
    truth = [(0, 0, 0, 0, 10, 10), (0, 0, 0, 0, 10, 6)]
    found = matches(placed([(0, 0, 0, 0, 10, 10, 0.9), (0, 0, 0, 0, 10, 10, 0.8)]), placed(truth), 1, 1)
    assert found.right[1].tolist() == [True] * 3 + [False] * 7


def test_classes_and_pictures_do_not_meet():
    found = [(0, 1, 0, 0, 10, 10, 0.9), (1, 0, 0, 0, 10, 10, 0.9)]
    np.testing.assert_array_equal(precisions(found, [(0, 0, 0, 0, 10, 10), (1, 1, 0, 0, 10, 10)], 2, 2), 0)


def test_a_class_without_truth_counts_nothing_and_what_is_found_of_it_is_told():
    found = [(0, 0, 0, 0, 10, 10, 0.9), (0, 1, *AWAY, 0.8), (0, 1, *OTHER, 0.7), (0, 2, *AWAY, 0.5)]
    truth = [(0, 0, 0, 0, 10, 10), (0, 2, *OTHER)]
    each = precisions(found, truth, 1, 4)
    np.testing.assert_array_equal(each[:, 0], [1, np.nan, 0, np.nan])
    assert without_truth(matches(placed(found), placed(truth), 1, 4)).tolist() == [0, 2, 0, 0]


def test_nothing_found_and_nothing_there():
    np.testing.assert_array_equal(precisions([], TWO), 0)
    assert np.isnan(precisions([(0, 0, *AWAY, 0.4)], [])).all()


def test_a_picture_has_its_hundred_surest_boxes():
    rows = [(p, i % 3, 0, 0, 1 + i, 1 + i, i / 500) for p in range(2) for i in range(150)]
    kept = placed(rows).rows(in_order(placed(rows)))
    assert MOST_BOXES == 100 and np.bincount(kept.picture).tolist() == [100, 100] and kept.score.min() == 50 / 500


def test_pictures_drawn_again_count_as_pictures_that_are_there_as_often():
    with np.load(FIXTURE) as stored:
        truth, found = stored["1_truth"], stored["1_found"]
    own = matches(placed(found), placed(truth), 30, 4)
    times = np.random.default_rng(0).multinomial(30, np.full(30, 1 / 30), size=3)
    ours = average_precisions(own, times)
    for row, drawn in zip(times, ours, strict=True):
        copies = np.repeat(np.arange(30), row)
        again_true = np.concatenate(
            [[(i, *r[1:]) for r in truth[truth[:, 0] == p]] or np.zeros((0, 6)) for i, p in enumerate(copies)]
        )
        again = np.concatenate(
            [[(i, *r[1:]) for r in found[found[:, 0] == p]] or np.zeros((0, 7)) for i, p in enumerate(copies)]
        )
        np.testing.assert_allclose(drawn, precisions(again, again_true, 30, 4))


def test_the_interval_over_pictures_covers_the_truth():
    """Pictures of a population of 3,000 whose precision is known, each with one object and two guesses: 60 are drawn."""
    rng = np.random.default_rng(0)
    n = 3000
    hit = rng.random(n) < 0.6
    score = np.concatenate([rng.normal(0.5 + 0.2 * hit, 0.15), rng.normal(0.45, 0.15, n)])
    right = np.concatenate([hit, np.zeros(n, bool)])[:, None]
    picture = np.tile(np.arange(n), 2)
    whole = Matches(picture, np.zeros(2 * n, int), score, right, np.ones((n, 1), int))
    truth, held = average_precisions(whole)[0, 0], 0
    for seed in range(100):
        rows = rng.integers(0, n, 60)
        both = np.concatenate([rows, rows + n])
        some = Matches(np.tile(np.arange(60), 2), np.zeros(120, int), score[both], right[both], np.ones((60, 1), int))
        low, high = np.quantile(precision_draws(some, seed)[:, 0, 0], [0.025, 0.975])
        held += low <= truth <= high
    assert 88 <= held <= 99
