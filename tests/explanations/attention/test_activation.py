"""Energy, EigenCAM and the receptive field against closed forms and numpy's own decomposition."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import sslviz
from sslviz.explanations.attention.activation import (
    activation_energy,
    effective_receptive_field,
    eigen_cam,
    energy,
    first_component,
    receptive_field,
    receptive_radius,
)
from sslviz.runs import Checkpoint
from sslviz.runtime.random_state import seeded

CONV = Checkpoint(run="conv", step=0, config={"name": "conv_nano", "image_size": 32}, path=None, seed=1)
VIT = Checkpoint(run="vit", step=0, config={"name": "vit_nano", "image_size": 32}, path=None, seed=1)
IMAGES = sslviz.shapes(n=6, seed=0)


def gaussian(size, width, at=None):
    y, x = np.indices((size, size))
    row, column = at or ((size - 1) / 2,) * 2
    return np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * width**2))


class TestEnergy:
    def test_is_the_squared_length(self):
        grid = torch.zeros(1, 3, 2, 2)
        grid[0, :, 0, 1] = torch.tensor([1.0, 2, 2])
        assert energy(grid).tolist() == [[[0, 9], [0, 0]]]

    @pytest.mark.parametrize("checkpoint", [CONV, VIT])
    def test_is_that_of_the_encoders_own_grid(self, checkpoint):
        from sslviz.features.embed import preprocess

        encoder = checkpoint.encoder()
        with torch.no_grad():
            grid = encoder.tokens(preprocess(torch.from_numpy(IMAGES.pixels), encoder))
        maps = activation_energy(checkpoint, IMAGES, progress=False)
        assert maps.dtype == np.float32 and maps.shape == (6, *grid.shape[2:])
        np.testing.assert_allclose(maps, (grid.numpy() ** 2).sum(1), rtol=1e-4)

    def test_earlier_layers_have_finer_grids(self):
        assert activation_energy(CONV, IMAGES, layer="stages.0", progress=False).shape == (6, 16, 16)
        assert eigen_cam(CONV, IMAGES, layer="stages.1", progress=False).shape == (6, 8, 8)
        with pytest.raises(ValueError, match="no grid of a layer 'stages.7'; it has those of: .*stages.0"):
            activation_energy(CONV, IMAGES, layer="stages.7")


class TestEigenCam:
    @pytest.mark.parametrize("channels", [4, 40])
    def test_rank_one_activations_are_found_again(self, channels):
        generator = torch.Generator().manual_seed(0)
        place = torch.rand(2, 9, generator=generator)
        direction = torch.randn(channels, generator=generator)
        grid = (place[:, None] * direction[:, None]).unflatten(2, (3, 3))
        expected = (place * direction.norm()).unflatten(1, (3, 3))
        torch.testing.assert_close(first_component(grid), expected, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(first_component(-grid), expected, rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("shape", [(3, 5, 4, 4), (3, 30, 4, 4)])
    def test_is_that_of_a_singular_value_decomposition(self, shape):
        grid = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        found = first_component(grid).numpy()
        for one, cells in zip(found, grid.flatten(2).mT.double().numpy(), strict=True):
            u, s, _ = np.linalg.svd(cells, full_matrices=False)
            np.testing.assert_allclose(np.abs(one.ravel()), np.abs(u[:, 0] * s[0]), rtol=1e-4, atol=1e-5)
            assert np.corrcoef(one.ravel(), (cells**2).sum(1))[0, 1] > 0

    def test_constant_and_empty_activations_are_no_error(self):
        assert torch.isfinite(first_component(torch.zeros(1, 4, 3, 3))).all()
        found = first_component(-torch.ones(1, 4, 3, 3))
        torch.testing.assert_close(found, torch.full((1, 3, 3), 2.0))

    def test_goes_with_the_energy_for_real_encoders(self):
        for checkpoint in (CONV, VIT):
            loud = activation_energy(checkpoint, IMAGES, progress=False)
            for a, b in zip(eigen_cam(checkpoint, IMAGES, progress=False), loud, strict=True):
                assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0


class TestReceptiveField:
    @pytest.fixture(autouse=True)
    def _layers_draw_their_weights_here(self):
        with seeded(0):
            yield

    def of(self, model, size=33, channels=3, draws=1):
        x = torch.randn(1, channels, size, size, generator=torch.Generator().manual_seed(0))
        return receptive_field(model, x, draws, torch.Generator().manual_seed(0))[0].numpy()

    def stack(self, depth, width, kernel=3):
        layers = [nn.Conv2d(1, 1, kernel, padding=kernel // 2, bias=False) for _ in range(depth)]
        for layer in layers:
            nn.init.constant_(layer.weight, 1 / kernel**2)
        return nn.Sequential(*layers)

    def test_of_one_convolution_is_its_kernel(self):
        conv = nn.Conv2d(3, 1, 5, padding=2)
        with torch.no_grad():
            conv.weight.copy_(torch.arange(75.0).reshape(1, 3, 5, 5) - 30)
        field = self.of(conv)
        inside = field[14:19, 14:19]
        np.testing.assert_allclose(inside, np.linalg.norm(conv.weight[0].detach().numpy(), axis=0), rtol=1e-5)
        assert field.sum() == pytest.approx(inside.sum())

    def test_of_many_channels_is_the_length_of_the_jacobian(self):
        conv = nn.Conv2d(1, 64, 3, padding=1)
        with torch.no_grad():
            conv.weight.copy_(torch.randn(64, 1, 3, 3, generator=torch.Generator().manual_seed(0)))
        expected = conv.weight.detach().square().sum((0, 1)).sqrt().numpy()
        field = self.of(conv, channels=1, size=9, draws=500)
        np.testing.assert_allclose(field[3:6, 3:6], expected, rtol=0.12)  # a mean of 500 squares: sd 6 %, its root 3 %

    @pytest.mark.parametrize("depth", [12, 25])
    def test_a_stack_of_box_filters_is_a_gaussian_of_known_width(self, depth):
        field = self.of(self.stack(depth, 3), channels=1, size=65)
        assert receptive_radius(field) == pytest.approx(
            np.sqrt(depth * (3**2 - 1) / 12), rel=0.02
        )  # in the limit of many
        rows = np.flatnonzero(field.sum(1))
        assert rows[0] == 32 - depth and rows[-1] == 32 + depth  # the theoretical field, and not one pixel more

    def test_behind_a_normalisation_it_does_not_vanish(self):
        """The sum over channels and the squared length are constant there: their gradients would be rounding only."""
        model = nn.Sequential(nn.Conv2d(3, 16, 5, padding=2), nn.GroupNorm(1, 16, affine=False))
        assert self.of(model, size=5, draws=8).max() > 1e-3
        field = effective_receptive_field(VIT, IMAGES, progress=False)
        assert field.shape == (6, 32, 32) and field.dtype == np.float32 and field.mean() > 1e-4

    def test_of_an_encoder_lies_around_its_middle_cell(self):
        field = effective_receptive_field(CONV, IMAGES, progress=False)
        assert field.shape == (6, 32, 32) and (field >= 0).all()
        y, x = np.indices((32, 32))
        mean = field.mean(0) / field.mean(0).sum()
        # cell (2, 2) of 4 x 4: 3 x 3 convolutions of stride 2, padded by one, are centred on every other pixel from 0
        assert (mean * y).sum() == pytest.approx(16, abs=2) and (mean * x).sum() == pytest.approx(16, abs=2)
        assert 2 < receptive_radius(field) < 16
        again = effective_receptive_field(CONV, IMAGES, progress=False)
        np.testing.assert_array_equal(field, again)


class TestRadius:
    @pytest.mark.parametrize("width", [1.0, 3.5, 9.0, 40.0])
    def test_a_gaussian_is_found_again_even_cut_off_or_off_centre(self, width):
        assert receptive_radius(5 * gaussian(48, width)) == pytest.approx(width, rel=0.01)
        assert receptive_radius(gaussian(48, width, (30.5, 20.0))) == pytest.approx(width, rel=0.01)

    def test_a_faint_background_does_not_widen_it_much(self):
        assert receptive_radius(gaussian(64, 3) + 0.003) == pytest.approx(3, rel=0.05)

    def test_stacks_are_averaged_and_nothing_is_zero(self):
        stack = np.stack([gaussian(32, 4), 3 * gaussian(32, 4)])
        assert receptive_radius(stack) == pytest.approx(4, rel=0.01)
        assert receptive_radius(np.zeros((8, 8))) == 0
        point = np.zeros((9, 9))
        point[4, 4] = 1
        assert receptive_radius(point) < 0.6


@pytest.mark.parametrize("pixels", [np.zeros((0, 8, 8, 3), np.uint8), np.zeros((2, 4, 8, 8, 3), np.uint8)])
@pytest.mark.parametrize("read", [activation_energy, eigen_cam, effective_receptive_field])
def test_clips_and_nothing_are_refused(read, pixels):
    images = sslviz.Images(pixels, np.arange(len(pixels)).astype(str), pd.DataFrame(index=range(len(pixels))))
    with pytest.raises(ValueError, match="at least one picture"):
        read(CONV, images)
