import pytest
import torch

from sslviz.encoders import create_encoder
from sslviz.methods.parts.pixel_decoder import pixel_decoder, pixel_layer
from sslviz.runtime.random_state import seeded


@pytest.mark.parametrize(
    ("encoder", "size"), [("conv_nano", 32), ("conv_nano", 36), ("vit_nano", 40), ("resnet18", 70)]
)
@pytest.mark.parametrize("decoder", [pixel_layer, pixel_decoder])
def test_pictures_have_the_encoders_size_whether_or_not_its_grid_divides_it(encoder, size, decoder):
    network = create_encoder(encoder, image_size=size).eval()
    with seeded(0):
        made = decoder(network, out=5)
    assert made(network.tokens(torch.zeros(2, 3, size, size))).shape == (2, 5, size, size)
