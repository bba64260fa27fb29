import pytest
import torch

from sslviz.encoders import create_encoder
from sslviz.methods import Inpainting
from sslviz.methods.inpainting import inpainting_loss
from sslviz.runtime.random_state import seeded

from .contract import draw_batch, loss_of
from .planted import noise, taught
from .toys import normal


def some_hidden(b, size, seed=2):
    hidden = normal(b, 1, size, size, seed=seed) > 0.5
    hidden[..., 0, 0] = True
    return hidden


def test_the_loss_is_that_of_a_plain_loop():
    predicted, true, hidden = normal(3, 3, 5, 5), normal(3, 3, 5, 5, seed=1), some_hidden(3, 5)
    means = []
    for i in range(3):
        errors = [
            float(predicted[i, c, r, k] - true[i, c, r, k]) ** 2
            for r in range(5)
            for k in range(5)
            if hidden[i, 0, r, k]
            for c in range(3)
        ]
        means.append(sum(errors) / len(errors))
    assert inpainting_loss(predicted, true, hidden).item() == pytest.approx(sum(means) / 3, abs=1e-5)


def test_only_hidden_pixels_count():
    true, hidden = normal(3, 3, 8, 8), some_hidden(3, 8)
    assert inpainting_loss(torch.where(hidden, true, 9.0), true, hidden).item() == 0
    assert inpainting_loss(torch.where(hidden, true + 2, true), true, hidden).item() == pytest.approx(4)


def test_in_half_precision_the_objective_keeps_all_its_digits():
    predicted, true, hidden = normal(3, 3, 8, 8).bfloat16(), normal(3, 3, 8, 8, seed=1).bfloat16(), some_hidden(3, 8)
    with torch.autocast("cpu", torch.bfloat16):
        value = inpainting_loss(predicted, true, hidden)
    exact = inpainting_loss(predicted.double(), true.double(), hidden)
    torch.testing.assert_close(value.double(), exact, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("encoder", ["conv_nano", "vit_nano"])
def test_hidden_pixels_are_not_seen_and_the_others_are_kept(encoder):
    method = Inpainting(create_encoder(encoder)).eval()
    x = draw_batch(method.views).views[0][0]

    def made(x):
        with torch.no_grad(), seeded(0):
            return method.reconstruct(x)

    one = made(x)
    two = made(torch.where(one.hidden, 5 * normal(*x.shape), x))
    assert torch.equal(one.hidden, two.hidden) and not torch.equal(one.true, two.true)
    assert torch.equal(one.shown, two.shown) and torch.equal(one.predicted, two.predicted)
    shown = ~one.hidden.expand_as(x)
    assert torch.equal(one.predicted[shown], x[shown]) and torch.equal(one.shown[shown], x[shown])
    assert (one.shown[~shown] == 0).all()
    three = made(torch.where(one.hidden, x, x + 1))  # what is shown is seen
    assert not torch.equal(three.predicted[~shown], one.predicted[~shown])


def test_the_loss_is_the_error_of_what_is_drawn():
    method = Inpainting(create_encoder("conv_nano"), area=0.2, blocks=2).eval()
    batch = draw_batch(method.views)
    with torch.no_grad(), seeded(0):
        made = method.reconstruct(batch.views[0][0])
    errors = [
        (made.predicted - made.true)[i][:, made.hidden[i, 0]].square().mean().item() for i in range(len(batch.rows))
    ]
    assert loss_of(method, batch)["loss"].item() == pytest.approx(sum(errors) / len(errors), rel=1e-5)


@pytest.mark.parametrize("settings", [{"area": 0.0}, {"area": 1.0}, {"blocks": 0}])
def test_blocks_that_make_no_sense_are_refused(settings):
    with pytest.raises(ValueError, match="At least one block"):
        Inpainting(create_encoder("conv_nano"), **settings)


def plain(step, b=16):
    """Pictures of one colour each."""
    return noise(step, b, size=1).expand(1, b, 3, 16, 16)


def test_it_learns_what_the_rest_tells_and_nothing_else():
    told, untold = (
        taught(Inpainting(create_encoder("conv_nano", image_size=16), width=16), pictures, steps=60)
        for pictures in (plain, lambda step: noise(step, 16, size=16))
    )
    assert told < 0.7 and untold > 0.95  # 1 is the variance of what is hidden
