"""The whole result: planted attention and planted outliers are read back, and every number has its controls."""

import gc

import numpy as np
import pandas as pd
import pytest
import torch

import sslviz
from sslviz.encoders import Encoder
from sslviz.explanations.attention import streaming
from sslviz.explanations.attention.attention import attention
from sslviz.explanations.attention.attention_result import Attention
from sslviz.explanations.attention.capture import capture_attention
from sslviz.explanations.attention.layer_maps import attention_maps, query_maps
from sslviz.explanations.attention.registers import normal_outliers
from sslviz.runs import Checkpoint, load_result, save_result

IMAGES = sslviz.shapes(n=12, seed=0)
NANO = {"name": "vit_nano", "image_size": 32}
FIELDS = ("maps", "rollout", "distance", "entropy", "nmi", "homogeneity", "redundancy", "norms")


def untrained(seed=1, **config) -> Checkpoint:
    return Checkpoint(run="vit", step=0, config=NANO | config, path=None, seed=seed)


class OnePatch(Checkpoint):
    """A ViT in whose last block every query attends to one patch, and that alone."""

    patch = 19

    def encoder(self) -> Encoder:
        encoder = super().encoder()
        model = encoder.model
        with torch.no_grad():
            model.pos_embed[0, 1 + self.patch, 0] = 100.0  # its token points along the first axis
            attn, width = model.blocks[-1].attn, 128
            attn.qkv.weight[: 2 * width] = 0
            attn.qkv.bias[:width] = 1.0  # every query alike
            attn.qkv.weight[width : 2 * width, 0] = 5.0  # keys read the first axis
        return encoder


class Standing(Checkpoint):
    """A ViT in which some patch tokens are about ten times as long as the others from the start."""

    patches = (5, 40, 63)

    def encoder(self) -> Encoder:
        encoder = super().encoder()
        with torch.no_grad():
            length = encoder.model.patch_embed(torch.zeros(1, 3, 32, 32)).norm(dim=-1).mean() + 1
            direction = torch.linspace(-1, 1, 128)
            for patch in self.patches:
                encoder.model.pos_embed[0, 1 + patch] = 10 * length * direction / direction.norm()
        return encoder


@pytest.fixture(scope="module")
def result() -> Attention:
    return attention(untrained(), IMAGES, progress=False)


@pytest.fixture(scope="module")
def looks():
    return attention(OnePatch("one patch", 0, NANO, None, 1), IMAGES, progress=False)


@pytest.fixture(scope="module")
def stands():
    return attention(Standing("standing", 0, NANO, None, 1), IMAGES, progress=False)


class TestPlanted:
    def test_the_map_is_the_patch(self, looks):
        expected = np.zeros(64)
        expected[19] = 1
        np.testing.assert_allclose(looks.maps.reshape(12, 4, 64), np.broadcast_to(expected, (12, 4, 64)), atol=1e-4)
        assert looks.query == "class token" and looks.layer == "blocks.5.attn"
        assert (looks.rollout.reshape(12, 64).argmax(1) == 19).all()

    def test_the_numbers_are_those_of_the_patch(self, looks):
        to_it = np.mean([np.hypot(q // 8 - 19 // 8, q % 8 - 19 % 8) for q in range(64)]) * 4  # patches of 4 px
        np.testing.assert_allclose(looks.distance[:, -1], to_it, rtol=1e-3)
        for name, value in {"entropy": 0, "nmi": 0, "homogeneity": 1}.items():
            np.testing.assert_allclose(getattr(looks, name)[:, -1], value, atol=2e-3, err_msg=name)
        np.testing.assert_allclose(looks.redundancy[:, -1], 1, atol=1e-3)


class TestOutliers:
    def test_are_found_exactly(self, stands):
        expected = np.zeros(64, bool)
        expected[list(Standing.patches)] = True
        np.testing.assert_array_equal(stands.outliers.reshape(12, 64), np.broadcast_to(expected, (12, 64)))
        score = stands.scores()["outliers"]
        assert score.value == pytest.approx(3 / 64) and set(score.controls) == {"normal spread", "untrained"}
        assert stands.emerges == 0 and stands.outlier_layers[0] >= 3 / 64

    def test_are_substituted_beside_as_many_at_random(self, stands):
        score = stands.scores()["substitution"]
        assert set(score.controls) == {"random patches"}
        assert stands.substituted.shape == (12,) and (np.abs(stands.substituted) <= 1 + 1e-5).all()
        assert score.value == pytest.approx(stands.substituted.mean())
        assert score.value < score.controls["random patches"]  # nobody attends much to any other patch

    def test_lead_to_advice(self, stands, result):
        advice = stands.advice()
        assert "4.7%" in advice and "from layer 1 on" in advice and "registers are made to take this over" in advice
        assert result.advice() == "No patch stands out by its norm: nothing here asks for registers."


def test_the_mean_of_the_others_takes_their_place():
    """Of an encoder without blocks after the substitution: the token itself can be read off."""
    from sslviz.explanations.attention.registers import mean_substituted

    encoder = untrained().encoder()
    x = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    chosen = torch.zeros(1, 64, dtype=torch.bool)
    chosen[0, [3, 9]] = True
    seen = {}
    block = encoder.model.blocks[4]
    with torch.no_grad():
        hook = block.register_forward_hook(lambda m, i, out: seen.update(before=out))
        with mean_substituted(encoder.model, 1, chosen, 4):
            last = encoder.model.blocks[5].register_forward_pre_hook(lambda m, i: seen.update(after=i[0]))
            encoder(x)
        hook.remove(), last.remove()
    others = seen["before"][0, 1:][~chosen[0]]
    torch.testing.assert_close(seen["after"][0, 1:][chosen[0]], others.mean(0).expand(2, -1))
    torch.testing.assert_close(seen["after"][0, 1:][~chosen[0]], others)
    torch.testing.assert_close(seen["after"][0, 0], seen["before"][0, 0])
    assert not any(len(m._forward_hooks) for m in encoder.modules())


class TestResult:
    def test_shapes_and_kinds(self, result):
        assert result.maps.shape == (12, 4, 8, 8) and result.rollout.shape == result.norms.shape == (12, 8, 8)
        assert result.distance.shape == result.entropy.shape == (12, 6, 4) and result.redundancy.shape == (12, 6)
        assert all(getattr(result, name).dtype == np.float32 for name in FIELDS)
        assert list(result.ids) == list(IMAGES.ids) and result.layers == [f"blocks.{i}.attn" for i in range(6)]
        assert (result.maps.sum((2, 3)) < 1).all()  # the class token keeps some for itself

    def test_maps_are_the_class_tokens_row(self, result):
        from sslviz.features.embed import preprocess

        encoder = untrained().encoder()
        with torch.no_grad(), capture_attention(encoder) as seen:
            encoder(preprocess(torch.from_numpy(IMAGES.pixels), encoder))
        last = seen.layers[-1].numpy()
        np.testing.assert_allclose(result.maps.reshape(12, 4, 64), last[:, :, 0, 1:], atol=1e-7)
        passed = np.eye(65)
        for weights in seen.layers:
            passed = (weights[0].mean(0).numpy() + np.eye(65)) / 2 @ passed
        np.testing.assert_allclose(result.rollout[0].ravel(), passed[0, 1:], atol=1e-6)
        np.testing.assert_allclose(
            query_maps(untrained(), IMAGES)[3, 2, 17].ravel(), last[3, 2, 18, 1:], atol=1e-7
        )  # patch 17, after the class token

    def test_without_a_class_token_the_mean_query_is_read(self):
        checkpoint = untrained(name="vit_pwee_patch16_reg1_gap_256")
        found = attention(checkpoint, IMAGES.rows(np.arange(2)), control=checkpoint, progress=False)
        assert found.query == "mean of the patches" and found.registers == 1 and found.maps.shape == (2, 4, 2, 2)
        every = query_maps(checkpoint, IMAGES.rows(np.arange(2)))
        np.testing.assert_allclose(found.maps, every.mean(2), atol=1e-6)

    def test_registers_are_no_patches(self):
        checkpoint = untrained(name="vit_small_patch14_reg4_dinov2", image_size=42)
        found = attention(checkpoint, IMAGES.rows(np.arange(2)), control=checkpoint, progress=False)
        assert found.registers == 4 and found.maps.shape == (2, 6, 3, 3) and found.query == "class token"

    def test_other_layers_on_request(self, result):
        second = attention(untrained(), IMAGES, layer=1, progress=False)
        assert second.layer == "blocks.1.attn"
        np.testing.assert_allclose(second.maps, attention_maps(untrained(), IMAGES, layer=1), atol=1e-7)
        np.testing.assert_allclose(attention_maps(untrained(), IMAGES), result.maps, atol=1e-7)
        np.testing.assert_allclose(second.rollout, result.rollout, atol=1e-7)  # goes through all of them

    def test_is_stored_and_read_again(self, result, tmp_path):
        save_result(tmp_path / "r.npz", result)
        again = load_result(tmp_path / "r.npz", Attention)
        np.testing.assert_array_equal(again.maps, result.maps)
        assert again.scores() == result.scores() and again.advice() == result.advice()

    def test_does_not_depend_on_the_batch_and_is_repeatable(self, result):
        one_by_one = attention(untrained(), IMAGES, memory=1, progress=False)
        for name in FIELDS:
            np.testing.assert_allclose(getattr(one_by_one, name), getattr(result, name), atol=2e-5, err_msg=name)


class TestScores:
    def test_each_has_its_controls(self, result):
        scores = result.scores()
        assert list(scores) == ["distance", "entropy", "homogeneity", "redundancy", "outliers"]
        for name in ("distance", "entropy", "homogeneity", "redundancy"):
            assert set(scores[name].controls) == {"uniform attention", "untrained"}
        assert all(s.higher_is_better is None and s.low <= s.value <= s.high for s in list(scores.values())[:4])
        assert scores["distance"].controls["uniform attention"] == pytest.approx(4.1365 * 4 / (32 * 2**0.5), rel=1e-4)
        assert scores["outliers"].controls["normal spread"] == normal_outliers()

    def test_are_means_over_images(self, result):
        for name, values in result.per_image().items():
            if name in result.scores():
                assert values.shape == (12,)
                assert result.scores()[name].value == pytest.approx(values.mean())

    def test_an_untrained_encoder_looks_at_everything_alike(self, result):
        """Small random weights: logits near zero, so that all of the above must read what uniform attention reads."""
        for name in ("distance", "entropy", "homogeneity", "redundancy"):
            score = result.scores()[name]
            assert score.value == pytest.approx(score.controls["uniform attention"], abs=0.01)

    def test_the_control_of_an_untrained_encoder_is_another_one(self):
        first = attention(untrained(seed=0), IMAGES, progress=False)
        assert first.control == "untrained" and not np.allclose(first.rollout, first.control_rollout, atol=1e-6)

    def test_another_checkpoint_may_be_the_control(self):
        control = OnePatch("one patch", 0, NANO, None, 1)
        found = attention(untrained(), IMAGES, control=control, progress=False)
        assert found.scores()["entropy"].controls["untrained"] < 0.95  # planted: one layer of six with no entropy

    def test_few_images_have_no_interval(self):
        few = attention(untrained(), IMAGES.rows(np.arange(9)), progress=False)
        assert all(score.low is None for score in few.scores().values())
        one = attention(untrained(), IMAGES.rows(np.arange(1)), progress=False)
        assert np.isfinite([score.value for score in one.scores().values()]).all()

    def test_untrained_encoders_are_hardly_ever_told_to_take_registers(self):
        told = [
            "made to take this over" in attention(untrained(seed), IMAGES, progress=False).advice()
            for seed in range(2, 7)
        ]
        assert not any(told)


class TestMemory:
    def test_is_bounded_by_the_layer(self, monkeypatch):
        """No more than one layer's weights are alive, and no more images pass at a time than were asked for."""
        alive, batches = [], []
        measured = streaming.head_measures

        def spy(weights, grid, prefix):
            batches.append(len(weights))
            alive.append(sum(type(o) is torch.Tensor and o.shape == weights.shape for o in gc.get_objects()))
            return measured(weights, grid, prefix)

        monkeypatch.setattr(streaming, "head_measures", spy)
        per_image = 4 * 65**2 * 4  # heads, tokens, bytes
        gc.freeze()  # from here on only new objects are gone through: there are millions of old ones
        try:
            attention(untrained(), IMAGES, memory=streaming.COPIES * per_image * 5, progress=False)
        finally:
            gc.unfreeze()
        assert set(alive) == {1}
        assert batches == [5] * 12 + [2] * 6 + [5] * 12 + [2] * 6  # six layers a batch, then the control


class TestBadInput:
    def test_convolutional_encoders_are_told_what_there_is_for_them(self):
        for name in ("conv_nano", "resnet18"):
            with pytest.raises(ValueError, match="activation_energy, eigen_cam and effective_receptive_field"):
                attention(untrained(name=name), IMAGES)

    def test_windows_are_refused_by_name(self):
        with pytest.raises(ValueError, match="WindowAttention"):
            attention(untrained(name="swin_tiny_patch4_window7_224", image_size=64), IMAGES)

    def test_layers_that_are_not_there(self):
        for layer in (6, -7):
            with pytest.raises(ValueError, match=f"no attention layer {layer}; there are 6, from 0 to 5"):
                attention(untrained(), IMAGES, layer=layer)

    @pytest.mark.parametrize("shape", [(0, 32, 32, 3), (2, 4, 32, 32, 3)])
    def test_nothing_and_clips(self, shape):
        ids = np.arange(shape[0]).astype(str)
        images = sslviz.Images(np.zeros(shape, np.uint8), ids, pd.DataFrame(index=range(shape[0])))
        with pytest.raises(ValueError, match="at least one picture"):
            attention(untrained(), images)

    def test_a_single_patch_has_no_map(self):
        with pytest.raises(ValueError, match="at least 2 x 2 patches, but this encoder has 1"):
            attention(untrained(name="vit_tiny_patch16_224", image_size=16), IMAGES)

    def test_black_pictures_are_no_error(self):
        black = sslviz.Images(np.zeros((3, 32, 32, 3), np.uint8), np.array(list("abc")), pd.DataFrame(index=range(3)))
        found = attention(untrained(), black, progress=False)
        assert np.isfinite(found.distance).all() and found.scores()["outliers"].value < 0.2
