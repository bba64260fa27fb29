"""The captured weights are those the fused computation used, and the model is left as it was found."""

import gc

import pytest
import timm
import torch
import torch.nn.functional as F
from timm.layers import set_fused_attn

import sslviz
from sslviz.explanations.attention.capture import capture_attention, token_layout
from sslviz.runtime.random_state import seeded

# name: options that keep it small, prefix tokens, registers, what becomes the features
FAMILIES = {
    "vit_tiny_patch16_224": ({"img_size": 48}, 1, 0, "class token"),
    "vit_small_patch14_reg4_dinov2": ({"img_size": 42}, 5, 4, "class token"),
    "vit_medium_patch16_reg4_gap_256": ({"img_size": 48}, 4, 4, "mean of the patches"),
    "vit_base_patch16_siglip_gap_224": ({"img_size": 48}, 0, 0, "mean of the patches"),
    "deit_tiny_distilled_patch16_224": ({"img_size": 48}, 2, 0, "class tokens"),
    "vit_relpos_small_patch16_224": ({"img_size": 48}, 0, 0, "mean of the patches"),
    "eva02_tiny_patch14_224": ({"img_size": 42}, 1, 0, "mean of the patches"),
    "vit_small_patch16_dinov3": ({"img_size": 48}, 5, 4, "mean of the patches"),
    "beit_base_patch16_224": ({"img_size": 48}, 1, 0, "mean of the patches"),
    "vit_pwee_patch16_reg1_gap_256": ({"img_size": 48}, 1, 1, "mean of the patches"),
}


def make(name, options, depth=2):
    """A model of depth two whose every weight is random, so that biases, norms and relative positions all matter."""
    with seeded(0):
        model = timm.create_model(name, num_classes=0, depth=depth, **options).eval()
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(0.7 * model.embed_dim**-0.5 * torch.randn_like(weight))
        return model, torch.randn(2, 3, options["img_size"], options["img_size"])


@pytest.fixture(scope="module")
def vit():
    return make("vit_tiny_patch16_224", {"img_size": 48}, depth=3)


@pytest.mark.parametrize("name", FAMILIES)
def test_weights_are_those_of_the_fused_computation(name, monkeypatch):
    options, prefix, registers, query = FAMILIES[name]
    model, x = make(name, options)
    expected = []
    fused = F.scaled_dot_product_attention

    def spy(q, k, v, attn_mask=None, dropout_p=0.0, is_causal=False, **keywords):
        scores = q.double() @ k.double().mT / q.shape[-1] ** 0.5
        expected.append((scores if attn_mask is None else scores + attn_mask.double()).softmax(-1))
        return fused(q, k, v, attn_mask=attn_mask, dropout_p=dropout_p, is_causal=is_causal, **keywords)

    monkeypatch.setattr(F, "scaled_dot_product_attention", spy)
    with torch.no_grad():
        before = model(x)
        assert len(expected) == 2, "this family no longer calls the fused function; the reference is empty"
        with capture_attention(model) as seen:
            inside = model(x)
        after = model(x)
    assert len(seen.layers) == 2
    for weights, reference in zip(seen.layers, expected, strict=False):
        assert weights.shape == reference.shape and reference.std() > 1e-3
        torch.testing.assert_close(
            weights.double(), reference, rtol=5e-6, atol=1e-6
        )  # float32 holds no more of a large logit
    assert torch.equal(before, after)
    torch.testing.assert_close(inside, before, rtol=1e-4, atol=1e-5)
    layout = token_layout(model)
    assert (layout.prefix, layout.registers, layout.query) == (prefix, registers, query)


def inputs_of(attn, model, x):
    """What an attention layer was given: its tokens and its keyword arguments."""
    given = {}
    hook = attn.register_forward_pre_hook(lambda _, a, k: given.update(x=a[0], **k), with_kwargs=True)
    with torch.no_grad(), capture_attention(model) as seen:
        model(x)
    hook.remove()
    return given, seen.layers


def split_heads(tokens, heads):
    return tokens.reshape(*tokens.shape[:2], heads, -1).transpose(1, 2).double()


def test_by_hand_from_q_and_k(vit):
    model, x = vit
    attn = model.blocks[1].attn
    given, layers = inputs_of(attn, model, x)
    q, k, _ = attn.qkv(given["x"]).chunk(3, dim=-1)
    q, k = split_heads(q, 3), split_heads(k, 3)
    for b, h, i in ((0, 0, 0), (1, 2, 5), (1, 1, 9)):
        logits = torch.stack([(q[b, h, i] * k[b, h, j]).sum() / 8 for j in range(10)])  # 64 dimensions a head
        row = logits.exp() / logits.exp().sum()
        torch.testing.assert_close(layers[1][b, h, i].double(), row, rtol=0, atol=1e-6)


def test_by_hand_with_rotary_positions():
    model, x = make("eva02_tiny_patch14_224", {"img_size": 42})
    attn = model.blocks[0].attn
    given, layers = inputs_of(attn, model, x)
    sin, cos = given["rope"].double().chunk(2, -1)
    turn = torch.complex(cos[:, ::2], sin[:, ::2])  # one angle for each pair of dimensions

    def rotated(tokens):
        pairs = torch.view_as_complex(tokens[:, :, 1:].unflatten(-1, (-1, 2)).contiguous()) * turn
        return torch.cat([tokens[:, :, :1], torch.view_as_real(pairs).flatten(-2)], 2)

    q, k, _ = F.linear(given["x"], attn.qkv.weight, torch.cat([attn.q_bias, attn.k_bias, attn.v_bias])).chunk(3, -1)
    q, k = rotated(split_heads(q, attn.num_heads)), rotated(split_heads(k, attn.num_heads))
    expected = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
    torch.testing.assert_close(layers[0].double(), expected, rtol=0, atol=1e-6)


def test_by_hand_with_relative_positions():
    model, x = make("beit_base_patch16_224", {"img_size": 48})
    attn = model.blocks[1].attn
    given, layers = inputs_of(attn, model, x)
    table, heads = attn.relative_position_bias_table.detach().double(), attn.num_heads
    bias = torch.empty(heads, 10, 10, dtype=torch.float64)
    for i in range(10):
        for j in range(10):
            if i and j:  # patches of a 3 x 3 grid
                (yi, xi), (yj, xj) = divmod(i - 1, 3), divmod(j - 1, 3)
                at = (yi - yj + 2) * 5 + (xi - xj + 2)
            else:  # class to patch, patch to class, class to class: the last three
                at = 25 + (2 if not i and not j else 1 if i else 0)
            bias[:, i, j] = table[at]
    weight, zero = attn.qkv.weight, torch.zeros_like(attn.q_bias)
    q, k, _ = F.linear(given["x"], weight, torch.cat([attn.q_bias, zero, attn.v_bias])).chunk(3, -1)
    expected = (split_heads(q, heads) @ split_heads(k, heads).mT / 8 + bias).softmax(-1)
    torch.testing.assert_close(layers[1].double(), expected, rtol=0, atol=1e-6)


def test_a_model_built_unfused_gives_the_same(vit):
    model, x = vit
    set_fused_attn(False)
    try:
        with seeded(1):
            plain = timm.create_model("vit_tiny_patch16_224", num_classes=0, depth=3, img_size=48).eval()
    finally:
        set_fused_attn(True)
    plain.load_state_dict(model.state_dict())
    assert not plain.blocks[0].attn.fused_attn
    taken = []
    for one in (model, plain):
        with torch.no_grad(), capture_attention(one) as seen:
            one(x)
        taken.append(torch.stack(seen.layers))
    torch.testing.assert_close(*taken, rtol=0, atol=1e-6)
    assert not plain.blocks[0].attn.fused_attn and model.blocks[0].attn.fused_attn


class TestTheModel:
    def state(self, model):
        modules = list(model.modules())
        return (
            [m.training for m in modules],
            [getattr(m, "fused_attn", None) for m in modules],
            [(len(m._forward_pre_hooks), len(m._forward_hooks)) for m in modules],
            [p.requires_grad for p in model.parameters()],
            [p.grad for p in model.parameters()],
            getattr(model, "grad_checkpointing", None),
        )

    @pytest.mark.parametrize("training", [False, True])
    def test_is_left_as_it_was_found(self, vit, training):
        model, x = vit
        model.train(training)
        model.set_grad_checkpointing(training)
        before = self.state(model)
        with capture_attention(model):
            model(x)
            assert model.training is training
        assert self.state(model) == before
        with pytest.raises(ZeroDivisionError), capture_attention(model), capture_attention(model):
            model(x)
            _ = 1 / 0
        assert self.state(model) == before
        with pytest.raises(ZeroDivisionError), capture_attention(model, reduce=lambda i, w: 1 / 0):
            model(x)
        assert self.state(model) == before
        model.eval().set_grad_checkpointing(False)

    def test_dropout_does_not_touch_the_weights(self, vit):
        model, x = vit
        for block in model.blocks:
            block.attn.attn_drop.p = 0.9
        model.train()
        with seeded(0), torch.no_grad(), capture_attention(model) as seen:
            model(x)
        model.eval()
        for block in model.blocks:
            block.attn.attn_drop.p = 0.0
        for weights in seen.layers:
            torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, 10))

    def test_gradients_reach_the_weights(self, vit):
        model, x = vit
        with capture_attention(model) as seen:
            score = model(x).square().sum()
        gradients = torch.autograd.grad(score, seen.layers)
        assert all(g.abs().max() > 0 for g in gradients)
        assert all(p.grad is None for p in model.parameters())

    def test_layers_are_numbered_in_the_order_they_run(self, vit):
        model, x = vit
        order = []
        with torch.no_grad(), capture_attention(model, reduce=lambda i, w: order.append(i)) as seen:
            model(x)
            model(x[:1])
        assert order == [0, 1, 2, 0, 1, 2]
        assert seen.names == [f"blocks.{i}.attn" for i in range(3)]

    def test_the_last_forward_pass_counts(self, vit):
        model, x = vit
        with torch.no_grad(), capture_attention(model) as seen:
            with pytest.raises(ValueError, match="3 of 3 attention layers have not run"):
                _ = seen.layers
            model(x)
            model(x[:1])
        assert [len(weights) for weights in seen.layers] == [1, 1, 1]

    def test_only_one_layer_is_alive_at_a_time(self, vit):
        model, x = vit
        alive = []

        def reduce(number, weights):
            size = weights.shape
            alive.append(sum(type(o) is torch.Tensor and o.shape == size for o in gc.get_objects()))
            return weights.mean()

        with torch.inference_mode(), capture_attention(model, reduce=reduce):
            model(torch.cat([x, x, x[:1]]))  # five images: no other test holds weights of this shape
        assert alive == [1, 1, 1]

    def test_may_be_an_encoder(self):
        encoder = sslviz.create_encoder("vit_nano").eval()
        with torch.no_grad(), capture_attention(encoder) as seen:
            encoder(torch.zeros(1, 3, 32, 32))
        assert seen.model is encoder.model and len(seen.layers) == 6 and seen.layers[0].shape == (1, 4, 65, 65)

    def test_may_be_compiled(self, vit):
        model, x = vit
        compiled = torch.compile(model, backend="eager")
        with torch.no_grad():
            expected = compiled(x)  # compiled without hooks, and with the fused path
            with capture_attention(compiled) as seen:
                compiled(x)
            assert len(seen.layers) == 3 and seen.model is model
            with capture_attention(model) as plain:
                model(x)
            torch.testing.assert_close(torch.stack(seen.layers), torch.stack(plain.layers))
            assert torch.equal(compiled(x), expected)
        torch._dynamo.reset()


REFUSED = {
    "swin_tiny_patch4_window7_224": ({"img_size": 64, "window_size": 4}, "WindowAttention"),
    "vit_base_patch16_siglip_224": ({"img_size": 32, "depth": 1}, "AttentionPoolLatent"),
    "cait_xxs24_224": ({"img_size": 32, "depth": 1}, "ClassAttn, TalkingHeadAttn"),
    "xcit_nano_12_p16_224": ({"img_size": 32, "depth": 1}, "ClassAttn, XCA"),
    "vit_dpwee_patch16_reg1_gap_256": ({"img_size": 32, "depth": 1}, "DiffParallelScalingBlock"),
    "convit_tiny": ({"img_size": 32, "depth": 1, "local_up_to_layer": 1}, "GPSA"),
    "mobilenetv4_hybrid_medium": ({}, "MultiQueryAttention2d"),
    "pit_ti_224": ({"img_size": 32}, "PoolingVisionTransformer does not keep one grid"),
    "mobilevit_xxs": ({}, "ByobNet does not keep one grid"),
    "resnet18": ({}, "ResNet holds no attention"),
    "convnext_atto": ({}, "ConvNeXt holds no attention"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_understood_is_refused_by_name(name):
    options, words = REFUSED[name]
    with seeded(0):
        model = timm.create_model(name, num_classes=0, **options)
    before = [len(m._forward_pre_hooks) for m in model.modules()]
    with pytest.raises(ValueError, match=words), capture_attention(model):
        raise AssertionError("the context must not be entered")
    assert [len(m._forward_pre_hooks) for m in model.modules()] == before
