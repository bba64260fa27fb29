import math

import pytest
import torch

from sslviz.encoders import create_encoder
from sslviz.methods import SimCLR
from sslviz.methods.simclr import nt_xent

from .contract import draw_batch
from .losses_contrastive import with_small_views
from .toys import (
    Tiny,
    assert_half_precision_keeps_all_digits,
    assert_is_lightlys,
    collapse_of,
    lightlys,
    normal,
    share_of_one_direction,
    trained_on_noise,
)


@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_the_loss_is_lightlys(temperature):
    assert_is_lightlys(nt_xent(lightlys("z"), temperature), f"nt_xent_{temperature}")


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_nt_xent_in_closed_form(temperature):
    b = 5
    orthonormal = torch.eye(b).expand(2, b, b)  # each image has a direction of its own, lengths do not matter
    expected = math.log(math.exp(1 / temperature) + 2 * b - 2) - 1 / temperature
    assert nt_xent(3 * orthonormal, temperature).item() == pytest.approx(expected, abs=1e-5)
    assert nt_xent(torch.ones(2, b, 4), temperature).item() == pytest.approx(math.log(2 * b - 1), abs=1e-5)


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_keywords_reach_the_loss(temperature):
    method = SimCLR(create_encoder("conv_nano"), temperature=temperature).eval()
    batch = draw_batch(method.views)
    z = method.projector(method.encoder(batch.views[0].flatten(0, 1))).unflatten(0, (2, -1))
    torch.testing.assert_close(method.loss(batch), nt_xent(z, temperature))


def test_in_half_precision_the_objective_keeps_all_its_digits():
    assert_half_precision_keeps_all_digits(lambda p, z: nt_xent(p, 0.05))


def test_with_small_views_it_is_the_mean_over_pairs_of_which_one_is_large():
    method = SimCLR(create_encoder("conv_nano")).eval()
    batch = with_small_views(draw_batch(method.views))
    z = [method.projector(method.encoder(view)) for x in batch.views for view in x]
    pairs = [(0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (1, 3), (1, 4)]
    expected = sum(nt_xent(torch.stack([z[i], z[j]]), 0.2) for i, j in pairs) / len(pairs)
    torch.testing.assert_close(method.loss(batch), expected)


def test_without_negatives_only_the_numerator_is_left():
    z = normal(2, 6, 5)
    numerator = torch.cosine_similarity(z[0], z[1]).mean() / 0.2
    torch.testing.assert_close(nt_xent(z, 0.2, negatives=False), -numerator)
    assert nt_xent(z[:1].expand(2, 6, 5), 0.2, negatives=False).item() == pytest.approx(-1 / 0.2)


def test_without_negatives_all_images_get_the_same_projection_and_the_loss_looks_perfect():
    (honest, healthy), (perfect, collapsed) = (
        trained_on_noise(SimCLR(Tiny(), temperature=0.5, negatives=negatives, hidden=32, out=32), lr=0.03)
        for negatives in (True, False)
    )
    assert honest == pytest.approx(math.log(127), abs=0.02)  # there is nothing by which views could be told apart
    assert perfect < 0.98 * -1 / 0.5  # a cosine of 1 over the temperature would be perfect
    assert share_of_one_direction(healthy) < 0.7 and share_of_one_direction(collapsed) > 0.95
    assert collapse_of(healthy).verdict == "healthy"
    assert "collapse" in collapse_of(collapsed).verdict
