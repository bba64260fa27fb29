import math

import pytest
import torch

from sslviz.encoders import create_encoder
from sslviz.methods import BYOL
from sslviz.methods.byol import byol_loss
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
    assert_is_lightlys(byol_loss(lightlys("p"), lightlys("z")), "byol")


def test_the_loss_in_closed_form():
    z = normal(2, 6, 5)
    assert byol_loss(3 * z.flip(0), z).item() == pytest.approx(0, abs=1e-6)
    assert byol_loss(-z.flip(0), z).item() == pytest.approx(4)
    angle = torch.tensor(0.7)
    p, z = torch.stack([angle.cos(), angle.sin()]).expand(2, 1, 2), torch.tensor([1.0, 0.0]).expand(2, 1, 2)
    assert byol_loss(p, z).item() == pytest.approx(2 - 2 * math.cos(0.7))


def test_with_local_views_every_view_predicts_each_large_one_but_itself():
    method = BYOL(create_encoder("conv_nano"), out=16).eval()
    batch = draw_batch(ViewPolicy(local_views=1))
    views = [*batch.views[0], *batch.views[1]]
    with torch.no_grad():
        p = [method.predictor(method.projector(method.encoder(x))) for x in views]
        z = [method.target_projector(method.target_encoder(x)) for x in views[:2]]
    pairs = [(0, 1), (1, 0), (2, 0), (2, 1)]  # who predicts whom
    expected = sum(2 - 2 * torch.cosine_similarity(p[i], z[j], dim=1).mean() for i, j in pairs) / 4
    torch.testing.assert_close(method.loss(batch), expected)


def test_in_half_precision_the_objective_keeps_all_its_digits():
    assert_half_precision_keeps_all_digits(byol_loss)


def test_byols_target_starts_as_the_online_network_and_gets_no_gradient():
    method = BYOL(create_encoder("conv_nano"), out=8)
    for target, online in method.ema.items():
        target, online = getattr(method, target), getattr(method, online)
        assert all(torch.equal(a, b) for a, b in zip(target.parameters(), online.parameters(), strict=True))
        assert not any(p.requires_grad for p in target.parameters())
    assert not encoder_gets_gradient(method, 8)
    assert all(p.grad is None for target in method.ema for p in getattr(method, target).parameters())


def test_without_its_predictor_byol_agrees_on_nothing():
    (honest, healthy), (perfect, collapsed) = (
        trained_on_noise(BYOL(Tiny(), predictor=predictor, momentum=0.9, hidden=32, out=32))
        for predictor in (True, False)
    )
    assert honest > 0.5 and share_of_one_direction(healthy) < 0.7
    assert perfect < 0.05 and share_of_one_direction(collapsed) > 0.95
    assert collapse_of(healthy).verdict == "healthy"
    assert "collapse" in collapse_of(collapsed).verdict
