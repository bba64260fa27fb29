"""Standardisation: scikit-learn's scaler, and columns that do not vary."""

import numpy as np
from sklearn.preprocessing import StandardScaler

from sslviz.diagnostics.probes.standardization import standardization


def test_is_scikit_learns_scaler_also_where_a_column_does_not_vary():
    rng = np.random.default_rng(0)
    x, z = rng.normal(3, 2, size=(50, 4)), rng.normal(size=(20, 4))
    x[:, 1] = 7
    scaler = StandardScaler().fit(x)
    standard = standardization(x)
    np.testing.assert_allclose(standard(x), scaler.transform(x), atol=1e-12)
    np.testing.assert_allclose(standard(z), scaler.transform(z), atol=1e-12)


def test_a_silent_column_reads_0_whatever_comes_later():
    x = np.random.default_rng(0).normal(size=(50, 3))
    x[:, 2] *= 1e-9
    standard = standardization(x, silent_below=1e-6)
    assert (standard(np.full((5, 3), 100.0))[:, 2] == 0).all() and np.allclose(standard(x)[:, :2].std(axis=0), 1)
