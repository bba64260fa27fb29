"""What a method makes of what it was not shown: on pictures whose right completion is planted."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import sslviz
from sslviz.data import Images
from sslviz.explanations.cache import cached_result, is_cached
from sslviz.explanations.reconstruction import Reconstruction, load_method, methods_with_pictures, reconstruct
from sslviz.methods import METHODS
from sslviz.methods import method as contract
from sslviz.runs import Checkpoint, Run
from sslviz.runtime.random_state import seeded
from sslviz.views import ViewPolicy

N, S = 12, 8


def result(predicted, hidden, true=None, shown=None, n=N, **given):
    """A Reconstruction of plain arrays; what is shown is black where it is hidden."""
    true = np.random.default_rng(0).integers(0, 256, (n, S, S, 3), dtype=np.uint8) if true is None else true
    shown = np.where(hidden[..., None], 0, true).astype(np.uint8) if shown is None else shown
    fields = {"ids": np.arange(n).astype(str), "untrained": np.zeros_like(true), "run": "mine", "method": "made_up"}
    predicted = true if predicted is None else predicted
    return Reconstruction(**fields | given, shown=shown, predicted=predicted, true=true, hidden=hidden)


def left_half(n=N):
    hidden = np.zeros((n, S, S), bool)
    hidden[:, :, : S // 2] = True
    return hidden


class TestScores:
    def test_a_perfect_picture_has_no_error_and_explains_everything(self):
        scores = result(None, left_half()).scores()
        assert scores["error"].value == 0 and scores["explained"].value == pytest.approx(1)
        assert scores["error"].beats_control and scores["explained"].beats_control

    def test_the_error_is_that_of_hidden_pixels_in_colours_from_0_to_1(self):
        true = np.full((N, S, S, 3), 51, np.uint8)
        predicted = true.copy()
        predicted[:, :, : S // 2] = 153  # 0.6 where it is 0.2
        predicted[:, :, S // 2 :] = 255  # nobody asks
        one = result(predicted, left_half(), true)
        np.testing.assert_allclose(one.per_image()["error"], 0.4**2, rtol=1e-5)
        assert one.scores()["error"].controls["mean colour"] == 0 and one.scores()["error"].beats_control is False
        assert one.scores()["explained"].reason  # one colour has no variance to explain

    def test_explained_is_scikit_learns_r2_around_each_pictures_own_mean(self):
        from sklearn.metrics import r2_score

        rng = np.random.default_rng(1)
        true, predicted = (rng.integers(0, 256, (N, S, S, 3), dtype=np.uint8) for _ in range(2))
        predicted = ((3 * true.astype(int) + predicted) // 4).astype(np.uint8)
        one = result(predicted, left_half(), true)
        y, p = (a[:, :, : S // 2].reshape(N, -1, 3).astype(float) / 255 for a in (true, predicted))
        middle = y.mean(1, keepdims=True)
        expected = r2_score(
            (y - middle).ravel(), (p - middle).ravel()
        )  # centred by picture and channel: their mean is 0
        assert one.scores()["explained"].value == pytest.approx(expected, abs=1e-5)

    def test_the_mean_of_what_is_hidden_explains_nothing(self):
        true = np.random.default_rng(2).integers(0, 256, (N, S, S, 3), dtype=np.uint8)
        mean = true[:, :, : S // 2].mean((1, 2), keepdims=True).round()
        predicted = np.broadcast_to(mean, true.shape).astype(np.uint8)
        assert result(predicted, left_half(), true).scores()["explained"].value == pytest.approx(0, abs=1e-3)

    def test_the_interval_covers_the_truth_as_often_as_it_says(self):
        """Errors whose mean is known, drawn again and again: about 95 of 100 intervals of 40 pictures hold it."""
        rng, held = np.random.default_rng(3), []
        true = np.zeros((40, S, S, 3), np.uint8)
        for _ in range(100):
            colors = rng.integers(0, 256, 40)
            predicted = np.broadcast_to(colors[:, None, None, None], true.shape).astype(np.uint8)
            score = result(predicted, left_half(40), true, n=40).scores()["error"]
            held.append(score.low <= np.square(np.arange(256) / 255).mean() <= score.high)
        assert 88 <= sum(held) <= 100

    def test_of_few_pictures_there_is_no_interval(self):
        scores = result(None, left_half(4), n=4).scores()
        assert all(score.low is None and score.beats_control is None for score in scores.values())


class TestControls:
    def test_the_mean_colour_is_that_of_what_is_shown(self):
        one = result(None, left_half())
        mean = one.control_pictures["mean colour"]
        np.testing.assert_allclose(mean[:, 0, 0], one.true[:, :, S // 2 :].mean((1, 2)), atol=0.5)
        assert (mean == mean[:, :1, :1]).all()

    def test_the_nearest_pixel_shown_is_a_loop_over_all_of_them(self):
        hidden = np.random.default_rng(4).random((N, S, S)) < 0.7
        one = result(None, hidden)
        seen = np.argwhere(~hidden[0])
        for row, column in np.argwhere(hidden[0]):
            distances = np.square(seen - [row, column]).sum(1)
            nearest = seen[distances == distances.min()]
            candidates = one.true[0][nearest[:, 0], nearest[:, 1]].tolist()
            assert one.control_pictures["nearest pixel"][0, row, column].tolist() in candidates

    def test_where_no_pixel_is_shown_as_it_is_the_input_is_the_control(self):
        shown = np.random.default_rng(5).integers(0, 256, (N, S, S, 3), dtype=np.uint8)
        one = result(None, np.ones((N, S, S), bool), shown=shown)
        assert list(one.control_pictures) == ["mean colour", "what is shown", "untrained"]
        assert (one.control_pictures["what is shown"] == shown).all()
        expected = np.square(shown / 255 - one.true / 255).mean()
        assert one.scores()["error"].controls["what is shown"] == pytest.approx(expected, rel=1e-5)

    def test_what_is_shown_is_never_painted_over(self):
        one = result(np.full((N, S, S, 3), 7, np.uint8), left_half())
        whole = one.completed(one.predicted)
        assert (whole[:, :, : S // 2] == 7).all() and (whole[:, :, S // 2 :] == one.true[:, :, S // 2 :]).all()


# --- from a checkpoint -------------------------------------------------------------------------------------------------


class Halves(nn.Module):
    """What is in the left half?  It says: all of it is of one brightness, the weight of its decoder."""

    family = "masked and generative"
    views = ViewPolicy(views=1)

    def __init__(self, encoder, *, side: int = 2, seed: int = 0):
        super().__init__()
        self.encoder, self.side = encoder, side
        with seeded(seed):
            self.decoder = nn.Linear(1, 1, bias=False)
        nn.init.constant_(self.decoder.weight, -1.0 + seed)

    def reconstruct(self, x):
        hidden = torch.zeros_like(x[:, :1], dtype=torch.bool)
        hidden[..., : x.shape[3] // self.side] = True
        level = self.decoder(x.new_ones(1, 1)).expand_as(x)
        noise = torch.rand(len(x), 1, 1, 1)  # drawn, so that the seed matters
        return contract.Reconstruction(torch.where(hidden, -1 + 0.2 * noise, x), level, x, hidden)


@pytest.fixture
def halves(monkeypatch):
    monkeypatch.setitem(METHODS, "halves", Halves)
    return {"method": "halves", "settings": {"side": 2}}


def white(n=8):
    ids = np.arange(n).astype(str)
    return Images(np.full((n, 32, 32, 3), 255, np.uint8), ids, pd.DataFrame(index=range(n)))


def fresh(head, seed=0):
    return Checkpoint("planted", 0, {"name": "conv_nano", "image_size": 32}, None, seed, head)


def test_pixels_go_to_the_method_and_come_back_as_they_were(halves):
    images = sslviz.shapes(n=9, seed=0)
    made = reconstruct(fresh(halves), images, progress=False)
    np.testing.assert_array_equal(made.true, images.pixels)
    assert made.hidden[:, :, :16].all() and not made.hidden[:, :, 16:].any()
    np.testing.assert_array_equal(made.shown[:, :, 16:], images.pixels[:, :, 16:])
    assert (made.predicted == 0).all()  # -1 is black
    assert (made.method, made.run) == ("halves", "planted") and list(made.ids) == list(images.ids)


def test_the_stored_decoder_is_what_makes_the_pictures(halves, tmp_path):
    """Trained to white: exactly right on white pictures; untrained it is black, which is as wrong as can be."""
    run = Run.create(tmp_path / "r", {"kind": "pretrain", "encoder": {"name": "conv_nano"}, "arguments": halves})
    method = Halves(sslviz.create_encoder("conv_nano"))
    nn.init.constant_(method.decoder.weight, 1.0)
    made = reconstruct(run.save_checkpoint(3, method.state_dict()), white(), progress=False)
    error = made.scores()["error"]
    assert error.value == 0 and error.controls["untrained"] == pytest.approx(1)
    assert cached_result(run, reconstruct, run.last, white(), progress=False).scores()["error"] == error
    assert is_cached(run, reconstruct, run.last, white()) and not is_cached(run, reconstruct, run.last, white(), seed=1)


def test_the_seed_decides_what_is_drawn_and_nothing_else_does(halves):
    checkpoint, images = fresh(halves), white()
    one, again, other = (reconstruct(checkpoint, images, seed=s, progress=False) for s in (0, 0, 1))
    np.testing.assert_array_equal(one.shown, again.shown)
    assert (one.shown != other.shown).any()


def test_an_untrained_checkpoint_is_not_its_own_control(halves):
    made = reconstruct(fresh(halves, seed=0), white(), progress=False)
    assert (made.predicted == 0).all() and (made.untrained == 128).all()  # the method's weights follow the seed


class TestWhatCannotMakePictures:
    def test_other_methods_are_told_which_can(self):
        with pytest.raises(ValueError, match=r"planted was trained by simclr, which makes no pictures; .*denoising"):
            reconstruct(fresh({"method": "simclr", "settings": {}}), white(), progress=False)

    def test_those_that_can_are_asked_and_not_listed(self, halves):
        assert "halves" in methods_with_pictures() and "simclr" not in methods_with_pictures()
        assert all(hasattr(METHODS[name], "reconstruct") for name in methods_with_pictures())

    def test_imported_encoders(self):
        with pytest.raises(ValueError, match="not pretrained here"):
            reconstruct(fresh(None), white(), progress=False)

    @pytest.mark.parametrize("decoder", [{}, {"decoder.weight": torch.ones(2, 1)}], ids=["none", "another"])
    def test_a_file_without_this_decoder(self, halves, tmp_path, decoder):
        run = Run.create(tmp_path / "r", {"kind": "pretrain", "encoder": {"name": "conv_nano"}, "arguments": halves})
        whole = Halves(sslviz.create_encoder("conv_nano")).state_dict()
        weights = {k: v for k, v in whole.items() if "decoder" not in k} | decoder
        with pytest.raises(ValueError, match="decoder.weight is missing or of another shape"):
            reconstruct(run.save_checkpoint(3, weights), white(), progress=False)

    def test_no_pictures_and_clips(self, halves):
        with pytest.raises(ValueError, match="at least one"):
            reconstruct(fresh(halves), white().rows(np.array([], int)), progress=False)
        clips = Images(np.zeros((2, 3, 32, 32, 3), np.uint8), np.array(["a", "b"]), pd.DataFrame(index=range(2)))
        with pytest.raises(ValueError, match="pictures"):
            reconstruct(fresh(halves), clips, progress=False)


@pytest.fixture(scope="module")
def denoising(tmp_path_factory):
    """A short training on small pictures, and pictures that it was not trained on."""
    images = sslviz.shapes(n=700, size=16, seed=0)
    run = sslviz.pretrain(
        images.split("train"),
        "denoising",
        out=tmp_path_factory.mktemp("runs") / "denoising",
        epochs=6,
        batch_size=32,
        learning_rate=8e-3,  # few steps
        settings={"width": 16},
        held_out=images.split("probe").rows(np.arange(40)),
        progress=False,
    )
    return run, images.split("test").rows(np.arange(40))


def test_a_trained_run_beats_all_its_controls(denoising):
    run, images = denoising
    scores = reconstruct(run.last, images, progress=False).scores()
    assert scores["error"].beats_control and scores["explained"].beats_control
    assert reconstruct(run.checkpoints[0], images, progress=False).scores()["error"].beats_control is False


def test_a_checkpoint_holds_the_decoder_and_stays_small(denoising):
    """No optimiser state and no second copy: the file is as large as the method's numbers."""
    run, _ = denoising
    method, _ = load_method(run.last)
    numbers = sum(t.numel() * t.element_size() for t in method.state_dict().values())
    assert numbers <= run.last.path.stat().st_size <= numbers + 20_000  # and their names


def test_the_loaded_method_is_the_trained_one(denoising):
    run, _ = denoising
    from safetensors.torch import load_file

    stored = load_file(run.last.path)
    method, encoder = load_method(run.last)
    assert all(torch.equal(stored[key], value) for key, value in method.state_dict().items())
    assert method.encoder is encoder and not encoder.training


def test_targets_are_not_in_the_file_and_not_asked_for(tmp_path, monkeypatch):
    """A method with a slow copy: its file holds the online network alone, and still makes pictures."""

    class Slow(Halves):
        ema = {"target": "decoder"}

        def __init__(self, encoder, *, side: int = 2, seed: int = 0):
            super().__init__(encoder, side=side, seed=seed)
            self.target = copy.deepcopy(self.decoder).requires_grad_(False)

    monkeypatch.setitem(METHODS, "halves", Slow)
    arguments = {"method": "halves", "settings": {}}
    run = Run.create(tmp_path / "r", {"kind": "pretrain", "encoder": {"name": "conv_nano"}, "arguments": arguments})
    weights = Slow(sslviz.create_encoder("conv_nano")).state_dict()
    saved = run.save_checkpoint(3, {k: v for k, v in weights.items() if not k.startswith("target.")})
    assert reconstruct(saved, white(), progress=False).method == "halves"
