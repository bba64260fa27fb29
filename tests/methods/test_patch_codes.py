import pytest
import torch

from sslviz.encoders import create_encoder
from sslviz.methods import Batch, PatchCodes, TrainingImages
from sslviz.runtime.random_state import seeded

from .contract import draw_batch
from .parts.test_codebook import four_colors
from .toys import normal


def drawn(method, rows):
    with seeded(0):
        return method._draw(rows)


def a_method(encoder="conv_nano", **settings):
    return PatchCodes(create_encoder(encoder), **settings).eval()


@pytest.mark.parametrize("encoder", ["conv_nano", "vit_nano"])
def test_hidden_pixels_do_not_change_the_prediction_and_shown_ones_do(encoder):
    method, x = a_method(encoder), normal(2, 3, 32, 32)
    which = drawn(method, torch.arange(2))
    made = method.scores(method.covered(x, which))
    hidden = method._marks(which)
    assert torch.equal(method.scores(method.covered(torch.where(hidden, 9.0, x), which)), made)
    assert not torch.allclose(method.scores(method.covered(torch.where(hidden, x, 9.0), which)), made)


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_the_loss_asks_for_the_codes_of_hidden_patches_alone(share):
    method, batch = a_method(hidden=share, grid=4, codes=5), draw_batch(PatchCodes.views)
    x = batch.views[0][0]
    which = drawn(method, batch.rows)
    assert [len(set(row)) for row in which.tolist()] == [16 * share] * 8
    log_p, codes = method.scores(method.covered(x, which)).log_softmax(-1), method.codebook.encode(x)
    asked = [-log_p[i, j, codes[i, j]].item() for i in range(8) for j in which[i].tolist()]
    with seeded(0):
        assert method.loss(batch).item() == pytest.approx(sum(asked) / len(asked), rel=1e-4)


def test_all_patches_are_hidden_equally_often():
    method = a_method(grid=4)
    counts = drawn(method, torch.arange(4000)).flatten().bincount(minlength=16)
    assert counts.min() > 1850 and counts.max() < 2150  # 2000 expected, deviation 32


def test_typical_patches_are_found_once():
    method = a_method(grid=4, codes=4)
    images = TrainingImages(four_colors(), features=lambda: None)
    with seeded(0):
        method.epoch_begins(1, images)
        first = method.codebook.patches.clone()
        method.epoch_begins(2, images)
    assert (
        torch.equal(method.codebook.patches, first) and method.codebook.encode(first[:1].new_zeros(1, 3, 32, 32)).shape
    )


def test_what_the_shown_patches_tell_is_learned_and_drawn():
    """In pictures of one colour each, every shown patch tells what is hidden."""
    method = a_method(grid=4, codes=4).train()
    pixels = torch.from_numpy(four_colors(8))
    with seeded(0):
        method.epoch_begins(1, TrainingImages(pixels.numpy(), features=lambda: None))
    x = (pixels.permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
    optimizer = torch.optim.AdamW(method.parameters(), lr=3e-3)
    losses = []
    for step in range(60):
        with seeded(step):
            loss = method.loss(Batch([x[None]], pixels, torch.arange(8), torch.full((8,), -1), 0.0))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 1 and losses[-1] < 0.1  # ln 4 is chance
    with torch.no_grad(), seeded(0):
        made = method.reconstruct(x)
    hidden = made.hidden.expand_as(x)
    torch.testing.assert_close(made.predicted[~hidden], x[~hidden])
    assert (made.predicted - x).abs()[hidden].mean() < 0.2  # of 2 between the least and the most light
    assert (made.shown - x).abs()[hidden].mean() > 0.5 and made.hidden.float().mean() == 0.5


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="none and all"):
        a_method(hidden=1.0)
