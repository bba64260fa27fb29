import pytest
import torch

import sslviz
from sslviz.encoders import create_encoder
from sslviz.methods import Batch, Denoising
from sslviz.methods.denoising import denoising_loss
from sslviz.runtime.random_state import seeded

from .contract import draw_batch, loss_of, total
from .toys import normal


def watched(method):
    """The inputs that the encoder is given from now on, in order."""
    tokens, seen = method.encoder.tokens, []
    method.encoder.tokens = lambda x: (seen.append(x.detach()), tokens(x))[1]
    return seen


def test_the_loss_is_the_formula_written_as_a_loop():
    clean, predicted, levels = (
        normal(4, 3, 5, 5),
        normal(4, 3, 5, 5, seed=1),
        torch.rand(4, generator=torch.Generator().manual_seed(2)),
    )
    by_hand = []
    for x, p, level in zip(clean, predicted, levels, strict=True):
        errors = [(float(a) - float(b)) ** 2 for a, b in zip(x.flatten(), p.flatten(), strict=True)]
        by_hand.append(sum(errors) / len(errors) / (1 + float(level) ** 2))
    value = denoising_loss(predicted, clean, levels.view(4, 1, 1, 1))
    assert value.item() == pytest.approx(sum(by_hand) / 4, rel=1e-5)


@pytest.mark.parametrize("level", [0.5, 1.0, 2.0])
def test_a_copy_of_the_input_is_wrong_by_the_noise(level):
    clean, noise = normal(8, 3, 64, 64), normal(8, 3, 64, 64, seed=1)
    levels = torch.full((8, 1, 1, 1), level)
    expected = level**2 / (1 + level**2)  # the noise has variance 1
    assert denoising_loss(clean + levels * noise, clean, levels).item() == pytest.approx(expected, rel=0.02)
    assert denoising_loss(clean, clean, levels).item() == 0


def test_in_half_precision_the_objective_keeps_all_its_digits():
    clean, predicted, levels = (
        normal(4, 3, 8, 8).bfloat16(),
        normal(4, 3, 8, 8, seed=1).bfloat16(),
        torch.ones(4, 1, 1, 1),
    )
    with torch.autocast("cpu", torch.bfloat16):
        value = denoising_loss(predicted, clean, levels)
    torch.testing.assert_close(value.double(), denoising_loss(predicted.double(), clean.double(), levels.double()))


def test_every_picture_has_noise_of_its_own_level():
    method = Denoising(create_encoder("conv_nano"), noise=1.5)
    batch, seen = draw_batch(method.views, n=64), watched(method)
    loss_of(method, batch)
    levels = (seen[0] - batch.views[0][0]).flatten(1).std(1)  # (64,), of 3072 numbers each
    assert 0 < levels.min() < 0.2 and 1.3 < levels.max() < 1.55
    assert levels.mean().item() == pytest.approx(0.75, abs=0.2)  # uniform between 0 and 1.5


def test_a_picture_keeps_its_noise_wherever_it_lies_in_the_batch():
    method = Denoising(create_encoder("conv_nano"))
    batch, seen = draw_batch(method.views, n=6), watched(method)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    loss_of(method, batch)
    loss_of(method, Batch([batch.views[0][:, order]], batch.pixels[order], batch.rows[order], batch.labels, 0.0))
    torch.testing.assert_close(seen[1], seen[0][order])


def test_what_it_makes_comes_from_the_noisy_picture_alone():
    method = Denoising(create_encoder("conv_nano"), noise=1.0).eval()
    x = draw_batch(method.views, n=8).views[0][0]
    with torch.no_grad(), seeded(0):
        made = method.reconstruct(x)
        torch.testing.assert_close(method.decoder(method.encoder.tokens(made.shown)), made.predicted)
    assert (made.shown - x).std().item() == pytest.approx(0.5, rel=0.03)
    assert made.hidden.all()  # no pixel is shown as it is


def test_after_a_short_training_it_is_nearer_to_the_clean_picture_than_the_noisy_one_is():
    """On pictures that it was not trained on; and nearer than one colour for the whole picture."""
    images = sslviz.shapes(n=320, size=16, seed=0)
    x = torch.from_numpy(images.pixels).permute(0, 3, 1, 2) / 127.5 - 1
    train, other = x[:256], x[256:]
    method = Denoising(create_encoder("conv_nano", image_size=16), width=16)
    optimizer = torch.optim.AdamW(method.parameters(), lr=4e-3)
    for step in range(60):
        rows = torch.arange(32) + 32 * (step % 8)
        with seeded(step):
            loss = total(method.loss(Batch([train[rows][None]], images.pixels, rows, rows, 0.0)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad(), seeded(0):
        made = method.eval().reconstruct(other)
    errors = {
        "predicted": (made.predicted - other).square().mean(),
        "shown": (made.shown - other).square().mean(),
        "mean colour": (other - other.mean((2, 3), keepdim=True)).square().mean(),
    }
    assert errors["predicted"] < 0.7 * errors["shown"] and errors["predicted"] < 0.9 * errors["mean colour"], errors


@pytest.mark.parametrize("noise", [0.0, -1.0])
def test_no_noise_is_nothing_to_learn_from(noise):
    with pytest.raises(ValueError, match="above 0"):
        Denoising(create_encoder("conv_nano"), noise=noise)


def test_a_transformer_denoises_too():
    method = Denoising(create_encoder("vit_nano"))
    batch = draw_batch(method.views)
    total(loss_of(method, batch)).backward()
    assert all(p.grad is not None for p in method.parameters())
