import math

import pytest
import torch

from sslviz.methods.parts.info_nce import info_nce

from ..toys import assert_half_precision_keeps_all_digits, normal


def test_the_loss_is_what_plain_loops_make():
    q, k, t = normal(2, 4, 6), normal(2, 4, 6, seed=1), 0.3
    losses = []
    for pair in range(2):
        for i in range(4):
            fit = [float(torch.cosine_similarity(q[pair, i], k[pair, j], 0)) / t for j in range(4)]
            losses.append(math.log(sum(math.exp(x) for x in fit)) - fit[i])
    assert info_nce(q, k, t).item() == pytest.approx(sum(losses) / 8, abs=1e-5)


def test_without_negatives_only_the_cosine_is_left():
    q, k = normal(2, 4, 6), normal(2, 4, 6, seed=1)
    expected = -torch.cosine_similarity(q, k, dim=-1).mean() / 0.3
    torch.testing.assert_close(info_nce(q, k, 0.3, negatives=False), expected)


def test_in_half_precision_it_keeps_all_its_digits():
    assert_half_precision_keeps_all_digits(lambda q, k: info_nce(q, k, temperature=0.05))
