"""Flips: do decisions follow what a head is known to read, and nothing else?"""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import sslviz
from sslviz.catalog import draw
from sslviz.data.worlds import redrawn_noise
from sslviz.features import Features
from sslviz.features.embed import embed_each
from sslviz.figures.parts import theme
from sslviz.figures.transfer.flips import flipped_pictures, flips
from sslviz.runs import load_result, save_result
from sslviz.transfer.flip_rates import Flips
from sslviz.transfer.flips import ALONE, MOST, NOISE
from sslviz.transfer.flips_between import Pairs, flips_between

FACTORS = ("shape", "color", "texture")


def one_hot(images, *columns):
    """An encoder that reads these columns of the table and nothing else."""
    whole = sslviz.shapes(n=200, size=16).table  # every value occurs
    parts = [pd.get_dummies(pd.Categorical(images.table[c], sorted(set(whole[c])))).to_numpy(float) for c in columns]
    return Features(np.concatenate(parts, axis=1), images.ids, images.table)


@pytest.fixture(scope="module")
def drawn():
    """Pictures whose colour says nothing, each changed in three ways, and others whose colour gives the shape away."""
    before = sslviz.shapes(n=300, size=16, bias=0.25, seed=0)
    after = {factor: sslviz.counterfactual(before, factor) for factor in FACTORS} | {NOISE: redrawn_noise(before)}
    fit = sslviz.shapes(n=240, size=16, bias=1.0, seed=1).split("train")
    return before, after, replace(fit, ids=[f"fit {i}" for i in fit.ids])  # other pictures of the same numbers


def read_by(drawn, *columns):
    before, after, fit = drawn
    spaces = {name: one_hot(images, *columns) for name, images in after.items()}
    return flips_between(one_hot(before, *columns), spaces, fit=one_hot(fit, *columns), null=NOISE)


class TestOracles:
    def test_a_head_that_reads_the_shape_follows_it_and_is_flipped_by_nothing(self, drawn):
        scores = read_by(drawn, "shape").scores()
        assert scores["follows shape"].value == 1 and scores["accuracy"].value == 1
        assert scores["flipped by color"].value == scores["flipped by texture"].value == 0
        assert scores["follows shape"].controls[NOISE] == 0 and scores["follows shape"].beats_control

    def test_a_head_that_reads_the_colour_is_flipped_by_it_and_follows_by_chance(self, drawn):
        result = read_by(drawn, "color")
        scores = result.scores()
        assert scores["flipped by color"].value == 1 and scores["flipped by texture"].value == 0
        assert scores["follows shape"].value == scores["follows shape"].controls[NOISE]  # the change does nothing
        assert result.causes == ["color"]

    def test_of_both_that_agree_in_fitting_each_moves_some(self, drawn):
        scores = read_by(drawn, "shape", "color").scores()
        assert 0 < scores["flipped by color"].value < 1 and 0 < scores["follows shape"].value < 1
        assert scores["flipped by texture"].value == 0

    def test_another_picture_is_what_two_pictures_at_random_read(self, drawn):
        result = read_by(drawn, "shape")
        shares = np.full(4, 1 / 4)  # every class counts the same
        assert result.scores()["flipped by color"].controls["another picture"] == pytest.approx(1 - (shares**2).sum())
        assert result.scores()["follows shape"].controls["another picture"] == pytest.approx(1 / 4)

    def test_nothing_seen_is_no_proof_of_nothing(self, drawn):
        """Of n pictures without a flip, up to 3 / n may flip (the rule of three)."""
        result = read_by(drawn, "shape")
        score = result.scores()["flipped by color"]
        assert score.low == 0 and score.high == pytest.approx((3 / np.bincount(result.truth)).mean())


# --- closed forms -----------------------------------------------------------------------------------------------------


DISTANCE = 2.0


def blobs(seed, n, changes=1):
    """Two classes D apart with noise of variance 1, that is drawn again in each change; and the same to fit on."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % 2
    draws = [Features.from_array((DISTANCE * (label - 0.5) + rng.normal(size=n))[:, None], table={"label": label})]
    draws += [
        Features.from_array((DISTANCE * (label - 0.5) + rng.normal(size=n))[:, None], ids=draws[0].ids)
        for _ in range(changes)
    ]
    many = np.arange(400) % 2
    fit = Features.from_array((DISTANCE * (many - 0.5) + rng.normal(size=400))[:, None], table={"label": many})
    return draws[0], {f"change {i}": one for i, one in enumerate(draws[1:])}, fit


RATE = 2 * norm.cdf(DISTANCE / 2) * norm.cdf(-DISTANCE / 2)  # two draws on different sides of the threshold


def test_the_rate_is_that_of_two_draws_on_different_sides():
    before, after, fit = blobs(0, 20_000)
    score = flips_between(before, after, fit=fit).scores()["flipped by change 0"]
    assert score.value == pytest.approx(RATE, abs=0.015)  # sd 0.003; the threshold is fitted, too


def test_the_interval_covers_the_truth_as_often_as_it_says():
    held = []
    for seed in range(100):
        before, after, fit = blobs(seed, 80)
        score = flips_between(before, after, fit=fit).scores()["flipped by change 0"]
        held.append(score.low <= RATE <= score.high)
    assert 88 <= sum(held) <= 100


def test_changes_that_mean_nothing_are_called_causes_in_few_of_a_hundred():
    """Three changes are fresh noise like the one that means nothing: any of them is a false alarm."""
    alarms = 0
    for seed in range(100):
        before, after, fit = blobs(seed, 80, changes=4)
        alarms += bool(flips_between(before, after, fit=fit, null="change 3").causes)
    assert alarms <= 10


# --- pairs of one's own -----------------------------------------------------------------------------------------------


def test_without_images_to_fit_on_half_are_and_a_single_change_has_a_name(drawn):
    before, after, _ = drawn
    result = flips_between(one_hot(before, "shape"), one_hot(after["color"], "shape"))
    assert result.factors == ["changed"] and result.n_fit + len(result.ids) == len(before)
    assert result.scores()["flipped by changed"].value == 0


def test_controls_read_the_same_pairs_with_heads_of_their_own(drawn):
    before, after, fit = drawn
    control = Pairs(one_hot(before, "color"), {k: one_hot(v, "color") for k, v in after.items()}, one_hot(fit, "color"))
    spaces = {name: one_hot(images, "shape") for name, images in after.items()}
    result = flips_between(
        one_hot(before, "shape"), spaces, fit=one_hot(fit, "shape"), null=NOISE, control_features={"colour": control}
    )
    alone = read_by(drawn, "color").scores()
    for name in ("flipped by color", "follows shape", "accuracy"):
        assert result.scores()[name].controls["colour"] == pytest.approx(alone[name].value)


def test_results_of_two_encoders_pair_picture_by_picture(drawn):
    comparison = sslviz.compare(read_by(drawn, "color"), read_by(drawn, "shape"))
    assert comparison.winner["flipped by color"] == 1 and comparison.winner["follows shape"] == 1
    assert comparison.winner["flipped by texture"] == 0


class TestBadInput:
    def test_pictures_without_a_twin(self, drawn):
        before, after, fit = drawn
        few = one_hot(after["color"], "shape").rows(np.arange(250))
        with pytest.raises(ValueError, match="50 of 300 pictures are missing after 'hue'.*the ids of the original"):
            flips_between(one_hot(before, "shape"), {"hue": few}, fit=one_hot(fit, "shape"))

    def test_a_change_of_the_label_of_some(self, drawn):
        before, after, fit = drawn
        table = before.table.assign(label=["disc"] * len(before))
        x = one_hot(before, "shape")
        with pytest.raises(
            ValueError, match="alters the 'label' of .* of 300 pictures; give those as a change of their own"
        ):
            flips_between(x, {"all discs": Features(x.x, x.ids, table)}, fit=one_hot(fit, "shape"))

    def test_a_null_that_is_no_change(self, drawn):
        before, after, fit = drawn
        with pytest.raises(ValueError, match="one of the changes, color; got 'noise'"):
            flips_between(one_hot(before, "shape"), {"color": one_hot(after["color"], "shape")}, null="noise")

    def test_pictures_that_are_also_fitted_on(self, drawn):
        x = one_hot(drawn[0], "shape")
        with pytest.raises(ValueError, match="300 of the 300 images to score are also fitted on"):
            flips_between(x, x, fit=x)

    def test_pictures_that_no_world_drew(self):
        images = sslviz.shapes(n=40, size=16)
        photos = sslviz.Images(255 - images.pixels, images.ids, images.table)
        with pytest.raises(ValueError, match="Flips need pictures that a world here drew.*`flips_between`"):
            sslviz.flips(CHECKPOINT, photos, progress=False)

    def test_a_column_that_is_not_there(self):
        with pytest.raises(ValueError, match="no column 'hue'; its columns are: label, split"):
            sslviz.flips(CHECKPOINT, sslviz.shapes(n=40, size=16), "hue", progress=False)


# --- of a checkpoint --------------------------------------------------------------------------------------------------


CHECKPOINT = sslviz.Checkpoint("mine", 0, {"name": "conv_nano", "image_size": 16}, None, 1)


@pytest.fixture(scope="module")
def of_an_encoder():
    images = sslviz.shapes(n=720, size=16, bias=1.0, seed=0)
    fit, few = images.split("train").rows(np.arange(160)), images.split("test").rows(np.arange(100))
    return few, fit, sslviz.flips(CHECKPOINT, few, fit=fit, progress=False)


class TestOfACheckpoint:
    def test_it_is_what_its_parts_say(self, of_an_encoder):
        """Features of the counterfactuals, one by one, through the function for pairs."""
        few, fit, result = of_an_encoder
        spaces = {f: sslviz.embed(CHECKPOINT, sslviz.counterfactual(few, f), progress=False) for f in result.factors}
        before, fitted = (sslviz.embed(CHECKPOINT, images, progress=False) for images in (few, fit))
        by_hand = flips_between(before, spaces, fit=fitted)
        np.testing.assert_array_equal(by_hand.new_predicted, result.new_predicted)
        for one, each in zip((before, fitted), embed_each(CHECKPOINT, [few, fit]), strict=True):
            np.testing.assert_array_equal(one.x, each.x)
            assert one.source == each.source
        assert result.factors == ["shape", "color", "texture", "x", "y", "radius", "angle", "phase"]
        assert list(result.moves) == [True] + 7 * [False]

    def test_each_encoder_is_built_once_for_all_changes(self, of_an_encoder, monkeypatch):
        few, fit, _ = of_an_encoder
        built, encoder = [], sslviz.Checkpoint.encoder
        monkeypatch.setattr(sslviz.Checkpoint, "encoder", lambda one: built.append(one.key) or encoder(one))
        sslviz.flips(CHECKPOINT, few.rows(np.arange(20)), fit=fit, progress=False)
        assert built == ["untrained1", "untrained0"]

    def test_each_factor_stands_beside_a_head_that_sees_it_alone(self, of_an_encoder):
        scores = of_an_encoder[2].scores()
        assert scores["flipped by color"].controls[ALONE] == 1  # in fitting, colour and shape were the same
        assert ALONE not in scores["follows shape"].controls
        for name, score in scores.items():
            assert {"untrained", "pixels"} <= set(score.controls), name
            assert name == "accuracy" or {NOISE, "another picture"} <= set(score.controls)
            assert all(np.isfinite(value) for value in score.controls.values())

    def test_examples_are_pictures_that_were_read_rightly_and_flipped(self, of_an_encoder):
        few, _, result = of_an_encoder
        assert len(result.example_at) > 3
        for (factor, row), (before, after) in zip(result.example_at, result.example_pixels, strict=True):
            changed = sslviz.counterfactual(few, result.factors[factor])
            place = list(few.ids).index(result.ids[row])
            np.testing.assert_array_equal(before, few.pixels[place])
            np.testing.assert_array_equal(after, changed.pixels[place])
            assert result.predicted[row] == result.truth[row] != result.new_predicted[factor, row]

    def test_it_is_stored_read_back_and_repeated(self, of_an_encoder, tmp_path):
        few, fit, result = of_an_encoder
        save_result(tmp_path / "r.npz", result)
        assert load_result(tmp_path / "r.npz", Flips).scores() == result.scores()
        assert sslviz.flips(CHECKPOINT, few, fit=fit, progress=False).scores() == result.scores()

    def test_another_label_of_the_world_is_followed_likewise(self, of_an_encoder):
        few, fit, _ = of_an_encoder
        names = list(sslviz.flips(CHECKPOINT, few, "color", fit=fit, progress=False).scores())
        assert names[0] == "follows color" and "flipped by shape" in names

    def test_of_many_pictures_a_sample_is_changed_and_the_rest_is_counted(self):
        images = sslviz.shapes(n=2 * MOST + 40, size=16, seed=0)
        tiny = sslviz.Checkpoint("mine", 0, {"name": "conv_nano", "image_size": 16}, None, 0)
        result = sslviz.flips(tiny, images, progress=False)
        assert len(result.ids) == MOST and 15 <= result.left_out[f"a sample of {MOST} pictures was changed"] <= 25
        assert result.scores()["accuracy"].controls["untrained"] != result.scores()["accuracy"].value  # other weights


# --- figures ----------------------------------------------------------------------------------------------------------


NAMES = [f"a-long-name-of-a-run-with-temperature-0.{i}" for i in range(10)]


class TestFigures:
    def test_each_factor_has_a_row_beside_its_controls(self, of_an_encoder):
        fig = draw(of_an_encoder[2])
        rows = fig.layout.yaxis.ticktext
        assert rows[0] == "follows shape" and rows[-1] == "accuracy" and len(rows) == 9
        flipped = [of_an_encoder[2].scores()[row].value for row in rows[1:-1]]
        assert flipped == sorted(flipped, reverse=True)
        grey = {trace.name for trace in fig.data if trace.marker.color == theme.CONTROL}
        assert grey == {f"{n} (control)" for n in (NOISE, "another picture", "untrained", "pixels", ALONE)}
        symbols = [trace.marker.symbol for trace in fig.data if trace.marker.color == theme.CONTROL]
        assert len(set(symbols)) == len(symbols) == 5

    def test_ten_checkpoints_are_named_coloured_and_readable_in_the_dark(self, drawn):
        result, palette = read_by(drawn, "color"), theme.colors(NAMES)
        fig = draw(dict.fromkeys(NAMES, result), colors=palette)
        assert all(name in fig.layout.meta["alt"] for name in NAMES) and "NaN" not in fig.to_json()
        assert {trace.marker.color for trace in fig.data} == {theme.CONTROL, *palette.values()}
        assert fig.layout.meta["caption"].count("color") == 10  # the cause of each
        light = json.loads(fig.to_json())
        dark = json.loads(theme.apply(fig, dark=True).to_json())
        assert light["layout"].pop("template") != dark["layout"].pop("template") and light == dark

    def test_pictures_that_flipped_are_shown_before_and_after(self, of_an_encoder):
        result = of_an_encoder[2]
        fig = flipped_pictures({"mine": result})
        shown = [trace for trace in fig.data if trace.type == "image"]
        assert len(shown) == 2 * min(12, len(result.example_at))
        written = " ".join(note.text for note in fig.layout.annotations)
        assert "taken for" in written and f"<b>{result.factors[result.example_at[0][0]]}</b> changed" in written
        assert result.ids[result.example_at[0][1]] in shown[0].hovertemplate

    def test_no_result_and_no_flip_are_errors(self, drawn):
        with pytest.raises(ValueError, match="at least one"):
            flips({})
        with pytest.raises(ValueError, match="No decision that was right flipped"):
            flipped_pictures(read_by(drawn, "shape"))
