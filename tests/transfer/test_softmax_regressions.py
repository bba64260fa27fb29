"""Many logistic regressions at once: each is scikit-learn's of the same rows, in all coordinates."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from sslviz.transfer.few_label_readouts import rotated
from sslviz.transfer.softmax_regressions import SoftmaxRegressions, softmax_regressions


def problems(b, n, d, classes, seed=0):
    """Classes that overlap, in features that go together, as an encoder's do; standardised."""
    rng = np.random.default_rng(seed)
    codes = np.tile(np.arange(n) % classes, (b, 1))
    mixing = rng.normal(size=(d, d)) * np.linspace(2, 0.1, d)[:, None]
    x = (rng.normal(size=(b, n, d)) + rng.normal(size=(classes, d))[codes]) @ mixing
    return (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True), codes


def centred(logits):
    """A constant added to the logits of all classes changes nothing."""
    return logits - logits.mean(axis=-1, keepdims=True)


def oracle(x, codes, penalty, weight=None):
    model = LogisticRegression(C=penalty, solver="newton-cholesky", tol=1e-12, max_iter=500)
    return centred(model.fit(x, codes, weight).decision_function(x))


@pytest.mark.parametrize("penalty", [1e-4, 1e-2, 1.0, 10.0])
def test_each_fit_is_scikit_learns(penalty):
    x, codes = problems(3, 60, 8, 4)
    logits = centred(softmax_regressions(x, codes, 4, penalty, tol=1e-9).logits(x))
    for i in range(3):
        np.testing.assert_allclose(logits[i], oracle(x[i], codes[i], penalty), atol=1e-5)


def test_weights_of_rows_count_as_scikit_learns_do_and_rows_of_none_are_not_there():
    x, codes = problems(2, 60, 8, 3)
    weight = np.random.default_rng(0).integers(0, 3, (2, 60)).astype(float)
    logits = centred(softmax_regressions(x, codes, 3, 0.1, weight=weight, tol=1e-9).logits(x))
    for i in range(2):
        np.testing.assert_allclose(logits[i], oracle(x[i], codes[i], 0.1, weight[i]), atol=1e-5)
    kept = weight[0] > 0
    few = softmax_regressions(x[:1, kept], codes[:1, kept], 3, 0.1, weight=weight[:1, kept], tol=1e-9)
    np.testing.assert_allclose(centred(few.logits(x[:1]))[0], logits[0], atol=1e-5)


def test_of_two_classes_it_is_scikit_learns_with_twice_its_c():
    x, codes = problems(1, 60, 8, 2)
    logits = softmax_regressions(x, codes, 2, 0.05, tol=1e-9).logits(x)[0]
    model = LogisticRegression(C=0.1, solver="newton-cholesky", tol=1e-12).fit(x[0], codes[0])
    np.testing.assert_allclose(logits[:, 1] - logits[:, 0], model.decision_function(x[0]), atol=1e-5)


@pytest.mark.parametrize("penalty", [1e-3, 0.1, 10.0])
def test_a_fit_in_the_span_of_few_rows_is_the_fit_in_all_dimensions(penalty):
    """Also with a row that is there twice, so that the span has fewer dimensions than there are rows."""
    x, codes = problems(2, 30, 90, 3)
    x[:, 3] = x[:, 0]
    coordinates, basis = rotated(x)
    assert coordinates.shape == (2, 30, 30)
    few = softmax_regressions(coordinates, codes, 3, penalty, tol=1e-9)
    back = SoftmaxRegressions(basis @ few.weights, few.bias)
    direct = softmax_regressions(x, codes, 3, penalty, tol=1e-9)
    new = np.random.default_rng(1).normal(size=(50, 90))
    np.testing.assert_allclose(back.logits(new), direct.logits(new), atol=1e-5)


def test_a_start_nearby_changes_the_way_and_not_the_end():
    x, codes = problems(2, 40, 8, 4)
    near = softmax_regressions(x, codes, 4, 0.03)
    warm = softmax_regressions(x, codes, 4, 0.1, tol=1e-9, start=near).logits(x)
    np.testing.assert_allclose(warm, softmax_regressions(x, codes, 4, 0.1, tol=1e-9).logits(x), atol=1e-5)


def test_a_hard_problem_in_the_stack_keeps_no_easy_one_from_its_end():
    easy, hard = problems(1, 40, 8, 4), problems(1, 40, 8, 4, seed=1)
    x, codes = np.concatenate([easy[0] / 100, 4 * hard[0]]), np.concatenate([easy[1], hard[1]])
    together = softmax_regressions(x, codes, 4, 1.0, tol=1e-8).logits(x)
    for i in range(2):
        np.testing.assert_allclose(centred(together[i]), oracle(x[i], codes[i], 1.0), atol=1e-4)


def test_constant_features_give_all_classes_the_same_weight():
    fits = softmax_regressions(np.zeros((1, 12, 5)), np.arange(12)[None] % 3, 3, 1.0)
    assert not fits.weights.any() and np.ptp(fits.bias) < 1e-6
