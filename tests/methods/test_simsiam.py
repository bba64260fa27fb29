import pytest
import torch

from sslviz.encoders import create_encoder
from sslviz.methods import SimSiam
from sslviz.methods.simsiam import simsiam_loss
from sslviz.views import ViewPolicy

from .contract import draw_batch
from .toys import (
    Tiny,
    assert_half_precision_keeps_all_digits,
    assert_is_lightlys,
    collapse_of,
    encoder_gets_gradient,
    lightlys,
    normal,
    share_of_one_direction,
    trained_on_noise,
)


def test_the_loss_is_lightlys():
    assert_is_lightlys(simsiam_loss(lightlys("p"), lightlys("z")), "simsiam")


def test_the_loss_in_closed_form():
    z = normal(2, 6, 5)
    assert simsiam_loss(3 * z.flip(0), z).item() == pytest.approx(-1)


def test_with_local_views_every_view_predicts_each_large_one_but_itself():
    method = SimSiam(create_encoder("conv_nano"), out=16).eval()
    batch = draw_batch(ViewPolicy(local_views=1))
    z = [method.projector(method.encoder(x)) for x in (*batch.views[0], *batch.views[1])]
    pairs = [(0, 1), (1, 0), (2, 0), (2, 1)]  # who predicts whom
    expected = sum(-torch.cosine_similarity(method.predictor(z[i]), z[j], dim=1).mean() for i, j in pairs) / 4
    torch.testing.assert_close(method.loss(batch), expected)


def test_in_half_precision_the_objective_keeps_all_its_digits():
    assert_half_precision_keeps_all_digits(simsiam_loss)


def test_simsiams_target_has_a_gradient_only_when_asked():
    assert not encoder_gets_gradient(SimSiam(create_encoder("conv_nano"), out=8), 8)
    assert encoder_gets_gradient(SimSiam(create_encoder("conv_nano"), out=8, stop_gradient=False), 8)


def test_without_stop_gradient_nothing_is_learned_and_the_loss_looks_good():
    (honest, healthy), (perfect, collapsed) = (
        trained_on_noise(SimSiam(Tiny(), stop_gradient=stop, hidden=32, out=32)) for stop in (True, False)
    )
    assert honest > -0.3 and share_of_one_direction(healthy) < 0.7  # there is nothing to predict
    assert perfect < -0.7 and share_of_one_direction(collapsed) > 0.95
    assert collapse_of(healthy).verdict == "healthy"
    assert "collapse" in collapse_of(collapsed).verdict
