import pytest
import torch

from sslviz.encoders import create_encoder
from sslviz.methods import VICReg
from sslviz.methods.parts.multi_crop import encode_views, view_pairs
from sslviz.methods.vicreg import vicreg_terms
from sslviz.views import ViewPolicy

from .contract import draw_batch
from .shared_views import trained_on_shared_views
from .toys import Tiny, assert_half_precision_keeps_all_digits, assert_is_lightlys, collapse_of, lightlys, normal

TERMS = ("invariance", "variance", "covariance")


def test_the_loss_and_its_terms_are_lightlys():
    terms = dict(zip(TERMS, vicreg_terms(lightlys("z")), strict=True))
    for name, term in terms.items():
        assert_is_lightlys(term, f"vicreg_{name}")
    assert_is_lightlys(25 * terms["invariance"] + 25 * terms["variance"] + terms["covariance"], "vicreg")


def test_vicreg_terms_in_closed_form():
    b, d = 16, 4
    x = normal(b, d).double()
    white = torch.linalg.qr(x - x.mean(0)).Q * (b - 1) ** 0.5  # mean 0, covariance exactly 1
    assert vicreg_terms(white.expand(2, b, d)) == pytest.approx((0, 0, 0), abs=1e-12)
    assert vicreg_terms(torch.stack([white, white + 2]))[0].item() == pytest.approx(4)
    # Half the spread: the standard deviation, with the code's epsilon, misses 1 by this much in every dimension.
    assert vicreg_terms(white.expand(2, b, d) / 2)[1].item() == pytest.approx(1 - (0.25 + 1e-4) ** 0.5)
    # One dimension repeated d times: d (d - 1) covariances of 1 in each of two views, divided by d.
    same = white[:, :1].expand(2, b, d)
    assert vicreg_terms(same)[2].item() == pytest.approx(2 * (d - 1))


def test_each_term_comes_with_its_weight():
    method = VICReg(create_encoder("conv_nano"), invariance=2.0, variance=3.0, covariance=5.0).eval()
    batch = draw_batch(method.views)
    z = method.projector(method.encoder(batch.views[0].flatten(0, 1))).unflatten(0, (2, -1))
    expected = {name: w * term for name, w, term in zip(TERMS, (2, 3, 5), vicreg_terms(z), strict=True)}
    torch.testing.assert_close(method.loss(batch), expected)


def test_in_half_precision_the_objective_keeps_all_its_digits():
    assert_half_precision_keeps_all_digits(lambda p, z: torch.stack(vicreg_terms(p)))


def test_with_local_views_it_is_the_mean_over_pairs_with_a_large_one():
    method = VICReg(create_encoder("conv_nano"), out=16).eval()
    batch = draw_batch(ViewPolicy(local_views=2))
    z = encode_views(lambda x: method.projector(method.encoder(x)), batch.views)
    pairs = [vicreg_terms(z[[i, j]]) for i, j in view_pairs(2, 4)]
    expected = {name: w * sum(p[i] for p in pairs) / 5 for i, (name, w) in enumerate(method.weights.items())}
    torch.testing.assert_close(method.loss(batch), expected)


def after_training(**settings):
    return trained_on_shared_views(VICReg(Tiny(), hidden=32, out=32, **settings), lr=0.03, steps=250)


def test_without_its_variance_term_all_images_get_the_same_features_and_without_covariance_few_directions_are_left():
    (_, healthy), (perfect, collapsed), (_, narrow) = (
        after_training(),
        after_training(variance=0.0),
        after_training(covariance=0.0),
    )
    assert collapse_of(healthy).verdict == "healthy"
    assert perfect < 0.01 and collapse_of(collapsed).projector_verdict == "complete collapse"
    assert collapse_of(narrow).projector_verdict == "dimensional collapse"
