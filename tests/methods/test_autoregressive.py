import numpy as np
import pytest
import torch

from sslviz.encoders import create_encoder
from sslviz.methods import Autoregressive, Batch
from sslviz.methods.parts.draws import uniform_by_row
from sslviz.runtime.random_state import seeded

from .contract import draw_batch
from .parts.test_codebook import COLORS
from .toys import normal


def a_method(encoder="conv_nano", **settings):
    return Autoregressive(create_encoder(encoder), **settings).eval()


@pytest.mark.parametrize("encoder", ["conv_nano", "vit_nano"])
@pytest.mark.parametrize("training", [False, True])
def test_nothing_from_the_cut_on_changes_the_prediction(encoder, training):
    """Also in training, where batch norm sees the whole batch: what is below a cut has left the picture."""
    method, x = a_method(encoder).train(training), normal(7, 3, 32, 32)
    cut = torch.arange(1, 8)
    made = method.next_row(x, cut)
    below = torch.arange(32)[:, None] >= 4 * cut[:, None, None, None]  # (7, 1, 32, 1): patches have four pixels
    assert torch.equal(method.next_row(torch.where(below, normal(7, 3, 32, 32, seed=1), x), cut), made)
    last = torch.arange(32)[:, None] == 4 * cut[:, None, None, None] - 1
    changed = method.next_row(torch.where(last, 5.0, x), cut)
    assert all(not torch.equal(a, b) for a, b in zip(changed, made, strict=True))


def test_the_row_that_is_asked_for_lies_right_below_the_cut():
    method, batch = a_method(grid=4, codes=5), draw_batch(Autoregressive.views)
    x = batch.views[0][0]
    with seeded(0):
        cut = [1 + int(3 * u) for u in uniform_by_row(batch.rows, 1)]
    assert set(cut) == {1, 2, 3}
    codes, asked = method.codebook.encode(x), []
    for i, row in enumerate(cut):
        shown = x[[i]].clone()
        shown[:, :, 8 * row :] = method.cover.detach()[:, None, None]
        log_p = method.head(method.encoder.tokens(shown)).log_softmax(1)[0]  # (codes, rows, columns)
        asked += [-log_p[codes[i, 4 * row + column], row, column].item() for column in range(4)]
    with seeded(0):
        assert method.loss(batch).item() == pytest.approx(sum(asked) / 32, rel=1e-4)


def test_it_goes_on_with_stripes_as_they_began():
    """Each column of a picture has one colour, so that the first row tells all others."""
    rng = np.random.default_rng(0)
    columns = COLORS[rng.integers(0, 4, (16, 4))].repeat(8, axis=1)  # (n, 32, 3)
    pixels = np.broadcast_to(columns[:, None], (16, 32, 32, 3)).copy()
    method = a_method(grid=4, codes=4).train()
    # Set, not fitted: crops show neighbouring columns in one patch.
    x = (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
    method.codebook.patches.copy_(((torch.from_numpy(COLORS) / 255 - 0.5) / 0.5).repeat_interleave(64, dim=1))
    optimizer = torch.optim.AdamW(method.parameters(), lr=3e-3)
    losses = []
    for step in range(100):
        with seeded(step):
            batch = Batch([x[None]], torch.from_numpy(pixels), torch.arange(16), torch.full((16,), -1), 0.0)
            loss = method.loss(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 1 and losses[-1] < 0.1  # ln 4 is chance
    with torch.no_grad():
        made = method.reconstruct(x)
        noise = torch.cat([x[:, :, :16], normal(16, 3, 16, 32)], dim=2)
        assert torch.equal(method.reconstruct(noise).predicted, made.predicted)  # made from the upper half alone
    assert torch.equal(made.predicted[:, :, :16], x[:, :, :16]) and made.hidden[:, :, 16:].all()
    assert ((made.predicted - x).abs().amax(1) < 0.1).float().mean() > 0.97
