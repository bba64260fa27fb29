import torch

from sslviz.methods.parts.multi_crop import against_targets, encode_views, pairs_of, view_pairs

from ..toys import normal


def test_all_views_come_out_in_order_and_each_size_goes_in_once():
    views, calls = [normal(2, 5, 3, 8, 8), normal(3, 5, 3, 4, 4, seed=1)], []

    def network(x):
        calls.append(len(x))
        return x.mean((2, 3))

    out = encode_views(network, views)
    assert out.shape == (5, 5, 3) and calls == [10, 15]
    torch.testing.assert_close(out[3], views[1][1].mean((2, 3)))


def test_two_large_views_are_one_pair_and_small_ones_meet_large_ones_only():
    assert view_pairs(2, 2) == [(0, 1)]
    assert view_pairs(2, 4) == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3)]
    p, z = torch.arange(4.0)[:, None, None], torch.arange(2.0)[:, None, None]
    p, z = against_targets(p, z)
    assert list(zip(p.flatten().tolist(), z.flatten().tolist(), strict=True)) == [
        (1, 0),
        (2, 0),
        (3, 0),
        (0, 1),
        (2, 1),
        (3, 1),
    ]


def test_pairs_are_stacked_two_by_two():
    z = normal(4, 5, 3)
    pairs = pairs_of(z, large=2)
    assert len(pairs) == 5 and all(
        torch.equal(pair, z[[i, j]]) for pair, (i, j) in zip(pairs, view_pairs(2, 4), strict=True)
    )
