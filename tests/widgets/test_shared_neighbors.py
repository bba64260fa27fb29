"""Counts of shared neighbours where the neighbours are planted, and where nothing is shared but by chance."""

import numpy as np
import pytest

from sslviz import Features
from sslviz.widgets.shared_neighbors import SharedNeighbors

GROUPS, SIZE = 12, 6


def grouped(group, seed=0, d=24):
    """Features in which each picture's nearest are exactly the others of its group."""
    rng = np.random.default_rng(seed)
    return Features.from_array(np.eye(d)[group] + 0.01 * rng.normal(size=(len(group), d)))


@pytest.fixture(scope="module")
def shared():
    by_row = np.arange(GROUPS * SIZE) // SIZE
    by_turn = np.where(by_row < 4, by_row, np.arange(GROUPS * SIZE) % (GROUPS - 4) + 4)  # the first four groups stay
    return SharedNeighbors.of({"a": grouped(by_row), "b": grouped(by_turn, seed=1)}, k=SIZE - 1), by_row, by_turn


def test_the_neighbours_of_a_group_are_all_in_it(shared):
    found, by_row, _ = shared
    rows = np.flatnonzero(by_row == 2)
    score = found.together("a", rows)
    assert (score.value, score.low, score.high) == (SIZE - 1, SIZE - 1, SIZE - 1)
    assert score.controls == {"chance": pytest.approx((SIZE - 1) * (SIZE - 1) / (GROUPS * SIZE - 1))}
    assert found.together("a", rows[:3]).value == 2  # of three of the six, two others each


def test_groups_that_stay_share_all_and_those_that_do_not_share_what_they_share(shared):
    found, by_row, by_turn = shared
    stayed = np.flatnonzero(by_row < 4)
    assert found.between("a", "b", stayed).value == SIZE - 1
    one = np.flatnonzero(by_row == 5)[0]
    assert found.between("a", "b", [one]).value == ((by_row == 5) & (by_turn == by_turn[one])).sum() - 1 == 0
    assert found.between("a", "b", [one]).low is None  # one picture has no spread
    assert set(found.in_all(int(stayed[0]))) == set(stayed[1:SIZE])
    assert len(found.in_all(int(one))) == 0


def test_chance_is_what_unrelated_spaces_and_pictures_at_random_share():
    rng = np.random.default_rng(0)
    together, between, chance = [], [], set()
    for _ in range(30):
        spaces = {name: Features.from_array(rng.normal(size=(60, 8))) for name in "ab"}
        found = SharedNeighbors.of(spaces, k=10)
        rows = rng.permutation(60)[:20]
        scores = found.together("a", rows), found.between("a", "b", np.arange(60))
        together.append(scores[0].value), between.append(scores[1].value)
        chance.add(tuple(score.control for score in scores))
    (expected,) = chance
    for values, control in zip((together, between), expected, strict=True):
        assert abs(np.mean(values) - control) < 4 * np.std(values) / np.sqrt(len(values))


def test_few_pictures_have_few_neighbours():
    found = SharedNeighbors.of({"a": Features.from_array(np.eye(4))})
    assert found.k == 3
    assert found.together("a", np.arange(4)).value == found.together("a", np.arange(4)).control == 3
