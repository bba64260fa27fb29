import math

import pytest
import torch

from sslviz.encoders import create_encoder
from sslviz.methods import MoCo
from sslviz.methods.moco import moco_loss, moco_v3_loss
from sslviz.methods.parts.multi_crop import against_targets

from .contract import draw_batch
from .losses_contrastive import assert_is_stored, stored, with_small_views
from .toys import (
    Tiny,
    assert_half_precision_keeps_all_digits,
    collapse_of,
    encoder_gets_gradient,
    normal,
    share_of_one_direction,
    trained_on_noise,
)


@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_the_loss_is_lightlys_and_solo_learns(temperature):
    loss = moco_loss(*against_targets(stored("p"), stored("z")), stored("queue"), temperature=temperature)
    assert_is_stored(loss, f"moco_lightly_{temperature}")
    assert_is_stored(loss, f"moco_solo_{temperature}")


@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_the_loss_of_version_3_is_stable_pretrainings(temperature):
    loss = moco_v3_loss(*against_targets(stored("p"), stored("z")), temperature=temperature)
    assert_is_stored(loss, f"moco_v3_{temperature}")


def test_the_losses_in_closed_form():
    q, t = torch.eye(8)[:3].expand(2, 3, 8), 0.5
    among_five = math.log(1 + 5 * math.exp(-1 / t))  # of 1 at cosine 1 and 5 at cosine 0
    assert moco_loss(3 * q, q, torch.eye(8)[3:], temperature=t).item() == pytest.approx(among_five, abs=1e-6)
    assert moco_loss(q, q, normal(5, 8), temperature=t, negatives=False).item() == pytest.approx(-1 / t)
    among_two = 2 * t * math.log(1 + 2 * math.exp(-1 / t))
    assert moco_v3_loss(3 * q, q, temperature=t).item() == pytest.approx(among_two, abs=1e-6)
    assert moco_v3_loss(q, q, temperature=t, negatives=False).item() == pytest.approx(-2)
    alike = torch.ones(2, 3, 8)
    assert moco_loss(alike, alike, torch.ones(5, 8), temperature=t).item() == pytest.approx(math.log(6), abs=1e-6)
    assert moco_v3_loss(alike, alike, temperature=t).item() == pytest.approx(2 * t * math.log(3), abs=1e-6)


@pytest.mark.parametrize("objective", [lambda p, z: moco_loss(p, z, p[0], 0.05), lambda p, z: moco_v3_loss(p, z, 0.05)])
def test_in_half_precision_the_objective_keeps_all_its_digits(objective):
    assert_half_precision_keeps_all_digits(objective)


@pytest.mark.parametrize("queue_size", [64, 0])
def test_the_slow_copy_starts_as_the_online_network_and_gets_no_gradient(queue_size):
    method = MoCo(create_encoder("conv_nano"), out=8, queue_size=queue_size)
    for target, online in method.ema.items():
        target, online = getattr(method, target), getattr(method, online)
        assert all(torch.equal(a, b) for a, b in zip(target.parameters(), online.parameters(), strict=True))
        assert not any(p.requires_grad for p in target.parameters())
    assert not encoder_gets_gradient(method, 8)
    assert all(p.grad is None for target in method.ema for p in getattr(method, target).parameters())


@pytest.mark.parametrize("queue_size", [64, 0])
def test_large_views_are_keys_of_each_other_and_small_ones_are_queries_only(queue_size):
    method = MoCo(create_encoder("conv_nano"), queue_size=queue_size, temperature=0.3, seed=1).eval()
    with torch.no_grad():
        for x in method.target_projector.parameters():
            x += 0.1  # so that keys are not queries
    batch = with_small_views(draw_batch(method.views))
    q = [method.predictor(method.projector(method.encoder(view))) for x in batch.views for view in x]
    k = [method.target_projector(method.target_encoder(view)) for view in batch.views[0]]
    pairs = [(q[j], k[i]) for j, i in [(1, 0), (2, 0), (3, 0), (4, 0), (0, 1), (2, 1), (3, 1), (4, 1)]]
    if queue_size:
        losses = [moco_loss(a[None], b[None], method.queue.rows, temperature=0.3) for a, b in pairs]
    else:
        losses = [moco_v3_loss(a[None], b[None], temperature=0.3) for a, b in pairs]
    torch.testing.assert_close(method.loss(batch), sum(losses) / len(losses))


def test_the_keys_of_a_step_are_negatives_of_the_next_and_not_of_their_own():
    method = MoCo(create_encoder("conv_nano"), queue_size=64).eval()
    batch, before = draw_batch(method.views), method.queue.rows.clone()
    with torch.no_grad():
        k = method.target_projector(method.target_encoder(batch.views[0].transpose(0, 1).flatten(0, 1)))
    first = method.loss(batch)
    torch.testing.assert_close(method.queue.rows[:16], torch.nn.functional.normalize(k, dim=1))
    assert torch.equal(method.queue.rows[16:], before[16:])
    assert method.loss(batch) > first  # now its own keys are among the others


@pytest.mark.parametrize("queue_size", [-1])
def test_a_queue_of_negative_size_is_refused(queue_size):
    with pytest.raises(ValueError, match=r"^queue_size must be at least 0; got -1\.$"):
        MoCo(create_encoder("conv_nano"), queue_size=queue_size)


def test_without_negatives_all_images_get_the_same_projection_and_the_loss_looks_perfect():
    settings = {"temperature": 0.5, "momentum": 0.9, "queue_size": 256, "hidden": 32, "out": 32}
    (honest, healthy), (perfect, collapsed) = (
        trained_on_noise(MoCo(Tiny(), negatives=negatives, **settings), lr=0.05) for negatives in (True, False)
    )
    assert honest == pytest.approx(math.log(257), abs=0.02)  # there is nothing by which keys could be told apart
    assert perfect < 0.98 * -1 / 0.5  # a cosine of 1 over the temperature would be perfect
    assert share_of_one_direction(healthy) < 0.7 and share_of_one_direction(collapsed) > 0.95
    assert collapse_of(healthy).verdict == "healthy"
    assert "collapse" in collapse_of(collapsed).verdict


def test_version_3_stays_healthy():
    settings = {"momentum": 0.9, "queue_size": 0, "hidden": 32, "out": 32}
    _, method = trained_on_noise(MoCo(Tiny(), **settings), lr=0.03)
    assert collapse_of(method).verdict == "healthy"
