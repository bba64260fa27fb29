"""Enough corrupted pictures: a stop at a stated width leaves intervals that hold what is true, and claims nothing more."""

from dataclasses import replace

import numpy as np
import pytest

from sslviz.diagnostics.robustness.drift import HALF_WIDTH, drift
from sslviz.diagnostics.robustness.enough import enough_corrupted
from sslviz.diagnostics.similarity.compare import compare
from sslviz.features import Features

KINDS = [("", 0), ("fog", 1), ("fog", 2), ("snow", 1), ("snow", 2)]
N, D, ROUND, MOST = 200, 6, 50, 100
# Where nothing is lost, the first hundred seeds are unlucky: their intervals hold in .87, under the bound below.  So 200 are
# counted.  Of seeds 300 to 499, which were looked at once and after that, .94 held, and .955 with all pictures.
SEEDS = 200


def planted(seed, lost, spread=0.0, apart=10.0, redrawn=0.0, along=1.0):
    """200 images of two classes `apart`, and 100 of them under four kinds, which each move them `along` the last axis.

    A kind carries a picture to the other class with a chance that is `lost` on average over pictures, `spread` more or
    less for each; or it draws the noise on the axis between the classes again, by which as many are lost as are found.
    """
    rng = np.random.default_rng(seed)
    sign = 2 * (rng.permutation(N) % 2) - 1
    noise, first, last = rng.normal(size=(N, D)), np.eye(D)[0], np.eye(D)[-1]
    plain = noise + np.outer(sign, apart / 2 * first)
    chance = lost + spread * rng.choice([-1, 1], size=MOST)
    parts = [plain[:MOST]]
    for _, severity in KINDS[1:]:
        carried = rng.random(MOST) < chance
        step = -np.outer(carried * sign[:MOST], apart * first) + along * severity * last
        parts.append(plain[:MOST] + step + redrawn * np.outer(rng.normal(size=MOST) - noise[:MOST, 0], first))
    ids = np.array([f"p{i}" for i in range(N)])
    names = [f"{kind} {severity}" if kind else "" for kind, severity in KINDS]
    table = {"object": np.tile(ids[:MOST], len(KINDS)), "changed": np.repeat(names, MOST)}
    table |= {
        column: np.repeat([kind[i] for kind in KINDS], MOST) for i, column in enumerate(("corruption", "severity"))
    }
    features = Features.from_array(plain, table={"label": np.where(sign > 0, "a", "b")}, ids=ids)
    corrupted = Features.from_array(np.concatenate(parts), table=table)
    moved = np.mean([lost * apart**2 + (along * severity) ** 2 for _, severity in KINDS[1:]]) + 2 * redrawn
    return features, corrupted, {"accuracy_lost": lost, "drift": moved / (2 * (D + apart**2 / 4))}


def of_first(corrupted, n):
    """The first n of the pictures."""
    return corrupted.rows(np.isin(corrupted.column("object"), [f"p{i}" for i in range(n)]))


def stopped(features, corrupted):
    """As many pictures as the rule asks for, round by round."""
    rounds = range(ROUND, MOST, ROUND)
    return next((n for n in rounds if enough_corrupted(features, None, of_first(corrupted, n))), MOST)


WORLDS = {
    "a tenth is lost": {"lost": 0.1},
    "none is lost": {"lost": 0.0, "apart": 2.0, "redrawn": 1.0, "along": 0.0},
}


@pytest.mark.slow  # each seed fits a readout for every round, on 200 seeds
@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_intervals_hold_what_is_true_at_whatever_number_it_stops(world):
    """Nearly as often as those of all pictures, the mean is pulled nowhere, and false alarms stay at their level."""
    held = {n: {name: [] for name in ("accuracy_lost", "drift")} for n in ("stopped", "all")}
    off, numbers = [], []
    for seed in range(SEEDS):
        features, corrupted, true = planted(seed, **world)
        numbers.append(stopped(features, corrupted))
        scores_of = {n: drift(features, of_first(corrupted, n)).scores() for n in {numbers[-1], MOST}}
        for which, n in (("stopped", numbers[-1]), ("all", MOST)):
            scores = scores_of[n]
            for name, found in held[which].items():
                found.append(scores[name].low <= true[name] <= scores[name].high)
                assert which == "all" or n == MOST or scores[name].high - scores[name].low <= 2 * HALF_WIDTH
            if which == "stopped":
                off.append(scores["accuracy_lost"].value - true["accuracy_lost"])
    shares = {which: {name: np.mean(found) for name, found in of.items()} for which, of in held.items()}
    for name, share in shares["stopped"].items():
        assert share >= 0.88 and share >= shares["all"][name] - 0.05, shares
    assert abs(np.mean(off)) < HALF_WIDTH / 5  # what an early stop adds is small beside the interval
    assert np.mean(numbers) < MOST


def test_what_differs_more_is_looked_at_longer_and_what_cannot_be_told_too():
    features, corrupted, _ = planted(0, 0.5, spread=0.4)
    assert stopped(features, corrupted) == MOST
    features, corrupted, _ = planted(0, 0.1)
    assert stopped(features, corrupted) == ROUND
    few = np.arange(N) >= 40
    gaps = replace(
        features, table=features.table.assign(tint=np.where(few, None, np.where(np.arange(N) % 2, "x", "y")))
    )
    assert enough_corrupted(gaps, None, of_first(corrupted, ROUND))  # 40 of them have a tint
    gaps = replace(features, table=features.table.assign(tint=np.roll(gaps.table["tint"].to_numpy(), 40)))
    assert not enough_corrupted(gaps, None, of_first(corrupted, ROUND))  # ten of the first fifty do, too few to ask
    same = replace(corrupted, x=np.ones_like(corrupted.x))
    assert not enough_corrupted(features, None, of_first(same, ROUND))


def test_two_checkpoints_that_stopped_elsewhere_are_compared_on_common_pictures():
    """As if both had been shown the common ones; the pictures that only one saw count for nothing."""
    (features, corrupted, _), (others, theirs, _) = planted(0, 0.1), planted(0, 0.3)
    every, few = drift(features, corrupted), drift(others, of_first(theirs, ROUND))
    common = every.of_pictures(few.ids)
    found, again = compare(every, few), compare(few, every)
    assert found.first["accuracy_lost"] == pytest.approx(common.scores()["accuracy_lost"].value)
    assert found.first["accuracy_lost"] == again.second["accuracy_lost"]
    by_hand = few.per_image()["accuracy_lost"] - every.per_image()["accuracy_lost"][:ROUND]
    assert found.second["accuracy_lost"] - found.first["accuracy_lost"] == pytest.approx(by_hand.mean())
    for name in ("accuracy_lost", "drift"):
        assert found.low[name] < found.second[name] - found.first[name] < found.high[name]
    assert found.low["accuracy_lost"] > 0  # 0.1 and 0.3 are told apart, picture by picture
    assert compare(common, few).low == found.low
    others = drift(features, of_first(corrupted, ROUND))
    elsewhere = replace(others, ids=np.char.add(others.ids, "x"))
    with pytest.raises(ValueError, match="were scored on different images"):
        compare(every, elsewhere)


def test_how_many_pictures_were_shown_is_said():
    features, corrupted, _ = planted(0, 0.1)
    first = of_first(corrupted, ROUND)
    shown = replace(first, source={**first.source, "enough": True, "of": MOST})
    assert drift(features, first).left_out == {}
    assert drift(features, shown).left_out == {"50 corrupted pictures tell what is lost to 0.1 to either side": 50}
