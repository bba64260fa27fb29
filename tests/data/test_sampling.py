import numpy as np
import pytest

import sslviz
from sslviz.data.sampling import sample_rows, sampled, spread_rows, stratified_rows


@pytest.mark.parametrize("nearest", [False, True])
@pytest.mark.parametrize(("n", "count"), [(1, 1), (1, 5), (7, 7), (7, 20), (100, 6), (1000, 16)])
def test_spread_rows_run_evenly_from_the_first_to_the_last(n, count, nearest):
    rows = spread_rows(n, count, nearest=nearest)
    assert len(rows) == min(n, count) and rows[0] == 0 and (count == 1 or rows[-1] == n - 1)
    assert np.ptp(np.diff(rows)) <= 1 if len(rows) > 1 else True


def test_rows_are_rounded_down_or_to_the_nearest():
    assert spread_rows(8, 4).tolist() == [0, 2, 4, 7] and spread_rows(8, 4, nearest=True).tolist() == [0, 2, 5, 7]


def test_a_sample_is_the_same_each_time_and_in_order():
    rows = sample_rows(1000, 50)
    assert len(set(rows.tolist())) == 50 and (np.diff(rows) > 0).all() and np.array_equal(rows, sample_rows(1000, 50))
    assert np.array_equal(sample_rows(5, 50), np.arange(5))


def test_each_stratum_is_drawn_in_proportion_the_same_each_time():
    strata = np.repeat(["a", "b", "c", "rare"], [600, 300, 97, 3])
    rows = stratified_rows(strata, 100)
    assert len(rows) == 100 and (np.diff(rows) > 0).all() and np.array_equal(rows, stratified_rows(strata, 100))
    counts = {name: int((strata[rows] == name).sum()) for name in "abc"}
    assert all(abs(counts[name] - share) <= 1 for name, share in {"a": 60, "b": 30, "c": 9.7}.items())
    assert not np.array_equal(rows, stratified_rows(strata, 100, seed=1))


def test_what_belongs_together_is_drawn_together():
    rng = np.random.default_rng(0)
    units = rng.integers(0, 80, 1000)
    strata = np.where(units % 4 == 0, "few", "many")  # each unit of one stratum
    rows = stratified_rows(strata, 200, units)
    chosen = np.zeros(1000, bool)
    chosen[rows] = True
    assert all(len(set(chosen[units == unit])) == 1 for unit in set(units))
    largest = np.bincount(units).max()
    assert 200 - largest < len(rows) <= 200
    few = (strata[rows] == "few").mean()
    assert abs(few - (strata == "few").mean()) < 2 * largest / 200
    assert len(stratified_rows(strata, 1, units)) >= 1  # a unit larger than the sample is one all the same


@pytest.mark.parametrize("group", ["", "color"])
def test_a_sample_has_a_text_that_makes_it_again(group):
    images = sslviz.load_images("shapes:n=400,size=16,split=train")
    some = sampled(images, 90, "shape", group)
    assert 0 < len(some) <= 90 and some.spec.endswith("split=train,sample=90/shape" + (group and "/color"))
    assert sslviz.load_images(some.spec).digest == some.digest != images.digest
    assert sampled(images, 10_000, "shape") is images
    plain = sampled(images, 90)
    assert plain.spec.endswith("sample=90") and sslviz.load_images(plain.spec).digest == plain.digest


def test_a_sample_whose_text_could_be_misread_has_none():
    images = sslviz.shapes(n=40, size=16)
    odd = sslviz.Images(images.pixels, images.ids, images.table.rename(columns={"shape": "a/b,c"}), spec=images.spec)
    assert sampled(odd, 10, "a/b,c").spec == ""
    with pytest.raises(ValueError, match="sampled by 'nothing': there is no such column"):
        sampled(images, 10, "nothing")
    with pytest.raises(ValueError, match="sample takes a whole number, as in sample=500 or sample=500/shape; got 'x'"):
        sslviz.load_images("shapes:n=40,size=16,sample=x")
    with pytest.raises(ValueError, match="at least one image"):
        sslviz.load_images("shapes:n=40,size=16,sample=0")
