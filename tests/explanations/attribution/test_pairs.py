"""Pairs: does patch by patch add up to the similarity, and is it right where the answer is known?"""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from sslviz import create_encoder
from sslviz.data import Images, worlds
from sslviz.explanations.attribution.color_encoder import color_encoder
from sslviz.explanations.attribution.pairs import PairExplanation, explain_pair
from sslviz.runs import Checkpoint, load_result, save_result

from ..toys import levels, linear, noise_images, toy


def two(size=8, seed=0):
    images = noise_images(2, size, seed)
    return images.rows(np.array([0])), images.rows(np.array([1]))


def pooled(v, grid):
    """(3, s, s) weights for each of d features -> what each patch gives, (p, d)."""
    d, c, s, _ = v.shape
    return v.reshape(d, c, grid, s // grid, grid, s // grid).sum((1, 3, 5)).reshape(d, grid**2).T


def test_of_a_linear_encoder_is_its_bilinear_form_and_sums_to_the_similarity():
    """f = W x against black: R[p, q] = (W x_p) . (W x'_q), the pooled x x'^T times W^T W."""
    encoder, w = linear()
    a, b = two()
    result = explain_pair(encoder, a, b, grid=4, orders=2, baseline="black", progress=False)
    left, right = (pooled(w * levels(image)[0], 4) for image in (a, b))
    f, g = left.sum(0), right.sum(0)
    want = left @ right.T / (np.linalg.norm(f) * np.linalg.norm(g))
    np.testing.assert_allclose(result.pairs, want, atol=1e-5)
    np.testing.assert_allclose(result.halves[0], want, atol=1e-5)
    assert result.explained == pytest.approx(result.similarity, abs=1e-5)
    assert result.scores()["completeness"].value < 1e-5 and result.scores()["agreement"].value > 0.999


class Product(nn.Module):
    """f = (product of the means of the left and the right half, mean of the left): two patches that need each other."""

    def __init__(self):
        super().__init__()
        self.one = nn.Parameter(torch.ones(()))

    def forward_features(self, x):
        left, right = x[..., :4].mean((1, 2, 3)), x[..., 4:].mean((1, 2, 3))
        return torch.stack([left * right, left], 1) * self.one

    def forward_head(self, features, pre_logits=True):
        return features


def test_patches_that_need_each_other_share_alike():
    """With black elsewhere, l r is shared half and half by any patch of the left and any of the right: Shapley."""
    pixels = np.zeros((1, 8, 8, 3), np.uint8)
    pixels[:, :, :4], pixels[:, :, 4:] = 255, 51  # l = 1, r = 0.2
    image = Images(pixels, np.array(["x"]), pd.DataFrame(index=[0]))
    result = explain_pair(toy(Product()), image, image, grid=2, orders=2, baseline="black", progress=False)
    # Four patches: two hold half of l each, two half of r; each half of l gets 1/4 l r of the product and 1/2 of l.
    left, right = np.array([0.25 * 0.2, 0.5]), np.array([0.25 * 0.2, 0.0])
    added = np.stack([left, right, left, right])
    want = added @ added.T / (0.2**2 + 1)
    np.testing.assert_allclose(result.pairs, want, atol=1e-6)  # orders and their reverses: two at a time is exact


@pytest.mark.parametrize("name", ["conv_nano", "vit_nano"])
def test_adds_up_for_any_encoder_and_is_symmetric(name):
    encoder = create_encoder(name, image_size=16)
    encoder.train()
    a, b = two(16)
    result = explain_pair(encoder, a, b, grid=4, orders=2, progress=False)
    assert result.scores()["completeness"].value < 1e-4
    assert encoder.training and all(p.requires_grad and p.grad is None for p in encoder.parameters())
    back = explain_pair(encoder, b, a, grid=4, orders=2, progress=False)
    np.testing.assert_allclose(back.pairs, result.pairs.T, atol=1e-5)
    assert result.pairs.shape == (16, 16) and result.pairs.dtype == np.float32
    again = explain_pair(encoder, a, b, grid=4, orders=2, progress=False)
    np.testing.assert_array_equal(again.pairs, result.pairs)


def colored(spots, size=32):
    pixels = np.full((1, size, size, 3), 80, np.uint8)
    for patch, color in spots.items():
        row, column = 8 * (patch // 4), 8 * (patch % 4)
        pixels[0, row + 2 : row + 6, column + 2 : column + 6] = worlds.COLORS[color]
    return Images(pixels, np.array(["x"]), pd.DataFrame(index=[0]))


def test_links_like_colors_only():
    """Of the hand-weighted encoder the truth is known: patches go together where their colours do."""
    a, b = colored({1: "orange", 6: "blue"}), colored({12: "blue", 3: "orange", 9: "green"})
    result = explain_pair(color_encoder(), a, b, grid=4, orders=2, baseline="grey", progress=False)
    links = {(p, q) for p, q, _ in result.strongest(2)}
    assert links == {(1, 3), (6, 12)}
    grey = np.ones(16, bool)
    grey[[1, 6]] = False
    assert np.abs(result.pairs[grey]).max() < 1e-6
    assert result.explained == pytest.approx(result.similarity, abs=1e-5)  # greys give no features at all
    alike = explain_pair(
        color_encoder(), a, b, grid=4, orders=2, baseline="grey", others=colored({5: "purple"}), progress=False
    )
    score = alike.scores()["explained"]
    assert score.value > 0.5 and abs(score.controls["other images"]) < 0.1


def test_chance_is_where_patches_are_shuffled():
    result = explain_pair(toy(Product()), *two(), grid=2, orders=4, progress=False)
    rng = np.random.default_rng(0)
    reads = []
    for _ in range(40):
        noise = PairExplanation(**{**vars(result), "halves": rng.normal(size=(2, 16, 16)), "grid": 4})
        score = noise.scores()["agreement"]
        reads.append(score.value - score.control)
    assert abs(np.mean(reads)) < 0.02 and np.std(reads) < 0.15


def test_controls_checkpoints_and_storage(tmp_path):
    a, b = two(16)
    checkpoint = Checkpoint("mine", 0, create_encoder("conv_nano", image_size=16).spec, None)
    result = explain_pair(checkpoint, a, b, grid=2, orders=2, others=noise_images(4, 16, 5), progress=False)
    assert result.name == "mine" and result.due_others.shape == (4,)
    for score in result.scores().values():
        assert np.isfinite(score.value) and np.isfinite(score.control)
    save_result(tmp_path / "r.npz", result)
    assert load_result(tmp_path / "r.npz", PairExplanation).scores() == result.scores()


def test_an_encoder_that_says_nothing_explains_nothing():
    encoder, _ = linear()
    with torch.no_grad():
        encoder.model.weights.zero_()
    result = explain_pair(encoder, *two(), grid=2, orders=2, progress=False)
    assert not result.pairs.any() and result.explained == 0 and np.isfinite(result.similarity)
    assert all(np.isfinite(score.value) for score in result.scores().values())


@pytest.mark.parametrize(
    "given, match",
    [
        ({"image_a": noise_images(2)}, "image_a is to be one picture"),
        ({"image_b": noise_images(2).rows(np.zeros(2, bool))}, "image_b is to be one picture"),
        ({"orders": 1}, "at least 2 orders"),
        ({"grid": 9}, "1 to 8 a side"),
        ({"baseline": "pink"}, "A baseline is one of"),
    ],
)
def test_bad_input_is_one_sentence(given, match):
    a, b = two()
    with pytest.raises(ValueError, match=match):
        explain_pair(linear()[0], **{"image_a": a, "image_b": b, "progress": False} | given)
