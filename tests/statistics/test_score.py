import json

import numpy as np
import pytest

from sslviz.statistics import (
    Score,
    balanced_mean,
    benjamini_hochberg,
    bootstrap_balanced_mean,
    bootstrap_group_means,
    holm,
    jackknife_interval,
    percentile_interval,
    permutation_p,
)


class TestScore:
    def test_the_control_to_beat_is_the_strongest_in_the_good_direction(self):
        controls = {"chance": 0.25, "untrained": 0.4, "broken": np.nan}
        assert Score(0.8, controls=controls).control == 0.4
        assert Score(0.8, controls=controls, higher_is_better=False).control == 0.25
        assert Score(0.8).control is None

    @pytest.mark.parametrize(
        ("low", "high", "better", "beats"),
        [(0.5, 0.7, True, True), (0.3, 0.7, True, False), (0.1, 0.2, False, True), (0.1, 0.5, False, False)],
    )
    def test_beats_its_control_only_with_the_whole_interval(self, low, high, better, beats):
        assert Score((low + high) / 2, low, high, {"chance": 0.4}, better).beats_control is beats

    def test_without_an_interval_nothing_is_claimed(self):
        assert Score(0.5, controls={"chance": 0.4}).beats_control is None
        assert Score(0.3, controls={"chance": 0.4}).beats_control is None

    @pytest.mark.parametrize(
        "score",
        [
            Score(1.0),
            Score(1.0, controls={"a": 0.0}, higher_is_better=None),
            Score(1.0, controls={"a": 0}, control_is="ceiling"),
        ],
    )
    def test_there_is_nothing_to_beat_without_a_floor(self, score):
        assert score.beats_control is None

    def test_its_json_holds_no_number_that_json_has_not(self):
        written = json.dumps(Score(np.nan, np.float32(0.5), np.inf, {"chance": np.nan}).to_dict(), allow_nan=False)
        assert json.loads(written) == {
            "value": None,
            "low": 0.5,
            "high": None,
            "control": None,
            "controls": {"chance": None},
            "higher_is_better": True,
            "control_is": "floor",
        }

    @pytest.mark.parametrize(
        "score",
        [
            Score(0.8, 0.7, 0.9, {"chance": 0.25, "pixels": 0.4}),
            Score(12.0, controls={"noise": 14.0}, higher_is_better=None, control_is="ceiling"),
            Score(3.0, 1.0, 5.0, {}, False),
        ],
    )
    def test_its_json_gives_the_same_score_back(self, score):
        assert Score.from_dict(json.loads(json.dumps(score.to_dict()))) == score

    def test_json_that_does_not_say_what_its_control_is_means_a_floor(self):
        written = Score(0.8, 0.7, 0.9, {"chance": 0.25}).to_dict()
        del written["control_is"]
        assert Score.from_dict(written).beats_control is True

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (0.831, "0.83"),
            (0.0884, "0.088"),
            (0.0, "0.00"),
            (2e-15, "0.00"),
            (12.34, "12.3"),
            (4321.0, "4,321"),
            (np.nan, "n/a"),
        ],
    )
    def test_reads_as_a_person_would_write_it(self, value, text):
        assert str(Score(value)) == text

    def test_reads_with_its_interval_and_its_control(self):
        score = Score(0.83, 0.81, 0.85, {"chance": 0.25, "pixels": 0.4})
        assert (score.value_text, score.text, score.control_text) == ("0.83", "0.83 [0.81, 0.85]", "0.40 pixels")
        assert str(score) == "0.83 [0.81, 0.85]  vs 0.40 pixels"
        assert Score(0.83).control_text == Score(0.83).control_name == ""


class TestBootstrap:
    def test_has_the_mean_and_the_error_of_the_closed_form(self):
        groups = np.repeat([0, 1, 2], [30, 120, 800])
        values = np.concatenate([np.arange(30) < 24, np.arange(120) < 60, np.arange(800) < 80]).astype(float)
        p, n = np.array([0.8, 0.5, 0.1]), np.array([30, 120, 800])
        draws = bootstrap_balanced_mean(values, groups, draws=4000)
        error = np.sqrt((p * (1 - p) / n).sum()) / 3
        assert balanced_mean(values, groups) == pytest.approx(p.mean())
        assert draws.mean() == pytest.approx(p.mean(), abs=4 * error / np.sqrt(4000))
        assert draws.std() == pytest.approx(error, rel=0.05)

    def test_draws_in_parts_as_it_does_at_once(self):
        many = np.random.default_rng(0).normal(size=5000)  # 1000 resamples of 5000 do not fit into one part
        draws = bootstrap_balanced_mean(many, np.zeros(5000))
        assert draws.shape == (1000,) and len(np.unique(draws)) == 1000
        assert draws.std() == pytest.approx(many.std() / np.sqrt(5000), rel=0.1)

    def test_paired_quantities_see_the_same_resamples(self):
        values = np.random.default_rng(0).random(200)
        groups = np.arange(200) % 3
        draws = bootstrap_balanced_mean(np.stack([values, values + 0.1]), groups)
        np.testing.assert_allclose(draws[:, 1] - draws[:, 0], 0.1)
        np.testing.assert_allclose(draws[:, 0], bootstrap_balanced_mean(values, groups), rtol=1e-12)
        assert bootstrap_balanced_mean(values[None], groups).shape == (1000, 1)

    def test_the_seed_decides(self):
        values, groups = np.random.default_rng(0).random(50), np.zeros(50)
        again = [bootstrap_balanced_mean(values, groups, seed=seed) for seed in (1, 1, 2)]
        assert (again[0] == again[1]).all() and (again[0] != again[2]).any()


def test_group_means_vary_each_as_their_own():
    rng = np.random.default_rng(0)
    groups = np.repeat(["b", "a"], [50, 200])
    values = np.stack([rng.normal(size=250), np.arange(250) >= 50])
    draws = bootstrap_group_means(values, groups, draws=4000)
    assert draws.shape == (4000, 2, 2)
    for row, rows in enumerate((groups == "a", groups == "b")):
        assert draws[:, 0, row].std() == pytest.approx(values[0, rows].std() / np.sqrt(rows.sum()), rel=0.05)
    assert (draws[:, 1] == [1.0, 0.0]).all()


class TestManyTests:
    P = np.array([[0.01, 0.04], [0.03, 0.005], [0.5, 0.9]])

    def test_holm_by_hand(self):
        # sorted .005 .01 .03 .04 .5 .9, times 6 5 4 3 2 1: .03 .05 .12 .12 1 .9, which may not fall: 1 1
        expected = np.array([[0.05, 0.12], [0.12, 0.03], [1.0, 1.0]])
        np.testing.assert_allclose(holm(self.P), expected)

    def test_benjamini_hochberg_by_hand(self):
        # sorted .005 .01 .03 .04 .5 .9, times 6/1 6/2 6/3 6/4 6/5 6/6: .03 .03 .06 .06 .6 .9
        expected = np.array([[0.03, 0.06], [0.06, 0.03], [0.6, 0.9]])
        np.testing.assert_allclose(benjamini_hochberg(self.P), expected)

    @pytest.mark.parametrize("level", [0.05, 0.2])
    def test_benjamini_hochberg_claims_what_the_step_up_procedure_does(self, level):
        """The largest i for which the i-th smallest p is at most i / m times the level: that many are claimed (1995)."""
        p = np.random.default_rng(0).random(200) ** 3
        ordered = np.sort(p)
        most = max(i for i in range(1, 201) if ordered[i - 1] <= i / 200 * level)
        assert ((benjamini_hochberg(p) <= level) == (p <= ordered[most - 1])).all() and most > 10

    def test_any_false_claim_is_as_rare_as_holm_says(self):
        p = np.random.default_rng(0).random((4000, 20))
        false = np.mean([(holm(row) < 0.05).any() for row in p])
        assert false == pytest.approx(1 - (1 - 0.05 / 20) ** 20, abs=0.01)

    def test_the_p_of_a_permutation_counts_ties_and_the_value_itself(self):
        null = np.array([0.0, 1.0, 2.0, 3.0])
        assert permutation_p(2.0, null) == 3 / 5
        assert permutation_p(9.0, null) == 1 / 5
        assert permutation_p(0.1 + 0.2, np.array([0.3])) == 1.0
        u = np.random.default_rng(0).random((2000, 20))
        p = np.array([permutation_p(row[0], row[1:]) for row in u])
        assert (p <= 0.05).mean() == pytest.approx(0.05, abs=0.015)


def test_percentiles_leave_five_percent_outside():
    draws = np.arange(10_001.0)
    assert percentile_interval(draws) == (250.0, 9750.0)


class TestJackknife:
    def test_of_a_mean_is_the_students_interval_of_the_group_means(self):
        from scipy.stats import t

        groups = np.random.default_rng(0).normal(size=(10, 40))
        rest = (groups.sum() - groups.sum(axis=1)) / 360
        expected = t.interval(0.95, 9, groups.mean(), groups.mean(axis=1).std(ddof=1) / np.sqrt(10))
        assert jackknife_interval(groups.mean(), rest) == pytest.approx(expected)

    @pytest.mark.parametrize("replicates", [[], [1.0], [1.0, np.nan, 2.0]])
    def test_there_is_none_where_it_cannot_be_had(self, replicates):
        assert jackknife_interval(1.0, np.array(replicates)) == (None, None)


def test_a_score_that_cannot_be_told_says_why_everywhere():
    score = Score.unknown("the encoder hardly reacts to anything", {"another picture": 0.0})
    assert str(score) == "cannot be told: the encoder hardly reacts to anything" and score.text == "cannot be told"
    assert score.to_dict()["value"] is None and score.to_dict()["reason"] == score.reason
    back = Score.from_dict(score.to_dict())
    assert back.reason == score.reason and np.isnan(back.value) and back.beats_control is None
    assert "reason" not in Score(0.5).to_dict()
