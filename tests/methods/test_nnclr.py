import math

import pytest
import torch

from sslviz.encoders import create_encoder
from sslviz.methods import NNCLR, Batch
from sslviz.methods.nnclr import nearest, nnclr_loss
from sslviz.methods.parts.multi_crop import against_targets

from .contract import draw_batch
from .losses_contrastive import assert_is_stored, stored, with_small_views
from .toys import Tiny, assert_half_precision_keeps_all_digits, collapse_of, normal, trained_on_noise


@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_the_loss_is_solo_learns_with_lightlys_neighbors(temperature):
    neighbors = nearest(stored("z"), stored("queue"))
    assert_is_stored(nnclr_loss(*against_targets(stored("p"), neighbors), temperature), f"nnclr_{temperature}")


def test_the_nearest_row_is_found_by_its_direction():
    assert_is_stored(nearest(stored("z"), stored("queue"))[0], "neighbors")
    rows = torch.nn.functional.normalize(normal(20, 6), dim=1)
    places = torch.tensor([[3, 0, 19], [7, 3, 3]])
    torch.testing.assert_close(nearest(5 * rows[places] + 0.01, rows), rows[places])


def test_the_loss_in_closed_form():
    apart, t = torch.eye(3).expand(2, 3, 3), 0.5
    assert nnclr_loss(3 * apart, apart, t).item() == pytest.approx(math.log(1 + 2 * math.exp(-1 / t)), abs=1e-6)
    alike = torch.ones(2, 3, 3)
    assert nnclr_loss(apart, alike, t).item() == pytest.approx(math.log(3), abs=1e-6)  # one neighbour for all


def test_in_half_precision_the_objective_keeps_all_its_digits():
    assert_half_precision_keeps_all_digits(lambda p, z: nnclr_loss(p, z, temperature=0.05))


def test_neighbors_are_of_earlier_batches_and_small_views_have_none():
    method = NNCLR(create_encoder("conv_nano"), queue_size=64, temperature=0.3).eval()
    batch, rows = with_small_views(draw_batch(method.views)), method.queue.rows.clone()
    z = [method.projector(method.encoder(view)) for x in batch.views for view in x]
    p, neighbors = [method.predictor(x)[None] for x in z], [nearest(x, rows)[None] for x in z[:2]]
    pairs = [(1, 0), (2, 0), (3, 0), (4, 0), (0, 1), (2, 1), (3, 1), (4, 1)]
    expected = sum(nnclr_loss(p[j], neighbors[i], 0.3) for j, i in pairs) / len(pairs)
    torch.testing.assert_close(method.loss(batch), expected)
    torch.testing.assert_close(method.queue.rows[:8], torch.nn.functional.normalize(z[0].detach(), dim=1))
    assert torch.equal(method.queue.rows[8:], rows[8:])


def test_the_gradient_does_not_go_through_the_neighbors():
    method = NNCLR(create_encoder("conv_nano"), queue_size=64)
    batch = draw_batch(method.views)
    method.loss(batch)  # its projections are in the queue now
    p = normal(2, 8, 128).requires_grad_()
    z = method.projector(method.encoder(batch.views[0].flatten(0, 1))).unflatten(0, (2, -1))
    nnclr_loss(p, nearest(z, method.queue.rows), 0.1).backward()
    assert p.grad.abs().max() > 0 and all(x.grad is None for x in method.parameters())


def test_an_empty_queue_is_refused():
    with pytest.raises(ValueError, match=r"^queue_size must be a number above 0; got 0\.$"):
        NNCLR(create_encoder("conv_nano"), queue_size=0)


def test_where_nothing_can_be_told_apart_nothing_collapses():
    loss, method = trained_on_noise(NNCLR(Tiny(), queue_size=256, hidden=32, out=32), lr=0.03)
    assert loss == pytest.approx(math.log(64), abs=0.05)
    assert collapse_of(method).verdict == "healthy"


def trained_on_pairs(method, steps=150):
    """The last loss of a training on views that have most in common, and the method: on noise alone nothing is near."""
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.SGD(method.parameters(), lr=0.1, momentum=0.9)
    pixels, rows = torch.zeros(64, 4, 4, 3, dtype=torch.uint8), torch.arange(64)
    for _ in range(steps):
        image = torch.randn(64, 3, 4, 4, generator=generator)
        views = image + 0.5 * torch.randn(2, 64, 3, 4, 4, generator=generator)
        loss = method.loss(Batch([views], pixels, rows, torch.full((64,), -1), progress=0.0))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item(), method


def test_without_negatives_few_directions_are_left_and_the_loss_looks_good():
    (honest, healthy), (good, collapsed) = (
        trained_on_pairs(NNCLR(Tiny(), queue_size=256, hidden=32, out=32, negatives=negatives))
        for negatives in (True, False)
    )
    assert honest < 0.8 * math.log(64)  # some images are told apart
    assert good < 0.6 * -1 / 0.1  # a cosine of 1 over the temperature would be perfect
    healthy, collapsed = collapse_of(healthy), collapse_of(collapsed)
    assert healthy.verdict == "healthy"
    assert "collapse" in collapsed.verdict
    assert collapsed.projector_numbers["held"] > 0.95 and healthy.projector_numbers["held"] < 0.8  # in 3 directions
