"""Numbers of an accuracy matrix, worked out by hand."""

import numpy as np
import pytest

from sslviz.transfer.continual.accuracy_matrix import (
    average_accuracy,
    backward_transfer,
    best_before_last,
    forgetting,
    forward_transfer,
)

# Rows: after learning the first, second, third task.  Columns: the accuracy on each.
R = np.array([[0.90, 0.55, 0.40], [0.80, 0.85, 0.60], [0.60, 0.75, 0.95]])
BEFORE = np.array([0.50, 0.45, 0.45])


def test_three_tasks_by_hand():
    assert average_accuracy(R) == pytest.approx((0.60 + 0.75 + 0.95) / 3)
    # The first task went from .90 to .60, the second from .85 to .75: -.3 and -.1, over two tasks.  Over three it would
    # read -.133.
    assert backward_transfer(R) == pytest.approx(-0.2)
    # Just before it is learnt, the second is at .55 (.45 before any), the third at .60 (.45).
    assert forward_transfer(R, BEFORE) == pytest.approx((0.10 + 0.15) / 2)
    assert forgetting(R) == pytest.approx(0.2)


def test_forgetting_counts_from_the_best_and_not_from_the_first():
    r = R.copy()
    r[1, 0] = 0.95  # the second task taught something of the first, which the third took again
    assert list(best_before_last(r)) == [1, 1]
    assert forgetting(r) == pytest.approx(((0.95 - 0.60) + (0.85 - 0.75)) / 2)
    assert backward_transfer(r) == pytest.approx(-0.2)  # which only knows the moment of learning


def test_what_was_not_measured_is_not_asked_for():
    r = np.where(np.tri(3) > 0, R, np.nan)  # a task has no head before it is learnt
    assert backward_transfer(r) == pytest.approx(-0.2) and forgetting(r) == pytest.approx(0.2)
    assert average_accuracy(r) == average_accuracy(R)
    assert np.isnan(forward_transfer(r, BEFORE))


def test_of_a_frozen_encoder_nothing_moves():
    frozen = np.tile(BEFORE, (3, 1))
    assert backward_transfer(frozen) == forgetting(frozen) == forward_transfer(frozen, BEFORE) == 0


def test_many_tables_at_once():
    many = np.stack([R, np.tile(BEFORE, (3, 1))])
    np.testing.assert_allclose(backward_transfer(many), [-0.2, 0], atol=1e-12)
    np.testing.assert_allclose(forward_transfer(many, BEFORE), [0.125, 0], atol=1e-12)
    np.testing.assert_allclose(forgetting(many), [0.2, 0], atol=1e-12)


@pytest.mark.parametrize("wrong", [np.ones((1, 1)), np.ones((2, 3)), np.ones(4)])
def test_a_table_of_another_shape_is_one_sentence(wrong):
    with pytest.raises(ValueError, match=r"\(T, T\) of two tasks or more; got an array of shape"):
        forgetting(wrong)
