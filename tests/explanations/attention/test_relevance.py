"""Gradient x attention: its closed forms, a plain recomputation, and scores that are none."""

import numpy as np
import pytest
import torch
from torch import nn

import sslviz
from sslviz.explanations.attention.capture import capture_attention
from sslviz.explanations.attention.relevance import gradient_attention, relevance, relevance_rollout
from sslviz.runs import Checkpoint

VIT = Checkpoint(run="vit", step=0, config={"name": "vit_nano", "image_size": 32}, path=None, seed=1)


@pytest.fixture(scope="module")
def encoder():
    return VIT.encoder()


@pytest.fixture(scope="module")
def x():
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_without_gradients_nothing_is_passed_on():
    layers = [torch.full((2, 3, 5, 5), 0.2)] * 4
    for gradients in ([torch.zeros(2, 3, 5, 5)] * 4, [None] * 4, [-torch.ones(2, 3, 5, 5)] * 4):
        torch.testing.assert_close(relevance_rollout(layers, tuple(gradients)), torch.eye(5).expand(2, 5, 5))


def test_two_layers_by_hand():
    generator = torch.Generator().manual_seed(0)
    a1, a2, g1, g2 = (torch.randn(1, 2, 3, 3, generator=generator) for _ in range(4))
    one, two = ((a * g).clamp_min(0)[0].mean(0) for a, g in ((a1, g1), (a2, g2)))
    expected = torch.eye(3) + one + two + two @ one  # (I + two)(I + one)
    torch.testing.assert_close(relevance_rollout([a1, a2], (g1, g2))[0], expected)


def test_equals_a_plain_recomputation_image_by_image(encoder, x):
    """Tensor hooks on an unfused model and loops over images, layers and heads."""
    with capture_attention(encoder):  # unfused meanwhile
        kept = []
        hooks = [
            b.attn.attn_drop.register_forward_hook(lambda _, i, out: (out.retain_grad(), kept.append(out)) and None)
            for b in encoder.model.blocks
        ]
        expected = []
        for image in x:
            kept.clear()
            features = encoder(image[None])
            (features @ features.detach().T).sum().backward()
            passed = np.eye(65)
            for weights in kept:
                step = np.zeros((65, 65))
                for h in range(4):
                    step += np.maximum((weights[0, h].detach() * weights.grad[0, h]).numpy(), 0) / 4
                passed = passed + step @ passed
            expected.append(passed[0, 1:])
        for hook in hooks:
            hook.remove()
    encoder.zero_grad()
    found = relevance(encoder, x).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6 * np.abs(expected).max())
    assert found.std() > 0


def test_a_constant_added_to_the_score_changes_nothing(encoder, x):
    plain = relevance(encoder, x, lambda z: z[:, 0])
    torch.testing.assert_close(relevance(encoder, x, lambda z: z[:, 0] + 7), plain)
    assert not torch.allclose(relevance(encoder, x, lambda z: -z[:, 0]), plain)


def test_of_one_layer_it_is_linear_in_the_score(x):
    encoder = VIT.encoder()
    encoder.model.blocks = nn.Sequential(encoder.model.blocks[0])
    plain = relevance(encoder, x, lambda z: z[:, 0])
    torch.testing.assert_close(relevance(encoder, x, lambda z: 3 * z[:, 0]), 3 * plain, rtol=1e-4, atol=1e-9)


def test_the_default_is_the_label_free_dot_product(encoder, x):
    features = encoder(x).detach()
    torch.testing.assert_close(relevance(encoder, x), relevance(encoder, x, lambda z: (z * features).sum(1)))


def test_maps_lie_on_the_grid_and_batches_do_not_matter():
    images = sslviz.shapes(n=5, seed=0)
    at_once = gradient_attention(VIT, images, progress=False)
    assert at_once.shape == (5, 8, 8) and at_once.dtype == np.float32
    one_by_one = gradient_attention(VIT, images, memory=1, progress=False)
    np.testing.assert_allclose(one_by_one, at_once, rtol=1e-4, atol=1e-8)


def test_the_encoder_gets_no_gradients_and_keeps_its_state(encoder, x):
    before = [(p.requires_grad, p.grad is None) for p in encoder.parameters()]
    encoder.zero_grad(set_to_none=True)
    relevance(encoder, x)
    assert all(p.grad is None for p in encoder.parameters())
    assert [p.requires_grad for p in encoder.parameters()] == [want for want, _ in before]
    assert all(block.attn.fused_attn for block in encoder.model.blocks) and not encoder.training


@pytest.mark.parametrize(
    ("score", "words"),
    [
        (lambda z: z, "one number an image"),
        (lambda z: z.sum(), "one number an image"),
        (lambda z: 1.0, "got float"),
        (lambda z: torch.zeros(2), "does not depend on the features"),
        (lambda z: z.detach()[:, 0], "does not depend on the features"),
    ],
)
def test_scores_that_are_none_are_refused(encoder, x, score, words):
    with pytest.raises(ValueError, match=words):
        relevance(encoder, x, score)
