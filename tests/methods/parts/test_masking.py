import pytest
import torch

from sslviz.methods.parts.masking import (
    hidden_count,
    marks_of,
    places_outside,
    random_blocks,
    random_places,
    random_squares,
    square_side,
)
from sslviz.runtime.random_state import seeded

ROWS = torch.arange(400)


def drawn(function, *arguments, seed=0):
    with seeded(seed):
        return function(*arguments)


def test_shown_and_hidden_are_all_patches_and_as_many_in_each_picture():
    seen, hidden = drawn(random_places, ROWS, 12, 9, 2)
    assert seen.shape == (800, 3) and hidden.shape == (800, 9)
    assert torch.equal(torch.cat([seen, hidden], 1).sort(1).values, torch.arange(12).expand(800, 12))
    assert (marks_of(hidden, 12).sum(1) == 9).all()
    assert not torch.equal(hidden[:400], hidden[400:])  # the two views of a picture are hidden differently


def test_every_patch_and_every_pair_is_hidden_as_often_as_any_other():
    marks = marks_of(drawn(random_places, torch.arange(4000), 6, 3)[1], 6).double()
    torch.testing.assert_close(marks.mean(0), torch.full((6,), 0.5).double(), atol=0.04, rtol=0)
    pairs = (marks.T @ marks / 4000)[~torch.eye(6, dtype=torch.bool)]
    torch.testing.assert_close(pairs, torch.full((30,), 3 / 6 * 2 / 5).double(), atol=0.04, rtol=0)


@pytest.mark.parametrize(
    "function",
    [
        lambda rows: random_places(rows, 16, 5)[1],
        lambda rows: random_squares(rows, 8, 2, 0.5),
        lambda rows: random_blocks(rows, 8, 3, 2, 4),
        lambda rows: places_outside(rows, rows[:, None] % 16, 16, 5),
    ],
)
def test_what_is_hidden_goes_by_the_row(function):
    assert torch.equal(drawn(function, ROWS.flip(0)), drawn(function, ROWS).flip(0))
    assert torch.equal(drawn(function, ROWS[7:]), drawn(function, ROWS)[7:])
    assert not torch.equal(drawn(function, ROWS, seed=1), drawn(function, ROWS))


def test_squares_are_hidden_or_shown_as_a_whole():
    hidden = drawn(random_squares, ROWS, 12, 3, 0.5, 2)
    assert hidden.shape == (800, 1, 12, 12) and hidden.dtype == torch.bool
    squares = hidden.unflatten(2, (4, 3)).unflatten(4, (4, 3)).float().mean((3, 5))
    assert ((squares == 0) | (squares == 1)).all() and (squares.sum((1, 2, 3)) == 8).all()


def test_blocks_are_rectangles_inside_the_grid_that_lie_anywhere():
    places = drawn(random_blocks, ROWS, 8, 4, 2, 3)
    rows, columns = places // 8, places % 8
    heights, widths = (x.amax(2) - x.amin(2) + 1 for x in (rows, columns))
    assert places.shape == (400, 4, 6) and 0 <= places.min() and places.max() < 64
    assert (heights * widths == 6).all()  # with six places each, and none twice: full rectangles
    assert (places.sort(2).values.diff(dim=2) > 0).all()
    assert heights.unique().tolist() == [2, 3] and 0.4 < (heights == 2).float().mean() < 0.6
    tops, lefts = rows.amin(2)[heights == 2], columns.amin(2)[heights == 2]
    assert tops.unique().tolist() == list(range(7)) and lefts.unique().tolist() == list(range(6))
    assert marks_of(places.flatten(1), 64).any(0).all()


def test_places_outside_are_free_and_differ():
    taken = drawn(random_blocks, ROWS, 8, 4, 3, 4).flatten(1)
    kept = drawn(places_outside, ROWS, taken, 64, 16)
    assert not marks_of(taken, 64).gather(1, kept).any()
    assert (kept.sort(1).values.diff(dim=1) > 0).all()
    assert marks_of(kept, 64).any(0).all()


def test_shares_and_grids_that_hide_nothing_or_all_are_refused():
    assert hidden_count(0.75, 64) == 48 and square_side(32, 8, 0.5) == 4
    for ratio in (0.0, 0.001, 1.0, -1.0, 2.0):
        with pytest.raises(ValueError, match="ratio"):
            hidden_count(ratio, 64)
    for grid in (0, 1, 5):
        with pytest.raises(ValueError, match="grid"):
            square_side(32, grid, 0.5)
    with pytest.raises(ValueError, match="ratio"):
        square_side(32, 8, 0.0)


def test_squares_reach_the_edges_of_a_view_that_they_do_not_divide():
    hidden = drawn(random_squares, ROWS, 14, 4, 0.5)
    assert hidden.shape == (400, 1, 14, 14)
    assert torch.equal(hidden.any(0), ~hidden.all(0)) and hidden.any(0).all()  # each place is now hidden, now shown
