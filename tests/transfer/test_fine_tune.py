"""Fine-tuning with few labels: what must come out where nothing moves, nothing is there, or everything is planted."""

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch

import sslviz
from sslviz.runs import load_result, save_result
from sslviz.statistics import balanced_mean
from sslviz.transfer.rate_search import choose_rate, fits, held_back
from sslviz.transfer.tuned_answers import ARMS, FROZEN, SCRATCH, TUNED, FineTune

PIXELS_A_SIDE = 16  # a fourth of the time that 32 take
CHECKPOINT = sslviz.Checkpoint("planted", 0, {"name": "conv_nano", "image_size": PIXELS_A_SIDE}, None, seed=5)
SMALL = {
    "shots": (2, 4),
    "steps": 4,
    "draws": 2,
    "rates": (1e-3, 3e-3),
    "scratch_rates": (1e-3, 4e-3),
    "progress": False,
}

LARGE_STEPS = SMALL | {"rates": [1e-2], "scratch_rates": [1e-2], "shots": (4,)}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Threads that wait for each other take longer than the work itself."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pictures(n=120, seed=0, **table):
    images = sslviz.shapes(n=n, size=PIXELS_A_SIDE, seed=seed)
    frame = images.table.assign(**table)
    return replace(images, table=frame, ids=np.array([f"{seed}-{i}" for i in range(n)]))


@cache
def small():
    return sslviz.fine_tune(CHECKPOINT, pictures(), "color", **SMALL)


# --- where the truth is known


def test_at_rate_zero_it_is_the_linear_readout():
    nothing = SMALL | {"rates": [0.0], "scratch_rates": [1e-3], "shots": (4,), "steps": 2}
    result = sslviz.fine_tune(CHECKPOINT, pictures(), "color", **nothing)
    assert (result.correct(TUNED) == result.correct(FROZEN)).mean() > 0.995  # but for float32
    assert result.curve(TUNED)[4] == pytest.approx(result.curve(FROZEN)[4], abs=0.02)
    assert result.scores()["gain over frozen at 4"].value == pytest.approx(0, abs=0.01)
    assert result.curve(FROZEN)[4].mean() > 0.4  # it is no accident at chance


def test_with_the_head_alone_it_is_the_linear_readout_exactly():
    result = sslviz.fine_tune(CHECKPOINT, pictures(), "color", **SMALL | {"how": "linear"})
    np.testing.assert_array_equal(result.predicted[0], result.predicted[1])
    assert set(result.rates) == {SCRATCH} and result.scores()["gain over frozen at 2"].value == 0


def test_the_frozen_arm_is_low_label_on_the_same_draws():
    """Another way to the same numbers: embed first, then ask of the features.  All pictures of the pool get drawn."""
    images, fit = pictures(), pictures(seed=1)
    rows = np.concatenate([np.flatnonzero(fit.table["color"] == c)[:8] for c in sorted(fit.table["color"].unique())])
    fit = fit.rows(rows)
    result = sslviz.fine_tune(CHECKPOINT, images, "color", fit=fit, **SMALL | {"how": "linear"})
    features, of_fit = (sslviz.embed(CHECKPOINT, some, progress=False) for some in (images, fit))
    other = sslviz.low_label(features, "color", fit=of_fit, shots=(2, 4), draws=2)
    np.testing.assert_array_equal(result.correct(FROZEN), other.correct)
    given = sslviz.low_label(features, "color", fit=of_fit, shots=(2, 4), draws=2, scratch=result.curve())
    assert given.scores()["4 labels a class"].controls["from scratch"] == pytest.approx(result.curve()[4].mean())
    assert result.fitted_on == other.fitted_on and result.scored_on == other.scored_on


def test_labels_that_mean_nothing_leave_it_at_chance():
    coin = np.random.default_rng(1).integers(0, 2, 200)
    settings = SMALL | {"shots": (10,), "steps": 20, "draws": 3, "rates": [3e-3], "scratch_rates": [4e-3]}
    result = sslviz.fine_tune(CHECKPOINT, pictures(200, coin=coin), "coin", **settings)
    assert result.chance == 0.5
    score = result.scores()["accuracy at 10"]
    assert score.low < 0.5 < score.high and not score.beats_control
    for arm in ARMS:  # 100 scored pictures and three draws: .5 by three standard errors
        assert result.curve(arm)[10].mean() == pytest.approx(0.5, abs=0.15)


def test_what_every_picture_shows_is_learnt():
    """A bright and a dark half of the world, which three labels of each tell apart."""
    images = pictures(160)
    bright = np.arange(160) % 2
    images = replace(images, pixels=(images.pixels // 4 + 150 * bright[:, None, None, None]).astype(np.uint8))
    images = replace(images, table=pd.DataFrame({"label": np.array(["dark", "bright"])[bright]}))
    settings = SMALL | {"shots": (3,), "steps": 20, "rates": [1e-3], "scratch_rates": [4e-3]}
    result = sslviz.fine_tune(CHECKPOINT, images, **settings)
    for arm in (TUNED, FROZEN, "pixels"):
        assert result.curve(arm)[3].min() > 0.95, arm
    assert result.curve(SCRATCH)[3].min() > 0.8


def planted(right, seed=0, n=120, draws=3):
    """A result whose arms are right this often, {arm: chance of each draw and image (draws, n)}."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % 4
    answers = {arm: np.broadcast_to(right.get(arm, 0.25), (draws, n)) for arm in ARMS}
    predicted = [np.where(rng.random((draws, n)) < p, truth, (truth + 1) % 4)[None] for p in answers.values()]
    return FineTune(
        run="planted",
        label="label",
        classes=np.array(list("abcd")),
        ids=np.arange(n).astype(str),
        truth=truth,
        shots=np.array([5]),
        n_labels=np.full((1, draws), 20),
        arms=list(ARMS),
        predicted=np.array(predicted),
        rates={},
        steps=1,
        how="full",
        layer_decay=1.0,
        pull=0.0,
        interpolate=1.0,
        unfreeze="all",
        strength=[],
        left_out={},
        seed=seed,
    )


def test_gains_are_differences_of_what_was_planted():
    result = planted({TUNED: 0.9, FROZEN: 0.6, SCRATCH: 0.3}, n=4000)
    scores = result.scores()
    for name, expected in (("accuracy", 0.9), ("gain over frozen", 0.3), ("gain over scratch", 0.6)):
        score = scores[f"{name} at 5"]
        assert score.value == pytest.approx(expected, abs=0.02) and score.low < expected < score.high
        assert score.beats_control
    for name, values in result.per_image().items():
        assert balanced_mean(values, result.groups()) == pytest.approx(scores[name].value)


def test_a_gain_of_nothing_is_claimed_as_seldom_as_it_may_be():
    """Both arms are as good on average; draws make either better by chance, and images differ in difficulty."""
    covered = alarms = 0
    for seed in range(200):
        rng = np.random.default_rng(1000 + seed)
        hard = rng.uniform(0.3, 0.9, 120)
        right = {arm: np.clip(hard + rng.normal(0, 0.05, (3, 1)), 0, 1) for arm in (TUNED, FROZEN)}
        score = planted(right, seed).scores()["gain over frozen at 5"]
        covered += score.low <= 0 <= score.high
        alarms += score.low > 0
    assert covered >= 180 and 1 <= alarms <= 20


# --- what must hold whatever comes out


@pytest.mark.parametrize(("k", "held"), [(1, 0), (2, 1), (4, 1), (5, 1), (20, 4)])
def test_a_fifth_of_each_class_is_held_back_to_choose_the_rate(k, held):
    codes = np.repeat(np.arange(3), k)
    np.testing.assert_array_equal(np.bincount(codes[held_back(codes, 0)], minlength=3), [held] * 3)


def test_the_rate_that_reads_the_held_back_images_best_is_chosen():
    codes = np.repeat(np.arange(2), 5)

    def logits(rate, fitted, held):
        assert not set(fitted) & set(held) and len(fitted) + len(held) == 10
        sure = {1e-3: -1.0, 1e-2: 1.0, 1e-1: 3.0, 1.0: np.nan}[rate]  # wrong, right, right and surer, gone astray
        return sure * np.eye(2)[codes[held]]

    assert choose_rate([1e-3, 1e-2, 1e-1, 1.0], codes, 0, logits) == 1e-1
    assert choose_rate([1.0, 1e-3], codes, 0, logits) == 1e-3
    assert choose_rate([1e-3, 1e-2, 1e-1], np.arange(2), 0, logits) == 1e-2  # nothing to choose by: the middle one


def test_all_arms_take_the_same_steps(monkeypatch):
    taken = []
    step = torch.optim.AdamW.step
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda self, *a, **k: (taken.append(self), step(self, *a, **k))[1])
    result = sslviz.fine_tune(CHECKPOINT, pictures(60), "color", **SMALL | {"shots": (2,), "draws": 1})
    steps = [sum(other is one for other in taken) for one in {id(o): o for o in taken}.values()]
    assert steps == [4] * 6  # of both arms: two rates to choose from, and once more on all labels
    assert len(steps) == 2 * fits(SMALL["rates"], 2) and fits(SMALL["rates"], 1) == 1  # what the bar is told
    assert result.steps == 4


def test_it_repeats_itself_and_leaves_everything_alone(tmp_path):
    images = pictures(80, seed=3)
    run = sslviz.pretrain(images, out=tmp_path / "r", steps=2, batch_size=32, progress=False)
    before, pixels = run.last.path.read_bytes(), images.pixels.copy()
    settings = SMALL | {"shots": (2,), "how": "full", "rates": [1e-3], "scratch_rates": [1e-3]}
    first, second = (sslviz.fine_tune(run.last, images, "color", **settings) for _ in range(2))
    np.testing.assert_array_equal(first.predicted, second.predicted)
    assert first.scores() == second.scores()
    assert run.last.path.read_bytes() == before
    np.testing.assert_array_equal(images.pixels, pixels)
    other = sslviz.fine_tune(run.last, images, "color", **settings | {"seed": 1})
    assert (other.ids != first.ids).any() or (other.predicted != first.predicted).any()


def test_the_given_encoder_is_not_trained(monkeypatch):
    encoder = CHECKPOINT.encoder()
    before = {name: x.clone() for name, x in encoder.state_dict().items()}
    monkeypatch.setattr(sslviz.Checkpoint, "encoder", lambda self: encoder)
    sslviz.fine_tune(CHECKPOINT, pictures(60), "color", **SMALL | {"shots": (2,), "draws": 1})
    assert all(torch.equal(before[name], x) for name, x in encoder.state_dict().items()) and not encoder.training


def test_rates_are_chosen_without_the_scored_images():
    """Other truths on the scored side change what is right, and nothing else."""
    images, fit = pictures(60), pictures(60, seed=1)
    colors = images.table["color"].to_numpy()
    turned = replace(images, table=images.table.assign(color=np.roll(colors, 1)))
    ours, theirs = (
        sslviz.fine_tune(CHECKPOINT, some, "color", fit=fit, **SMALL | {"shots": (4,), "draws": 1})
        for some in (images, turned)
    )
    np.testing.assert_array_equal(ours.predicted, theirs.predicted)
    assert (ours.truth != theirs.truth).any()
    for arm in (TUNED, SCRATCH):
        np.testing.assert_array_equal(ours.rates[arm], theirs.rates[arm])


@pytest.mark.parametrize(
    "option",
    [{"interpolate": 0.5}, {"pull": 1.0}, {"unfreeze": "gradual"}, {"strength": (0.0, 1.0)}, {"layer_decay": 1.0}],
    ids=lambda option: next(iter(option)),
)
def test_every_option_does_something(option, plain):
    result = sslviz.fine_tune(CHECKPOINT, pictures(), "color", **LARGE_STEPS | option)
    assert (result.predicted[0] != plain.predicted[0]).any()
    np.testing.assert_array_equal(result.predicted[1], plain.predicted[1])  # the frozen readout has none of them
    same = (result.predicted[2] == plain.predicted[2]).all()
    assert same != ("strength" in option)  # scratch shares the pictures that are shown, not what starts from weights


@pytest.fixture(scope="module")
def plain():
    return sslviz.fine_tune(CHECKPOINT, pictures(), "color", **LARGE_STEPS)


def test_it_works_with_a_transformer():
    checkpoint = sslviz.Checkpoint("vit", 0, {"name": "vit_nano", "image_size": 16}, None, seed=5)
    few = SMALL | {"shots": (2,), "steps": 2, "draws": 1, "rates": [1e-3], "scratch_rates": [1e-3]}
    result = sslviz.fine_tune(checkpoint, pictures(40), "color", **few)
    assert result.predicted.shape == (5, 1, 1, len(result.ids)) and result.scores()["accuracy at 2"].low is None


def test_the_result_is_stored_and_read_back(tmp_path):
    result = small()
    save_result(tmp_path / "r.npz", result)
    back = load_result(tmp_path / "r.npz", FineTune)
    assert back.scores() == result.scores() and back.left_out == result.left_out
    np.testing.assert_array_equal(back.predicted, result.predicted)
    assert set(back.curve()) == {2, 4} and back.name == "planted"


def test_scores_stand_beside_all_controls_and_count_real_labels():
    result = small()
    assert list(result.scores()) == [
        f"{name} at {k}" for name in ("accuracy", "gain over frozen", "gain over scratch") for k in (2, 4)
    ]
    accuracy = result.scores()["accuracy at 4"]
    assert set(accuracy.controls) == {"chance", *ARMS} - {TUNED}
    assert accuracy.controls[SCRATCH] == pytest.approx(result.curve()[4].mean())
    np.testing.assert_array_equal(result.n_labels, np.array([[2, 2], [4, 4]]) * len(result.classes))
    assert set(np.unique(result.rates[TUNED])) <= {1e-3, 3e-3} and result.rates[SCRATCH].shape == (2, 2)
    assert len(result.ids) == len(set(result.ids)) and set(result.ids) < set(pictures().ids)


# --- what cannot be had


def test_classes_with_too_few_images_are_left_out_and_said():
    rare = np.where(np.arange(60) % 12 == 11, "rare", np.array(["common", "other"])[np.arange(60) % 2])
    result = sslviz.fine_tune(CHECKPOINT, pictures(60, kind=rare), "kind", **SMALL | {"shots": (4,), "how": "linear"})
    assert list(result.classes) == ["common", "other"]
    assert result.left_out == {"kind 'rare' has fewer than 4 images to be labelled": int((rare == "rare").sum())}
    assert len(result.ids) < 30


def test_a_number_of_labels_that_a_class_cannot_fill_is_left_out_as_by_low_label():
    """All classes stay: both leave out the number of labels, and say so in the same words."""
    kinds = np.where(np.arange(60) % 5 == 4, "rare", np.array(["common", "other"])[np.arange(60) % 2])
    images, fit = pictures(60, kind=kinds), replace(pictures(60, kind=kinds), ids=np.arange(100, 160).astype(str))
    asked = {"fit": fit, "shots": (4, 20)}
    tuned = sslviz.fine_tune(CHECKPOINT, images, "kind", **SMALL | asked | {"how": "linear"})
    spaces = [sslviz.embed(CHECKPOINT, some, progress=False) for some in (images, fit)]
    read = sslviz.low_label(spaces[0], "kind", fit=spaces[1], shots=(4, 20), draws=2)
    assert tuned.left_out == read.left_out == {"at 20 labels a class, as rare has 12 to draw from": 60}
    assert list(tuned.shots) == list(read.shots) == [4] and list(tuned.classes) == ["common", "other", "rare"]


def test_images_without_a_value_are_left_out_and_said():
    holes = pictures(60).table["color"].to_numpy().astype(object)
    holes[:5] = None
    result = sslviz.fine_tune(
        CHECKPOINT, pictures(60, color=holes), "color", **SMALL | {"shots": (2,), "how": "linear"}
    )
    assert result.left_out == {"no value of color": 5}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"how": "halfway"}, "no way 'halfway' to fine-tune; the ways are: linear, full, linear_then_full"),
        ({"steps": 0}, "at least one step; got steps=0"),
        ({"layer_decay": 0}, "above 0 and at most 1.*got 0"),
        ({"layer_decay": 1.5}, "above 0 and at most 1.*got 1.5"),
        ({"pull": -1.0}, "strength of at least 0"),
        ({"rates": []}, "learning rates of at least 0, one or more"),
        ({"rates": [-1.0, 1.0]}, "learning rates of at least 0"),
        ({"rates": [1e-3]}, "equally many.*got 1 and 2"),
        ({"interpolate": 0.0}, "above 0 and at most 1"),
        ({"interpolate": 0.5, "how": "full"}, "needs a head that fits both ends"),
        ({"unfreeze": "slowly"}, '"all" or "gradual"; got \'slowly\''),
        ({"shots": (0,)}, "at least 1"),
        ({"shots": ()}, "at least 1"),
        ({"draws": 0}, "At least one draw"),
        ({"shots": (500,)}, "fewer than two classes of 'color' have 500 images"),
        ({"label": "hue"}, "no column 'hue'"),
        ({"strength": (0.0, 2.0)}, "strength of views"),
    ],
    ids=lambda value: None if isinstance(value, dict) else value[:12],
)
def test_what_makes_no_sense_is_one_sentence(given, message):
    with pytest.raises(ValueError, match=message):
        sslviz.fine_tune(CHECKPOINT, pictures(60), **{"label": "color"} | SMALL | given)


def test_clips_single_classes_and_images_on_both_sides_are_one_sentence():
    images = pictures(60)
    clips = replace(images, pixels=np.repeat(images.pixels[:, None], 2, axis=1))
    with pytest.raises(ValueError, match="needs pictures .* single frames"):
        sslviz.fine_tune(CHECKPOINT, clips, "color", **SMALL)
    with pytest.raises(ValueError, match="fewer than two classes of 'kind'"):
        sslviz.fine_tune(CHECKPOINT, pictures(60, kind="same"), "kind", **SMALL)
    with pytest.raises(ValueError, match="60 of the 60 images to score are also fitted on"):
        sslviz.fine_tune(CHECKPOINT, images, "color", fit=images, **SMALL)


def test_the_bar_counts_every_step():
    from sslviz.runtime.progress import watched

    seen = []
    with watched(lambda title, share: seen.append((title, share))):
        sslviz.fine_tune(CHECKPOINT, pictures(60), "color", **SMALL | {"shots": (2,), "progress": True})
    bars = [(title, share) for title, share in seen if title.startswith("fine-tuning planted")]
    assert bars and all(0 < share <= 1 for _, share in bars) and "draw" in bars[0][0]
