"""What an encoder costs, held to counts by hand; what is measured, held to a clock that the test winds itself."""

import importlib
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from timm.layers import Attention
from torch import nn

import sslviz
from sslviz.data import Images
from sslviz.encoders.timm_model import TimmModel
from sslviz.runs import Checkpoint, Run, load_result, save_result
from sslviz.runtime.random_state import seeded
from sslviz.statistics import median_interval
from sslviz.transfer.cost import cost
from sslviz.transfer.cost_result import LINEAR, NO_ENCODER, OTHER
from sslviz.transfer.operations import count_macs, weight_bytes
from sslviz.transfer.precision_variants import make_variants
from sslviz.transfer.timing import LEAST_SECONDS, WARM_UPS, take_turns

QUICK = {"batch_sizes": (1, 4), "rounds": 6, "progress": False}
ONCE = {"batch_sizes": (2,), "rounds": 1, "progress": False}


@pytest.fixture(autouse=True)
def layers_have_weights_of_one_seed():
    with seeded(0):
        yield


@pytest.fixture(scope="module")
def images():
    return sslviz.shapes(n=12, seed=0)


@pytest.fixture(scope="module")
def found(images):
    return {name: cost(untrained(name), images, **QUICK) for name in ("vit_nano", "conv_nano")}


def untrained(name="conv_nano", seed=0):
    return Checkpoint(name, 0, {"name": name, "image_size": 32}, None, seed)


class TestMultiplications:
    def test_of_a_convolution_by_hand(self):
        """16 filters of 3x3x8, at stride 2 on 32x32; in two groups each sees half the channels."""
        x = torch.zeros(1, 8, 32, 32)
        assert count_macs(nn.Conv2d(8, 16, 3, stride=2, padding=1), x) == 16 * 16 * 16 * 3 * 3 * 8
        assert count_macs(nn.Conv2d(8, 16, 3, stride=2, padding=1, groups=2), x) == 16 * 16 * 16 * 3 * 3 * 8 / 2

    def test_of_attention_by_hand(self):
        """197 tokens of 64 numbers: in (3 d²) and out (d²) for each token, each pair of tokens once in q k and once in a v."""
        n, d = 197, 64
        by_hand = n * 4 * d * d + 2 * n * n * d
        assert by_hand == pytest.approx(8.20e6, rel=1e-3)
        assert count_macs(Attention(d, num_heads=4).eval(), torch.zeros(1, n, d)) == by_hand

    @pytest.mark.parametrize("name", ["vit_nano", "conv_nano", "convnext_atto"])
    def test_of_whole_networks_layer_by_layer(self, name):
        encoder = sslviz.create_encoder(name, image_size=32).eval()
        x = torch.zeros(2, 3, 32, 32)
        assert count_macs(encoder, x) == macs_by_shapes(encoder, x)

    def test_are_as_many_times_more_for_more_pictures(self, found):
        encoder = sslviz.create_encoder("vit_nano").eval()
        assert count_macs(encoder, torch.zeros(3, 3, 32, 32)) == 3 * found["vit_nano"].macs


def macs_by_shapes(network, x):
    """Another count: from the shapes that pass each layer, and for attention from the tokens of each block."""
    total = 0

    def conv(layer, _, out):
        nonlocal total
        total += out.numel() * layer.weight[0].numel()

    def linear(layer, given, _):
        nonlocal total
        total += given[0].numel() * layer.out_features

    def attention(_, given, out):
        nonlocal total
        b, n, d = given[0].shape
        total += 2 * b * n * n * d

    for layer in network.modules():
        for kind, hook in ((nn.Conv2d, conv), (nn.Linear, linear), (Attention, attention)):
            if isinstance(layer, kind):
                layer.register_forward_hook(hook)
    with torch.no_grad():
        network(x)
    return total


class TestWeights:
    def test_are_counted_number_by_number(self):
        network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, 5))
        conv, norm, linear = 8 * 27 + 8, 4 * 8, 8 * 5 + 5
        counter = 8  # bytes: how many batches were seen
        numbers = conv + norm + linear
        assert weight_bytes(network) == {
            "fp32": 4 * numbers + counter,
            "bf16": 2 * numbers + counter,
            "int8": 4 * (conv + norm + 5) + 40 + counter,
        }

    def test_are_those_of_the_networks_that_are_run(self):
        """What the network in bf16 holds, and what torch itself packed to int8."""
        encoder = sslviz.create_encoder("vit_nano").eval()
        variants, _ = make_variants(encoder)
        sizes = weight_bytes(encoder)
        assert (
            sum(t.numel() * t.element_size() for t in variants["bf16"].network.state_dict().values()) == sizes["bf16"]
        )
        packed = [m for m in variants["int8"].network.modules() if type(m).__name__ == "Linear" and hasattr(m, "scale")]
        int8 = sum(layer.weight().int_repr().numel() for layer in packed)
        rest = sum(p.numel() for p in encoder.parameters()) - int8
        assert sizes["int8"] == int8 + 4 * rest

    def test_a_linear_map_of_the_pixels_is_one(self, found):
        layer = nn.Linear(3 * 32 * 32, 128)
        one = found["vit_nano"]
        assert one.linear_map["parameters"] == sum(p.numel() for p in layer.parameters())
        assert one.linear_map["macs"] == count_macs(layer, torch.zeros(1, 3 * 32 * 32))
        assert one.linear_map["bytes"] == weight_bytes(layer)["fp32"]


class TestTurns:
    def clocked(self, seconds):
        """Works that take so many seconds on a clock of their own, and who was called when."""
        now, calls = SimpleNamespace(at=0.0), []

        def work(name):
            def run():
                now.at += seconds[name]
                calls.append(name)

            return run

        return {name: work(name) for name in seconds}, lambda: now.at, calls

    def test_tell_the_seconds_of_one_pass(self):
        works, clock, _ = self.clocked({"slow": 0.3, "quick": 0.001})
        took = take_turns(works, 4, clock=clock)
        np.testing.assert_allclose(took["slow"], [0.3] * 4)
        np.testing.assert_allclose(took["quick"], [0.001] * 4)

    def test_alternate_in_every_round_and_each_is_first_as_often(self):
        works, clock, calls = self.clocked({"a": 0.03, "b": 0.04, "c": 0.05})
        take_turns(works, 6, clock=clock)
        measured = "".join(calls[-18:])
        assert measured == "abcbcacab" * 2

    def test_begin_after_a_warm_up_which_slow_work_cuts_short(self):
        works, clock, calls = self.clocked({"quick": 1.5 * LEAST_SECONDS, "slow": 2.0})
        take_turns(works, 1, clock=clock)
        assert calls.count("quick") == WARM_UPS + 1 and calls.count("slow") == 1 + 1

    def test_a_pass_that_the_clock_cannot_see_is_repeated(self):
        works, clock, calls = self.clocked({"quick": LEAST_SECONDS / 7.5})
        take_turns(works, 1, clock=clock)
        assert calls.count("quick") == WARM_UPS + 8

    def test_a_slow_first_pass_is_not_what_counts(self):
        """Memory is taken and kernels are chosen in it."""
        now = SimpleNamespace(at=0.0, passes=0)

        def work():
            now.passes += 1
            now.at += 0.4 if now.passes == 1 else 0.03

        np.testing.assert_allclose(take_turns({"a": work}, 3, clock=lambda: now.at)["a"], [0.03] * 3)

    def test_what_runs_elsewhere_is_waited_for(self):
        """A device takes the work at once and is done later."""
        now = SimpleNamespace(at=0.0, asked=0)

        def work():
            now.asked += 1

        def wait():
            now.at, now.asked = now.at + 0.05 * now.asked, 0

        np.testing.assert_allclose(take_turns({"a": work}, 3, clock=lambda: now.at, wait=wait)["a"], [0.05] * 3)


def test_the_interval_of_a_median_covers_it_as_often_as_it_says():
    """Of nine times that are skewed, as times are: 96.1 % by the binomial, whatever the distribution."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(2000):
        low, high = median_interval(rng.exponential(size=9))
        held += low <= np.log(2) <= high
    assert 0.945 < held / 2000 < 0.975
    assert median_interval(np.arange(5.0)) == (None, None) and median_interval(np.arange(6.0)) == (0, 5)


class TestCost:
    def test_times_are_positive_and_of_every_round(self, found):
        for one in found.values():
            for seconds in one.seconds.values():
                assert seconds.shape == (2, 6) and (seconds > 0).all()
            assert (one.seconds["fp32"] > one.seconds[NO_ENCODER]).all()
            low, middle, high = one.quartiles("fp32", 4)
            assert low <= middle <= high and middle == np.median(one.seconds["fp32"][1])

    def test_scores_are_medians_in_their_units_beside_their_controls(self, found):
        one = found["vit_nano"]
        scores = one.scores()
        assert scores["latency_ms"].value == pytest.approx(1000 * np.median(one.seconds["fp32"][0]))
        assert scores["images_per_second"].value == pytest.approx(4 / np.median(one.seconds["fp32"][1]), rel=0.3)
        assert scores["latency_ms"].low <= scores["latency_ms"].value <= scores["latency_ms"].high
        for name, score in scores.items():
            assert np.isfinite(score.value) and np.isfinite(score.control), name
            assert score.higher_is_better is (name.split()[0] in ("images_per_second", "cosine")), name
        assert list(scores["latency_ms"].controls) == [NO_ENCODER] and scores["latency_ms"].beats_control is None
        assert scores["latency_ms bf16"].controls == {"fp32": scores["latency_ms"].value}
        assert scores["million_macs"].controls == {LINEAR: 3 * 32 * 32 * 128 / 1e6}

    def test_what_times_hold_for_is_said(self, found):
        machine = found["vit_nano"].machine
        assert machine["torch"] == torch.__version__.partition("+")[0] and machine["processor"]
        assert int(machine["threads"]) == torch.get_num_threads()

    def test_lower_precision_gives_nearly_the_same_features_and_other_pictures_do_not(self, found):
        scores = found["vit_nano"].scores()
        assert scores["cosine bf16"].value > 0.98 and scores["cosine int8"].value > 0.85
        assert abs(scores["cosine bf16"].controls[OTHER]) < 0.5 and scores["cosine bf16"].beats_control
        per_image = found["vit_nano"].per_image()
        assert all(len(values) == len(found["vit_nano"].ids) == 12 for values in per_image.values())

    def test_the_cosine_is_that_of_features_less_their_mean(self, images, found):
        encoder = untrained("vit_nano").encoder()
        variants, _ = make_variants(encoder)
        with torch.no_grad():
            full, half = (variants[name](torch.from_numpy(images.pixels)).double() for name in ("fp32", "bf16"))
        expected = F.cosine_similarity(half - full.mean(0), full - full.mean(0)).mean()
        assert found["vit_nano"].scores()["cosine bf16"].value == pytest.approx(float(expected), abs=1e-4)

    def test_a_network_without_linear_layers_is_not_measured_in_int8_and_that_is_said(self, found):
        one = found["conv_nano"]
        assert set(one.not_measured) == {"int8"} and "int8" not in one.seconds
        scores = one.scores()
        assert scores["megabytes int8"].value == scores["megabytes"].value
        told = "int8 was not measured: it has no linear layers"
        for name in ("latency_ms int8", "images_per_second int8", "cosine int8"):
            assert told in str(scores[name]) and np.isfinite(scores[name].control)

    @pytest.mark.parametrize("lost", ["module", "function"])
    def test_a_torch_without_int8_is_said(self, lost, images, monkeypatch):
        real = importlib.import_module

        def imported(name, *rest):
            if name != "torch.ao.quantization":
                return real(name, *rest)
            if lost == "module":
                raise ModuleNotFoundError(name)
            return SimpleNamespace()

        monkeypatch.setattr(importlib, "import_module", imported)
        one = cost(untrained("vit_nano"), images, **ONCE)
        assert "has no dynamic int8" in one.not_measured["int8"] and "bf16" in one.seconds

    def test_a_network_that_cannot_run_in_bf16_is_said(self, images, monkeypatch):
        class Picky(nn.Module):
            def __init__(self, model):
                super().__init__()
                self.model = model

            def forward_features(self, x):
                if x.dtype == torch.bfloat16:
                    raise RuntimeError("no such kernel\nand much more")
                return self.model.forward_features(x)

            def forward_head(self, x, pre_logits):
                return self.model.forward_head(x, pre_logits=pre_logits)

        whole = Checkpoint.encoder

        def encoder(checkpoint):
            made = whole(checkpoint)
            made.model = Picky(made.model)
            made.face = TimmModel(made.model, made.name, made.image_size)
            return made

        monkeypatch.setattr(Checkpoint, "encoder", encoder)
        one = cost(untrained(), images, **ONCE)
        assert one.not_measured["bf16"] == "no such kernel"

    def test_is_stored_and_read_back_whole(self, found, tmp_path):
        for name, one in found.items():
            save_result(tmp_path / f"{name}.npz", one)
            back = load_result(tmp_path / f"{name}.npz", type(one))
            assert {k: str(s) for k, s in back.scores().items()} == {k: str(s) for k, s in one.scores().items()}
            assert back.quartiles("fp32", 4) == one.quartiles("fp32", 4)

    def test_larger_pictures_are_measured_with_their_resizing(self):
        one = cost(untrained(), sslviz.shapes(n=4, size=48), **ONCE)
        assert one.image_size == 32 and one.macs == 8226816

    def test_bad_input_is_one_sentence(self, images):
        empty = images.rows(np.array([], int))
        clips = Images(np.zeros((2, 3, 8, 8, 3), np.uint8), np.array(["a", "b"]), pd.DataFrame(index=range(2)))
        for given, changes, message in [
            (empty, {}, "needs pictures"),
            (clips, {}, "needs pictures"),
            (images.rows(np.array([0])), {}, "at least two pictures"),
            (images, {"batch_sizes": (0, 4)}, "batch sizes and rounds of at least 1"),
            (images, {"batch_sizes": ()}, "batch sizes and rounds of at least 1"),
            (images, {"rounds": 0}, "batch sizes and rounds of at least 1"),
        ]:
            with pytest.raises(ValueError, match=message):
                cost(untrained(), given, **QUICK | changes)


class TestNothingElseChanges:
    def settings(self):
        cuda = torch.backends.cuda
        return {
            "threads": torch.get_num_threads(),
            "between": torch.get_num_interop_threads(),
            "gradients": torch.is_grad_enabled(),
            "inference": torch.is_inference_mode_enabled(),
            "engine": torch.backends.quantized.engine,
            "sdpa": (cuda.flash_sdp_enabled(), cuda.mem_efficient_sdp_enabled(), cuda.math_sdp_enabled()),
            "mkldnn": torch.backends.mkldnn.enabled,
            "dtype": torch.get_default_dtype(),
            "autocast": torch.is_autocast_enabled("cpu"),
            "deterministic": torch.are_deterministic_algorithms_enabled(),
            "random": torch.get_rng_state().tolist(),
            "numpy": np.random.get_state()[1].tolist(),
        }

    def test_torchs_settings_are_as_before(self, images):
        before = self.settings()
        cost(untrained("vit_nano"), images, **ONCE)
        assert self.settings() == before

    def test_the_checkpoint_is_as_before(self, images, tmp_path):
        run = Run.create(tmp_path / "r", {"encoder": {"name": "vit_nano", "image_size": 32}})
        encoder = untrained("vit_nano", seed=3).encoder()
        last = run.save_checkpoint(1, {f"encoder.model.{k}": v for k, v in encoder.model.state_dict().items()})
        digest, pixels = last.digest, images.pixels.copy()
        cost(last, images, **ONCE)
        assert last.digest == digest and (images.pixels == pixels).all()
        after = last.encoder().state_dict()
        assert all(torch.equal(after[name], value) for name, value in encoder.state_dict().items())

    def test_making_variants_leaves_the_encoder_alone(self):
        encoder = sslviz.create_encoder("vit_nano").eval()
        before = {name: value.clone() for name, value in encoder.state_dict().items()}
        kinds = [type(m) for m in encoder.modules()]
        make_variants(encoder)
        assert [type(m) for m in encoder.modules()] == kinds and not encoder.training
        assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
