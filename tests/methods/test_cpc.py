import math

import pytest
import torch
import torch.nn.functional as F

from sslviz.encoders import create_encoder
from sslviz.methods import CPC
from sslviz.methods.cpc import cpc_loss

from .contract import draw_batch
from .toys import normal


def a_method(encoder="conv_nano", **settings):
    return CPC(create_encoder(encoder), **settings).eval()


@pytest.mark.parametrize("k", [1, 2])
def test_the_loss_is_what_plain_loops_make(k):
    rows, columns, b, temperature = 4, 3, 2, 0.3
    p, z = normal(rows - k, columns, b, 5), normal(rows, columns, b, 5, seed=1)
    losses = []
    for r in range(rows - k):
        for c in range(columns):
            for i in range(b):
                scores = F.cosine_similarity(p[r, c, i], z, dim=-1) / temperature  # (rows, columns, b)
                losses.append(float(scores.exp().sum().log() - scores[r + k, c, i]))
    assert cpc_loss(p, z, k=k, temperature=temperature).item() == pytest.approx(sum(losses) / len(losses), abs=1e-5)


def test_the_loss_in_closed_form():
    n = 3 * 3 * 4
    assert cpc_loss(torch.ones(2, 3, 4, 6), torch.ones(3, 3, 4, 6), k=1, temperature=0.1).item() == pytest.approx(
        math.log(n), abs=1e-5
    )
    z = torch.eye(n).view(3, 3, 4, n)  # each patch has a direction of its own
    right = math.log(math.exp(2) + n - 1) - 2
    assert cpc_loss(z[1:], z, k=1, temperature=0.5).item() == pytest.approx(right, abs=1e-5)
    assert cpc_loss(z[2:], z, k=2, temperature=0.5).item() == pytest.approx(right, abs=1e-5)
    assert cpc_loss(z[:2], z, k=1, temperature=0.5).item() == pytest.approx(right + 2, abs=1e-5)  # one row too high


@pytest.mark.parametrize("encoder", ["conv_nano", "vit_nano"])
@pytest.mark.parametrize("rows", [3, 7])
def test_a_prediction_knows_nothing_of_the_pixels_below_its_patches(encoder, rows):
    method, x = a_method(encoder, rows=rows), normal(2, 3, 32, 32)
    stride = method.side // 2
    made = method.predictions(method.patch_features(x))
    for seen in range(1, rows):  # rows of patches, which end at pixel (seen + 1) * stride
        changed = x.clone()
        changed[:, :, (seen + 1) * stride :] = normal(2, 3, 32 - (seen + 1) * stride, 32, seed=1)
        for k, (a, b) in enumerate(zip(method.predictions(method.patch_features(changed)), made, strict=True), start=1):
            assert a.shape == (2, 128, rows - k, rows)
            torch.testing.assert_close(a[:, :, :seen], b[:, :, :seen])
            assert a.shape[2] <= seen or not torch.allclose(a[:, :, seen], b[:, :, seen])


def test_each_distance_has_its_term_and_its_right_patches():
    method, batch = a_method(rows=4, ahead=3), draw_batch(CPC.views)
    z = method.patch_features(batch.views[0][0])
    expected = {
        f"below_{k}": cpc_loss(p.permute(2, 3, 0, 1), z.permute(2, 3, 0, 1), k=k, temperature=0.1)
        for k, p in enumerate(method.predictions(z), start=1)
    }
    assert list(expected) == ["below_1", "below_2", "below_3"]
    torch.testing.assert_close(method.loss(batch), expected)


def test_an_encoder_of_other_sizes_gets_larger_patches():
    method = a_method("vit_nano", rows=5)  # patches of 10 pixels are no multiple of four
    assert (method.side, method.input_size) == (10, 20)
    assert all(term.isfinite() for term in method.loss(draw_batch(CPC.views)).values())


def test_bad_settings_are_refused():
    for settings in ({"rows": 3, "ahead": 3}, {"rows": 40}, {"ahead": 0}):
        with pytest.raises(ValueError, match="ahead < rows"):
            a_method(**settings)
