"""The hand-weighted encoder: does every method that claims to find what it goes by find it?"""

import numpy as np
import pandas as pd
import pytest

from sslviz import create_encoder
from sslviz.data import Images, worlds
from sslviz.explanations.attribution.attribution import attribute
from sslviz.explanations.attribution.color_encoder import color_encoder, true_attribution
from sslviz.explanations.targets import targets
from sslviz.features.embed import embed_pixels

from ..toys import per_patch

COLORS = list(worlds.COLORS.values())


@pytest.fixture(scope="module")
def scene():
    """A grey shape on grey, a coloured tag and another coloured thing, nothing else; and where they are."""
    rng = np.random.default_rng(0)
    n, size = 6, 32
    pixels = np.repeat(rng.integers(40, 90, (n, size, size, 1), dtype=np.uint8), 3, axis=3)
    masks = {name: np.zeros((n, size, size), bool) for name in ("shape", "tag", "distractor")}
    for i in range(n):
        for name, (row, column), color in [
            ("shape", (4, 4), (200, 200, 200)),
            ("tag", (4 + 2 * i, 20), COLORS[i % 4]),
            ("distractor", (22, 3 + i), COLORS[(i + 1 + i // 4) % 4]),
        ]:
            masks[name][i, row : row + 6, column : column + 6] = True
            pixels[i, row : row + 6, column : column + 6] = color
    return Images(pixels, np.arange(n).astype(str), pd.DataFrame(index=range(n)), masks)


@pytest.fixture(scope="module")
def encoder():
    return color_encoder()


def run(encoder, images, method, **given):
    return attribute(encoder, images, method=method, check=False, progress=False, **given)


def test_features_are_how_much_there_is_of_each_color(scene, encoder):
    f = embed_pixels(encoder, scene.pixels)
    for i in range(6):
        present = {i % 4, (i + 1 + i // 4) % 4}
        assert set(np.argsort(-f[i])[: len(present)]) == present
    assert f.shape == (6, 4) and encoder.dim == 4


def test_truth_is_in_the_colored_things_alone_and_sums_to_s(scene, encoder):
    truth, f = true_attribution(encoder, scene), embed_pixels(encoder, scene.pixels)
    colored = scene.masks["tag"] | scene.masks["distractor"]
    assert (truth[~colored] == 0).all() and (truth[colored] > 0).all()
    np.testing.assert_allclose(truth.sum((1, 2)), (f**2).sum(1), rtol=1e-5)
    only = true_attribution(encoder, scene, weights=np.eye(4)[0])
    np.testing.assert_allclose(only.sum((1, 2)), f[:, 0], rtol=1e-5, atol=1e-9)
    with pytest.raises(ValueError, match="Only of color_encoder"):
        true_attribution(create_encoder("conv_nano"), scene)


def test_integrated_gradients_are_exactly_zero_outside(scene, encoder):
    result = run(encoder, scene, "integrated_gradients", baseline="grey")
    colored = scene.masks["tag"] | scene.masks["distractor"]
    assert (result.maps[~colored] == 0).all()
    np.testing.assert_allclose(result.maps, true_attribution(encoder, scene), rtol=1e-4, atol=1e-9)
    assert result.completeness.max() < 1e-5
    mass = np.abs(result.maps)
    assert mass[scene.masks["shape"]].sum() == 0 and mass[colored].sum() / mass.sum() == pytest.approx(1)


@pytest.mark.parametrize("weights", [None, np.array([0.0, 1, 0, 0]), np.array([1.0, -1, 0.5, 0])])
def test_every_method_that_shares_s_out_gives_the_truth(scene, encoder, weights):
    truth = true_attribution(encoder, scene, weights=weights)
    given = {"target": None if weights is None else targets.probe(weights)}
    atol = 1e-5 * np.abs(truth).max()
    np.testing.assert_allclose(run(encoder, scene, "input_x_gradient", **given).maps, truth, atol=atol)
    covered = given | {"baseline": "grey"}
    by_pixel = run(
        encoder,
        scene.rows(np.arange(2)),
        "occlusion",
        window=1,
        stride=1,
        **({"target": targets.probe(weights), "baseline": "grey"} if weights is not None else covered),
    ).maps
    s_rounding = 1e-6 * max(1e-3, np.abs(truth.sum((1, 2))).max())
    np.testing.assert_allclose(by_pixel, truth[:2], atol=s_rounding)
    np.testing.assert_allclose(
        run(encoder, scene, "feature_ablation", **covered).maps, per_patch(truth, 8), atol=s_rounding
    )
    np.testing.assert_allclose(
        run(encoder, scene, "kernel_shap", grid=4, **covered).maps, per_patch(truth, 4), atol=20 * s_rounding
    )
    cam = run(encoder, scene, "grad_cam", **given).maps
    np.testing.assert_allclose(cam, np.maximum(truth, 0), atol=atol)


def test_gradients_are_nowhere_but_in_color(scene, encoder):
    colored = scene.masks["tag"] | scene.masks["distractor"]
    maps = run(encoder, scene, "saliency").maps
    assert (maps[~colored] == 0).all() and (maps[colored] > 0).all()


def test_relax_ranks_cells_by_the_truth(scene, encoder):
    """Against grey and for the unnormalised target, R - mean R is proportional to the truth of each cell."""
    cells = per_patch(true_attribution(encoder, scene), 4)
    result = run(encoder, scene, "relax", target="self", baseline="grey", samples=4000, grid=4, smooth=False)
    for i in range(6):
        got, want = result.maps[i] - result.maps[i].mean(), 0.5 * (cells[i] - cells[i].mean())
        assert np.corrcoef(got.ravel(), want.ravel())[0, 1] > 0.97


def test_objects_are_worth_what_they_hold(scene, encoder):
    truth = true_attribution(encoder, scene)
    falls = run(encoder, scene, "feature_ablation", groups="masks", baseline="grey").extra
    for name, mask in scene.masks.items():
        np.testing.assert_allclose(falls[f"fall: {name}"][0], (truth * mask).sum((1, 2)), atol=1e-8)
    assert not falls["fall: shape"].any()
