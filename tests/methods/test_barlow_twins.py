import pytest
import torch

from sslviz.encoders import create_encoder
from sslviz.methods import BarlowTwins
from sslviz.methods.barlow_twins import barlow_terms
from sslviz.methods.parts.multi_crop import encode_views, view_pairs
from sslviz.views import ViewPolicy

from .contract import draw_batch
from .distill_fixture import assert_is_stored, stored
from .shared_views import trained_on_shared_views
from .toys import Tiny, assert_half_precision_keeps_all_digits, collapse_of, normal


def test_the_loss_is_lightlys_and_solos():
    on_diagonal, redundancy = barlow_terms(stored("views")[:2])
    assert_is_stored(on_diagonal, "barlow_on_diagonal")
    assert_is_stored(on_diagonal + 5e-3 * redundancy, "barlow")
    assert_is_stored(on_diagonal + 5e-3 * redundancy, "solo_barlow")


def test_the_terms_in_closed_form():
    b, d = 16, 4
    x = normal(b, d).double()
    white = torch.linalg.qr(x - x.mean(0)).Q * b**0.5  # the correlation of these columns is the identity
    assert barlow_terms(white.expand(2, b, d)) == pytest.approx((0, 0), abs=1e-8)
    opposite = torch.stack([white, -white])  # every dimension at -1 where 1 is asked
    assert barlow_terms(opposite)[0].item() == pytest.approx(4 * d, rel=1e-4)
    same = white[:, :1].expand(2, b, d)  # one dimension, d times
    assert barlow_terms(same)[1].item() == pytest.approx(d * (d - 1), rel=1e-4)
    scaled = white * torch.tensor([3.0, 0.5, 7.0, 1.0]) + 2  # neither lengths nor means count
    assert barlow_terms(scaled.expand(2, b, d)) == pytest.approx((0, 0), abs=1e-6)


def test_each_term_comes_with_its_weight_and_local_views_meet_large_ones():
    method = BarlowTwins(create_encoder("conv_nano"), redundancy=0.5, out=16).eval()
    batch = draw_batch(ViewPolicy(local_views=2))
    z = encode_views(lambda x: method.projector(method.encoder(x)), batch.views)
    pairs = [barlow_terms(z[[i, j]]) for i, j in view_pairs(2, 4)]
    expected = {"on_diagonal": sum(p[0] for p in pairs) / 5, "redundancy": 0.5 * sum(p[1] for p in pairs) / 5}
    torch.testing.assert_close(method.loss(batch), expected)


def test_in_half_precision_the_objective_keeps_all_its_digits():
    assert_half_precision_keeps_all_digits(lambda p, z: torch.stack(barlow_terms(p)))


def test_without_redundancy_reduction_all_dimensions_say_the_same_few_things():
    (_, healthy), (loss, collapsed) = (
        trained_on_shared_views(BarlowTwins(Tiny(), redundancy=weight, hidden=32, out=32), lr=3e-3)
        for weight in (0.1, 0.0)
    )
    assert loss < 32 / 8  # views that share nothing have 1 in each of 32 dimensions
    assert collapse_of(healthy).verdict == "healthy"
    assert collapse_of(collapsed).projector_verdict == "dimensional collapse"
