import math

import numpy as np
import pytest
import torch

from sslviz.methods.parts.chroma import (
    STEP,
    annealed_mean,
    chroma_bins,
    from_luma_and_chroma,
    rarity,
    soft_bins,
    to_luma_and_chroma,
)

from ..toys import normal


def colors(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_luma_is_pils_and_chroma_takes_the_rest():
    from PIL import Image

    pixels = (255 * colors(1, 3, 16, 16)).byte()
    luma, chroma = to_luma_and_chroma(pixels.float() / 255)
    pil = np.asarray(Image.fromarray(pixels[0].permute(1, 2, 0).numpy()).convert("L"))
    assert np.abs(255 * luma[0, 0].numpy() - pil).max() <= 0.51  # PIL rounds
    torch.testing.assert_close(from_luma_and_chroma(luma, chroma), pixels.float() / 255)
    gray = colors(2, 1, 4, 4).expand(2, 3, 4, 4)
    torch.testing.assert_close(to_luma_and_chroma(gray)[1], torch.zeros(2, 2, 4, 4))


def test_every_colour_has_a_bin_within_half_a_step_and_no_bin_is_out_of_reach():
    bins = chroma_bins()
    _, chroma = to_luma_and_chroma(colors(1, 3, 100, 100))
    distance = (chroma[:, None] - bins[:, :, None, None]).abs().amax(2)  # (1, bins, h, w)
    assert distance.amin(1).max() <= STEP / 2 + 1e-6
    _, corners = to_luma_and_chroma(torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3)[:, :, None, None])
    limits = corners[..., 0, 0].abs().amax(0)
    assert (bins.abs() <= limits + STEP / 2).all()
    assert len(bins.unique(dim=0)) == len(bins)


def test_soft_bins_are_those_of_a_plain_loop():
    bins = chroma_bins()
    _, chroma = to_luma_and_chroma(colors(2, 3, 3, 3))
    shares = soft_bins(chroma, bins)
    for i in range(2):
        for r in range(3):
            for c in range(3):
                distances = [math.dist(chroma[i, :, r, c].tolist(), b.tolist()) for b in bins]
                nearest = sorted(range(len(bins)), key=distances.__getitem__)[:5]
                expected = np.zeros(len(bins))
                for q in nearest:
                    expected[q] = math.exp(-(distances[q] ** 2) / (2 * (STEP / 2) ** 2))
                np.testing.assert_allclose(shares[i, :, r, c], expected / expected.sum(), atol=1e-5)


def test_the_middle_of_a_bin_has_most_of_its_own_bin():
    bins = chroma_bins()
    shares = soft_bins(bins.T[None, :, :, None], bins)[0, :, :, 0]  # (bins, bins)
    assert torch.equal(shares.argmax(0), torch.arange(len(bins)))
    assert shares.diagonal().min() > 0.6


@pytest.mark.parametrize("rebalance", [0.0, 0.5, 0.9])
def test_rare_bins_weigh_more_and_the_mean_pixel_one(rebalance):
    shares = torch.tensor([0.7, 0.2, 0.1, 0.0])
    weights = rarity(shares, rebalance)
    assert (weights * shares).sum().item() == pytest.approx(1)
    expected = [1 / (rebalance * p + (1 - rebalance) / 4) for p in shares.tolist()]
    torch.testing.assert_close(weights / weights[0], torch.tensor(expected) / expected[0])
    if rebalance == 0:
        torch.testing.assert_close(weights, torch.ones(4))


def test_between_the_mean_and_the_likeliest_bin():
    bins, logits = normal(7, 2), normal(2, 7, 3, 3)
    mean = torch.einsum("bqhw,qc->bchw", logits.softmax(1), bins)
    torch.testing.assert_close(annealed_mean(logits, bins, 1.0), mean)
    likeliest = bins[logits.argmax(1)].movedim(3, 1)
    torch.testing.assert_close(annealed_mean(logits, bins, 1e-4), likeliest)
