import pytest
import torch
from torch import nn

from sslviz.methods.parts.overlapping_patches import RowsAbove, overlapping_patches, patch_side
from sslviz.runtime.random_state import seeded

from ..toys import normal


@pytest.mark.parametrize(("pixels", "rows", "side"), [(32, 3, 16), (32, 7, 8), (32, 5, 10), (30, 12, 4)])
def test_patches_overlap_by_half_and_come_in_reading_order(pixels, rows, side):
    x = normal(2, 3, pixels, pixels)
    assert patch_side(pixels, rows) == side
    patches = overlapping_patches(x, rows, side).unflatten(0, (2, rows, rows))
    for r in range(rows):
        for c in range(rows):
            top, left = r * side // 2, c * side // 2
            assert torch.equal(patches[:, r, c], x[:, :, top : top + side, left : left + side])


def test_patches_are_resized_for_encoders_that_do_not_take_them():
    patches = overlapping_patches(torch.ones(2, 3, 32, 32), 7, 16)
    torch.testing.assert_close(patches, torch.ones(98, 3, 16, 16))


def test_no_row_depends_on_those_below_it():
    with seeded(0):
        stack, x = nn.Sequential(*[RowsAbove(6) for _ in range(4)]), normal(2, 6, 5, 5)
    for row in range(5):
        changed = x.clone()
        changed[:, :, row] += 1
        same = (stack(changed) == stack(x)).all(3).all(1).all(0)  # (rows,)
        assert same[:row].all() and not same[row:].any()
