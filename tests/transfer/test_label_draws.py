"""Which images are labelled: so many of each class, nested, and shared between draws only where there is no room."""

from itertools import combinations

import numpy as np
import pytest

from sslviz.transfer.label_draws import label_draws

CODES = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [40, 60, 21]))


@pytest.fixture
def drawn():
    return label_draws(CODES, (10, 1, 2, 5), 4, seed=0)


def test_every_draw_holds_k_different_images_of_each_class(drawn):
    assert list(drawn) == [1, 2, 5, 10]
    for k, draws in drawn.items():
        assert draws.shape == (4, 3 * k)
        for rows in draws:
            assert len(set(rows)) == len(rows)
            np.testing.assert_array_equal(CODES[rows], np.repeat([0, 1, 2], k))


def test_few_labels_are_among_the_many_of_the_same_draw(drawn):
    for few, many in combinations(drawn, 2):
        assert all(set(a) < set(b) for a, b in zip(drawn[few], drawn[many], strict=True))


def test_draws_share_no_image_as_long_as_there_is_room(drawn):
    """The class of 21 gives 4 draws of 5; of 10 it cannot, while the class of 40 still can."""
    for k, shared in ((1, 0), (2, 0), (5, 0)):
        assert all(len(set(a) & set(b)) == shared for a, b in combinations(drawn[k], 2))
    for a, b in combinations(drawn[10], 2):
        assert {int(c) for c in CODES[list(set(a) & set(b))]} <= {2}


def test_every_image_is_as_likely_to_be_drawn():
    """Over 2,000 seeds each of 21 images is among 2 of one draw as often as another: 190 times, give or take 4 sd."""
    times = np.zeros(len(CODES))
    for seed in range(2000):
        times[label_draws(CODES, (2,), 1, seed)[2][0]] += 1
    for c, n in enumerate((40, 60, 21)):
        share = 2 / n
        assert np.abs(times[CODES == c] - 2000 * share).max() < 4 * np.sqrt(2000 * share * (1 - share))


def test_shots_beyond_the_smallest_class_are_left_out_and_all_of_it_can_be_drawn():
    assert list(label_draws(CODES, (5, 21, 22), 3, seed=0)) == [5, 21]
    with pytest.raises(ValueError, match="22 labels a class cannot be drawn, as class number 2 has 21 images"):
        label_draws(CODES, (22, 30), 3, seed=0)


def test_a_seed_repeats_and_another_draws_anew(drawn):
    again, other = (label_draws(CODES, (5,), 4, seed=seed)[5] for seed in (0, 1))
    np.testing.assert_array_equal(again, drawn[5])
    assert (again != other).any()


@pytest.mark.parametrize("several_classes", [False, True])
def test_a_draw_holds_one_image_of_an_object_at_most(several_classes):
    codes = np.arange(240) % 3
    groups = np.array([f"object {i}" for i in (np.arange(240) // 12 if several_classes else np.arange(240) % 60)])
    drawn = label_draws(codes, (1, 3, 6), 2, seed=0, groups=groups)
    assert list(drawn) == [1, 3, 6]
    for k, draws in drawn.items():
        for rows in draws:
            assert len(set(groups[rows])) == len(rows) == 3 * k
            np.testing.assert_array_equal(codes[rows], np.repeat([0, 1, 2], k))
    assert not set(groups[drawn[3][0]]) & set(groups[drawn[3][1]])


@pytest.mark.parametrize("shots", [(), (0, 1), (-1,), (1.5,), (True,)])
def test_shots_that_are_no_numbers_of_labels_are_one_sentence(shots):
    with pytest.raises(ValueError, match="Shots are whole numbers of labels a class"):
        label_draws(CODES, shots, 3, seed=0)


def test_no_draw_is_one_sentence():
    with pytest.raises(ValueError, match="At least one draw of labels is needed; got draws=0"):
        label_draws(CODES, (1,), 0, seed=0)
