"""Precision: bfloat16 only where it is faster and says the same, and the same answer every time."""

import copy
import re

import pytest
import torch
from torch import nn

import sslviz
from sslviz.encoders import Encoder, precision
from sslviz.encoders.precision import SMALLEST, chosen_precision, in_precision
from sslviz.features.preprocess import preprocess

SIZE = 96


@pytest.fixture(scope="module")
def encoder():
    return sslviz.create_encoder("test_resnet", image_size=SIZE).eval()


@pytest.fixture(scope="module")
def pictures():
    """Six pictures (6, 3, 96, 96) that differ: coarse patterns, not one noise."""
    coarse = torch.randn(6, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    return nn.functional.interpolate(coarse, (SIZE, SIZE), mode="bilinear")


@pytest.fixture
def fast(monkeypatch):
    """A processor that multiplies bfloat16 faster."""
    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda device: True)


def test_bf16_is_taken_where_features_agree_and_weights_stay_as_they_are(encoder, pictures, fast):
    before = copy.deepcopy(encoder.state_dict())
    assert chosen_precision(encoder, pictures) == "bf16"
    half = in_precision(encoder, "bf16")
    with torch.no_grad():
        x, y = encoder(pictures), half(pictures.bfloat16())
    assert y.dtype == torch.bfloat16
    difference = (x - y.float()).norm(dim=1) / x.norm(dim=1)
    assert 0 < difference.max() < 0.02  # eight digits of the mantissa are 0.4 %, a few times over
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())
    assert in_precision(encoder, "fp32") is encoder


def test_features_that_are_known_are_not_computed_again(encoder, pictures, fast):
    shown = []
    encoder.register_forward_hook(lambda _, given, features: shown.append(features.dtype))
    with torch.no_grad():
        full = encoder(pictures)
    assert chosen_precision(encoder, pictures, full=full) == "bf16"
    assert shown == [torch.float32, torch.bfloat16]  # the copy in bfloat16 has the hook too
    assert chosen_precision(encoder, pictures, full=full.flip(1)) == "fp32"  # they are what counts


def test_a_transformer_whose_pictures_look_alike_is_mixed(fast):
    """Where pictures are nearly the same, rounding hides what tells them apart, unless sums are in float32."""
    encoder = sslviz.create_encoder("vit_tiny_patch16_224", image_size=SIZE, seed=0).eval()
    images = sslviz.tagged_shapes(8, size=SIZE, seed=0)
    x = preprocess(torch.tensor(images.pixels), encoder)
    x = x[:1] + 0.3 * (x - x[:1])
    assert chosen_precision(encoder, x) == "bf16-mixed"
    mixed = in_precision(encoder, "bf16-mixed")
    with torch.no_grad():
        full, found, half = encoder(x), mixed(x), in_precision(encoder, "bf16")(x.bfloat16()).float()
        layers, plain = mixed.layers(x), encoder.layers(x)
    wrong = [(y - y.mean(0) - full + full.mean(0)).norm() for y in (found, half)]
    assert found.dtype == torch.float32 and 0 < wrong[0] < wrong[1] / 1.5
    assert layers.keys() == plain.keys() and all(value.dtype == torch.float32 for value in layers.values())


def test_small_pictures_and_processors_without_bf16_stay_in_float32(encoder, pictures, fast, monkeypatch):
    small = nn.functional.interpolate(pictures, SMALLEST - 32)
    assert chosen_precision(encoder, small) == "fp32"
    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda device: False)
    assert chosen_precision(encoder, pictures) == "fp32"
    assert chosen_precision(encoder, pictures, "bf16") == "bf16"  # who asks gets it


class _Shifted(Encoder):
    """An encoder whose features have a large mean, or numbers that bfloat16 does not hold."""

    def __init__(self, encoder, shift=0.0, scale=1.0, fail=False):
        super().__init__(encoder.model, encoder.spec, encoder.mean, encoder.std, encoder.preprocessing, encoder.face)
        self.shift, self.scale, self.fail, self.name = shift, scale, fail, "shifted"

    def forward(self, x):
        x = super().forward(x)
        if self.fail and x.dtype != torch.float32:
            raise RuntimeError("no kernel for BFloat16\nat a line")
        return x * self.scale + self.shift


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"shift": 1e3}, "shifted is computed in fp32: what tells pictures apart has a cosine"),
        ({"scale": float("nan")}, "a cosine of nan"),
        ({"fail": True}, r"does not run in bf16-mixed \(no kernel for BFloat16\)"),
    ],
)
def test_where_bf16_says_something_else_float32_is_taken_and_the_reason_said(encoder, pictures, fast, wrong, said):
    reasons = []
    assert chosen_precision(_Shifted(encoder, **wrong), pictures, say=reasons.append) == "fp32"
    assert len(reasons) == 1 and re.search(said, reasons[0])


def test_an_unknown_precision_is_named(encoder, pictures):
    with pytest.raises(ValueError, match="no precision 'fp8'; there are: auto, fp32, bf16-mixed, bf16"):
        chosen_precision(encoder, pictures, "fp8")


def test_the_processor_is_asked_for_its_instructions_not_for_its_speed():
    """The flags the system shows, read here without torch."""
    from sslviz.runtime.hardware import CPUINFO, multiplies_bfloat16

    lines = CPUINFO.read_text().splitlines() if CPUINFO.exists() else []  # a system without it has no such processor
    flags = {flag for line in lines if line.startswith("flags") for flag in line.split()}
    assert multiplies_bfloat16("cpu") == bool(flags & {"avx512_bf16", "amx_tile"})
