import pytest
import torch

from sslviz.encoders import create_encoder
from sslviz.methods.parts.grid_and_pooled import grid_and_pooled

from ..toys import normal

# A convolutional net, class and register tokens, channels that come last, and features longer than the grid's.
ENCODERS = [
    ("conv_nano", 32),
    ("vit_nano", 32),
    ("vit_little_patch16_reg4_gap_256", 64),
    ("swin_tiny_patch4_window7_224", 224),
    ("mobilenetv3_small_050", 64),
]


@pytest.mark.parametrize(("name", "size"), ENCODERS)
@torch.no_grad()
def test_they_are_what_the_encoder_gives_one_by_one(name, size):
    encoder, x = create_encoder(name, image_size=size).eval(), normal(2, 3, size, size)
    grid, pooled = grid_and_pooled(encoder, x)
    torch.testing.assert_close(grid, encoder.tokens(x))
    torch.testing.assert_close(pooled, encoder(x))
