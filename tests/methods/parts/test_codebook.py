import math

import numpy as np
import pytest
import torch

from sslviz.encoders import create_encoder
from sslviz.methods.parts.codebook import Codebook, code_head, code_loss, nearest
from sslviz.runtime.random_state import seeded
from sslviz.views import ViewPolicy

from ..toys import normal

PLAIN = ViewPolicy(views=1, scale=(1.0, 1.0), flip_prob=0.0, jitter_prob=0.0, gray_prob=0.0)
COLORS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]], np.uint8)


def four_colors(n=12, size=32):
    """Pictures of one colour each, uint8."""
    return np.broadcast_to(COLORS[np.arange(n) % 4][:, None, None], (n, size, size, 3)).copy()


def fitted(pixels, codes=4, grid=4, seed=0):
    encoder = create_encoder("conv_nano")
    with seeded(seed):
        book = Codebook(encoder, codes, grid)
        book.fit(pixels, PLAIN, encoder)
    return book


def test_the_code_of_a_patch_is_the_nearest_center():
    x, centers = normal(3, 5, 7), normal(11, 7, seed=1)
    assert torch.equal(nearest(x, centers), torch.cdist(x.double(), centers.double().expand(3, 11, 7)).argmin(-1))


@pytest.mark.parametrize("size", [32, 48])
def test_pictures_of_four_colours_have_four_typical_patches_whatever_their_size(size):
    book, encoder = fitted(four_colors(size=size)), create_encoder("conv_nano")
    normalised = (COLORS / 255 - encoder.mean) / encoder.std
    found = sorted(book.patches.reshape(4, 3, -1).mean(2).round(decimals=3).tolist())
    np.testing.assert_allclose(found, sorted(normalised.tolist()), atol=1e-3)


def test_torchs_generator_decides_the_patches():
    pixels = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    one, again, other = (fitted(pixels, codes=8, seed=s).patches for s in (0, 0, 1))
    assert torch.equal(one, again) and not torch.equal(one, other)


def test_a_picture_of_typical_patches_goes_to_codes_and_back():
    with seeded(0):
        book = Codebook(create_encoder("conv_nano"), 6, 4)
    codes = torch.arange(32).view(2, 16) % 6
    x = book.decode(torch.nn.functional.one_hot(codes, 6))
    assert x.shape == (2, 3, 32, 32) and torch.equal(book.encode(x), codes)
    torch.testing.assert_close(x[0, :, :8, 8:16].flatten(), book.patches[1])  # the second patch in reading order


def test_of_fewer_patches_than_codes_some_are_repeated():
    pixels = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    book = fitted(pixels, codes=9, grid=2)
    assert book.patches.isfinite().all()
    torch.testing.assert_close(book.patches[:4], book.patches[4:8])


@pytest.mark.parametrize(("codes", "grid"), [(1, 8), (8, 1), (8, 5)])
def test_what_cannot_be_a_codebook_is_refused(codes, grid):
    with pytest.raises(ValueError, match="divides the picture's 32 pixels"):
        Codebook(create_encoder("conv_nano"), codes, grid)


@pytest.mark.parametrize("encoder", ["conv_nano", "vit_nano"])
@pytest.mark.parametrize("grid", [2, 4, 8, 16])
def test_scores_are_brought_to_the_grid_of_patches(encoder, grid):
    encoder = create_encoder(encoder)
    with seeded(0):
        head = code_head(encoder, 5, grid, width=6)
    assert head(encoder.tokens(torch.zeros(2, 3, 32, 32))).shape == (2, 5, grid, grid)


def test_the_loss_is_what_plain_loops_make():
    scores, codes = normal(3, 4, 6), torch.arange(12).view(3, 4) % 6
    right = [math.log(scores[i, j].exp().sum()) - float(scores[i, j, codes[i, j]]) for i in range(3) for j in range(4)]
    assert code_loss(scores, codes=codes).item() == pytest.approx(sum(right) / 12, abs=1e-5)
    assert code_loss(torch.zeros(3, 4, 6), codes=codes).item() == pytest.approx(math.log(6), abs=1e-6)
