"""Co-occurrence: the closed form of the worlds' bias, scipy and scikit-learn, and false alarms."""

import numpy as np
import pandas as pd
import pytest

from sslviz.data import shapes
from sslviz.diagnostics.bias.cooccurrence import cooccurrence, cramers_v, mutual_information


def expected_table(bias, k=4):
    """The probabilities of the worlds: the value that belongs to the class with `bias`, else any other."""
    table = np.full((k, k), (1 - bias) / (k - 1) / k)
    np.fill_diagonal(table, bias / k)
    return table


class TestClosedForms:
    @pytest.mark.parametrize("bias", [0.25, 0.7, 0.9, 0.95, 1.0])
    def test_of_the_worlds_bias(self, bias):
        """V = (K b - 1) / (K - 1); I = log2 K + b log2 b + (1 - b) log2 ((1 - b) / (K - 1)), 1.634 bit at b = .95."""
        rest = (1 - bias) * np.log2((1 - bias) / 3) if bias < 1 else 0.0
        v, bits = (4 * bias - 1) / 3, 2 + bias * np.log2(bias) + rest
        exact = 10**9 * expected_table(bias)  # so many images that no correction is left
        assert cramers_v(exact) == pytest.approx(v, abs=1e-6) and mutual_information(exact) == pytest.approx(
            bits, abs=1e-6
        )
        images = shapes(8000, size=16, bias=bias, seed=0).split("train")
        result = cooccurrence(images.table, "shape", "color")
        scores = result.scores()
        assert scores["cramers_v"].value == pytest.approx(v, abs=0.03)
        assert scores["mutual_information"].value == pytest.approx(bits, abs=0.06)
        for name, truth in (("cramers_v", v), ("mutual_information", bits)):
            assert scores[name].low - 0.02 <= truth <= scores[name].high + 0.02
        assert result.found == (bias > 0.25)

    def test_known_bits(self):
        assert mutual_information(1e9 * expected_table(0.95)) == pytest.approx(1.634, abs=5e-4)
        assert mutual_information(1e9 * expected_table(0.95, k=2)) == pytest.approx(0.7136, abs=5e-5)


class TestBesideOthers:
    def tables(self):
        return np.random.default_rng(0).integers(1, 30, size=(20, 3, 5))

    def test_v_without_its_correction_is_scipys(self):
        from scipy.stats.contingency import association

        for table in self.tables():
            n, (c, v) = table.sum(), table.shape
            plain = association(table) ** 2 * (min(c, v) - 1)  # chi^2 / n
            less = max(plain - (c - 1) * (v - 1) / (n - 1), 0)
            left = min(c - (c - 1) ** 2 / (n - 1), v - (v - 1) ** 2 / (n - 1)) - 1
            assert cramers_v(table) == pytest.approx(np.sqrt(less / left))

    def test_bits_without_their_correction_are_scikit_learns(self):
        from sklearn.metrics import mutual_info_score

        for table in self.tables():
            plain = mutual_info_score(None, None, contingency=table) / np.log(2)
            bias = (table.size - sum(table.shape) + 1) / (2 * table.sum() * np.log(2))
            assert mutual_information(table) == pytest.approx(max(plain - bias, 0))

    def test_many_tables_at_once(self):
        tables = self.tables()
        np.testing.assert_allclose(cramers_v(tables), [cramers_v(table) for table in tables])
        np.testing.assert_allclose(mutual_information(tables), [mutual_information(table) for table in tables])

    def test_p_is_that_of_chi_squared_where_there_are_many_images(self):
        from scipy.stats import chi2_contingency

        rng = np.random.default_rng(1)
        a = rng.integers(0, 3, 600)
        b = np.where(rng.random(600) < 0.09, a, rng.integers(0, 3, 600))
        result = cooccurrence(pd.DataFrame({"label": a, "attribute": b}))
        assert result.p == pytest.approx(chi2_contingency(result.table).pvalue, abs=0.02)


def test_independent_columns_are_seldom_found_together():
    alarms = over = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        table = pd.DataFrame(
            {"label": rng.integers(0, 4, 150), "attribute": rng.choice(5, 150, p=[0.6, 0.1, 0.1, 0.1, 0.1])}
        )
        result = cooccurrence(table, seed=seed)
        alarms += result.found
        over += result.scores()["cramers_v"].value > result.scores()["cramers_v"].control
    print(f"cooccurrence, false alarms of 100: {alarms}; V beyond its control: {over}")
    assert 1 <= alarms <= 10 and 1 <= over <= 10


def test_what_is_called_detectable_is_found_in_80_of_100_samples():
    """Three classes, 200 images, a bias of which V = (3 b - 1) / 2 is the least detectable."""
    rng = np.random.default_rng(0)
    a = rng.integers(0, 3, 200)
    v = cooccurrence(pd.DataFrame({"label": a, "attribute": rng.permutation(a)})).detectable
    found = 0
    for _ in range(100):
        a = rng.integers(0, 3, 200)
        other = (a + rng.integers(1, 3, 200)) % 3
        b = np.where(rng.random(200) < (2 * v + 1) / 3, a, other)
        found += cooccurrence(pd.DataFrame({"label": a, "attribute": b})).found
    print(f"cooccurrence, found of 100 at the least detectable V {v:.3f}: {found}")
    assert 68 <= found <= 92


def test_bad_input():
    table = pd.DataFrame({"label": list("aab"), "attribute": ["u", None, "w"]})
    with pytest.raises(ValueError, match="'attribute' has no value for 1 of 3"):
        cooccurrence(table)
    with pytest.raises(ValueError, match="All 2 images have the 'label' 'a'"):
        cooccurrence(table[:2], "label", "label")
