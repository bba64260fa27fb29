import dataclasses

import pytest
import torch

from sslviz.encoders import create_encoder
from sslviz.methods import ContrastiveReconstruction, build_method
from sslviz.methods.contrastive_reconstruction import squared_error
from sslviz.methods.simclr import nt_xent
from sslviz.runtime.random_state import seeded

from .contract import draw_batch, loss_of, total
from .shapes_training import error_beside_mean_color, inputs, painted, trained_on_shapes
from .toys import normal


def a_method(**settings):
    return ContrastiveReconstruction(create_encoder("conv_nano"), **settings)


def test_the_error_is_that_of_the_pixels_asked_for_one_by_one():
    predicted, true = normal(2, 2, 3, 4, 4)
    where = normal(2, 1, 4, 4, seed=1) > 0
    squares = [
        (predicted[i, c, h, w] - true[i, c, h, w]).item() ** 2
        for i, _, h, w in where.nonzero().tolist()
        for c in range(3)
    ]
    assert squared_error(predicted, true, where).item() == pytest.approx(sum(squares) / len(squares), rel=1e-5)
    assert squared_error(torch.where(where, true, predicted), true, where) == 0


def test_each_term_is_what_it_says():
    batch, method = draw_batch(ContrastiveReconstruction.views), a_method(temperature=0.3).eval()
    x = batch.views[0]
    method._predict = lambda *_: made  # the same draws for all that follows
    with torch.no_grad(), seeded(0):
        made = ContrastiveReconstruction._predict(method, x, batch.rows)
        terms = method.loss(batch)
    pooled, pixels, noise, true_noise, hidden = made
    z = method.projector(pooled).unflatten(0, (2, 8))
    torch.testing.assert_close(terms["contrastive"], nt_xent(z, 0.3))
    of_hidden, of_visible = hidden.expand_as(pixels), ~hidden.expand_as(pixels)
    true = x.flatten(0, 1)
    torch.testing.assert_close(terms["reconstruction"], (pixels - true)[of_hidden].square().mean())
    torch.testing.assert_close(terms["denoising"], (noise - true_noise)[of_visible].square().mean())


def test_weights_multiply_their_terms():
    batch = draw_batch(ContrastiveReconstruction.views)
    plain, weighed = (
        loss_of(a_method(**weights).eval(), batch)
        for weights in ({}, {"contrastive": 2.0, "reconstruction": 3.0, "denoising": 0.0})
    )
    defaults = a_method().weights
    for name, weight in {"contrastive": 2.0, "reconstruction": 3.0, "denoising": 0.0}.items():
        torch.testing.assert_close(weighed[name], plain[name] / defaults[name] * weight)


def test_the_two_views_are_hidden_differently_and_their_noise_has_the_strength_that_is_told():
    method, x = a_method(noise=0.5).eval(), torch.zeros(2, 40, 3, 32, 32)
    told = []
    method.strength.register_forward_pre_hook(lambda _, args: told.append(args[0]))
    with torch.no_grad(), seeded(0):
        *_, noise, hidden = method._predict(x, torch.arange(40))
    assert (hidden.sum((1, 2, 3)) == 512).all() and not torch.equal(hidden[:40], hidden[40:])
    torch.testing.assert_close(noise.flatten(1).std(1), told[0][:, 0], rtol=0.1, atol=1e-3)
    assert 0 < told[0].min() and told[0].max() < 0.5 and told[0].std() > 0.1
    assert not torch.equal(noise[:40], noise[40:])


@pytest.mark.parametrize("name", ["conv_nano", "vit_nano"])
def test_hidden_pixels_change_nothing_that_is_predicted(name):
    method, x = ContrastiveReconstruction(create_encoder(name)).eval(), normal(1, 3, 3, 32, 32)
    rows = torch.arange(3)
    for p in method.decoder.parameters():
        p.data = normal(*p.shape)  # it starts at 0

    def made(x):
        with seeded(0), torch.no_grad():
            return method._predict(x, rows)

    hidden = made(x)[-1]
    other = normal(1, 3, 3, 32, 32, seed=1)
    for before, after in zip(made(x), made(torch.where(hidden, other, x)), strict=True):
        assert torch.equal(before, after)
    assert not torch.isclose(made(torch.where(hidden, x, other))[1], made(x)[1]).all()


def test_reconstruct_shows_paint_and_noise_and_predicts_every_pixel():
    method, x = a_method(), inputs(4)
    made = painted(method, x)
    assert made.hidden.all()
    assert ((made.shown == method.color).all(1).flatten(1).float().mean(1) == 0.5).all()
    assert (made.predicted != x).all() and torch.equal(made.true, x)


def test_small_views_are_compared_with_large_ones_and_completed_too():
    policy = dataclasses.replace(ContrastiveReconstruction.views, local_views=2)
    method = a_method()
    terms = loss_of(method, draw_batch(policy))
    assert all(term.isfinite() for term in terms.values())
    total(terms).backward()
    assert all(p.grad is not None for p in method.parameters())


@pytest.mark.parametrize(("settings", "word"), [({"grid": 5}, "grid"), ({"mask_ratio": 0.0}, "ratio")])
def test_settings_that_hide_nothing_or_all_are_refused(settings, word):
    with pytest.raises(ValueError, match=word):
        a_method(**settings)


def test_its_guess_of_the_noise_starts_at_none():
    method, x = a_method(), inputs(16)
    made = painted(method, x)
    visible = (made.shown != method.color).any(1, keepdim=True).expand_as(x)
    assert torch.equal(made.predicted[visible], made.shown[visible])


def test_it_learns_to_complete_pictures_that_it_tells_apart():
    method, losses = trained_on_shapes(ContrastiveReconstruction(create_encoder("conv_nano", image_size=16)), 60)
    assert losses[-1] < losses[0]
    made = painted(method, inputs(size=16))
    hidden = (made.shown == method.color).all(1, keepdim=True)
    error, of_mean_color = error_beside_mean_color(made, hidden)
    assert error < of_mean_color


def test_small_views_are_painted_at_their_own_size_also_from_a_grid_of_one_place():
    method, views = build_method("contrastive_reconstruction", create_encoder("resnet18"), {"local_views": 1})
    assert views.local_size == 16  # the last grid is one place for either size, which is 32 pixels wide
    assert total(loss_of(method, draw_batch(views, n=2))).isfinite()
