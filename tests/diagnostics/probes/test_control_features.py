"""Controls: alone or with images of their own to fit on, in the order of the images that are asked about."""

import numpy as np
import pytest

from sslviz.diagnostics.probes.control_features import aligned_controls, scored_and_fit
from sslviz.features import Features


def space(ids, seed=0):
    return Features.from_array(np.random.default_rng(seed).normal(size=(len(ids), 2)), ids=ids)


def test_alone_or_with_images_to_fit_on_both_are_brought_to_the_same_images():
    whole, fit = space(list("abcdef")), space(list("xyz"), 1)
    assert scored_and_fit(whole) == (whole, None) and scored_and_fit((whole, fit)) == (whole, fit)
    scored, fitted = space(list("cab"), 2), space(list("fe"), 3)
    ((name, there, bank),) = aligned_controls({"alone": whole}, scored, fitted)
    assert (name, list(there.ids), list(bank.ids)) == ("alone", list("cab"), list("fe"))
    np.testing.assert_array_equal(there.x, whole.x[[2, 0, 1]])
    ((_, there, bank),) = aligned_controls({"both": (whole, fit)}, scored, space(list("zx"), 4))
    np.testing.assert_array_equal(bank.x, fit.x[[2, 0]])
    assert list(aligned_controls(None, scored, fitted)) == []


def test_a_control_of_other_images_is_refused():
    with pytest.raises(ValueError, match="not among these features"):
        list(aligned_controls({"other": space(list("pq"))}, space(["a"]), space(["b"])))
