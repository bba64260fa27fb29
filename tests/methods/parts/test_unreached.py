import pytest
import torch

from sslviz.encoders import create_encoder
from sslviz.methods import Autoregressive, Colorization, Denoising, Inpainting, PatchCodes, SimMIM
from sslviz.methods.parts.unreached import freeze_unreached


def frozen(encoder):
    return {name for name, p in encoder.named_parameters() if not p.requires_grad}


def test_weights_behind_the_output_are_frozen_and_no_others():
    encoder = create_encoder("vit_little_patch16_reg4_gap_256", image_size=64)
    freeze_unreached(encoder, encoder.tokens)
    assert frozen(encoder) == {"model.fc_norm.weight", "model.fc_norm.bias"}
    for name in ("conv_nano", "vit_nano"):
        encoder = create_encoder(name)
        freeze_unreached(encoder, encoder.tokens)
        assert not frozen(encoder)


def test_nothing_else_changes():
    encoder, same = create_encoder("conv_nano"), create_encoder("conv_nano")
    freeze_unreached(encoder, encoder.tokens)
    assert encoder.training and all(p.grad is None for p in encoder.parameters())
    for key, value in same.state_dict().items():
        assert torch.equal(encoder.state_dict()[key], value)


@pytest.mark.parametrize("cls", [Colorization, Inpainting, Denoising, PatchCodes, Autoregressive, SimMIM])
def test_what_reads_the_last_grid_alone_leaves_no_weight_without_a_gradient(cls):
    encoder = create_encoder("vit_little_patch16_reg4_gap_256", image_size=32)
    cls(encoder)
    assert frozen(encoder) == {"model.fc_norm.weight", "model.fc_norm.bias"}
