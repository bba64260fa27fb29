"""Attribution: does every method give what is known to be right, where something is?"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sslviz import create_encoder
from sslviz.explanations.attribution import question as question_file
from sslviz.explanations.attribution.attribution import Attribution, attribute
from sslviz.explanations.attribution.gradients import quadrature_nodes, quadrature_weights, step_numbers
from sslviz.explanations.attribution.methods import ATTRIBUTION_METHODS
from sslviz.explanations.attribution.question import at_once
from sslviz.explanations.control_maps import model_free_maps
from sslviz.explanations.targets import targets
from sslviz.runs import Checkpoint, load_result, save_result

from ..toys import Conv, Quadratic, levels, linear, noise_images, per_patch, toy

AT_IMAGE = [name for name, known in ATTRIBUTION_METHODS.items() if known.at_image]
W = np.array([1.0, -2.0, 0.5, 3.0])


def run(encoder, images, **given):
    return attribute(encoder, images, **{"check": False, "progress": False} | given)


class TestLinear:
    """s(x) = <w, W x>: the gradient v = W'w is the same everywhere, and each pixel's share is v (x - b)."""

    @pytest.fixture
    def case(self):
        encoder, weights = linear()
        return encoder, noise_images(), np.einsum("d,dchw->chw", W, weights)

    def test_gradients(self, case):
        encoder, images, v = case
        length = np.broadcast_to(np.linalg.norm(v, axis=0), (3, 8, 8))
        np.testing.assert_allclose(
            run(encoder, images, target=targets.probe(W), method="saliency").maps, length, rtol=1e-5
        )
        smooth = run(encoder, images, target=targets.probe(W), method="smoothgrad", samples=5).maps
        np.testing.assert_allclose(smooth, length, rtol=1e-4)
        times = run(encoder, images, target=targets.probe(W), method="input_x_gradient").maps
        np.testing.assert_allclose(times, (v * levels(images)).sum(1), atol=1e-5)

    @pytest.mark.parametrize("baseline, level", [("black", 0), ("grey", 0.5), (0.25, 0.25)])
    def test_shares_of_the_whole(self, case, baseline, level):
        encoder, images, v = case
        share = (v * (levels(images) - level)).sum(1)

        def maps(method, **options):
            return run(encoder, images, target=targets.probe(W, 7.0), method=method, baseline=baseline, **options).maps

        np.testing.assert_allclose(maps("integrated_gradients", steps=3), share, atol=2e-5)
        np.testing.assert_allclose(maps("occlusion", window=2, stride=2), per_patch(share, 4), atol=5e-5)
        np.testing.assert_allclose(maps("feature_ablation", grid=4), per_patch(share, 4), atol=5e-5)
        np.testing.assert_allclose(maps("kernel_shap", grid=4), per_patch(share, 4), atol=5e-4)

    def test_overlapping_windows_are_averaged(self, case):
        encoder, images, v = case
        share = (v * levels(images)).sum(1)
        got = run(
            encoder, images, target=targets.probe(W), method="occlusion", baseline="black", window=4, stride=2
        ).maps
        windows = {(i, j): share[:, i : i + 4, j : j + 4].sum((1, 2)) for i in (0, 2, 4) for j in (0, 2, 4)}
        want = np.mean([windows[i, j] for i in (0, 2) for j in (2, 4)], axis=0)  # those that hold pixel (3, 4)
        np.testing.assert_allclose(got[:, 3, 4], want, atol=5e-5)

    def test_relax_meets_its_closed_form(self, case):
        """Independent cells shown with probability p: R_k - mean R = (1 - p) (w_k - mean w)."""
        encoder, images, v = case
        cell = per_patch((v * levels(images)).sum(1), 2)
        got = run(
            encoder,
            images,
            target=targets.probe(W),
            method="relax",
            baseline="black",
            samples=40_000,
            grid=2,
            keep=0.3,
            smooth=False,
        ).maps
        want = 0.7 * (cell - cell.mean((1, 2), keepdims=True))
        spread = cell.std() * 4 / np.sqrt(40_000 * 0.3)
        np.testing.assert_allclose(got - got.mean((1, 2), keepdims=True), want, atol=4 * spread)

    def test_label_free_sums_to_its_difference(self, case):
        """Integrated gradients of <f(x), f(x0)> against b sum to <f(x0) - f(b), f(x0)>."""
        encoder, images, _ = case
        result = run(encoder, images, baseline="grey")
        f = (levels(images).reshape(3, -1)) @ encoder.model.weights.detach().numpy().reshape(4, -1).T
        b = np.full((1, 192), 0.5, np.float32) @ encoder.model.weights.detach().numpy().reshape(4, -1).T
        np.testing.assert_allclose(result.maps.sum((1, 2)), ((f - b) * f).sum(1), rtol=1e-4)
        np.testing.assert_allclose(result.s, (f**2).sum(1), rtol=1e-5)
        np.testing.assert_allclose(result.s_baseline[0], (f @ b[0]), rtol=1e-5)
        assert result.completeness.max() < 1e-5


def test_integrated_gradients_of_a_quadratic():
    """s = x'Ax / 2 against black: x (Ax) / 2, exact with any number of steps >= 2."""
    a = np.random.default_rng(0).normal(size=(48, 48)).astype(np.float32)
    a = a + a.T
    images = noise_images(size=4)
    x = levels(images).reshape(3, -1)
    got = run(toy(Quadratic(a), 4), images, target=targets.unit(0), baseline="black", steps=5)
    np.testing.assert_allclose(got.maps, (x * (x @ a) / 2).reshape(3, 3, 4, 4).sum(1), atol=1e-4)
    one_step = np.abs((x * (x @ a)).sum(1) - (x * (x @ a)).sum(1) / 2) / np.abs(got.by_baseline[0]).sum((1, 2))
    np.testing.assert_allclose(got.one_step[0], one_step, rtol=1e-3)


def test_quadrature_is_exact_for_polynomials_and_finer_ones_hold_the_coarser():
    """Fejér's second rule with n steps integrates degrees up to n - 2, with an even n up to n - 1 as the midpoint does."""
    for steps in (2, 3, 8, 9, 16):
        at, weights = quadrature_nodes(steps).double().numpy(), quadrature_weights(steps).double().numpy()
        for degree in range(steps - 1 + (steps % 2 == 0)):
            assert weights @ at**degree == pytest.approx(1 / (degree + 1), abs=1e-6), (steps, degree)
        assert weights[0] == weights[-1] == 0 and weights[1:-1].min() > 0
        np.testing.assert_allclose(quadrature_nodes(2 * steps)[::2], at, atol=1e-6)
    assert step_numbers(64) == [8, 16, 32, 64] and step_numbers(50) == [25, 50] and step_numbers(5) == [5]


def test_a_path_has_the_steps_that_it_needs():
    """A linear number is exact at once; of a network, each doubling brings the map nearer to what captum finds."""
    from captum.attr import IntegratedGradients

    straight = run(linear()[0], noise_images())
    assert (straight.extra["steps"] == 8).all()
    encoder, images = create_encoder("conv_nano", image_size=16).eval(), noise_images(4, 16)
    x = (torch.from_numpy(levels(images)) - 0.5) / 0.5
    with torch.no_grad():
        own = encoder(x)
    captum = IntegratedGradients(lambda t, r: (encoder(t) * r).sum(1))
    # Not grey, which is zero to the encoder: before it, a network without biases is linear along the whole path.
    black = torch.full_like(x, -1)
    want = captum.attribute(x, black, additional_forward_args=(own,), n_steps=300).detach().sum(1).numpy()
    errors = {}
    for tolerance in (0.1, 0.0):
        got = run(encoder, images, baseline="black", tolerance=tolerance)
        assert ((got.completeness <= tolerance) | (got.extra["steps"] == 64)).all()
        errors[tolerance] = np.abs(got.maps - want).mean() / np.abs(want).mean()
    assert (got.extra["steps"] > 8).any() and errors[0.0] < errors[0.1] and errors[0.0] < 0.1, errors
    alone = run(encoder, images.rows(np.array([2])), baseline="black").maps[0]  # an image does not wait for the others
    np.testing.assert_allclose(run(encoder, images, baseline="black").maps[2], alone, atol=1e-4 * np.abs(alone).max())


def test_smoothgrad_without_noise_is_saliency_and_every_image_keeps_its_reference():
    """A target that repeats its references in another order than the noisy copies pairs image 0 with image 1's."""
    encoder, images = create_encoder("conv_nano", image_size=16), noise_images(4, 16)
    smooth = run(encoder, images, method="smoothgrad", sigma=0.0, samples=6).maps
    plain = run(encoder, images, method="saliency").maps
    np.testing.assert_allclose(smooth, plain, rtol=1e-4, atol=1e-6 * plain.max())
    alone = np.concatenate([run(encoder, images.rows(np.array([i])), method="saliency").maps for i in range(4)])
    np.testing.assert_allclose(plain, alone, rtol=1e-4, atol=1e-5 * plain.max())


class TestCam:
    def test_is_the_class_activation_map_of_a_pooled_linear_readout(self):
        encoder, images, w = toy(Conv()), noise_images(), np.array([1.0, -1, 2, 0.5, -0.3])
        with torch.no_grad():
            grid = encoder.model.forward_features(torch.from_numpy(levels(images))).numpy()
        want = np.maximum(np.einsum("c,nchw->nhw", w, grid), 0) / 64
        got = run(encoder, images, target=targets.probe(w), method="grad_cam").maps
        np.testing.assert_allclose(got, want, atol=1e-6)
        layer = run(encoder, images, target=targets.probe(w), method="layer_cam").maps
        np.testing.assert_allclose(layer, np.einsum("c,nchw->nhw", np.maximum(w, 0), grid) / 64, atol=1e-6)

    def test_is_captums_on_a_network_with_stages(self):
        from captum.attr import LayerGradCam

        encoder, images = create_encoder("conv_nano", image_size=16).eval(), noise_images(2, 16)
        got = run(encoder, images, target=targets.unit(3), method="grad_cam").maps
        x = (torch.from_numpy(levels(images)) - 0.5) / 0.5
        cam = LayerGradCam(lambda t: encoder(t)[:, 3], encoder.model.stages[-1])
        want = cam.attribute(x.requires_grad_(), relu_attributions=True).detach()
        want = torch.nn.functional.interpolate(want, (16, 16), mode="bilinear")[:, 0].numpy()
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-6 * want.max())

    @pytest.mark.parametrize("pooling, registers", [("token", 0), ("token", 3), ("avg", 0)])
    def test_of_a_transformer_lies_on_the_patches_before_the_last_attention(self, pooling, registers):
        encoder, images = transformer(pooling, registers), noise_images(2, 16)
        held = {}
        hooks = [
            encoder.model.blocks[-1].norm1.register_forward_hook(lambda m, i, o: held.update(norm=o)),
            encoder.model.blocks[-1].register_forward_hook(lambda m, i, o: held.update(block=o)),
        ]
        x = torch.from_numpy(levels(images)).requires_grad_()
        features = encoder(x)
        s = (features * features.detach()).sum()
        at_norm, at_block = torch.autograd.grad(s, (held["norm"], held["block"]))
        for hook in hooks:
            hook.remove()
        first = registers + (pooling == "token")
        if pooling == "token":  # the trap: nothing reaches the patches of the last block
            assert not at_block[:, first:].any()
        a, g = held["norm"][:, first:], at_norm[:, first:]  # (b, 16, c)
        want = (a * g.mean(1, keepdim=True)).sum(2).relu().reshape(2, 1, 4, 4).detach()
        want = torch.nn.functional.interpolate(want, (16, 16), mode="bilinear")[:, 0].numpy()
        got = run(encoder, images, method="grad_cam").maps
        np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-5 * want.max())
        assert run(encoder, images, method="layer_cam").maps.std() > 0

    @pytest.mark.parametrize("name, size", [("swin_tiny_patch4_window7_224", 56), ("resnet18", 32)])
    def test_grids_of_other_families(self, name, size):
        maps = run(create_encoder(name, image_size=size), noise_images(1, size), method="layer_cam").maps
        assert maps.shape == (1, size, size) and maps.min() >= 0 and maps.std() > 0

    def test_needs_a_grid(self):
        with pytest.raises(ValueError, match="does not end in a grid of places"):
            run(linear()[0], noise_images(), method="grad_cam")


def transformer(pooling="token", registers=0, seed=0):
    from timm.models.vision_transformer import VisionTransformer

    from sslviz.runtime.random_state import seeded

    with seeded(seed):
        model = VisionTransformer(
            img_size=16,
            patch_size=4,
            embed_dim=24,
            depth=2,
            num_heads=2,
            num_classes=0,
            reg_tokens=registers,
            global_pool=pooling,
            class_token=pooling == "token",
        )
        for p in model.parameters():
            torch.nn.init.normal_(p, std=0.2) if p.ndim > 1 else None
    return toy(model, 16)


class TestBesideCaptum:
    """The same values as captum, whose loops ask for one perturbation at a time."""

    @pytest.mark.parametrize("name", ["conv_nano", "vit_nano"])
    def test_occlusion_and_ablation(self, name):
        from captum.attr import FeatureAblation, Occlusion

        encoder, images = create_encoder(name, image_size=16), noise_images(2, 16)
        x = (torch.from_numpy(levels(images)) - 0.5) / 0.5
        with torch.no_grad():
            own = encoder.eval()(x)

            def score(t, r):
                return (encoder(t) * r).sum(1)

            given = {"baselines": 0.0, "additional_forward_args": (own,)}
            window = {"sliding_window_shapes": (3, 4, 4), "strides": (3, 3, 3)}
            occluded = Occlusion(score).attribute(x, **window, **given)[:, 0].numpy()
            mask = (torch.arange(16) // 4)[:, None] * 4 + torch.arange(16) // 4
            ablated = FeatureAblation(score).attribute(x, feature_mask=mask[None, None], **given)[:, 0].numpy()
        got = run(encoder, images, method="occlusion", baseline="grey", window=4, stride=3).maps
        tolerance = 1e-5 * max(1, (own**2).sum(1).max())  # of s, of which the maps are differences
        np.testing.assert_allclose(got, occluded, atol=tolerance)
        got = run(encoder, images, method="feature_ablation", baseline="grey", grid=4).maps
        np.testing.assert_allclose(got, ablated, atol=tolerance)


def test_relax_divides_its_uncertainty():
    """Against the slow way: every mask by itself, two passes."""
    from sslviz.explanations.attribution.occlusion import random_masks

    encoder, images = create_encoder("conv_nano", image_size=16), noise_images(2, 16)
    result = run(encoder, images, method="relax", samples=30, grid=4, seed=5, baseline="black")
    masks = random_masks(30, 16, 4, 0.5, True, torch.Generator().manual_seed(5))
    assert 0 <= masks.min() and masks.max() <= 1 and 0.3 < masks.mean() < 0.7
    x = (torch.from_numpy(levels(images)) - 0.5) / 0.5
    with torch.no_grad():
        whole = encoder.eval()(x)
        s = torch.stack([torch.cosine_similarity(encoder(x * m + -1 * (1 - m)), whole) for m in masks], 1)  # (n, m)
    for i in range(2):
        mean = (masks * s[i][:, None, None]).sum(0) / masks.sum(0)
        variance = (masks * (s[i][:, None, None] - mean) ** 2).sum(0) / masks.sum(0)
        np.testing.assert_allclose(result.maps[i], mean, atol=1e-5)
        np.testing.assert_allclose(result.extra["uncertainty"][i], variance, atol=1e-5)
    assert result.target == "itself (cosine)"


class TestMeaningless:
    @pytest.mark.parametrize("method", AT_IMAGE)
    def test_gradient_of_a_cosine_to_itself_is_refused(self, method):
        encoder = toy(Conv())
        with pytest.raises(ValueError, match="at its maximum for 3 of 3 images .* is zero"):
            run(encoder, noise_images(), target="self_cosine", method=method)

    def test_and_would_have_been_zero(self):
        encoder, images = create_encoder("conv_nano", image_size=16).eval(), noise_images(2, 16)
        x = torch.from_numpy(levels(images)).requires_grad_()
        f = encoder(x)
        (flat,) = torch.autograd.grad(torch.cosine_similarity(f, f.detach()).sum(), x, retain_graph=True)
        (dot,) = torch.autograd.grad((f * f.detach()).sum(), x)
        assert flat.abs().max() < 1e-4 * dot.abs().max()

    @pytest.mark.parametrize("method", sorted(set(ATTRIBUTION_METHODS) - set(AT_IMAGE)))
    def test_but_not_for_methods_that_go_elsewhere(self, method):
        images = noise_images(2)
        options = {"grid": 2} if method == "kernel_shap" else {}
        assert run(toy(Conv()), images, target="self_cosine", method=method, **options).maps.std() > 0

    def test_an_image_that_is_its_own_reference_is_named(self):
        images = noise_images()
        with pytest.raises(ValueError, match="for 1 of 3 images .the first is p1"):
            run(toy(Conv()), images, reference=images.rows(np.array([1])), method="saliency")

    @pytest.mark.parametrize(
        "given, match",
        [
            ({"method": "lime"}, "no method 'lime'"),
            ({"method": "occlusions"}, "did you mean occlusion"),
            ({"method": "saliency", "baseline": "black"}, "has no baseline"),
            ({"method": "saliency", "steps": 3}, "has no option 'steps'"),
            ({"method": "kernel_shap", "samples": 50}, "at least 512 samples"),
            ({"method": "kernel_shap", "grid": 1}, "2 x 2"),
            ({"method": "occlusion", "window": 20}, "stride <= window <= 8"),
            ({"method": "occlusion", "window": 2, "stride": 3}, "stride <= window"),
            ({"method": "feature_ablation", "groups": "masks"}, "images that have masks"),
            ({"method": "feature_ablation", "grid": 9}, "1 to 8 a side"),
            ({"method": "smoothgrad", "sigma": -1}, "sigma"),
            ({"method": "relax", "keep": 1.0}, "0 < keep < 1"),
            ({"steps": 1}, "at least 2 steps"),
            ({"baseline": "pink"}, "A baseline is one of"),
            ({"baseline": ()}, "at least one baseline"),
            ({"baseline": 2.0}, "A baseline is one of"),
            ({"baseline": noise_images(2)}, "one for all or one for each"),
            ({"target": "selfie"}, "no target 'selfie'"),
            ({"target": "similarity"}, "needs 1 groups"),
            ({"target": "self", "reference": noise_images(2)}, "needs 0 groups"),
            ({"target": "contrast", "reference": noise_images(2)}, "needs 2 groups"),
            ({"target": "paired_reference", "reference": noise_images(2)}, "one reference image for each of 3"),
            ({"target": targets.unit(9)}, "no unit 9"),
            ({"target": targets.probe(np.ones(3))}, "3 weights, but the encoder has 4"),
            ({"target": targets.own(torch.ones(5, 4))}, "references for 5 images"),
            ({"target": targets.unit(0), "reference": noise_images(2)}, "leave out the reference"),
            ({"reference": "p0"}, "A reference is Images"),
        ],
    )
    def test_one_sentence_says_why(self, given, match):
        with pytest.raises(ValueError, match=match):
            run(linear()[0], noise_images(), **given)

    def test_no_images_and_clips(self):
        encoder = linear()[0]
        with pytest.raises(ValueError, match="at least one picture"):
            run(encoder, noise_images().rows(np.zeros(3, bool)))

    def test_features_that_are_not_finite(self):
        encoder, _ = linear()
        with torch.no_grad():
            encoder.model.weights[0, 0, 0, 0] = torch.nan
        with pytest.raises(ValueError, match="not finite"):
            run(encoder, noise_images(), target=targets.unit(0))

    def test_an_encoder_that_says_the_same_of_everything_has_empty_maps(self):
        encoder, _ = linear()
        with torch.no_grad():
            encoder.model.weights.zero_()
        result = run(encoder, noise_images(), check=True)
        assert not result.maps.any()
        assert result.scores()["agreement"].value == 0 and result.scores()["completeness"].value == 0
        with pytest.raises(ValueError, match="No gradient"):
            conv = Conv()
            torch.nn.init.constant_(conv.conv.bias, -100)
            run(toy(conv), noise_images(), method="grad_cam")


class TestHouse:
    @pytest.mark.parametrize("method", ATTRIBUTION_METHODS)
    def test_every_method_gives_scores_with_controls_and_leaves_things_alone(self, method):
        encoder, images = toy(Conv()), noise_images(10, masks={"left": np.tile(np.arange(8) < 4, (10, 8, 1))})
        encoder.train()
        encoder.model.conv.weight.requires_grad_(False)
        before = images.pixels.copy(), [p.clone() for p in encoder.parameters()]
        options = {"grid": 2} if method in ("kernel_shap", "relax") else {}
        options |= {"samples": 20} if method == "relax" else {}
        result = attribute(encoder, images, method=method, progress=False, **options)
        assert encoder.training and encoder.model.conv.training and not encoder.model.conv.weight.requires_grad
        assert encoder.model.conv.bias.requires_grad and encoder.model.conv.bias.grad is None
        assert not encoder.model._forward_hooks and not encoder.model.conv._forward_hooks
        np.testing.assert_array_equal(images.pixels, before[0])
        assert all(torch.equal(a, b) for a, b in zip(encoder.parameters(), before[1], strict=True))
        assert result.maps.shape == (10, 8, 8) and result.maps.dtype == np.float32
        assert result.signed or result.maps.min() >= 0
        np.testing.assert_array_equal(result.pixels, images.pixels)
        np.testing.assert_array_equal(result.masks["left"], images.masks["left"])
        score = result.scores()["agreement"]
        assert np.isfinite(score.control) and score.low <= score.value <= score.high
        assert result.per_image()["agreement"].mean() == pytest.approx(score.value)
        again = attribute(encoder, images, method=method, progress=False, **options)
        np.testing.assert_array_equal(result.maps, again.maps)

    def test_small_batches_change_nothing(self, monkeypatch):
        encoder, images = create_encoder("conv_nano", image_size=16), noise_images(5, 16)
        whole = {m: run(encoder, images, method=m).maps for m in ("integrated_gradients", "occlusion", "saliency")}
        monkeypatch.setattr(question_file, "PIXELS", 3 * 16**2)
        for method, maps in whole.items():
            got = run(encoder, images, method=method).maps
            np.testing.assert_allclose(got, maps, atol=1e-5 * np.abs(maps).max())

    @pytest.mark.parametrize("method", ATTRIBUTION_METHODS)
    def test_memory_keeps_its_bound_and_batches_are_full(self, method, monkeypatch):
        """No call holds more images than stated, and perturbations do not come one by one."""
        if "cam" in method:
            return
        encoder, _ = linear()
        monkeypatch.setattr(question_file, "PIXELS", 16 * 8**2)
        options = {"grid": 2} if method in ("kernel_shap", "feature_ablation") else {}
        encoder.model.batches.clear()
        run(encoder, noise_images(5), method=method, **options)
        sizes = np.array(encoder.model.batches[1:])  # the first are the features of the target itself
        assert sizes.max() <= 16 == at_once(encoder)
        if method in ("occlusion", "relax"):
            assert (sizes == 16).mean() > 0.8

    def test_checkpoints_stored_results_and_names(self, tmp_path):
        spec = create_encoder("conv_nano", image_size=16).spec
        result = run(Checkpoint("mine", 0, spec, None), noise_images(2, 16), method="relax", samples=20)
        assert result.name == "mine"
        save_result(tmp_path / "r.npz", result)
        back = load_result(tmp_path / "r.npz", Attribution)
        np.testing.assert_array_equal(back.extra["uncertainty"], result.extra["uncertainty"])
        np.testing.assert_array_equal(back.maps, result.maps)

    def test_images_of_another_size_are_brought_to_the_encoders(self):
        result = run(linear()[0], noise_images(2, 16, masks={"all": np.ones((2, 16, 16), bool)}))
        assert result.maps.shape == (2, 8, 8) and result.masks["all"].shape == (2, 8, 8)
        assert result.pixels.shape == (2, 8, 8, 3) and result.baselines.shape == (2, 2, 8, 8, 3)

    def test_baselines_are_kept_to_be_shown(self):
        images = noise_images(2)
        result = run(linear()[0], images, baseline=("white", "mean", images.rows(np.array([1]))))
        assert result.baseline_names == ["white", "mean colour", "given images"]
        assert (result.baselines[0] == 255).all()
        np.testing.assert_allclose(result.baselines[1, 0, 0, 0], images.pixels[0].mean((0, 1)), atol=0.51)
        np.testing.assert_array_equal(result.baselines[2, 0], images.pixels[1])
        np.testing.assert_allclose(result.maps, result.by_baseline.mean(0), atol=1e-5)

    def test_objects_are_taken_away_whole(self):
        left = np.tile(np.arange(8) < 4, (3, 8, 1))
        images = noise_images(masks={"left": left, "right": ~left})
        encoder, weights = linear()
        result = run(
            encoder, images, target=targets.probe(W), method="feature_ablation", groups="masks", baseline="black"
        )
        share = (np.einsum("d,dchw->chw", W, weights) * levels(images)).sum(1)
        np.testing.assert_allclose(result.extra["fall: left"][0], share[:, :, :4].sum((1, 2)), atol=5e-5)
        np.testing.assert_allclose(result.maps[:, 0, 7], share[:, :, 4:].sum((1, 2)), atol=5e-5)


def agreement(result, one, other):
    """The score of maps (n, h, w) made in two ways."""
    return replace(result, twice=np.stack([one, other]).astype(np.float32)).scores()["agreement"]


def test_unrelated_maps_do_not_agree():
    """The null: maps of noise agree with others as they agree with themselves in another baseline's place."""
    rng = np.random.default_rng(0)
    result = run(linear()[0], noise_images(10), check=True)
    score = agreement(result, *rng.normal(size=(2, 10, 8, 8)))
    assert abs(score.value) < 0.15 and abs(score.controls["other images"]) < 0.1
    assert not score.beats_control
    same = agreement(result, result.maps, result.maps)
    assert same.value == pytest.approx(1) and same.beats_control


def test_maps_agree_with_themselves_and_share_what_all_images_share():
    """Spearman knows no scale; and what lies in every map, such as a blob in the middle, is in the control too."""
    images = noise_images(20, 16)
    result, maps = run(linear(16)[0], images), np.random.default_rng(0).random((20, 16, 16))
    assert agreement(result, maps, maps**3).value == pytest.approx(1)
    blob = model_free_maps(images)["centre"]
    same = agreement(result, blob + 0.01 * maps, blob)
    assert same.value == pytest.approx(same.controls["other images"], abs=0.01)  # nothing of its own
