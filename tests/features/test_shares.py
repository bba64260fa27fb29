"""Shares: every picture is read, and all processes get the same rows, however the numbers divide."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sslviz.features.shares import share, whole


@pytest.mark.parametrize(("n", "processes"), [(1, 3), (5, 2), (6, 3), (7, 4), (2, 2), (10, 1)])
def test_the_whole_is_what_one_process_would_have_read(n, processes):
    truth = np.random.default_rng(n).normal(size=(n, 3)).astype(np.float32)
    fabrics = [
        SimpleNamespace(global_rank=rank, world_size=processes, device=torch.device("cpu")) for rank in range(processes)
    ]
    own = [truth[share(fabric, n)] for fabric in fabrics]
    assert len({len(rows) for rows in own}) == 1  # else they could not be exchanged
    gathered = torch.from_numpy(np.stack(own))
    for fabric, rows in zip(fabrics, own, strict=True):
        fabric.all_gather = lambda x: gathered if processes > 1 else x
        np.testing.assert_array_equal(whole(fabric, rows, n), truth)
