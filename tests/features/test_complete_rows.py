"""Gaps leave out rows, tiny classes leave out themselves, and both are counted."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from sslviz.features.class_names import class_counts
from sslviz.features.complete_rows import complete_rows


def test_what_is_left_out_is_counted_by_reason():
    table = pd.DataFrame({"label": list("aaaabbbbc") + [None], "sex": ["m", "f"] * 5})
    rows = complete_rows(table, None, ["label"])
    assert rows.keep.tolist() == [True] * 8 + [False] * 2 and not rows.all
    assert rows.sentences() == [
        "1 image left out: no value of label.",
        "1 image left out: label 'c' has too few images to fit on and to score.",
    ]
    assert complete_rows(table, None, ["sex"]).all


def test_of_images_of_their_own_to_fit_on_each_class_needs_one_on_each_side():
    table, fit = pd.DataFrame({"label": list("aabc")}), pd.DataFrame({"label": ["a", "b", "d", None]})
    rows = complete_rows(table, fit, ["label"])
    assert rows.keep.tolist() == [True, True, True, False] and rows.keep_fit.tolist() == [True, True, True, False]
    assert "1 image left out: no image that is fitted on has label 'c'." in rows.sentences()


def test_a_class_that_does_not_vary_goes_on_both_sides_where_that_is_asked_for():
    table = pd.DataFrame({"emoji": ["hand"] * 4 + ["cat"] * 4, "tone": ["light", "dark"] * 2 + ["none"] * 4})
    assert complete_rows(table, table, ["emoji", "tone"]).all
    rows = complete_rows(table, table, ["emoji", "tone"], varying=True)
    assert rows.keep.tolist() == rows.keep_fit.tolist() == [True] * 4 + [False] * 4
    assert rows.left_out == {"emoji 'cat' shows one tone only": 8}


CELLS = st.lists(st.tuples(st.sampled_from([None, "a", "b", "c"]), st.sampled_from([None, 1.0, 2.0])), max_size=14)


@given(CELLS, st.one_of(st.none(), CELLS), st.booleans())
def test_of_any_table_what_is_kept_can_be_asked_and_what_is_not_is_counted(cells, fit_cells, varying):
    table = pd.DataFrame(cells, columns=["label", "attribute"])
    fit = None if fit_cells is None else pd.DataFrame(fit_cells, columns=["label", "attribute"])
    rows = complete_rows(table, fit, ["label", "attribute"], varying=varying)
    kept = table[rows.keep]
    assert not kept.isna().any().any()
    for name in kept:
        counts = class_counts(kept[name])
        assert (counts >= (2 if fit is None else 1)).all()
        if fit is not None:
            assert set(counts.index) <= set(class_counts(fit[name][rows.keep_fit]).index)
    if varying and len(kept):
        assert (kept.groupby("label")["attribute"].nunique() >= 2).all()
    gone = (~rows.keep).sum() + (0 if rows.keep_fit is None else (~rows.keep_fit).sum())
    assert sum(rows.left_out.values()) == gone and rows.all == (gone == 0)
    assert np.array_equal(rows.keep, complete_rows(table, fit, ["label", "attribute"], varying=varying).keep)
