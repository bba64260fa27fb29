import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sslviz.encoders import create_encoder
from sslviz.methods import Colorization, TrainingImages
from sslviz.methods.colorization import colorization_loss
from sslviz.methods.parts.chroma import soft_bins, to_luma_and_chroma

from .contract import begin, draw_batch, loss_of
from .planted import noise, taught
from .toys import normal


def some_loss(dtype=torch.float32):
    logits, target = normal(2, 7, 3, 3).bfloat16(), normal(2, 7, 3, 3, seed=1).softmax(1).bfloat16()
    return colorization_loss(logits.to(dtype), target.to(dtype), torch.linspace(0.5, 2, 7).to(dtype))


def test_the_loss_is_that_of_a_plain_loop():
    logits, target, weights = normal(2, 7, 3, 4), normal(2, 7, 3, 4, seed=1).softmax(1), torch.linspace(0.5, 2, 7)
    total = 0.0
    for i in range(2):
        for r in range(3):
            for c in range(4):
                scores, shares = logits[i, :, r, c].tolist(), target[i, :, r, c].tolist()
                log_sum = math.log(sum(map(math.exp, scores)))
                entropy = sum(share * (log_sum - score) for share, score in zip(shares, scores, strict=True))
                total += float(weights[shares.index(max(shares))]) * entropy
    assert colorization_loss(logits, target, weights).item() == pytest.approx(total / 24, abs=1e-5)


def test_a_guess_costs_the_log_of_the_number_of_bins():
    target = normal(2, 7, 3, 4).softmax(1)
    assert colorization_loss(torch.zeros(2, 7, 3, 4), target, torch.ones(7)).item() == pytest.approx(math.log(7))


def test_in_half_precision_the_objective_keeps_all_its_digits():
    with torch.autocast("cpu", torch.bfloat16):
        value = some_loss(torch.bfloat16)
    torch.testing.assert_close(value.double(), some_loss(torch.float64), rtol=1e-5, atol=1e-5)


def test_the_encoder_sees_grey_and_changed_colours_change_nothing_that_it_sees():
    method = Colorization(create_encoder("conv_nano")).eval()
    x = draw_batch(method.views).views[0][0]
    u, v = normal(2, 8, 1, 32, 32)
    luma = torch.tensor([0.299, 0.587, 0.114])
    other = x + torch.stack([u, v, -(luma[0] * u + luma[1] * v) / luma[2]], 2)[:, 0]  # the same brightness
    with torch.no_grad():
        one, two = method.reconstruct(x), method.reconstruct(other)
    assert torch.equal(one.shown, one.shown[:, :1].expand_as(x))
    torch.testing.assert_close(one.shown, two.shown, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(one.predicted, two.predicted, rtol=1e-3, atol=1e-3)
    assert (two.true - one.true).abs().mean() > 0.5
    assert one.hidden.all()


@pytest.mark.parametrize("encoder", ["conv_nano", "vit_nano"])
def test_what_is_drawn_keeps_the_brightness(encoder):
    method = Colorization(create_encoder(encoder)).eval()
    x = draw_batch(method.views).views[0][0]
    with torch.no_grad():
        made = method.reconstruct(x)
    true, drawn = (to_luma_and_chroma(y * method.std + method.mean)[0] for y in (x, made.predicted))
    torch.testing.assert_close(drawn, true, rtol=1e-4, atol=1e-4)


def test_the_head_says_the_bins_at_half_the_size():
    for name in ("conv_nano", "vit_nano"):
        method = Colorization(create_encoder(name))
        logits = method.head(method.encoder.tokens(torch.zeros(2, 3, 32, 32)))
        assert logits.shape == (2, len(method.bins), 16, 16)


def test_rare_colours_weigh_more_and_are_counted_once():
    pixels = np.full((50, 32, 32, 3), 128, np.uint8)
    pixels[:5, ..., 1:] = 0  # a tenth of the pictures is red
    method = Colorization(create_encoder("conv_nano"))
    assert torch.equal(method.weights, torch.ones(len(method.bins)))
    method.epoch_begins(1, TrainingImages(pixels, lambda: None))
    gray, red = (
        soft_bins(
            to_luma_and_chroma(torch.tensor(pixels[i, :1, :1] / 255).float().permute(2, 0, 1)[None])[1], method.bins
        )
        for i in (-1, 0)
    )
    assert method.weights[red.argmax()] > 3 * method.weights[gray.argmax()]
    shares = 0.9 * gray.flatten() + 0.1 * red.flatten()
    assert (method.weights * shares).sum().item() == pytest.approx(1, abs=1e-4)
    counted = method.weights.clone()
    method.epoch_begins(2, TrainingImages(pixels[:5], lambda: None))
    assert torch.equal(method.weights, counted)
    alike = Colorization(create_encoder("conv_nano"), rebalance=0.0)
    alike.epoch_begins(1, TrainingImages(pixels, lambda: None))
    torch.testing.assert_close(alike.weights, torch.ones(len(method.bins)))


def test_at_the_start_it_guesses():
    method = Colorization(create_encoder("conv_nano"), rebalance=0.0)
    batch = draw_batch(method.views)
    loss = loss_of(begin(method, batch), batch)["loss"].item()
    assert loss == pytest.approx(math.log(len(method.bins)), rel=0.1)


@pytest.mark.parametrize("settings", [{"rebalance": 1.0}, {"rebalance": -0.1}, {"temperature": 0.0}])
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(ValueError, match="must be"):
        Colorization(create_encoder("conv_nano"), **settings)


def striped(step, known=True, b=16):
    """Grey stripes under a red or a blue glass: red where they stand, blue where they lie, or either, by chance."""
    generator = torch.Generator().manual_seed(step)
    stands = torch.rand(b, generator=generator) < 0.5
    red = stands if known else torch.rand(b, generator=generator) < 0.5
    stripes = torch.tensor([0.4, 0.4, -0.4, -0.4]).repeat(8).expand(32, 32)
    x = torch.where(stands[:, None, None, None], stripes, stripes.T) + 0.1 * noise(step, b)[0]  # (b, 3, s, s)
    luma, _ = to_luma_and_chroma(x)
    glass = torch.where(red[:, None], torch.tensor([-0.17, 0.6]), torch.tensor([0.42, -0.1]))  # (b, 2), U and V
    return SimpleNamespace(x=colored(luma, 0.5 * glass), red=red)


def colored(luma, chroma):
    u, v = (chroma[:, i, None, None, None] for i in (0, 1))
    blue, red = luma + u / 0.492, luma + v / 0.877
    return torch.cat([red, (luma - 0.299 * red - 0.114 * blue) / 0.587, blue], 1)


def test_it_learns_colours_that_the_grey_tells_and_no_others():
    told, untold = (Colorization(create_encoder("conv_nano"), rebalance=0.0, hidden=64) for _ in range(2))
    low = taught(told, lambda step: striped(step).x[None])
    high = taught(untold, lambda step: striped(step, known=False).x[None])
    assert high - low > 0.8 * math.log(2)  # one bit: red or blue

    new = striped(step=1000)
    with torch.no_grad():
        predicted = told.reconstruct(new.x).predicted
    redness = (predicted[:, 0] - predicted[:, 2]).mean((1, 2))
    assert torch.equal(redness > 0, new.red)
