"""Cross moments of wide spaces: products in float32, and what is read from them."""

import numpy as np
import pytest

from sslviz.diagnostics.similarity.cross_moments import SINGLE_IMAGES, SINGLE_WIDTH, CrossMoments, squared_lengths
from sslviz.diagnostics.similarity.measures import debiased_cka, nuclear_norm, scaled
from sslviz.statistics import delete_groups


@pytest.mark.parametrize("shared", [0.0, 0.5])
def test_rounding_moves_no_score(shared):
    """Beside float64, on unrelated spaces, where CKA is what is left of numbers that cancel, and on related ones."""
    n, rng = SINGLE_IMAGES * SINGLE_WIDTH, np.random.default_rng(0)
    common, *own = rng.normal(size=(3, n, SINGLE_WIDTH))
    x, y = (scaled(shared * common + noise) for noise in own)
    groups = delete_groups(n)
    lengths = [next(squared_lengths(z, groups)) for z in (x, y)]
    found, exact = [], []
    for a, b in ((x, y), (x, x), (y, y)):
        moments, product = CrossMoments(a, b, groups), a.T @ b
        assert 0 < np.abs(moments.without(None) - product).max() < 1e-6 * np.abs(product).max()
        rest = groups != 3
        without = (a[rest] - a[rest].mean(0)).T @ (b[rest] - b[rest].mean(0))
        assert np.abs(moments.without(3) - without).max() < 1e-6 * np.abs(without).max()
        found.append(moments.squares()[0])
        exact.append((product**2).sum())
    assert debiased_cka(tuple(found), *lengths) == pytest.approx(debiased_cka(tuple(exact), *lengths), abs=1e-6)
    assert nuclear_norm(CrossMoments(x, y, groups).without(None)) == pytest.approx(nuclear_norm(x.T @ y), abs=1e-6)


def test_with_fewer_images_products_are_in_float64():
    x = scaled(np.random.default_rng(0).normal(size=(SINGLE_IMAGES * SINGLE_WIDTH - 1, SINGLE_WIDTH)))
    moments = CrossMoments(x, x, np.zeros(len(x), dtype=int))
    assert np.abs(moments.without(None) - x.T @ x).max() < 1e-15
