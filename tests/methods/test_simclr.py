import math

import pytest
import torch

from sslviz.encoders import create_encoder
from sslviz.methods import SimCLR
from sslviz.methods.simclr import nt_xent

from .contract import draw_batch
from .toys import assert_half_precision_keeps_all_digits, assert_is_lightlys, lightlys


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
