import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from sslviz.encoders import create_encoder
from sslviz.methods import SwAV
from sslviz.methods.parts.prototypes import cosines
from sslviz.methods.parts.sinkhorn import sinkhorn
from sslviz.methods.swav import swapped_prediction

from .contract import draw_batch
from .toys import Tiny, collapse_of, normal, trained_on_noise

FIXTURE = np.load(Path(__file__).parents[1] / "fixtures" / "losses_clusters.npz", allow_pickle=False)


@pytest.mark.parametrize(
    ("name", "views", "queued", "temperature"),
    [("swav", 2, False, 0.1), ("swav_multi_crop", 5, False, 0.1), ("swav_queue", 2, True, 0.2)],
)
def test_the_loss_is_lightlys(name, views, queued, temperature):
    scores, past = torch.tensor(FIXTURE["scores"][:views]), torch.tensor(FIXTURE["queued"])
    assigned = [torch.cat([s, p]) if queued else s for s, p in zip(scores, past, strict=False)]
    q = torch.stack([sinkhorn(s, epsilon=0.05, iterations=3)[: scores.shape[1]] for s in assigned])
    loss = swapped_prediction(scores, q, temperature=temperature)
    torch.testing.assert_close(loss, torch.tensor(FIXTURE[name]).squeeze(), rtol=1e-5, atol=1e-5)


def test_the_loss_in_closed_form():
    scores = torch.zeros(2, 6, 5)
    q = torch.eye(5)[torch.arange(6) % 5].expand(2, 6, 5)
    assert swapped_prediction(scores, q, temperature=0.1).item() == pytest.approx(math.log(5), abs=1e-5)
    same, other = q * 2, q.roll(1, 2) * 2
    agreed = math.log(math.exp(2) + 4) - 2
    assert swapped_prediction(same, q, temperature=1.0).item() == pytest.approx(agreed, abs=1e-5)
    assert swapped_prediction(other, q, temperature=1.0).item() == pytest.approx(agreed + 2, abs=1e-5)


def test_a_view_is_held_to_the_other_views_assignment_not_to_its_own():
    ones, twos = torch.eye(2)[[0]].expand(3, 2), torch.eye(2)[[1]].expand(3, 2)
    scores, crossed = torch.stack([ones, twos]), torch.stack([twos, ones])
    assert swapped_prediction(scores, crossed, temperature=0.05) < 1e-6
    assert swapped_prediction(scores, scores, temperature=0.05) > 10


def projections(method, batch):
    x = batch.views[0].flatten(0, 1)
    return method.projector(method.encoder(x)).detach().unflatten(0, (2, -1))


def test_a_batch_smaller_than_the_prototypes_is_assigned_together_with_the_queue_late_in_training():
    batch = draw_batch(SwAV.views)
    alone, together = [], []
    for progress in (0.0, 0.5):
        method = SwAV(create_encoder("conv_nano"), prototypes=16, queue=12, out=10).eval()
        past = [queue.rows.clone() for queue in method.queues]
        z = projections(method, batch)
        q = method._assignments(z, method.prototypes, progress)
        for i in range(2):
            scores = [cosines(rows, method.prototypes) for rows in (z[i], past[i])]
            alone.append((q[i], sinkhorn(scores[0], epsilon=method.epsilon, iterations=3)))
            together.append((q[i], sinkhorn(torch.cat(scores), epsilon=method.epsilon, iterations=3)[:8]))
            torch.testing.assert_close(method.queues[i].rows[:8], torch.nn.functional.normalize(z[i], dim=1))
        assert not q.requires_grad
    assert [torch.allclose(a, b) for a, b in alone] == [True, True, False, False]
    assert [torch.allclose(a, b) for a, b in together] == [False, False, True, True]


def test_a_batch_as_large_as_the_prototypes_needs_no_queue():
    method, batch = SwAV(create_encoder("conv_nano"), prototypes=8).eval(), draw_batch(SwAV.views)
    z = projections(method, batch)
    q = method._assignments(z, method.prototypes, 1.0)
    torch.testing.assert_close(q[0], sinkhorn(cosines(z[0], method.prototypes), epsilon=method.epsilon, iterations=3))


def test_prototypes_stay_where_they_are_early_on_and_learn_later():
    early, late = (
        torch.autograd.grad(method.loss(batch), method.prototypes)[0]
        for method in [SwAV(create_encoder("conv_nano"), frozen=0.1)]
        for batch in (
            dataclasses.replace(draw_batch(SwAV.views), progress=0.0),
            dataclasses.replace(draw_batch(SwAV.views), progress=0.2),
        )
    )
    assert not early.any() and late.any()


def test_the_length_of_a_prototype_does_not_matter():
    z, prototypes = normal(2, 4, 6), normal(5, 6, seed=1)
    torch.testing.assert_close(cosines(z, 3 * prototypes), cosines(z, prototypes))


def test_small_views_predict_and_are_not_assigned():
    batch = draw_batch(dataclasses.replace(SwAV.views, local_views=2))
    method = SwAV(create_encoder("vit_nano"), prototypes=8)
    loss = method.loss(batch)
    loss.backward()
    assert len(batch.views) == 2 and loss.isfinite()
    assert not torch.equal(loss, method.loss(dataclasses.replace(batch, views=batch.views[:1])))


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="above 0"):
        SwAV(create_encoder("conv_nano"), prototypes=0)


def test_without_balanced_assignments_all_pictures_get_one_prototype():
    settings = {"prototypes": 16, "temperature": 0.3, "epsilon": 0.05, "frozen": 0.0, "hidden": 32, "out": 32}
    (honest, healthy), (perfect, collapsed) = (
        trained_on_noise(SwAV(Tiny(), sinkhorn=balanced, **settings), lr=0.3) for balanced in (True, False)
    )
    assert honest > 1.0 and perfect < 0.05  # unrelated views cannot predict each other: ln 16 is chance
    assert collapse_of(healthy).verdict == "healthy"
    assert "collapse" in collapse_of(collapsed).verdict
