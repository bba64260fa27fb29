"""The least detectable effect: an effect of that size is found in about 80 of 100 planted samples; 25 s on one core."""

from itertools import cycle

import numpy as np
import pytest

import sslviz
from sslviz import Features
from sslviz.diagnostics.bias.excess_errors import judged_slices
from sslviz.diagnostics.bias.slices import Slices
from sslviz.diagnostics.probes import description_length as length_module
from sslviz.diagnostics.probes.selectivity import Selectivity
from sslviz.diagnostics.robustness.invariance import Invariance

ABOUT_80 = (0.65, 0.93)  # what is estimated from one sample errs a little, and so does a share of 100


def selectivity_of(advantage, seed, n=200):
    """A readout that is right as much more often about the label than about random classes."""
    rng, truth = np.random.default_rng(seed), np.arange(n) % 2
    right, control = rng.random(n) < 0.6 + advantage, rng.random(n) < 0.6
    readouts = {"linear": right, "mlp": right}
    controls = {"linear": control, "mlp": control}
    ids = np.arange(n).astype(str)
    return Selectivity("shape", np.array(["a", "b"]), ids, truth, readouts, controls, {}, 20, ["day"], seed)


def invariance_to(blindness, seed, n=60):
    """A change whose steps are shorter than the way to another picture by as much."""
    rng = np.random.default_rng(seed)
    spread = rng.chisquare(4, n)
    moved = (1 - blindness) * rng.chisquare(4, (1, n))
    nothing = np.full((1, n), np.nan)
    ids = np.arange(n).astype(str)
    return Invariance(["hue"], [], ids, moved, spread, nothing, nothing, np.zeros((0, 1)), np.zeros(0), {}, seed, 0.5)


def slices_of(share, seed, sizes=(40, 60, 60, 60, 80), elsewhere=0.1):
    """Five slices, of which the first is read wrongly so often."""
    rng = np.random.default_rng(seed)
    member = np.repeat(np.arange(len(sizes)), sizes)
    wrong = rng.random(len(member)) < np.where(member == 0, elsewhere if share is None else share, elsewhere)
    truth = rng.integers(2, size=len(member))
    predicted = np.where(wrong, 1 - truth, truth)
    told = judged_slices(wrong.astype(float), predicted, member[:, None] == np.arange(len(sizes)), seed)
    ids, surely = np.arange(len(member)).astype(str), np.ones(len(member))
    return Slices("shape", np.array(["a", "b"]), ids, member, surely, truth, predicted, **told, n_discovery=len(member))


def power(made):
    return np.mean([made(seed) for seed in range(1, 101)])


def test_selectivity():
    least = np.mean([selectivity_of(0.1, seed).detectable for seed in range(5)])
    assert 0.05 < least < 0.25 and ABOUT_80[0] < power(lambda seed: selectivity_of(least, seed).found) < ABOUT_80[1]
    assert power(lambda seed: selectivity_of(0, seed).found) <= 0.1
    tested = selectivity_of(least, 0).hypothesis()
    assert tested.score == "linear" and tested.detectable == selectivity_of(least, 0).detectable and tested.n == 200
    few = selectivity_of(0.1, 0, n=12)
    assert few.detectable is None and few.hypothesis().p == 1


def test_invariance():
    least = np.mean([invariance_to(0.3, seed).detectable["hue"] for seed in range(5)])
    assert 0.1 < least < 0.5 and ABOUT_80[0] < power(lambda seed: invariance_to(least, seed).found["hue"]) < ABOUT_80[1]
    assert power(lambda seed: invariance_to(0, seed).found["hue"]) <= 0.1
    assert invariance_to(0.9, 0).hypothesis().p < 0.001 and invariance_to(-1, 0).hypothesis().p == 1


def test_slices():
    least = np.mean([slices_of(None, seed).detectable for seed in range(5)])
    found = power(lambda seed: slices_of(least, seed).p_corrected[0] < 0.05)
    assert 0.15 < least < 0.5 and ABOUT_80[0] < found < ABOUT_80[1]
    assert power(lambda seed: slices_of(None, seed).found) <= 0.1
    perfect = slices_of(0, 0, elsewhere=0)
    assert 0 < perfect.detectable < 0.3 and not perfect.found  # where nothing is wrong, a few errors tell
    tested = slices_of(0.6, 0).hypothesis()
    assert tested.p < 0.01 and "40 images" in tested.statement and len(tested.examples) == 40


@pytest.mark.parametrize(("n", "d"), [(200, 8), (600, 8)])
def test_description_length(n, d, monkeypatch):
    """Classes apart by various distances: where the mean saving is the least detectable one, 80 of 100 are found."""
    code, shuffled = length_module._bits, cycle([True, False])  # the first of two codes is of the labels shuffled, ...

    def without_control(x, codes, k, ends, units):  # ... which nothing here looks at: test_decodable does
        return np.full(len(codes), np.log2(k)) if next(shuffled) else code(x, codes, k, ends, units)

    monkeypatch.setattr(length_module, "SHUFFLES", 1)
    monkeypatch.setattr(length_module, "_bits", without_control)
    saved, found = [], []
    least = 0.0
    for seed in range(25):
        rng = np.random.default_rng(seed)
        label = rng.integers(2, size=n)
        apart = (1.05 if n == 200 else 0.6) * np.eye(2, d)[label]
        result = sslviz.description_length(Features.from_array(apart + rng.normal(size=(n, d)), table={"label": label}))
        saved.append(1 - result.scores()["bits"].value)
        found.append(result.found)
        least = result.detectable
    assert 0.6 < least / np.mean(saved) < 1.7  # the distances were chosen so that 80 of 100 are found
    assert ABOUT_80[0] < np.mean(found) < 0.95
    assert result.hypothesis().detectable == least and result.hypothesis().score == "bits"


def test_a_report_lists_only_the_tests_that_the_catalog_says():
    from sslviz.reports.audit.findings import hypothesis_tests

    results = {
        "selectivity:shape": selectivity_of(0.2, 0),
        "invariance": invariance_to(0.5, 0),
        "slices": slices_of(None, 0),
    }
    assert hypothesis_tests("run", results) == []
    for result in results.values():
        assert "would be found in 80 of 100 such samples" in sslviz.draw(result).layout.meta["caption"]
