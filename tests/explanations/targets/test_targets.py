"""Targets: is the number that is explained the one that its words say?"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sslviz import create_encoder
from sslviz.diagnostics.probes.linear import PENALTIES
from sslviz.explanations.attribution.attribution import attribute
from sslviz.explanations.targets import targets
from sslviz.features import Features
from sslviz.features.embed import embed_pixels
from sslviz.runs import Checkpoint

from ..toys import linear, noise_images


def unit_length(f):
    return f / np.linalg.norm(f, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def case():
    encoder, images, others = linear()[0], noise_images(6, seed=1), noise_images(5, seed=2)
    return encoder, images, others, embed_pixels(encoder, images.pixels), embed_pixels(encoder, others.pixels)


def s(encoder, images, **given):
    result = attribute(encoder, images, method="input_x_gradient", check=False, progress=False, **given)
    return result.s, result.target


def test_of_the_image_itself(case):
    encoder, images, _, f, _ = case
    value, words = s(encoder, images)
    np.testing.assert_allclose(value, (f**2).sum(1), rtol=1e-5)
    assert words == "itself (dot product)"


def test_similarity_to_one_to_a_mean_and_to_partners(case):
    encoder, images, others, f, g = case
    value, words = s(encoder, images, reference=others.rows(np.array([2])))
    np.testing.assert_allclose(value, unit_length(f) @ unit_length(g)[2], rtol=1e-4, atol=1e-5)
    assert words == "similarity to image p2"
    value, words = s(encoder, images, reference=others)
    mean = g.mean(0) / np.linalg.norm(g.mean(0))
    np.testing.assert_allclose(value, unit_length(f) @ mean, rtol=1e-4, atol=1e-5)
    assert words == "similarity to 5 images' mean"
    value, _ = s(encoder, images.rows(np.arange(5)), reference=others, target="paired_reference")
    np.testing.assert_allclose(value, (unit_length(f[:5]) * unit_length(g)).sum(1), rtol=1e-4, atol=1e-5)


def test_contrast_is_the_default_of_two_groups_and_leaves_the_image_itself_out(case):
    encoder, images, others, f, g = case
    cos, away = unit_length(f) @ unit_length(f).T, unit_length(f) @ unit_length(g).T
    value, words = s(encoder, images, reference=(others, images))
    without = (cos.sum(1) - 1) / 5
    np.testing.assert_allclose(value, away.mean(1) - without, rtol=1e-3, atol=1e-5)
    assert words == "near 5 images and not 6 images"
    value, _ = s(encoder, images, reference=images)  # a prototype of the others, not of all
    want = [unit_length(f[[i]])[0] @ unit_length(np.delete(f, i, 0).mean(0, keepdims=True))[0] for i in range(6)]
    np.testing.assert_allclose(value, want, rtol=1e-3, atol=1e-5)
    with pytest.raises(ValueError, match="more than the image itself"):
        s(encoder, images.rows(np.array([0])), reference=(images.rows(np.array([0])), others))


def test_the_same_name_is_not_the_same_picture(case):
    """Both sets call their images p0, p1, ...: what is left out goes by the pixels."""
    encoder, images, others, f, g = case
    value, _ = s(encoder, images, target="similarity", reference=others)
    np.testing.assert_allclose(value, unit_length(f) @ (g.mean(0) / np.linalg.norm(g.mean(0))), rtol=1e-4, atol=1e-5)


def test_probe_unit_and_component(case):
    encoder, images, _, f, _ = case
    w = np.array([1.0, 2, 3, 4])
    np.testing.assert_allclose(s(encoder, images, target=targets.probe(w, 5))[0], f @ w + 5, rtol=1e-4)
    value, words = s(encoder, images, target=targets.unit(2))
    np.testing.assert_allclose(value, f[:, 2], rtol=1e-5)
    assert words == "unit 2"
    from sklearn.decomposition import PCA

    space = Features.from_array(f)
    value, words = s(encoder, images, target=targets.component(space, 1))
    pca = PCA().fit(f.astype(np.float64))
    np.testing.assert_allclose(np.abs(value), np.abs(pca.transform(f)[:, 1]), rtol=1e-3, atol=1e-3)
    assert words == f"principal component 1 ({pca.explained_variance_ratio_[1]:.0%} of the variance)"
    with pytest.raises(ValueError, match="no principal component 4"):
        targets.component(space, 4)
    with pytest.raises(ValueError, match="no principal component 0"):
        targets.component(Features.from_array(np.ones((5, 3))))
    with pytest.raises(ValueError, match="one finite weight per dimension"):
        targets.probe(np.ones((2, 2)))


def test_the_loss_is_minus_infonce():
    """Two images, one view each, at right angles: -log(e^(1/t) / (e^(1/t) + 1)) for each."""
    positives = torch.eye(2)[:, None]  # (n, v, k)
    target = targets.agreement(positives, 0.5)
    got = target.value(torch.eye(2) * 3, *target.references)
    np.testing.assert_allclose(got, -np.log1p(np.exp(-2)), rtol=1e-5)
    swapped = target.value(torch.eye(2).flip(0), *target.references)
    np.testing.assert_allclose(swapped, -np.log1p(np.exp(2)), rtol=1e-5)
    with pytest.raises(ValueError, match="at least 2 images"):
        targets.agreement(positives[:1], 0.5)


def test_the_loss_of_a_pretrained_run_goes_through_its_projector():
    config = {"name": "conv_nano", "image_size": 16}
    head = {"method": "simclr", "settings": {"temperature": 0.5}}
    images = noise_images(4, 16)
    with_head = attribute(
        Checkpoint("r", 0, config, None, head=head),
        images,
        target="loss",
        method="saliency",
        check=False,
        progress=False,
    )
    without = attribute(
        Checkpoint("r", 0, config, None), images, target="loss", method="saliency", check=False, progress=False
    )
    assert with_head.target == without.target and not np.allclose(with_head.s, without.s)
    assert (with_head.s < 0).all() and with_head.maps.std() > 0


def test_a_prototype_is_what_a_gradient_step_moves_towards():
    """A little way along the map's own gradient, the cosine to the reference rises."""
    encoder, images, others = (
        create_encoder("conv_nano", image_size=16).eval(),
        noise_images(2, 16),
        noise_images(1, 16, 7),
    )
    from sslviz.explanations.attribution.baselines import as_expected

    reference = torch.from_numpy(embed_pixels(encoder, others.pixels)).expand(2, -1)
    target = targets.similarity(reference, "test")
    x = as_expected(images.pixels, encoder).requires_grad_()
    (gradient,) = torch.autograd.grad(target.value(encoder(x), reference).sum(), x)
    with torch.no_grad():
        step = 1e-2 * gradient / gradient.abs().amax((1, 2, 3), keepdim=True)
        assert (target.value(encoder(x + step), reference) > target.value(encoder(x), reference)).all()


def test_references_carry_no_gradient():
    leaf = torch.ones(2, 3, requires_grad=True)
    for made in (targets.own(leaf), targets.own_cosine(leaf), targets.similarity(leaf, ""), targets.contrast(leaf, "")):
        assert not made.references[0].requires_grad
        assert replace(made).words == made.words


def test_of_the_readout_of_each_images_own_class(case):
    """On features standardised by the fit, against scikit-learn's own decision function."""
    from sklearn.linear_model import LogisticRegression

    encoder, images, _, f, _ = case
    rng = np.random.default_rng(0)
    codes = np.arange(90) % 3
    x = rng.normal(size=(90, f.shape[1])) * 5 + 3 * np.eye(3, f.shape[1])[codes]
    names = np.array(["a", "b", "c"])
    fit = Features.from_array(x, table={"kind": names[codes]})
    own = names[[0, 1, 2, 2, 1, 0]]
    value, words = s(encoder, images, target=targets.readout(fit, "kind", own))
    center, scale = fit.x.mean(0), fit.x.std(0)
    logits = [
        LogisticRegression(C=c, class_weight="balanced", max_iter=1000)
        .fit((fit.x - center) / scale, codes)
        .decision_function((f - center) / scale)[np.arange(6), [0, 1, 2, 2, 1, 0]]
        for c in PENALTIES
    ]
    assert min(np.abs(value - one).max() for one in logits) < 1e-3  # by one of the penalties that are tried
    assert words == "the logit of its own kind"
    assert targets.readout(fit, "kind", ["b"] * 6).words == "the logit of kind b"
    with pytest.raises(ValueError, match="No readout knows kind 'd': it was fitted to a, b, c"):
        targets.readout(fit, "kind", ["a", "d"])
