"""All attention of one picture: is it what the functions of many pictures give, and of arrays what was planted?"""

import numpy as np
import pytest

import sslviz
from sslviz.explanations.attention.attention import attention
from sslviz.explanations.attention.layer_maps import attention_maps, query_maps
from sslviz.explanations.attention.picture_attention import ArrayAttention, EncoderAttention, maps_of
from sslviz.runs import Checkpoint

IMAGES = sslviz.shapes(n=2)
CHECKPOINT = Checkpoint("run", 0, {"name": "vit_nano", "image_size": 32}, None, 1)


def one(row):
    return IMAGES.rows(np.array([row]))


@pytest.mark.parametrize("layer", [0, 5])
def test_an_encoder_gives_what_it_gives_for_many_pictures(layer):
    source = EncoderAttention(CHECKPOINT)
    weights = source.weights(one(1), layer)
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
    patches = maps_of(weights, source.tokens, of_patches=True)
    np.testing.assert_allclose(patches, query_maps(CHECKPOINT, IMAGES, layer=layer)[1], atol=1e-6)
    pooled = maps_of(weights, source.tokens, of_patches=False)
    np.testing.assert_allclose(pooled[:, 0], attention_maps(CHECKPOINT, IMAGES, layer=layer)[1], atol=1e-6)


def test_through_all_layers_it_gives_the_rollout():
    source = EncoderAttention(CHECKPOINT)
    found = maps_of(source.weights(one(0), None), source.tokens, of_patches=False)
    np.testing.assert_allclose(found[0, 0], attention(CHECKPOINT, IMAGES, progress=False).rollout[0], atol=1e-6)
    assert source.layers == 6


def test_an_encoder_without_attention_is_refused():
    with pytest.raises(ValueError, match="holds no attention"):
        EncoderAttention(Checkpoint("run", 0, {"name": "conv_nano", "image_size": 32}, None, 1))


@pytest.mark.parametrize(("n", "prefix", "query"), [(16, 0, "mean of the patches"), (21, 5, "first token")])
def test_of_an_array_the_largest_square_of_tokens_is_taken_for_patches(n, prefix, query):
    weights = np.random.default_rng(0).random((2, 3, 2, n, n))
    source = ArrayAttention(weights, IMAGES)
    assert (source.tokens.prefix, source.tokens.query, source.layers) == (prefix, query, 3)
    assert f"16 of the {n} tokens are patches on a grid of 4 x 4" in source.assumed
    found = maps_of(source.weights(one(1), 2), source.tokens, of_patches=True)
    np.testing.assert_allclose(found[1, 7].ravel(), weights[1, 2, 1, prefix + 7, prefix:], rtol=1e-6)
    pooled = maps_of(source.weights(one(0), 0), source.tokens, of_patches=False)
    expected = weights[0, 0, :, 0, prefix:] if prefix else weights[0, 0].mean(1)
    np.testing.assert_allclose(pooled[:, 0].reshape(2, -1), expected, rtol=1e-5)


def test_the_rollout_of_an_array_is_the_product_of_half_steps():
    weights = np.random.default_rng(0).random((3, 2, 9, 9))
    weights /= weights.sum(-1, keepdims=True)
    passed = np.eye(9)
    for layer in weights:
        passed = (layer.mean(0) + np.eye(9)) / 2 @ passed
    found = ArrayAttention(weights, IMAGES.rows(np.array([0]))).weights(one(0), None)
    np.testing.assert_allclose(found[0], passed, atol=1e-6)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (np.ones((2, 9, 9)), r"got \(2, 9, 9\)"),
        (np.ones((1, 2, 9, 9)), "for 2 pictures"),
        (np.ones((2, 1, 2, 9, 8)), "n, n"),
        (-np.ones((2, 1, 2, 9, 9)), "no negative"),
        (np.full((2, 1, 2, 9, 9), np.nan), "finite"),
    ],
)
def test_what_is_no_attention_is_refused_in_a_sentence(weights, words):
    with pytest.raises(ValueError, match=words):
        ArrayAttention(weights, IMAGES)
