import pytest
import torch
from timm.models.vision_transformer import VisionTransformer

from sslviz.diagnostics.geometry.collapse import collapse
from sslviz.encoders import Encoder, create_encoder
from sslviz.features import Features
from sslviz.methods import IJEPA
from sslviz.methods.ijepa import ijepa_loss
from sslviz.methods.parts.masking import places_outside, random_blocks
from sslviz.runtime.random_state import seeded

from .contract import draw_batch, loss_of
from .shapes_training import trained_on_shapes
from .small_transformer import small_transformer
from .toys import normal, trained_on_noise


def a_method(**settings):
    return IJEPA(create_encoder("vit_nano"), **settings)


def test_the_loss_number_by_number():
    predicted, target = normal(2, 3, 4, 6)
    target = 5 * target + 2
    errors = []
    for p, t in zip(predicted.flatten(0, 1), target.flatten(0, 1), strict=True):
        t = (t - t.mean()) / (t.var(correction=0) + 1e-5).sqrt()
        for difference in (p - t).abs().tolist():
            errors.append(difference**2 / 2 if difference < 1 else difference - 0.5)
    assert ijepa_loss(predicted, target).item() == pytest.approx(sum(errors) / len(errors), rel=1e-5)
    standard = (target - target.mean(-1, keepdim=True)) / target.std(-1, keepdim=True, correction=0)
    assert ijepa_loss(standard, target).item() == pytest.approx(0, abs=1e-6)
    torch.testing.assert_close(
        ijepa_loss(predicted, 7 * target - 1), ijepa_loss(predicted, target), rtol=1e-4, atol=1e-4
    )


class Asked(torch.nn.Module):
    """A predictor that knows what the whole picture's tokens are."""

    def __init__(self, tokens, blocks):
        super().__init__()
        self.tokens, self.blocks = tokens.repeat_interleave(blocks, 0), blocks

    def forward(self, tokens, seen, asked):
        self.seen, self.asked = seen, asked
        return torch.stack([t[i] for t, i in zip(self.tokens, asked, strict=True)])


def test_asked_are_the_slow_copys_tokens_of_the_whole_picture_at_blocks_outside_the_context():
    method, batch = a_method().eval(), draw_batch(IJEPA.views, n=4)
    for p in method.target_encoder.parameters():
        p.data.mul_(1.1)  # so that it is told from the encoder
    with torch.no_grad():
        tokens = method.target_encoder.model.forward_features(batch.views[0][0])[:, 1:]
    method.predictor = Asked(torch.nn.functional.layer_norm(tokens, (128,)), method.blocks)
    assert loss_of(method, batch)["loss"].item() == pytest.approx(0, abs=1e-6)
    seen, asked = method.predictor.seen, method.predictor.asked
    assert seen.shape == (16, method.context) and asked.shape == (16, 12)
    of_picture = asked.unflatten(0, (4, 4)).flatten(1)
    assert not (seen[::4, :, None] == of_picture[:, None]).any()
    assert torch.equal(seen[0], seen[3]) and not torch.equal(seen[0], seen[4])


def test_what_is_outside_the_context_changes_no_prediction():
    method, batch = a_method().eval(), draw_batch(IJEPA.views, n=3)
    predictions = []
    method.predictor.register_forward_hook(lambda _, args, out: predictions.append((args[1], out)))
    loss_of(method, batch)
    seen = predictions[0][0][:: method.blocks]
    shown = torch.zeros(3, 64, dtype=torch.bool).scatter_(1, seen, True)
    pixels = shown.view(3, 1, 8, 8).repeat_interleave(4, 2).repeat_interleave(4, 3)
    batch.views = [torch.where(pixels, batch.views[0], 3.0)]
    loss_of(method, batch)
    assert torch.equal(predictions[0][1], predictions[1][1])


def test_the_slow_copy_starts_as_the_encoder_and_gets_no_gradient():
    method = a_method()
    for target, online in zip(method.target_encoder.parameters(), method.encoder.parameters(), strict=True):
        assert torch.equal(target, online) and not target.requires_grad
    loss_of(method, draw_batch(IJEPA.views, n=4))["loss"].backward()
    assert all(p.grad is None for p in method.target_encoder.parameters())
    assert all(p.grad is not None for p in method.encoder.parameters())


@pytest.mark.parametrize(("blocks", "scale"), [(4, 0.175), (2, 0.1), (1, 0.5), (6, 0.1)])
def test_the_context_is_what_disjoint_blocks_leave(blocks, scale):
    method = a_method(blocks=blocks, block_scale=scale)
    height, width = method.block
    assert height * width / 64 == pytest.approx(scale, rel=0.3) and height <= width
    assert method.context == 64 - blocks * height * width
    with seeded(0):
        taken = random_blocks(torch.arange(50), 8, blocks, height, width).flatten(1)
        free = places_outside(torch.arange(50), taken, 64, method.context)
    assert not (free[:, :, None] == taken[:, None]).any()


@pytest.mark.parametrize("settings", [{"blocks": 6}, {"blocks": 0}, {"block_scale": 2.0, "blocks": 1}])
def test_blocks_that_leave_no_context_are_refused(settings):
    with pytest.raises(ValueError, match="outside"):
        a_method(**settings)


def four_patches():
    """A transformer for pictures of 4x4 pixels that pools by the mean: of noise, a class token would see hardly more."""
    with seeded(0):
        model = VisionTransformer(
            4, 2, embed_dim=32, depth=2, num_heads=2, num_classes=0, class_token=False, global_pool="avg"
        )
    return Encoder(model, {"name": "four_patches", "image_size": 4}, (0.5,) * 3, (0.5,) * 3)


@torch.no_grad()
def verdict_on(method):
    x = torch.randn(512, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    return collapse(Features.from_array(method.eval().encoder(x).double().numpy())).verdict


def test_without_its_stop_gradient_it_says_the_same_of_all_pictures():
    (honest, healthy), (perfect, collapsed) = (
        trained_on_noise(
            IJEPA(four_patches(), blocks=1, block_scale=0.25, momentum=0.9, stop_gradient=stop, width=32, depth=1),
            lr=0.5,
        )
        for stop in (True, False)
    )
    assert honest > 0.3 and verdict_on(healthy) == "healthy"  # of noise, nothing can be predicted
    assert perfect < 0.03 and "collapse" in verdict_on(collapsed)


def test_it_learns_what_blocks_of_shapes_are_like():
    _, losses = trained_on_shapes(IJEPA(small_transformer()), 25, batch_size=32)
    assert losses[-1] < losses[0] / 2
