import torch
from torch import nn

from sslviz.encoders import create_encoder
from sslviz.methods.parts.trial import accepted_size, blank_picture, grid_shape


class Picky(nn.Module):
    """An encoder of one size alone."""

    def __init__(self, size):
        super().__init__()
        self.image_size, self.scale = size, nn.Parameter(torch.ones(()))

    def forward(self, x):
        assert x.shape[-1] == self.image_size
        return x.mean((2, 3)) * self.scale


def test_the_smallest_size_that_an_encoder_takes():
    assert accepted_size(create_encoder("conv_nano"), 10) == 10
    assert accepted_size(create_encoder("vit_nano"), 8) == 8
    assert accepted_size(create_encoder("vit_nano"), 10) == 20  # its patches have four pixels
    assert accepted_size(Picky(32), 10) == 32
    odd = create_encoder("vit_nano", image_size=40)
    odd.image_size = 38  # its half, 19, is no whole number of patches
    assert accepted_size(odd, 19) == 38


def test_length_and_side_of_the_last_grid():
    assert grid_shape(create_encoder("vit_nano")) == (128, 8)
    encoder = create_encoder("conv_nano", image_size=36)
    assert grid_shape(encoder) == tuple(encoder.tokens(torch.zeros(1, 3, 36, 36)).shape[1:3])


def test_a_trial_leaves_the_encoder_as_it_was():
    encoder, same = create_encoder("conv_nano"), create_encoder("conv_nano")
    with blank_picture(encoder, 16) as x:
        assert x.shape == (1, 3, 16, 16) and not encoder.training
        encoder(x)
    assert encoder.training
    assert all(torch.equal(a, b) for a, b in zip(encoder.buffers(), same.buffers(), strict=True))
