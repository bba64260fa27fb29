import difflib
import json

import pytest
import timm
import torch
from torch import nn

from sslviz.encoders import create_encoder
from sslviz.encoders.create import list_encoders
from sslviz.encoders.presets import PRESETS

# name, image size, rows (and columns) of the last grid, number of blocks or stages, dim
MODELS = [
    ("conv_nano", 32, 4, 3, 128),
    ("conv_nano", 64, 8, 3, 128),
    ("vit_nano", 32, 8, 6, 128),
    ("resnet18", 32, 4, 5, 512),
    ("vit_tiny_patch16_224", 32, 2, 12, 192),
    ("vit_tiny_patch16_224", 64, 4, 12, 192),
    ("vit_small_patch14_reg4_dinov2", 56, 4, 12, 384),  # register tokens
    ("convnext_atto", 64, 2, 4, 320),
    ("swin_tiny_patch4_window7_224", 64, 2, 4, 768),  # channels last
]


def pictures(size, n=2, seed=0):
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("name", "size", "grid", "blocks", "dim"), MODELS)
@torch.no_grad()
def test_every_model_shows_the_same_face(name, size, grid, blocks, dim):
    encoder, x = create_encoder(name, image_size=size).eval(), pictures(size)
    features, tokens, layers = encoder(x), encoder.tokens(x), encoder.layers(x)
    assert features.shape == (2, dim) and encoder.dim == dim
    assert tokens.shape == (2, dim, grid, grid)
    assert list(layers)[-1] == "pooled" and len(layers) == blocks + 1
    assert torch.equal(layers["pooled"], features)
    assert all(layer.ndim == 2 and len(layer) == 2 and layer.isfinite().all() for layer in layers.values())


@pytest.mark.parametrize("name", ["conv_nano", "resnet18"])
@torch.no_grad()
def test_where_the_model_averages_the_features_are_the_mean_token(name):
    encoder, x = create_encoder(name).eval(), pictures(32)
    torch.testing.assert_close(encoder.tokens(x).mean((2, 3)), encoder(x))


@torch.no_grad()
def test_tokens_of_a_vit_keep_their_place_and_the_class_token_is_the_feature():
    encoder, x = create_encoder("vit_nano").eval(), pictures(32)[..., :16]  # 8 rows, 4 columns
    sequence, tokens = encoder.model.forward_features(x), encoder.tokens(x)
    assert tokens.shape == (2, 128, 8, 4)
    assert torch.equal(tokens[:, :, 3, 1], sequence[:, 1 + 3 * 4 + 1])
    assert torch.equal(encoder(x), sequence[:, 0])


@torch.no_grad()
def test_tokens_of_a_swin_keep_their_place():
    encoder, x = create_encoder("swin_tiny_patch4_window7_224", image_size=128).eval(), pictures(128)
    assert torch.equal(encoder.tokens(x)[:, :, 1, 2], encoder.model.forward_features(x)[:, 1, 2])


@pytest.mark.parametrize("name", ["crossvit_tiny_240", "pit_ti_224"])
def test_a_model_without_one_grid_of_tokens_says_so(name):
    encoder = create_encoder(name, image_size=None)
    with pytest.raises(ValueError, match=f"{name} does not end in one grid"):
        encoder.tokens(pictures(encoder.image_size, n=1))


@torch.no_grad()
def test_layers_are_the_blocks_own_outputs():
    encoder, x = create_encoder("vit_nano").eval(), pictures(32)
    seen = {}
    with encoder.model.blocks[2].register_forward_hook(lambda _, __, out: seen.update(out=out)):
        layers = encoder.layers(x)
    torch.testing.assert_close(layers["blocks.2"], seen["out"][:, 1:].mean(1))


@pytest.mark.parametrize("name", PRESETS)
def test_weights_depend_on_the_seed_alone(name):
    one = create_encoder(name, seed=1).state_dict()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(8)
        again, other = create_encoder(name, seed=1).state_dict(), create_encoder(name, seed=2).state_dict()
    assert all(torch.equal(one[k], again[k]) for k in one)
    assert any(not torch.equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize("options", [{"name": "vit_nano", "image_size": 64}, {"name": "resnet18", "stem": "standard"}])
def test_the_spec_builds_the_same_encoder_again(options):
    encoder = create_encoder(**options)
    again = create_encoder(**json.loads(json.dumps(encoder.spec)))
    assert again.spec == encoder.spec and str(again) == str(encoder)


def test_low_resolution_stem():
    small, deep = create_encoder("resnet18", image_size=64).model, create_encoder("resnet18d", image_size=32).model
    assert small.conv1.kernel_size == (3, 3) and small.conv1.stride == (1, 1) and isinstance(small.maxpool, nn.Identity)
    assert deep.conv1[0].stride == (1, 1) and isinstance(deep.maxpool, nn.Identity)
    large, asked = create_encoder("resnet18", image_size=65), create_encoder("resnet18", stem="standard")
    for encoder in (large, asked):
        assert encoder.model.conv1.kernel_size == (7, 7) and encoder.spec["stem"] == "standard"


def test_pretrained_weights_keep_the_stem_they_know(monkeypatch):
    def offline(name, pretrained, **options):
        return build(name, **options)

    build = timm.create_model
    monkeypatch.setattr(timm, "create_model", offline)
    assert create_encoder("resnet18", pretrained=True).spec["stem"] == "standard"


def test_a_model_is_fed_as_it_was_published():
    encoder = create_encoder("vit_tiny_patch16_224", image_size=None)
    published = timm.get_pretrained_cfg("vit_tiny_patch16_224")
    assert (encoder.mean, encoder.std, encoder.image_size) == (published.mean, published.std, published.input_size[-1])


@pytest.mark.parametrize("name", ["vit_nano", "conv_nano", "vit_tiny_patch16_224"])
@torch.no_grad()
def test_smaller_crops_pass(name):
    encoder = create_encoder(name).eval()
    assert encoder(pictures(16)).shape == (2, encoder.dim)


def test_everything_listed_is_known_and_ours_come_first():
    names = list_encoders()
    assert names[: len(PRESETS)] == list(PRESETS) and set(timm.list_models()) < set(names)


def test_an_unknown_encoder_is_answered_with_close_names():
    with pytest.raises(ValueError, match="no encoder 'resnet118'; did you mean") as told:
        create_encoder("resnet118")
    assert difflib.get_close_matches("resnet118", list_encoders(), n=1)[0] in str(told.value)
    with pytest.raises(ValueError, match=r"did you mean resnet18\."):
        create_encoder("resnet18.no_such_tag")
    with pytest.raises(ValueError, match="sslviz list encoders"):
        create_encoder("§§§")


@pytest.mark.parametrize(
    ("name", "size"), [("vit_tiny_patch16_224", 30), ("vit_nano", 20), ("inception_v3", 32), ("crossvit_tiny_240", 32)]
)
def test_a_size_the_model_does_not_take_is_answered(name, size):
    with pytest.raises(ValueError, match=rf"^{name}.* {size}[- ]pixel[^\n]*$"):
        create_encoder(name, image_size=size)


def test_pretrained_weights_that_cannot_be_had_are_answered_in_one_sentence(monkeypatch):
    def no_network(*_, **__):
        raise OSError("Name or service not known\nand forty more lines")

    monkeypatch.setattr(timm, "create_model", no_network)
    with pytest.raises(ValueError, match=r"^timm knows resnet18[^\n]*online\?\): Name or service not known$"):
        create_encoder("resnet18", pretrained=True)
    with pytest.raises(ValueError, match="conv_nano has no pretrained weights"):
        create_encoder("conv_nano", pretrained=True)
