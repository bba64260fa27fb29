import pytest
import torch

from sslviz.encoders import create_encoder
from sslviz.methods.parts.cutting import cut_pieces, encode_pieces, piece_side, standardized
from sslviz.runtime.random_state import seeded

from ..toys import normal


def coordinates(n, size):
    """Pictures whose channels say where each pixel is: row, column and number of the picture."""
    row, column = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    return torch.stack([torch.stack([row, column, torch.full_like(row, i)]) for i in range(n)]).float()


@pytest.mark.parametrize(("size", "grid", "gap"), [(32, 3, 0.2), (32, 2, 0.25), (40, 4, 0.0), (33, 3, 0.5)])
def test_each_piece_is_cut_from_its_own_cell_of_its_own_picture(size, grid, gap):
    x = coordinates(64, size)
    with seeded(0):
        pieces = cut_pieces(x, torch.arange(64), grid, gap)
    side, cell = piece_side(size, grid, gap), size // grid
    margin = (size - grid * cell) // 2
    assert pieces.shape == (64, grid * grid, 3, side, side)
    for i in range(64):
        for j in range(grid * grid):
            top, left, which = pieces[i, j, :, 0, 0].int().tolist()
            torch.testing.assert_close(pieces[i, j], x[which, :, top : top + side, left : left + side])
            assert which == i
            assert 0 <= top - margin - cell * (j // grid) <= cell - side
            assert 0 <= left - margin - cell * (j % grid) <= cell - side


def test_every_place_within_a_cell_is_drawn_and_without_a_gap_the_pieces_are_the_picture():
    x = coordinates(500, 32)
    with seeded(0):
        places = cut_pieces(x, torch.arange(500), 2, 0.25)[:, :, :2, 0, 0].int()
        whole = cut_pieces(x[:1], torch.arange(1), 2, 0.0)[0]  # (4, 3, 16, 16)
    assert {tuple(p) for p in places[:, 0].tolist()} == {(i, j) for i in range(5) for j in range(5)}
    torch.testing.assert_close(torch.cat([torch.cat(list(whole[:2]), 2), torch.cat(list(whole[2:]), 2)], 1), x[0])


def test_the_draw_belongs_to_the_picture():
    x, rows, order = coordinates(8, 32), torch.arange(8) + 40, torch.tensor([3, 1, 0, 2, 7, 6, 5, 4])
    with seeded(1):
        one = cut_pieces(x, rows, 3, 0.3)
    with seeded(1):
        other = cut_pieces(x[order], rows[order], 3, 0.3)
    assert torch.equal(one[order], other)


def test_pieces_too_small_are_refused():
    with pytest.raises(ValueError, match="at least 4 pixels"):
        piece_side(32, 9, 0.2)
    with pytest.raises(ValueError, match="at least 4 pixels"):
        piece_side(32, 3, 0.9)
    with pytest.raises(ValueError, match="at least 4 pixels"):
        piece_side(32, 0, 0.0)


def test_features_of_pieces_keep_their_order():
    encoder = create_encoder("conv_nano").eval()
    pieces = torch.randn(2, 4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    h = encode_pieces(encoder, pieces, 16)
    torch.testing.assert_close(h[1, 2], encoder(pieces[1, 2:3])[0], rtol=1e-4, atol=1e-5)


def test_brightness_and_contrast_of_a_piece_are_not_seen():
    pieces = normal(3, 4, 3, 8, 8)
    one = standardized(pieces)
    torch.testing.assert_close(standardized(2 * pieces + 5), one, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(one.mean((2, 3, 4)), torch.zeros(3, 4), atol=1e-5, rtol=0)
    assert standardized(torch.ones(1, 1, 3, 8, 8)).isfinite().all()
