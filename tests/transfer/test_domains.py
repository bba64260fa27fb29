"""Domains left out: planted shortcuts, choices of the penalty that see no answer, and what cannot be asked."""

import numpy as np
import pytest

from sslviz.diagnostics.probes.linear import PENALTIES
from sslviz.features import Features
from sslviz.runs import load_result, save_result
from sslviz.transfer.domains import HONEST, SHUFFLED, Domains, domains
from sslviz.transfer.left_out_domains import Plan, left_out

D = 6


def sites(n=900, seed=0, shortcut=0.0, true=2.0, names=("a", "b", "c")):
    """Two classes; column 0 holds the class everywhere, column 1 holds it with a sign of its own in the last domain."""
    rng = np.random.default_rng(seed)
    label, domain = np.arange(n) % 2, np.arange(n) // 2 % len(names)
    sign = 2 * label - 1
    x = rng.normal(size=(n, D))
    x[:, 0] += true / 2 * sign
    x[:, 1] += shortcut / 2 * sign * np.where(domain == len(names) - 1, -1, 1)
    table = {"label": label, "site": np.array(names)[domain]}
    return Features.from_array(x, table=table, ids=[f"{seed}-{i}" for i in range(n)])


def test_without_a_shift_leaving_a_domain_out_costs_nothing():
    result = domains(sites(), "label", "site")
    scores = result.scores()
    from scipy.stats import norm

    assert scores["accuracy"].low < norm.cdf(1) < scores["accuracy"].high
    assert abs(scores["gap"].value) < 0.03 and abs(scores["gap"].controls[SHUFFLED]) < 0.03
    assert set(result.levels()) == {"a", "b", "c"} and result.chance == 0.5


def test_a_shortcut_that_turns_round_in_one_domain_costs_that_domain():
    """Away from c both columns tell the class; in c the second says the opposite and, being larger, wins."""
    result = domains(sites(shortcut=4.0), "label", "site")
    levels = result.levels()
    assert levels["c"]["left_out"].value < 0.2 and levels["a"]["left_out"].value > 0.8
    scores = result.scores()
    assert scores["gap"].low > 0 and scores["worst"].value == levels["c"]["left_out"].value < 0.2
    assert scores["worst"].controls[SHUFFLED] > 0.6
    assert scores["accuracy"].value == pytest.approx(np.mean([of["left_out"].value for of in levels.values()]))


def test_the_intervals_of_a_gap_that_is_none_hold_0():
    """100 seeds of three domains that differ in nothing: at most 10 intervals miss 0, which 5 % would."""
    missed = 0
    for seed in range(100):
        plan = Plan.of(*[sites(120, 2 * seed + i) for i in range(2)], "label", "site")
        x, fit = sites(120, 2 * seed).x, sites(120, 2 * seed + 1).x
        rng = np.random.default_rng(seed)
        found = left_out(plan, x, fit, seed)
        gap = found.both[1].astype(float) - found.both[0]
        draws = gap[rng.integers(0, len(gap), (1000, len(gap)))].mean(axis=1)
        low, high = np.quantile(draws, [0.025, 0.975])
        missed += bool(low > 0 or high < 0)
    assert missed <= 10


def test_penalties_are_chosen_without_the_domain_that_is_scored():
    """Whatever is written into the scored domain, the choice for it stays; the oracle's choice reads it best."""
    features = sites(shortcut=2.0)
    scored, fitted = features.rows(np.arange(900) % 4 < 2), features.rows(np.arange(900) % 4 >= 2)
    plan = Plan.of(scored, fitted, "label", "site")
    before = left_out(plan, scored.x, fitted.x, 0)
    other, theirs = scored.x.copy(), fitted.x.copy()
    other[plan.domain == 2] = 5 - 3 * other[plan.domain == 2]
    theirs[plan.fit_domain == 2] = 5 - 3 * theirs[plan.fit_domain == 2]
    after = left_out(plan, other, theirs, 0)
    assert after.penalties[0, 2] == before.penalties[0, 2]
    assert set(before.penalties.ravel()) <= set(PENALTIES)
    for found in (before, after):
        assert (found.oracle.sum() >= found.both[0].sum()) and (found.both.shape == (2, len(scored)))


def test_the_oracle_never_reads_worse_and_says_what_it_stands_beside():
    scores = [domains(sites(120, seed, shortcut=1.0), "label", "site").scores()["oracle"] for seed in range(10)]
    assert all(score.value >= 0 and score.controls == {HONEST: 0.0} for score in scores)
    assert max(score.value for score in scores) > 0


def test_of_two_domains_a_fifth_of_the_other_chooses():
    result = domains(sites(names=("a", "b"), true=4.0), "label", "site")
    assert result.scores()["accuracy"].value > 0.9
    assert not np.isnan(result.penalties).any()


def test_controls_what_is_left_out_and_what_is_stored(tmp_path):
    features = sites()
    table = features.table.assign(label=features.table["label"].astype(object), site=features.table["site"])
    table.loc[table.index[:300:3], "label"] = "rare"
    table.loc[table["label"] == "rare", "site"] = "a"
    table.loc[table.index[-9:], "site"] = None
    features = Features(features.x, features.ids, table)
    scored, fitted = features.rows(np.arange(900) % 4 < 2), features.rows(np.arange(900) % 4 >= 2)
    noise = Features(np.random.default_rng(0).normal(size=(900, 3)), features.ids, features.table)
    result = domains(scored, "label", "site", fit=fitted, control_features={"pixels": (noise, noise)})
    assert result.left_out == {
        "no value of site": 9,
        "label that fewer than two domains show where it is fitted on": 100,
    }
    assert list(result.classes) == ["0", "1"]
    assert result.scores()["accuracy"].controls["pixels"] == pytest.approx(0.5, abs=0.1)
    assert result.scores()["accuracy"].beats_control
    save_result(tmp_path / "r.npz", result)
    assert load_result(tmp_path / "r.npz", Domains).scores() == result.scores()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.assign(site="a"), "'site' 'a', so there is nothing to tell apart"),
        (lambda t: t.drop(columns="site"), "no column 'site'"),
        (
            lambda t: t.assign(site=np.where(t["label"] == 0, "a", "b")),
            "two values of 'site' each; here that holds for none",
        ),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(change, message):
    features = sites(60)
    with pytest.raises(ValueError, match=message):
        domains(Features(features.x, features.ids, change(features.table)), "label", "site")
