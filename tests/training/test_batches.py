import numpy as np
import pandas as pd
import torch

from sslviz.training.batches import batches_on, class_numbers


def test_an_epoch_shows_every_image_once_and_the_order_depends_on_seed_and_epoch_alone():
    pixels = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1).repeat(3, axis=3)

    def seen(**changes):
        options = {"seed": 0, "epochs": range(2), **changes}
        batches = list(batches_on(torch.device("cpu"), pixels, 5, **options))
        assert all(torch.equal(b[:, 0, 0, 0], rows.to(torch.uint8)) for b, rows in batches)
        return [sorted(rows.tolist()) for _, rows in batches]

    whole = seen()
    assert sorted(sum(whole[:2], [])) == sorted(sum(whole[2:], [])) == list(range(10))
    assert seen(epochs=range(1, 2)) == whole[2:] and seen(seed=1) != whole
    shares = [seen(rank=r, world_size=2) for r in (0, 1)]
    assert [sorted(a + b) for a, b in zip(*shares, strict=True)] == whole


def test_classes_are_numbered_in_their_order_and_unknown_ones_are_minus_one():
    for label, numbers in {
        ("b", "a", None, "b"): [1, 0, -1, 1],
        (7.0, float("nan"), 3.0): [1, -1, 0],
        (10, 9, 10): [1, 0, 1],
        (True, False): [1, 0],
        (None, None): [-1, -1],
    }.items():
        got = class_numbers(pd.DataFrame({"label": label}))
        assert got.tolist() == numbers and got.dtype == torch.int64
    nobody = class_numbers(pd.DataFrame({"name": ["x", "y"]}))
    assert nobody.tolist() == [-1, -1] and nobody.dtype == torch.int64
