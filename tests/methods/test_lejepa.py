import math

import pytest
import torch

from sslviz.encoders import create_encoder
from sslviz.methods import LeJEPA
from sslviz.methods.lejepa import KNOTS, LARGEST, characteristic_function, epps_pulley, invariance
from sslviz.methods.parts.multi_crop import encode_views
from sslviz.runtime.random_state import seeded

from .contract import draw_batch, loss_of
from .distill_fixture import assert_is_stored, stored
from .shared_views import trained_on_shared_views
from .toys import Tiny, assert_half_precision_keeps_all_digits, collapse_of, normal


def sigreg(z, directions):
    return epps_pulley(characteristic_function(z, directions), images=z.shape[1])


def integral(f):
    """Of f(t) exp(-t^2 / 2) from -3 to 3, by trapezoids at the method's knots: a plain loop."""
    step = LARGEST / (KNOTS - 1)
    knots = range(-(KNOTS - 1), KNOTS)
    ends = (knots[0], knots[-1])
    return sum(f(k * step) * math.exp(-((k * step) ** 2) / 2) * step * (0.5 if k in ends else 1) for k in knots)


def test_both_terms_are_lightlys():
    assert_is_stored(invariance(stored("views"), 2), "lejepa_invariance")
    assert_is_stored(sigreg(stored("views"), stored("directions")), "lejepa_sigreg")


def test_of_normal_features_the_statistic_is_what_chance_makes_it():
    """A characteristic function of n normal numbers misses the true one by (1 - phi^2) / n, squared, on average."""
    expected = integral(lambda t: 1 - math.exp(-(t**2)))
    for n in (50, 400):  # whatever the number of images
        values = torch.stack([sigreg(normal(1, n, 8, seed=s), normal(20, 8, seed=1000 + s)) for s in range(100)])
        assert values.mean().item() == pytest.approx(expected, abs=4 * values.std().item() / 10)


def test_of_collapsed_features_it_is_in_closed_form_and_large():
    n, d = 64, 8
    expected = n * integral(lambda t: (1 - math.exp(-(t**2) / 2)) ** 2)
    assert sigreg(torch.zeros(2, n, d), normal(20, d)).item() == pytest.approx(expected, rel=1e-5)
    assert expected > 10 * integral(lambda t: 1 - math.exp(-(t**2)))
    shrunk, line = 0.3 * normal(1, n, d), normal(1, n, 1).expand(1, n, d)  # too narrow, of one direction
    healthy = sigreg(normal(1, n, d), normal(20, d))
    assert all(sigreg(z, normal(20, d)) > 3 * healthy for z in (shrunk, line))


def test_invariance_is_the_distance_to_the_mean_of_the_large_views():
    large = torch.tensor([[[0.0, 0.0]], [[2.0, 4.0]]])  # (2, 1, 2), mean (1, 2)
    local = torch.tensor([[[1.0, 5.0]]])
    expected = (1 + 4 + 1 + 4 + 0 + 9) / 6
    assert invariance(torch.cat([large, local]), 2).item() == pytest.approx(expected)


def test_each_term_comes_with_its_weight():
    method = LeJEPA(create_encoder("conv_nano"), sigreg=0.2, directions=8, out=16).eval()
    batch = draw_batch(method.views)
    z = encode_views(lambda x: method.projector(method.encoder(x)), batch.views)
    with seeded(0):
        directions = torch.randn(8, 16)
    expected = {"invariance": 0.8 * invariance(z, 2), "sigreg": 0.2 * sigreg(z, directions)}
    torch.testing.assert_close(loss_of(method, batch), expected)


def test_a_weight_outside_zero_and_one_is_refused():
    with pytest.raises(ValueError, match="from 0 to 1"):
        LeJEPA(Tiny(), sigreg=1.5)


def test_in_half_precision_the_objective_keeps_all_its_digits():
    assert_half_precision_keeps_all_digits(lambda p, z: sigreg(p, normal(5, 64).bfloat16().to(p)) + invariance(p, 1))


def test_without_sigreg_the_views_agree_on_nothing():
    (honest, healthy), (perfect, collapsed) = (
        trained_on_shared_views(LeJEPA(Tiny(), sigreg=w, hidden=32, out=16, directions=16), lr=0.05, steps=200)
        for w in (0.05, 0.0)
    )
    assert perfect < 0.01 < honest
    assert collapse_of(healthy).verdict == "healthy"
    assert collapse_of(collapsed).projector_verdict == "complete collapse"
