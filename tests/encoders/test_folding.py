"""Folding: the same features of every layer, and nothing folded where that cannot be."""

import pytest
import timm
import torch
from torch import nn

import sslviz
from sslviz.encoders.folding import folded


def norms(network):
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def with_statistics(encoder):
    """Norms as after training: none of them is the identity."""
    generator = torch.Generator().manual_seed(0)
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            for name, low in (("running_mean", -0.5), ("running_var", 0.5), ("weight", 0.5), ("bias", -0.5)):
                getattr(module, name).data.uniform_(low, low + 1, generator=generator)
    return encoder.eval()


@pytest.fixture(autouse=True)
def first_weights():
    """The weights that layers are made with, without touching the global random state."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.fixture(scope="module")
def x():
    return torch.randn(3, 3, 96, 96, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    "name", ["test_efficientnet", "test_resnet", "resnet10t", "test_byobnet", "torchvision/resnet18"]
)
def test_all_norms_are_folded_and_every_layer_says_the_same(name, x):
    encoder = with_statistics(sslviz.create_encoder(name, image_size=96))
    weights = {key: value.clone() for key, value in encoder.state_dict().items()}
    fast = folded(encoder, x)
    assert norms(encoder) > 0 == norms(fast)
    with torch.no_grad():
        before, after = encoder.layers(x), fast.layers(x)
    for layer, value in before.items():
        torch.testing.assert_close(after[layer], value, rtol=1e-4, atol=1e-5 * float(value.abs().max()))
    assert all(
        torch.equal(weights[key], value) for key, value in encoder.state_dict().items()
    )  # the encoder is as it was


def test_the_gradient_comes_back_to_the_pixels(x):
    encoder = with_statistics(sslviz.create_encoder("test_resnet", image_size=96))
    slopes = []
    for network in (encoder, folded(encoder, x)):
        pixels = x.clone().requires_grad_()
        network(pixels).sum().backward()
        slopes.append(pixels.grad)
    torch.testing.assert_close(slopes[1], slopes[0], rtol=1e-3, atol=1e-4 * float(slopes[0].abs().max()))


def test_a_fold_is_what_the_formula_says(x):
    """w' = w g / sqrt(v + e), b' = (b - m) g / sqrt(v + e) + beta, written out with a loop over channels."""
    encoder = with_statistics(sslviz.create_encoder("test_resnet", image_size=96))
    fast = folded(encoder, x)
    (old, norm, *_), new = encoder.model.conv1, fast.model.conv1[0]
    for channel in range(len(old.weight)):
        factor = norm.weight[channel] / (norm.running_var[channel] + norm.eps) ** 0.5
        torch.testing.assert_close(new.weight[channel], old.weight[channel] * factor)
        torch.testing.assert_close(new.bias[channel], norm.bias[channel] - norm.running_mean[channel] * factor)


class Branching(nn.Module):
    """A network whose convolution's own output is used beside its norm's, which hooks alone do not show."""

    def __init__(self, again=False):
        super().__init__()
        self.conv, self.norm, self.again = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), again

    def forward(self, x):
        y = self.conv(x)
        z = self.norm(y) if not self.again else self.norm(self.norm(y))
        return (y + z).mean((2, 3))


@pytest.mark.parametrize("again", [False, True])
def test_where_a_fold_would_change_features_there_is_none(again, x):
    network = with_statistics(Branching(again))
    checkpoint = sslviz.Checkpoint.of(network, mean="imagenet", image_size=96, name="branching")
    encoder = checkpoint.encoder().eval()
    fast = folded(encoder, x)
    assert norms(fast) == norms(encoder) == 1
    with torch.no_grad():
        torch.testing.assert_close(fast(x), encoder(x))


def test_convolutions_that_standardise_their_weights_stay_as_they_are(x):
    """A factor in a weight that is standardised afterwards is lost."""
    encoder = sslviz.create_encoder("test_resnet", image_size=96)
    for name, module in list(encoder.named_modules()):
        if type(module) is nn.Conv2d:
            parent, _, own = name.rpartition(".")
            standard = timm.layers.StdConv2d(
                module.in_channels, module.out_channels, module.kernel_size, module.stride, module.padding, bias=False
            )
            setattr(encoder.get_submodule(parent), own, standard)
    encoder = with_statistics(encoder)
    assert norms(folded(encoder, x)) == norms(encoder)


def test_a_network_without_batch_norm_is_a_copy_that_says_the_same(x):
    encoder = sslviz.create_encoder("test_vit", image_size=96).eval()
    fast = folded(encoder, x)
    with torch.no_grad():
        assert fast is not encoder and torch.equal(fast(x), encoder(x))


def test_embed_of_large_pictures_agrees_with_the_plain_network():
    images = sslviz.shapes(n=6, size=96, seed=0)
    checkpoint = sslviz.Checkpoint("untrained", 0, {"name": "resnet10t", "image_size": 96}, path=None)
    x = sslviz.embed(checkpoint, images, precision="fp32", progress=False).x
    encoder = checkpoint.encoder().eval()
    pictures = torch.from_numpy(images.pixels).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (encoder.mean, encoder.std))
    with torch.no_grad():
        plain = encoder.model.forward_head(encoder.model.forward_features((pictures - mean) / std), pre_logits=True)
    torch.testing.assert_close(torch.tensor(x), plain, rtol=1e-4, atol=1e-5)
