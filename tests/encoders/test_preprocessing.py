"""How pictures are fed: every value against an independent computation, and where it comes from."""

import json
import math

import numpy as np
import pytest
import timm
import torch
import torchvision.transforms.v2.functional as tvf
from hypothesis import given
from hypothesis import strategies as st
from timm.data import resolve_data_config
from torch import nn

from sslviz.encoders import create_encoder
from sslviz.encoders.given_settings import INTERPOLATIONS
from sslviz.encoders.preprocessing import resolve
from sslviz.encoders.published import HINTS, hint_of, normalizations
from sslviz.encoders.stems import STEMS, input_kernel, parse_stem
from sslviz.features.embed import preprocess

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def noise(*shape):
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8))


@pytest.fixture
def pixels():
    return noise(3, 40, 40)


def normalized(x, mean, std):
    return (x - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)


def chw(pixels):
    return pixels.permute(0, 3, 1, 2) / 255


# --- what is done with the pixels ---------------------------------------------------------------------------------------


def test_settings_of_an_older_run_folder_feed_pictures_as_before(pixels):
    encoder = create_encoder(**{"name": "conv_nano", "image_size": 32})
    x = nn.functional.interpolate(chw(pixels), (32, 32), mode="bilinear", antialias=True, align_corners=False)
    assert torch.equal(preprocess(pixels, encoder), normalized(x, (0.5,) * 3, (0.5,) * 3))
    assert encoder.spec == {"name": "conv_nano", "image_size": 32}  # and a new one is written as they were


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest"])
@pytest.mark.parametrize("size", [32, 40, 64])
def test_pictures_are_resized_as_torchvision_does(pixels, interpolation, size):
    mode = {"nearest": tvf.InterpolationMode.NEAREST_EXACT}.get(interpolation)
    mode = mode or tvf.InterpolationMode(interpolation)
    expected = tvf.resize(chw(pixels), [size, size], interpolation=mode, antialias=True).clamp(0, 1)
    encoder = create_encoder("conv_nano", image_size=size, mean="imagenet", interpolation=interpolation)
    torch.testing.assert_close(preprocess(pixels, encoder), normalized(expected, *IMAGENET), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("size", "crop", "resized"), [(224, 0.875, 256), (224, 0.9, 248), (32, 0.5, 64)])
def test_a_crop_is_timms(size, crop, resized):
    assert math.floor(size / crop) == resized  # as timm's transforms have it
    pixels = noise(1, 300, 300)
    encoder = create_encoder("conv_nano", image_size=size, crop=crop)
    expected = tvf.center_crop(tvf.resize(chw(pixels), [resized, resized], antialias=True), [size, size])
    torch.testing.assert_close(preprocess(pixels, encoder), expected * 2 - 1, atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", [(40, 60), (60, 40), (41, 97)])
def test_the_middle_of_a_picture_that_is_no_square(shape):
    pixels = noise(1, *shape)
    whole, middle = (create_encoder("conv_nano", crop_mode=mode) for mode in ("squash", "center"))
    squashed = tvf.resize(chw(pixels), [32, 32], antialias=True)
    torch.testing.assert_close(preprocess(pixels, whole), squashed * 2 - 1, atol=1e-5, rtol=0)
    cut = tvf.center_crop(tvf.resize(chw(pixels), 32, antialias=True), [32, 32])
    torch.testing.assert_close(preprocess(pixels, middle), cut * 2 - 1, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "given",
    [
        {"mean": [0.1, 0.2, 0.3], "std": (0.4, 0.5, 0.6)},
        {"mean": "clip"},
        {"std": "imagenet", "interpolation": "bicubic", "crop": 0.9, "crop_mode": "center"},
    ],
)
def test_the_spec_says_all_that_was_given(given, pixels):
    encoder = create_encoder("conv_nano", **given)
    again = create_encoder(**json.loads(json.dumps(encoder.spec)))
    assert again.spec == encoder.spec and set(given) <= set(encoder.spec)
    assert torch.equal(preprocess(pixels, again), preprocess(pixels, encoder))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"mean": (0.5, 0.5, 0.5)}, "belong together; got mean alone"),
        ({"mean": (123.7, 116.3, 103.5), "std": (58, 57, 57)}, "divide those of pixels up to 255 by 255"),
        ({"mean": "imagnet"}, "one of imagenet, inception, clip"),
        ({"mean": (0.5, 0.5), "std": (0.5, 0.5)}, "three numbers"),
        ({"mean": (0.5, 0.5, float("nan")), "std": "clip"}, "three numbers"),
        ({"mean": "clip", "std": (0, 1, 1)}, "none of its three numbers is 0"),
        ({"interpolation": "lanczos"}, "bilinear, bicubic, nearest; got 'lanczos'"),
        ({"crop": 90}, "from 0.1 to 1"),
        ({"crop_mode": "border"}, "squash or center"),
        ({"image_size": 0}, "whole number of pixels"),
        ({"stem": "standard"}, "Only ResNets have a stem"),
    ],
)
def test_settings_that_make_no_sense_are_answered(given, said):
    with pytest.raises(ValueError, match=said):
        create_encoder("conv_nano", **given)


unit = st.floats(0.01, 1, allow_nan=False)
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "image_size": st.integers(1, 600),
        "interpolation": st.sampled_from(INTERPOLATIONS),
        "crop": st.floats(0.1, 1),
        "crop_mode": st.sampled_from(["squash", "center"]),
    },
)


@given(SETTINGS, st.none() | st.tuples(st.tuples(unit, unit, unit), st.tuples(unit, unit, unit)))
def test_every_value_has_an_origin_and_what_is_given_is_taken(settings, pair):
    settings |= dict(zip(("mean", "std"), pair, strict=True)) if pair else {}
    for name in ("vit_nano", "resnet18", "vit_small_patch16_224.dino"):
        fed = resolve(name, settings)
        assert set(fed.origins) == {"mean", "std", "image_size", "interpolation", "crop", "crop_mode"}
        assert all(fed.origins[key] == "given" and getattr(fed, key) == value for key, value in settings.items())
        assert resolve(name, fed.config).config == fed.config  # said in full, it says the same


# --- timm's configurations -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["vit_small_patch16_224", "vit_small_patch16_224.dino", "vit_base_patch16_clip_224"])
def test_mean_std_and_size_are_those_timm_resolves_for_this_tag(name):
    with torch.device("meta"):
        theirs = resolve_data_config({}, model=timm.create_model(name))
    fed = resolve(name, {})
    assert (fed.mean, fed.std, fed.image_size) == (theirs["mean"], theirs["std"], theirs["input_size"][-1])
    assert fed.origins["mean"].startswith(f"timm's {name}") and (fed.interpolation, fed.crop) == ("bilinear", 1.0)
    assert (f"--crop {theirs['crop_pct']}" in fed.origins["crop"]) == (theirs["crop_pct"] != 1)
    assert "bicubic" in fed.origins["interpolation"]


def test_a_model_that_timm_has_renamed_is_answered_with_its_name():
    with pytest.raises(ValueError, match=r"did you mean vit_small_patch16_224\.dino"):
        resolve("vit_small_patch16_224_dino", {})


def test_timms_tags_that_disagree_are_known():
    small = normalizations("vit_small_patch16_224")
    assert small[IMAGENET] == ("dino",) and "augreg_in21k_ft_in1k" in small[(0.5,) * 3, (0.5,) * 3]
    assert len(normalizations("resnet18")) == 1


@pytest.mark.parametrize(
    ("names", "who"),
    [
        (["teacher.backbone.blocks.0.attn.qkv.weight"], "DINO"),
        (["model.decoder_embed.weight", "model.mask_token"], "MAE"),
        (["state_dict.module.momentum_encoder.conv1.weight"], "MoCo"),
        (["state_dict.module.encoder_q.conv1.weight"], "MoCo"),
        (["mask_token", "blocks.0.ls1.gamma"], "DINOv2"),
        (["register_tokens"], "DINOv2"),
        (["visual.conv1.weight", "logit_scale"], "CLIP"),
        (["visual.trunk.pos_embed", "logit_scale", "logit_bias"], None),  # SigLIP, which has 0.5
        (["mask_token", "blocks.0.attn.relative_position_bias_table"], None),  # BEiT, which has 0.5
        (["blocks.0.ls1.gamma"], None),  # DeiT III
        (["encoder.layers.encoder_layer_0.ln_1.weight"], "torchvision"),
        (["backbone.conv1.weight", "projector.0.weight"], "library"),
        (["online_network.conv1.weight", "target_network.conv1.weight"], "library"),  # BYOL, in several repositories
        (["blocks.0.attn.qkv.weight", "head.weight"], None),
        (["layer1.0.conv1.weight", "fc.weight"], None),
    ],
)
def test_names_that_tell_who_trained_a_file(names, who):
    found = hint_of(names)
    assert (found is None) if who is None else who in found.hint.who


def test_what_hints_name_is_known():
    from sslviz.encoders.published import NORMALIZATIONS

    assert {hint.normalization for hint in HINTS} <= set(NORMALIZATIONS)


# --- stems ---------------------------------------------------------------------------------------------------------------


def test_stems_spelled_out_are_the_named_ones():
    assert parse_stem("7x7,stride=2,padding=3,maxpool") == parse_stem("7x7, stride=2, padding=3, maxpool")
    for stem in STEMS.values():
        pool = "maxpool" if stem.pool else "no-maxpool"
        text = f"{stem.kernel}x{stem.kernel},stride={stem.stride},padding={stem.padding},{pool}"
        assert str(parse_stem(text)) == str(stem)


@pytest.mark.parametrize(
    "text", ["small", "7x5,stride=1,padding=1,maxpool", "0x0,stride=1,padding=1,maxpool", "3x3", ""]
)
def test_stems_nobody_knows_are_answered(text):
    with pytest.raises(ValueError, match="There is no stem .*standard, low-resolution, solo-learn"):
        parse_stem(text)


def test_the_convolution_that_pictures_enter():
    assert input_kernel([("a.conv1.weight", (64, 3, 7, 7)), ("a.layer1.0.conv1.weight", (64, 64, 3, 3))]) == (
        64,
        3,
        7,
        7,
    )
    two = [("student.conv1.weight", (64, 3, 3, 3)), ("teacher.conv1.weight", (64, 3, 3, 3))]
    assert input_kernel(two) == (64, 3, 3, 3)
    assert input_kernel([("decoder.out.weight", (8, 3, 1, 1)), ("conv1.weight", (64, 3, 7, 7))]) == (64, 3, 7, 7)
    assert input_kernel([("conv1.weight", (64, 1, 7, 7))]) == () == input_kernel([])


def test_pretrained_weights_are_not_given_another_stem(monkeypatch):
    build = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda name, pretrained, **options: build(name, **options))
    with pytest.raises(ValueError, match=r"first convolution has the shape \(64, 3, 7, 7\).*low-resolution"):
        create_encoder("resnet18", pretrained=True, stem="low-resolution")


def test_a_deep_stem_has_two_forms():
    small = create_encoder("resnet10t", stem="low-resolution", image_size=96)
    assert small.model.conv1[0].stride == (1, 1) and "no max-pool" in small.preprocessing.stem_layers
    with pytest.raises(ValueError, match="three convolutions of 3x3; its stem is standard or low-resolution"):
        create_encoder("resnet10t", stem="solo-learn")


def test_features_change_with_the_mean_and_their_key_with_them():
    from sslviz import Checkpoint, embed, shapes

    images = shapes(4)
    plain, other = (Checkpoint("run", 0, {"name": "conv_nano", **more}, None) for more in ({}, {"mean": "imagenet"}))
    assert plain.digest == "untrained0" != other.digest
    a, b = (embed(checkpoint, images, progress=False) for checkpoint in (plain, other))
    assert np.abs(a.x - b.x).max() > 1e-3 and a.source["weights"] != b.source["weights"]
