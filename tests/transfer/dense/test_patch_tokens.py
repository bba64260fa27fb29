"""Tokens of patches lie where their patches do, whatever the network, and are those that pooling averages."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import sslviz
from sslviz.data import Images
from sslviz.encoders import Encoder
from sslviz.encoders import precision as precisions
from sslviz.runs import Checkpoint
from sslviz.transfer.dense.label_maps import VOID, classes_of, enlarged, label_maps, patch_shares
from sslviz.transfer.dense.patch_tokens import encoder_tokens, pixel_tokens, position_tokens, untrained_tokens


def checkpoint(name="conv_nano", size=32, **more):
    return Checkpoint("mine", 0, {"name": name, "image_size": size, **more}, None)


def images_of(pixels):
    return Images(pixels, np.arange(len(pixels)).astype(str), pd.DataFrame({"label": np.arange(len(pixels))}))


@pytest.fixture(scope="module")
def scenes():
    return sslviz.scenes(n=6)


@pytest.mark.parametrize(("name", "grid"), [("conv_nano", (4, 4)), ("vit_nano", (8, 8)), ("resnet18", (4, 4))])
def test_the_last_grid_is_what_pooling_averages(name, grid):
    images = sslviz.shapes(n=5)
    tokens = sslviz.patch_tokens(checkpoint(name), images, progress=False)
    assert tokens.x.shape[:3] == (5, *grid) and tokens.x.dtype == np.float32 and tokens.layer == "last"
    if name != "vit_nano":  # which pools its class token
        pooled = sslviz.embed(checkpoint(name), images, progress=False).x
        np.testing.assert_allclose(tokens.x.mean((1, 2)), pooled, atol=1e-5)


@pytest.mark.parametrize("name", ["conv_nano", "vit_nano", "resnet18"])
def test_every_layer_by_name_is_the_one_whose_mean_embed_layers_gives(name, scenes):
    means = sslviz.embed_layers(checkpoint(name), scenes, progress=False)
    for layer in means.keys() - {"pooled"}:
        tokens = sslviz.patch_tokens(checkpoint(name), scenes, layer, progress=False)
        np.testing.assert_allclose(tokens.x.mean((1, 2)), means[layer].x, rtol=1e-4, atol=1e-5)


def test_batches_make_no_difference(scenes):
    read = encoder_tokens(checkpoint(), scenes)
    np.testing.assert_allclose(read(scenes), replace(read, batch=2)(scenes), atol=1e-5)


@pytest.mark.parametrize(("name", "layer"), [("conv_nano", None), ("conv_nano", "stages.0"), ("vit_nano", "blocks.0")])
def test_a_spot_moves_the_token_of_its_place_most(name, layer):
    """Rows are rows and columns are columns: a spot in one patch of an empty picture."""
    for down, right in ((0, 3), (3, 0), (3, 3)):
        pixels = np.full((2, 32, 32, 3), 60, np.uint8)
        pixels[1, 8 * down + 2 : 8 * down + 6, 8 * right + 2 : 8 * right + 6] = (250, 30, 60)
        x = sslviz.patch_tokens(checkpoint(name), images_of(pixels), layer, progress=False).x
        moved = np.linalg.norm(x[1] - x[0], axis=-1)
        row, column = np.unravel_index(moved.argmax(), moved.shape)
        found = row * 4 // moved.shape[0], column * 4 // moved.shape[1]
        # Strided 3x3 convolutions look up to half a patch towards the upper left.
        assert np.abs(np.subtract(found, (down, right))).max() <= (0 if name == "vit_nano" else 1)


def test_pixels_and_place_are_the_pictures_own(scenes):
    x = pixel_tokens(8, 8)(scenes)
    assert x.shape == (6, 8, 8, 50)
    patch = scenes.pixels[3, 16:24, 40:48].astype(float) / 255  # row 2, column 5
    cells = patch.reshape(4, 2, 4, 2, 3).mean((1, 3))
    np.testing.assert_allclose(np.sort(x[3, 2, 5, :48]), np.sort(cells.ravel()), atol=1e-5)
    np.testing.assert_allclose(x[3, 2, 5, 48:], [2.5 / 8, 5.5 / 8], atol=1e-6)
    place = position_tokens(3, 5)(scenes)
    assert place.shape == (6, 3, 5, 15) and (place.argmax(-1) == np.arange(15).reshape(3, 5)).all()


def test_untrained_tokens_are_never_those_of_the_checkpoint_itself(scenes):
    for seed in (0, 1):
        one = replace(checkpoint(), seed=seed)
        assert not np.allclose(encoder_tokens(one, scenes)(scenes), untrained_tokens(one, scenes)(scenes))


def test_tokens_in_bfloat16_point_where_those_in_float32_do_and_say_so(scenes, monkeypatch):
    large = checkpoint("test_resnet", image_size=96)
    full, half = (sslviz.patch_tokens(large, scenes, precision=p, progress=False) for p in ("fp32", "bf16"))
    assert (full.precision, half.precision) == ("fp32", "bf16") and not np.array_equal(full.x, half.x)
    x, y = (tokens.x.reshape(-1, tokens.x.shape[-1]) for tokens in (full, half))
    assert np.median((x * y).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)) > 0.999
    monkeypatch.setattr(precisions, "multiplies_bfloat16", lambda device: True)
    auto = sslviz.patch_tokens(large, scenes, progress=False)
    np.testing.assert_array_equal(auto.x, half.x)
    assert sslviz.patch_tokens(checkpoint(), scenes, progress=False).precision == "fp32"  # 32 px: as it always was


def test_auto_looks_at_the_grid_that_is_read_and_not_at_pooled_features(scenes, monkeypatch):
    """So far from zero that rounding takes all that tells tokens apart, which pooled features know nothing of."""
    monkeypatch.setattr(precisions, "multiplies_bfloat16", lambda device: True)
    large, grid = checkpoint("test_resnet", image_size=96), Encoder.grid
    monkeypatch.setattr(Encoder, "grid", lambda self, x, layer=None: grid(self, x, layer) + 1e4)
    assert sslviz.embed(large, scenes, progress=False).source["precision"] == "bf16"
    assert sslviz.patch_tokens(large, scenes, progress=False).precision == "fp32"


def test_global_randomness_and_images_are_left_alone(scenes):
    before, pixels = torch.get_rng_state(), scenes.pixels.copy()
    sslviz.patch_tokens(checkpoint(), scenes, progress=False)
    assert (torch.get_rng_state() == before).all() and (scenes.pixels == pixels).all()


def test_what_has_no_tokens_is_one_sentence(scenes):
    def refused(match, images=scenes, layer=None, **config):
        with pytest.raises(ValueError, match=match):
            sslviz.patch_tokens(checkpoint(**config), images, layer, progress=False)

    refused("need pictures .* at least one; got pixels of shape \\(0,", scenes.rows(np.zeros(6, bool)))
    refused("need pictures", images_of(np.zeros((2, 3, 32, 32, 3), np.uint8)))
    refused("no grid of a layer 'stages.9'; it has those of: stages.0, stages.1, stages.2", layer="stages.9")
    refused("Patches have no place in these pictures: .* only the middle", crop=0.875)


# --- classes of pixels and of patches ---------------------------------------------------------------------------------


def masked(masks, size=8):
    n = len(next(iter(masks.values()))) if masks else 2
    return replace(images_of(np.zeros((n, size, size, 3), np.uint8)), masks=masks)


def half(rows, n=2, size=8):
    mask = np.zeros((n, size, size), bool)
    mask[:, rows] = True
    return mask


def test_pixels_in_no_mask_or_in_two_are_void():
    images = masked({"b": half(slice(0, 4)), "a": half(slice(3, 6))})
    codes = label_maps(images, classes_of(images))
    assert classes_of(images) == ["a", "b"]
    assert codes[:, :, 0].tolist() == [[1, 1, 1, VOID, 0, 0, VOID, VOID]] * 2


def test_shares_are_counted_among_known_pixels():
    codes = np.full((1, 4, 4), VOID, np.int16)
    codes[0, 0, :2], codes[0, 1, 0] = 1, 0
    shares = patch_shares(codes, 2, (2, 2))
    np.testing.assert_allclose(shares[0, 0, 0], [1 / 3, 2 / 3], atol=1e-6)
    assert (shares[0, 1] == 0).all() and (shares[0, 0, 1] == 0).all()


def test_shares_of_patches_that_cut_pixels_are_areas():
    codes = np.repeat(np.array([0, 1, 1], np.int16)[None, None], 3, axis=1)  # 3 columns, seen by 2
    shares = patch_shares(codes, 2, (1, 2))
    np.testing.assert_allclose(shares[0, 0], [[2 / 3, 1 / 3], [0, 1]], atol=1e-6)


@pytest.mark.parametrize(("grid", "size"), [((4, 4), (32, 32)), ((7, 5), (32, 33)), ((3, 3), (8, 8)), ((9, 9), (4, 4))])
def test_enlarging_gives_each_pixel_the_patch_that_holds_its_centre(grid, size):
    patches = np.arange(grid[0] * grid[1]).reshape(1, *grid)
    found = enlarged(patches, size)[0]
    for i in range(size[0]):
        for j in range(size[1]):
            row, column = int((i + 0.5) * grid[0] / size[0]), int((j + 0.5) * grid[1] / size[1])
            assert found[i, j] == patches[0, row, column]


def test_masks_that_are_no_classes_are_one_sentence():
    for masks, match in [
        ({}, "These images have no masks; give Images"),
        (
            {"a": half(0), "b": half(1, size=9)},
            "The mask 'b' is bool \\(2, 9, 9\\), and pixels .* need bool \\(2, 8, 8\\)",
        ),
        ({"a": half(0), "b": half(1).astype(np.uint8)}, "The mask 'b' is uint8"),
        ({"a": half(0)}, "two classes at least, and of these masks only 'a' covers any; add one of another class"),
        ({"a": half(0), "b": np.zeros((2, 8, 8), bool)}, "only 'a' covers any"),
        ({"a": np.zeros((2, 8, 8), bool)}, "none covers any"),
    ]:
        with pytest.raises(ValueError, match=match):
            classes_of(masked(masks))
