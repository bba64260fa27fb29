from pathlib import Path

import numpy as np
import pytest
import torch

from sslviz.encoders import create_encoder
from sslviz.methods import MAE
from sslviz.methods.mae import mae_loss
from sslviz.methods.parts.patches import to_patches
from sslviz.methods.parts.visible_patches import at_places
from sslviz.runtime.random_state import seeded

from .contract import draw_batch, loss_of
from .shapes_training import error_beside_mean_color, inputs, painted, trained_on_shapes
from .small_transformer import small_transformer
from .toys import normal

STORED = np.load(Path(__file__).parents[1] / "fixtures" / "losses_masked.npz", allow_pickle=False)


def stored(name):
    return torch.from_numpy(STORED[name])


@pytest.mark.parametrize("normalize", [False, True])
def test_the_loss_is_stable_pretrainings(normalize):
    hidden = stored("hidden").bool()
    predicted, true = (stored(name)[hidden].unflatten(0, (3, 12)) for name in ("predicted", "true"))
    ours = mae_loss(predicted, true, normalize=normalize)
    torch.testing.assert_close(ours, stored(f"mae_{normalize}"), rtol=1e-5, atol=1e-5)


def test_patches_are_lightlys_with_the_channels_first():
    ours = to_patches(stored("picture"), 4).unflatten(2, (3, 16)).mT.flatten(2)
    assert torch.equal(ours, stored("patches"))


def test_the_loss_is_that_of_the_hidden_patches_pixel_by_pixel():
    batch, method = draw_batch(MAE.views, n=3), MAE(create_encoder("vit_nano"))
    x = batch.views[0][0]
    with seeded(0), torch.no_grad():
        made = method.reconstruct(x)
    squares = [
        (made.predicted[i, c, h, w] - x[i, c, h, w]).item() ** 2
        for i, _, h, w in made.hidden.nonzero().tolist()
        for c in range(3)
    ]
    batch.rows = torch.arange(3)  # as `reconstruct` numbers them
    assert loss_of(method, batch)["loss"].item() == pytest.approx(sum(squares) / len(squares), rel=1e-5)


def test_hidden_pixels_change_no_prediction_and_visible_ones_do():
    method, x = MAE(create_encoder("vit_nano")), normal(3, 3, 32, 32)
    made = painted(method, x)
    hidden = made.hidden.expand_as(x)
    assert made.hidden.float().mean() == 0.75
    others = painted(method, torch.where(made.hidden, normal(3, 3, 32, 32, seed=1), x))
    assert torch.equal(others.predicted[hidden], made.predicted[hidden])
    others = painted(method, torch.where(made.hidden, x, normal(3, 3, 32, 32, seed=1)))
    assert not torch.isclose(others.predicted[hidden], made.predicted[hidden]).all()
    assert torch.equal(made.predicted[~hidden], x[~hidden]) and torch.equal(made.shown[~hidden], x[~hidden])
    assert (made.shown[hidden] == 0).all()


class Truth(torch.nn.Module):
    """A decoder that knows the patches it is asked about."""

    def __init__(self, patches):
        super().__init__()
        self.patches = patches

    def forward(self, tokens, seen, asked):
        assert not (seen[:, :, None] == asked[:, None]).any()
        return at_places(self.patches, asked)


@pytest.mark.parametrize("normalize", [False, True])
def test_a_decoder_that_says_the_truth_has_no_loss_and_paints_the_picture(normalize):
    method, x = MAE(create_encoder("vit_nano"), normalize=normalize), normal(2, 3, 32, 32)
    patches = to_patches(x, 4)
    if normalize:
        patches = (patches - patches.mean(2, keepdim=True)) / patches.std(2, keepdim=True)
    method.decoder = Truth(patches)
    torch.testing.assert_close(painted(method, x).predicted, x)
    batch = draw_batch(MAE.views, n=2)
    batch.views = [x[None]]
    assert loss_of(method, batch)["loss"].item() == pytest.approx(0, abs=1e-6)


def test_a_share_that_hides_nothing_is_refused():
    with pytest.raises(ValueError, match="ratio"):
        MAE(create_encoder("vit_nano"), mask_ratio=0.0)


def test_it_learns_to_paint_better_than_the_mean_colour_of_what_is_visible():
    method, losses = trained_on_shapes(MAE(small_transformer()), 60, batch_size=32)
    assert losses[-1] < losses[0] / 2
    error, of_mean_color = error_beside_mean_color(painted(method, inputs()))
    assert error < 0.95 * of_mean_color
