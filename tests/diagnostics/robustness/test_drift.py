"""Drift: planted accuracy and distance at every severity, and the reference."""

from dataclasses import replace

import numpy as np
import pytest

from sslviz.diagnostics.robustness.drift import drift
from sslviz.features import Features

N, D, SEVERITIES = 200, 8, (1, 2, 3)


def planted(worst, seed=0, apart=6.0):
    """400 pictures of two classes far apart; of the first 200 each again, with a share of them carried to the other class.

    `worst` {corruption: share at severity 3}, in proportion below; severity moves along the last axis too.
    """
    rng = np.random.default_rng(seed)
    label = np.arange(2 * N) % 2
    x = rng.normal(size=(2 * N, D)) + apart * label[:, None] * np.eye(D)[0]
    ids = [f"p{i}" for i in range(2 * N)]
    parts, rows = [x[:N]], [("", "", 0)]
    for name, share in worst.items():
        for s in SEVERITIES:
            carried = np.arange(N) < share * s / 3 * N
            sign = 1 - 2 * label[:N]
            parts.append(x[:N] + (apart * carried * sign)[:, None] * np.eye(D)[0] + s * np.eye(D)[-1])
            rows.append((f"{name} {s}", name, s))
    table = {"object": np.tile(ids[:N], len(rows))}
    table |= {c: np.repeat([r[i] for r in rows], N) for i, c in enumerate(("changed", "corruption", "severity"))}
    names = [f"{o} {c}" for o, c in zip(table["object"], table["changed"], strict=True)]
    whole = Features.from_array(x, table={"label": np.array(["a", "b"])[label]}, ids=ids)
    return whole, Features.from_array(np.concatenate(parts), table=table, ids=names)


def test_accuracy_and_distance_are_those_that_were_planted():
    whole, corrupted = planted({"fog": 0.6, "snow": 0.0})
    result = drift(whole, corrupted)
    assert result.corruptions == ["fog", "snow"] and result.severities == [1, 2, 3]
    clean = result.clean.mean()
    assert clean > 0.97
    np.testing.assert_allclose(result.accuracy[0], [0.8, 0.6, 0.4], atol=0.03)
    np.testing.assert_allclose(result.accuracy[1], clean, atol=0.02)
    x = corrupted.x[:N].astype(float)
    two = 2 * ((x - x.mean(axis=0)) ** 2).sum() / (N - 1)
    np.testing.assert_allclose(result.drift[1], np.array([1, 4, 9]) / two, rtol=1e-4)
    score = result.scores()["accuracy_lost"]
    assert score.low < 0.2 < score.high and score.value == pytest.approx(clean - result.accuracy.mean())


def test_errors_are_relative_to_the_reference():
    (whole, corrupted), (theirs, there) = planted({"fog": 0.3, "snow": 0.6}), planted({"fog": 0.6, "snow": 0.6}, seed=1)
    result = drift(
        whole,
        corrupted,
        control_features={"untrained": theirs, "pixels": theirs},
        corrupted_controls={"untrained": there},
    )
    score = result.scores()["relative_error to untrained"]
    assert set(result.control_values) == {"untrained"} and score.controls == {"untrained": 1.0}
    assert score.value == pytest.approx((0.5 + 1) / 2, abs=0.06) and score.beats_control
    itself = drift(whole, corrupted, control_features={"untrained": whole}, corrupted_controls={"untrained": corrupted})
    assert itself.scores()["relative_error to untrained"].value == pytest.approx(1)
    assert not itself.scores()["relative_error to untrained"].beats_control


def test_controls_are_of_the_pictures_that_a_result_is_of():
    """As if checkpoint and control had been shown these pictures alone; an older result has no such controls to show."""
    (whole, corrupted), (theirs, there) = planted({"fog": 0.3, "snow": 0.6}), planted({"fog": 0.6, "snow": 0.6}, seed=1)
    fit = Features.from_array(whole.x[N:], table=whole.table[N:], ids=whole.ids[N:])
    controls = {"untrained": (theirs, theirs.rows(np.arange(N, 2 * N)))}

    def shown(pictures):
        few = [x.rows(np.isin(x.column("object"), pictures)) for x in (corrupted, there)]
        return drift(whole, few[0], fit=fit, control_features=controls, corrupted_controls={"untrained": few[1]})

    some = whole.ids[:50]  # those that are carried first: of 20, 40, 60 in fog, by the control of 40, 80, 120
    of_all, of_some = shown(whole.ids[:N]), shown(some)
    found, expected = of_all.of_pictures(some), of_some
    for name, value in expected.control_values["untrained"].items():
        if name != "moved":  # in units of a spread about the mean of all pictures
            np.testing.assert_allclose(found.control_values["untrained"][name], value)
    name = "relative_error to untrained"
    assert found.scores()[name].value == pytest.approx(expected.scores()[name].value)
    assert found.scores()[name].value == pytest.approx(((20 + 40 + 50) / (40 + 50 + 50) + 1) / 2, abs=0.01)
    older = replace(of_all, control_pictures={})
    assert older.scores()[name] == of_all.scores()[name] and name not in older.of_pictures(some).scores()


def test_nothing_is_lost_where_nothing_is_changed():
    claimed = 0
    for seed in range(40):
        whole, corrupted = planted({"fog": 0.0}, seed=seed, apart=2.0)
        rng = np.random.default_rng(seed)
        moved = (
            corrupted.x
            + 0.2 * rng.normal(size=corrupted.x.shape) * (corrupted.table["severity"] > 0).to_numpy()[:, None]
        )
        plain = moved - np.outer(corrupted.table["severity"], np.eye(D)[-1])
        again = Features.from_array(plain, table=corrupted.table, ids=corrupted.ids)
        claimed += drift(whole, again, seed=seed).scores()["accuracy_lost"].low > 0.02
    assert claimed <= 4


def test_bad_input():
    whole, corrupted = planted({"fog": 0.5, "snow": 0.5})
    with pytest.raises(ValueError, match="same severities"):
        drift(whole, corrupted.rows(~corrupted.table["changed"].eq("fog 3").to_numpy()))
    with pytest.raises(ValueError, match="no column 'changed'"):
        drift(whole, whole)
    alone = np.isin(whole.ids, corrupted.table["object"].unique())
    with pytest.raises(ValueError, match="images are corrupted, and none is left to fit a readout on"):
        drift(whole.rows(alone), corrupted)
    with pytest.raises(ValueError, match="are not among these features"):
        drift(whole.rows(np.arange(300) + 100), corrupted)
