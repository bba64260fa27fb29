import torch
import torch.nn.functional as F

from sslviz.methods.parts.patches import from_patches, over_pixels, to_patches


def test_patches_are_those_that_unfold_finds_and_go_back():
    x = torch.arange(2 * 3 * 8 * 8.0).view(2, 3, 8, 8)
    patches = to_patches(x, 4)
    torch.testing.assert_close(patches, F.unfold(x, 4, stride=4).mT)
    torch.testing.assert_close(from_patches(patches, 4), x)


def test_marks_of_patches_cover_their_pixels():
    hidden = torch.tensor([[True, False, False, False]])
    pixels = over_pixels(hidden, 3)
    assert pixels.shape == (1, 1, 6, 6) and pixels[0, 0, :3, :3].all() and pixels.sum() == 9
