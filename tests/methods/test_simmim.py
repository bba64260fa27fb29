import pytest
import torch

from sslviz.encoders import create_encoder
from sslviz.methods import SimMIM
from sslviz.methods.simmim import simmim_loss

from .contract import draw_batch, loss_of
from .shapes_training import error_beside_mean_color, inputs, painted, trained_on_shapes
from .toys import assert_half_precision_keeps_all_digits, normal


def test_the_loss_is_the_mean_difference_of_the_hidden_pixels():
    predicted, true = normal(2, 2, 3, 4, 4)
    hidden = normal(2, 1, 4, 4, seed=1) > 0
    differences = [
        abs(predicted[i, c, h, w] - true[i, c, h, w]).item()
        for i, _, h, w in hidden.nonzero().tolist()
        for c in range(3)
    ]
    loss = simmim_loss(predicted, true, hidden).item()
    assert loss == pytest.approx(sum(differences) / len(differences), rel=1e-5)
    assert simmim_loss(torch.where(hidden, true, predicted), true, hidden) == 0  # what is visible does not count
    assert simmim_loss(true + 0.3, true, hidden).item() == pytest.approx(0.3, rel=1e-5)


def test_in_half_precision_the_objective_keeps_all_its_digits():
    hidden = normal(2, 1, 10, 64, seed=1) > 0
    assert_half_precision_keeps_all_digits(
        lambda p, z: simmim_loss(*(x[:, :30].unflatten(1, (3, 10)) for x in (p, z)), hidden)
    )


@pytest.mark.parametrize("name", ["conv_nano", "vit_nano"])
def test_hidden_pixels_change_no_prediction_and_visible_ones_do(name):
    method, x = SimMIM(create_encoder(name), mask_ratio=0.5, grid=4), normal(3, 3, 32, 32)
    with torch.no_grad():
        method.color.copy_(torch.tensor([0.1, 0.2, 0.3])[:, None, None])
    made = painted(method, x)
    hidden = made.hidden.expand_as(x)
    assert (made.hidden.sum((1, 2, 3)) == 512).all()
    assert torch.equal(made.shown, torch.where(made.hidden, method.color, x))
    assert torch.equal(made.predicted[~hidden], x[~hidden])
    others = painted(method, torch.where(made.hidden, normal(3, 3, 32, 32, seed=1), x))
    assert torch.equal(others.predicted[hidden], made.predicted[hidden])
    others = painted(method, torch.where(made.hidden, x, normal(3, 3, 32, 32, seed=1)))
    assert not torch.isclose(others.predicted[hidden], made.predicted[hidden]).all()


def test_each_place_of_the_grid_predicts_the_pixels_over_it():
    method = SimMIM(create_encoder("conv_nano"))
    grid = normal(1, 128, 4, 4)
    other = grid.clone()
    other[0, :, 1, 2] += 1
    changed = (method.head(other) != method.head(grid)).any(1)[0].nonzero()
    assert changed.min(0).values.tolist() == [8, 16] and changed.max(0).values.tolist() == [15, 23]


def test_the_loss_is_that_of_what_reconstruct_paints_and_teaches_the_colour():
    batch, method = draw_batch(SimMIM.views, n=4), SimMIM(create_encoder("conv_nano")).eval()
    loss = loss_of(method, batch)["loss"]  # the rows of a drawn batch are 0, 1, 2, ...
    made = painted(method, batch.views[0][0])
    torch.testing.assert_close(loss, simmim_loss(made.predicted, made.true, made.hidden))
    loss.backward()
    assert method.color.grad.abs().max() > 0


@pytest.mark.parametrize(
    ("settings", "word"), [({"grid": 5}, "grid"), ({"grid": 1}, "grid"), ({"mask_ratio": 1.0}, "ratio")]
)
def test_settings_that_hide_nothing_or_all_are_refused(settings, word):
    with pytest.raises(ValueError, match=word):
        SimMIM(create_encoder("conv_nano"), **settings)


def test_it_learns_to_paint_better_than_the_mean_colour_of_what_is_visible():
    method, losses = trained_on_shapes(SimMIM(create_encoder("conv_nano", image_size=16)), 90)
    assert losses[-1] < losses[0] / 2
    error, of_mean_color = error_beside_mean_color(painted(method, inputs(size=16)))
    assert error < 0.95 * of_mean_color
