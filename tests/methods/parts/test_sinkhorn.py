from pathlib import Path

import numpy as np
import pytest
import torch

from sslviz.methods.parts.sinkhorn import sinkhorn

from ..toys import normal

LIGHTLY = np.load(Path(__file__).parents[2] / "fixtures" / "losses_clusters.npz", allow_pickle=False)


@pytest.mark.parametrize(("name", "epsilon", "iterations"), [("sinkhorn", 0.05, 3), ("sinkhorn_once", 0.5, 1)])
def test_assignments_are_lightlys(name, epsilon, iterations):
    scores = torch.tensor(LIGHTLY["scores"][0])
    assigned = sinkhorn(scores, epsilon=epsilon, iterations=iterations)
    torch.testing.assert_close(assigned, torch.tensor(LIGHTLY[name]), rtol=1e-5, atol=1e-5)


def test_they_are_what_plain_loops_make():
    scores, epsilon = normal(6, 4), 0.7
    q = [[float(torch.exp(s / epsilon)) for s in row] for row in scores]
    for _ in range(5):
        columns = [sum(row[k] for row in q) for k in range(4)]
        q = [[row[k] / columns[k] for k in range(4)] for row in q]
        q = [[x / sum(row) for x in row] for row in q]
    torch.testing.assert_close(sinkhorn(scores, epsilon=epsilon, iterations=5), torch.tensor(q), rtol=1e-5, atol=1e-6)


def test_every_picture_is_assigned_once_and_every_prototype_as_often_as_any_other():
    scores = normal(30, 5) + torch.tensor([3.0, 0, 0, 0, 0])  # the first prototype is everybody's favourite
    assert scores.softmax(1).sum(0)[0] > 20
    q = sinkhorn(scores, epsilon=1.0, iterations=100)
    torch.testing.assert_close(q.sum(1), torch.ones(30))
    torch.testing.assert_close(q.sum(0), torch.full((5,), 6.0), rtol=1e-3, atol=1e-3)


def test_prototypes_that_nobody_is_near_make_no_nan():
    scores = torch.tensor([[1000.0, 0.0], [1000.0, 0.0]])
    torch.testing.assert_close(sinkhorn(scores, epsilon=0.05, iterations=3), torch.full((2, 2), 0.5))
