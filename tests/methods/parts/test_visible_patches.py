import pytest
import torch

from sslviz.encoders import create_encoder
from sslviz.methods.parts.draws import order_by_row
from sslviz.methods.parts.masking import marks_of
from sslviz.methods.parts.patches import over_pixels
from sslviz.methods.parts.visible_patches import at_places, patch_grid, run_on_patches
from sslviz.runtime.random_state import seeded

from ..toys import normal

# With a class token; with registers and positions for patches alone; pooled by averages; with a norm before the blocks.
TRANSFORMERS = [
    ("vit_nano", 32),
    ("vit_tiny_patch16_224", 64),
    ("vit_little_patch16_reg4_gap_256", 64),
    ("vit_xsmall_patch16_clip_224", 64),
]


def an_encoder(name, size):
    return create_encoder(name, image_size=size).eval()


@pytest.mark.parametrize(("name", "size"), TRANSFORMERS)
@torch.no_grad()
def test_with_all_patches_it_is_the_whole_model(name, size):
    encoder, x = an_encoder(name, size), normal(2, 3, size, size)
    side, patch = patch_grid(encoder)
    assert side * patch == size
    whole = encoder.model.forward_features(x)
    everything = torch.arange(side**2).expand(2, -1)
    torch.testing.assert_close(run_on_patches(encoder, x, everything), whole, rtol=1e-5, atol=1e-5)
    with seeded(0):
        order = order_by_row(torch.arange(2), side**2)
    prefix = encoder.model.num_prefix_tokens
    mixed = run_on_patches(encoder, x, order)
    torch.testing.assert_close(mixed[:, prefix:], at_places(whole[:, prefix:], order), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(mixed[:, :prefix], whole[:, :prefix], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("name", "size"), TRANSFORMERS)
@torch.no_grad()
def test_patches_that_are_left_out_change_nothing_and_those_shown_do(name, size):
    encoder, x = an_encoder(name, size), normal(2, 3, size, size)
    side, patch = patch_grid(encoder)
    places = torch.tensor([[0, 5, 2], [7, 1, 3]])
    shown = over_pixels(marks_of(places, side**2), patch)
    before = run_on_patches(encoder, x, places)
    assert before.shape[1] == encoder.model.num_prefix_tokens + 3
    assert torch.equal(run_on_patches(encoder, torch.where(shown, x, 9.0), places), before)
    assert not torch.isclose(run_on_patches(encoder, torch.where(shown, 9.0, x), places), before).all()


@torch.no_grad()
def test_smaller_pictures_pass_where_the_model_lets_them():
    encoder, x = an_encoder("vit_nano", 32), normal(2, 3, 16, 16)
    torch.testing.assert_close(
        run_on_patches(encoder, x, torch.arange(16).expand(2, -1)), encoder.model.forward_features(x)
    )


# Convolutions, windows, and a transformer on what convolutions made of the whole picture.
@pytest.mark.parametrize(
    ("name", "size"), [("conv_nano", 32), ("swin_tiny_patch4_window7_224", 224), ("vit_tiny_r_s16_p8_224", 64)]
)
def test_what_cannot_leave_patches_out_is_refused(name, size):
    with pytest.raises(ValueError, match="transformer"):
        patch_grid(create_encoder(name, image_size=size))
