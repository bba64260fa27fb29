import numpy as np
import pytest

from sslviz.diagnostics.similarity.cross_moments import CrossMoments
from sslviz.diagnostics.similarity.measures import nuclear_norm, polar, scaled
from sslviz.diagnostics.similarity.nuclear_norms import (
    FIRST_ORDER_IMAGES,
    FIRST_ORDER_WIDTH,
    MAX_SHUFFLES,
    NULL_ERROR,
    nuclear_norms,
    shuffles_needed,
)
from sslviz.statistics import delete_groups, jackknife_interval


def spaces(n, p, q, shared, decay, seed=0):
    """Two spaces with `shared` of their variance in common and directions that hold ever less."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(n, max(p, q)))
    both = [np.sqrt(shared) * common[:, :d] + np.sqrt(1 - shared) * rng.normal(size=(n, d)) for d in (p, q)]
    return [scaled((rows * np.arange(1, rows.shape[1] + 1.0) ** -decay).astype(np.float32)) for rows in both]


class TestPolar:
    @pytest.mark.parametrize("shape", [(7, 7), (5, 12), (12, 5)])
    def test_is_the_product_of_the_singular_vectors(self, shape):
        matrix = np.random.default_rng(0).normal(size=shape)
        left, values, right = np.linalg.svd(matrix, full_matrices=False)
        norm, direction = polar(matrix)
        assert norm == pytest.approx(values.sum(), abs=1e-9) == nuclear_norm(matrix)
        np.testing.assert_allclose(direction, left @ right, atol=1e-9)

    def test_is_the_gradient_also_where_directions_are_missing(self):
        rng = np.random.default_rng(0)
        left, right, step = rng.normal(size=(9, 4)), rng.normal(size=(4, 6)), rng.normal(size=(4, 4))
        norm, direction = polar(left @ right)
        ends = [left @ (np.eye(4) + sign * 1e-5 * step) @ right for sign in (1, -1)]
        higher, lower = (np.linalg.svd(matrix, compute_uv=False).sum() for matrix in ends)
        assert (direction * (left @ step @ right)).sum() == pytest.approx((higher - lower) / 2e-5, rel=1e-6)
        assert norm == pytest.approx(np.linalg.svd(left @ right, compute_uv=False).sum(), abs=1e-9)


class TestCrossMoments:
    def test_leave_out_what_they_say(self):
        x, y = spaces(90, 7, 50, 0.5, 0.5)
        groups = delete_groups(90)
        moments = CrossMoments(x, y, groups)
        direction = np.random.default_rng(0).normal(size=(7, 50))
        plain = []
        for g in moments.groups:
            a, b = (rows[groups != g] if g is not None else rows for rows in (x, y))
            plain.append((a - a.mean(axis=0)).T @ (b - b.mean(axis=0)))
        np.testing.assert_allclose(moments.squares(), [(m**2).sum() for m in plain], rtol=1e-12)
        np.testing.assert_allclose(moments.along(direction), [(m * direction).sum() for m in plain], atol=1e-12)
        assert len(plain) == 11 and moments.groups[0] is None


class TestFirstOrder:
    @pytest.mark.parametrize(
        ("shared", "decay", "least", "most"),
        [(0.3, 0.5, 0.9, 1.1), (0.9, 0.5, 0.9, 1.1), (0.3, 1.5, 0.9, 1.1), (0.0, 0.5, 0.75, 1.35)],
    )
    def test_intervals_are_as_wide_as_from_a_decomposition_of_each_tenth(self, shared, decay, least, most):
        n = FIRST_ORDER_IMAGES * FIRST_ORDER_WIDTH
        x, y = spaces(n, FIRST_ORDER_WIDTH, FIRST_ORDER_WIDTH + 64, shared, decay)
        moments = CrossMoments(x, y, delete_groups(n))
        found, _ = nuclear_norms(moments, x, y, [np.arange(n)])
        exact = np.array([nuclear_norm(moments.without(g)) for g in moments.groups])
        plain = np.linalg.svd(x.T @ y, compute_uv=False).sum()
        assert found[0] == pytest.approx(plain, abs=1e-7) and exact[0] == pytest.approx(plain, abs=1e-7)
        widths = [np.diff(jackknife_interval(norms[0], norms[1:] / norms[1:].mean()))[0] for norms in (found, exact)]
        assert not np.array_equal(found, exact) and least <= widths[0] / widths[1] <= most

    @pytest.mark.parametrize("n", [FIRST_ORDER_IMAGES * FIRST_ORDER_WIDTH - 1, 300])
    def test_with_fewer_images_each_tenth_is_decomposed(self, n):
        x, y = spaces(n, FIRST_ORDER_WIDTH, FIRST_ORDER_WIDTH, 0.3, 0.5)
        moments = CrossMoments(x, y, delete_groups(n))
        found, _ = nuclear_norms(moments, x, y, [np.arange(n)])
        np.testing.assert_array_equal(found, [nuclear_norm(moments.without(g)) for g in moments.groups])


class TestShuffles:
    @pytest.mark.parametrize(
        ("n", "p", "q", "decay"), [(200, 16, 24, 0.0), (200, 16, 24, 1.0), (60, 9, 30, 0.5), (400, 4, 4, 0.0)]
    )
    def test_as_many_as_give_the_mean_to_the_digit_shown(self, n, p, q, decay):
        x, y = spaces(n, p, q, 0.5, decay)
        squares = [((rows.T @ rows) ** 2).sum() for rows in (x, y)]
        rng = np.random.default_rng(0)
        spread = np.std([2 * nuclear_norm(x.T @ y[rng.permutation(n)]) for _ in range(400)])
        bound = 2 * (squares[0] * squares[1]) ** 0.25 / np.sqrt(n - 1)
        assert bound / 5 < spread < bound
        count = shuffles_needed(n, *squares)
        assert 1 <= count <= MAX_SHUFFLES
        assert count == MAX_SHUFFLES or bound / np.sqrt(count) <= NULL_ERROR

    def test_few_for_many_images_in_many_directions(self):
        assert shuffles_needed(10_000, 0.05, 0.05) == 1 and shuffles_needed(100, 0.05, 0.05) == MAX_SHUFFLES
