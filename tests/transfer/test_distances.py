"""Distances of two samples against their closed forms for normal distributions, and their nulls."""

import numpy as np
import pytest
from scipy.stats import norm

from sslviz.statistics import permutation_p
from sslviz.transfer.distances import domain_accuracy, frechet, mmd, proxy_a


def normal(n, d, seed, by=0.0):
    x = np.random.default_rng(seed).normal(size=(n, d))
    x[:, 0] += by
    return x.astype(np.float32)


def told(x, y):
    right = domain_accuracy(x, y, np.arange(len(x)) % 2, np.arange(len(y)) % 2)
    return proxy_a(right, np.repeat([0, 1], [len(x), len(y)]))


@pytest.mark.parametrize("by", [0.5, 1.0, 2.0])
def test_proxy_a_is_that_of_the_best_classifier_of_two_normals(by):
    found = [told(normal(3000, 4, seed), normal(3000, 4, 100 + seed, by)) for seed in range(4)]
    assert np.mean(found) == pytest.approx(2 * (1 - 2 * norm.cdf(-by / 2)), abs=0.03)


def test_proxy_a_of_one_distribution_is_0_where_a_classifier_learns_it_by_heart():
    """Of 200 rows in 256 columns: scored on its own rows, the classifier would tell all of them."""
    found = [told(normal(100, 256, seed), normal(100, 256, 100 + seed)) for seed in range(20)]
    assert abs(np.mean(found)) < 0.1 and min(found) < 0


def test_proxy_a_weighs_both_domains_the_same():
    assert abs(told(normal(1800, 4, 0), normal(200, 4, 1))) < 0.2  # always saying "source" is right in 90 % of rows


@pytest.mark.parametrize("bandwidth", [2.0, 4.0])
def test_mmd_is_the_closed_form_for_two_normals_and_unbiased(bandwidth):
    d, by, s2 = 16, 1.0, bandwidth**2
    expected = (s2 / (s2 + 2)) ** (d / 2) * (2 - 2 * np.exp(-(by**2) / (2 * (s2 + 2))))
    found = [mmd(normal(200, d, s), normal(250, d, 999 - s, by), bandwidth=bandwidth)[0] for s in range(60)]
    error = np.std(found) / np.sqrt(len(found))
    assert np.mean(found) == pytest.approx(expected, abs=4 * error) and error < 0.1 * expected
    null = [mmd(normal(40, d, s), normal(60, d, 999 - s), bandwidth=bandwidth)[0] for s in range(200)]
    assert abs(np.mean(null)) < 4 * np.std(null) / np.sqrt(len(null))


def test_mmd_is_the_plain_double_sum():
    x, y = normal(7, 3, 0), normal(5, 3, 1, 2.0)

    def k(a, b):
        return np.exp(-((a.astype(float) - b) ** 2).sum() / (2 * 1.5**2))

    within_x = np.mean([k(x[i], x[j]) for i in range(7) for j in range(7) if i != j])
    within_y = np.mean([k(y[i], y[j]) for i in range(5) for j in range(5) if i != j])
    across = np.mean([k(a, b) for a in x for b in y])
    assert mmd(x, y, bandwidth=1.5)[0] == pytest.approx(within_x + within_y - 2 * across, abs=1e-6)


def test_p_of_one_distribution_is_uniform_and_of_two_small():
    p = [permutation_p(*mmd(normal(40, 8, s), normal(50, 8, 999 - s), permutations=99)) for s in range(200)]
    assert 0.01 <= np.mean(np.array(p) <= 0.05) <= 0.1 and 0.4 < np.mean(p) < 0.6
    assert permutation_p(*mmd(normal(100, 8, 0), normal(100, 8, 1, 2.0), permutations=99)) == 0.01


def test_an_offset_that_both_share_changes_nothing():
    x, y = normal(60, 8, 0), normal(60, 8, 1, 1.0)
    assert mmd(x + 1000, y + 1000)[0] == pytest.approx(mmd(x, y)[0], abs=1e-4)


def exact(n, mean, deviations, seed):
    """n rows with exactly this mean and these standard deviations, without correlation."""
    x = np.random.default_rng(seed).normal(size=(n, len(mean)))
    x -= x.mean(axis=0)
    x = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T))).T
    return x * np.asarray(deviations) + np.asarray(mean)


@pytest.mark.parametrize("n", [200, 12])  # of fewer rows than columns nothing is exact: both ways to compute are met
def test_frechet_is_the_closed_form_for_normals_along_the_axes(n):
    x, y = exact(200, np.zeros(10), np.arange(1, 11), 0), exact(n, np.full(10, 3.0), np.arange(10, 0, -1), 1)
    expected = 90 + ((np.arange(1, 11) - np.arange(10, 0, -1)) ** 2).sum()
    assert frechet(x, y) == pytest.approx(expected, rel=1e-6)
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(10, 10)))[0]
    assert frechet(x @ turn, y @ turn) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("n", "d"), [(1000, 64), (250, 64), (40, 64)])
def test_frechet_of_one_distribution_is_its_bias(n, d):
    """2 d / n for the means and d (d + 1) / (2 n) for the covariances, to first order: not where n is less than d."""
    found = np.mean([frechet(normal(n, d, s), normal(n, d, 999 - s)) for s in range(6)])
    first_order = 2 * d / n + d * (d + 1) / (2 * n)
    assert found == pytest.approx(first_order, rel=0.05) if n > d else found > 20


def test_frechet_by_singular_values_is_that_by_square_roots():
    from scipy.linalg import sqrtm

    x, y = normal(30, 40, 0), normal(50, 40, 1, 1.0)
    s, t = np.cov(x.T), np.cov(y.T)
    root = np.trace(sqrtm(s + 1e-10 * np.eye(40)) @ np.eye(40)) * 0 + np.real(np.trace(sqrtm(s @ t + 0j)))
    means = x.mean(axis=0).astype(float) - y.mean(axis=0)
    assert frechet(x, y) == pytest.approx(means @ means + np.trace(s) + np.trace(t) - 2 * root, rel=1e-3)
