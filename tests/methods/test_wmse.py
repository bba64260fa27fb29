import pytest
import torch

from sslviz.methods import WMSE, Batch
from sslviz.methods.wmse import SHRINKAGE, whiten, wmse_loss
from sslviz.runtime.random_state import seeded

from .distill_fixture import assert_is_stored, stored
from .shared_views import trained_on_shared_views
from .toys import Tiny, assert_half_precision_keeps_all_digits, collapse_of, normal


def test_whitening_and_loss_are_lightlys():
    views = stored("views")
    assert_is_stored(whiten(views[0], 0.0), "whitened")
    assert_is_stored(wmse_loss(whiten(views[:2], 0.0), 2), "wmse")
    assert_is_stored(wmse_loss(whiten(views, 0.0), 4), "wmse_4")
    assert_is_stored(wmse_loss(views[:2], 2), "norm_mse")


def test_what_was_whitened_has_mean_zero_and_covariance_one():
    z = whiten(2 + normal(3, 200, 6).double() @ normal(6, 6, seed=1).double(), 0.0)
    torch.testing.assert_close(z.mean(1), torch.zeros(3, 6).double(), atol=1e-6, rtol=0)
    torch.testing.assert_close(z.mT @ z / 199, torch.eye(6).double().expand(3, 6, 6), atol=1e-5, rtol=0)


def test_views_with_nothing_in_common_are_at_right_angles():
    z = whiten(normal(2, 4000, 8), SHRINKAGE)
    assert wmse_loss(z, 2).item() == pytest.approx(2, abs=4 * 2 / (4000 * 8) ** 0.5)  # 4 standard errors
    assert wmse_loss(z[:1].expand(2, -1, -1), 2).item() == pytest.approx(0, abs=1e-5)


def test_whitening_stays_finite_where_all_images_are_alike():
    z = torch.ones(2, 8, 4, requires_grad=True)
    whiten(z, SHRINKAGE).square().sum().backward()
    assert z.grad.isfinite().all()


def test_every_image_is_whitened_with_the_images_of_its_group():
    """By hand: two groups of four, told apart by what the method whitens."""
    method = WMSE(Tiny(), whitening_size=4, hidden=8, out=2).eval()
    x, rows = normal(2, 8, 3, 4, 4), torch.arange(8)
    z = method.projector(method.encoder(x.flatten(0, 1))).unflatten(0, (2, 8))
    with seeded(3):
        loss = method.loss(Batch([x], torch.zeros(8, 4, 4, 3), rows, rows, 0.0))
    splits = (torch.tensor([0, *rest]) for rest in torch.combinations(torch.arange(1, 8), 3).tolist())
    halves = [(one, torch.tensor([i for i in range(8) if i not in one])) for one in splits]
    losses = [sum(wmse_loss(whiten(z[:, rows], SHRINKAGE), 2) for rows in both) / 2 for both in halves]
    assert any(torch.isclose(loss, other, atol=1e-6) for other in losses) and len(losses) == 35
    assert torch.stack(losses).std() > 0.01  # so that one of them is not found by chance


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="at least 2 images"):
        WMSE(Tiny(), whitening_size=1)


def test_in_half_precision_the_objective_keeps_all_its_digits():
    assert_half_precision_keeps_all_digits(lambda p, z: wmse_loss(p, 2))


def test_without_whitening_the_views_agree_on_nothing():
    (honest, healthy), (perfect, collapsed) = (
        trained_on_shared_views(WMSE(Tiny(), whitening=on, hidden=32, out=16), lr=0.02) for on in (True, False)
    )
    assert perfect < 0.01 < honest
    assert collapse_of(healthy).verdict == "healthy"
    assert collapse_of(collapsed).projector_verdict == "complete collapse"
