"""Explained runs: the right images, the number that was meant, the right controls, and a page that needs nothing else."""

import re

import numpy as np
import pytest

import sslviz
from sslviz.explanations.targets.from_images import target_from_text
from sslviz.explanations.targets.targets import Target
from sslviz.reports.explain.explain import chosen, explain
from sslviz.reports.explain.page import explain_page
from sslviz.runs import Run

WORLD = sslviz.shapes(n=200, seed=0)


def run_of(folder, encoder, seed=1):
    made = Run.create(folder, {"encoder": {"name": encoder, "image_size": 32}})
    made.save_checkpoint(1, sslviz.create_encoder(encoder, seed=seed).state_dict())
    return made


@pytest.fixture(scope="module")
def explained(tmp_path_factory):
    """A convolutional encoder, another of its kind, and a transformer, on four images."""
    folder = tmp_path_factory.mktemp("explained")
    runs = [run_of(folder / "conv <1>", "conv_nano"), run_of(folder / "conv 2", "conv_nano", 2)]
    runs.append(run_of(folder / "vit", "vit_nano"))
    images, shown = chosen(WORLD, ["7", "3"], most=4)
    return explain(runs, images, method="saliency", everything=WORLD, progress=False), images, shown


def test_chosen_images_come_first_and_others_are_those_that_are_scored():
    images, shown = chosen(WORLD, ["7", "3", "7"], most=8)
    assert list(images.ids[:2]) == ["7", "3"] and shown == [0, 1] and len(images) == 8 == len(set(images.ids))
    assert set(images.table["split"][2:]) == {"test"}
    some, any_ = chosen(WORLD, most=8)
    assert any_ is None and set(some.table["split"]) == {"test"}
    with pytest.raises(ValueError, match="no image '1007' among these 200; did you mean 107"):
        chosen(WORLD, ["1007"])


def test_the_number_that_a_text_means():
    checkpoint = sslviz.runs.Checkpoint("c", 0, {"name": "conv_nano", "image_size": 32}, None)
    images = WORLD.rows(np.arange(4))
    for text in (None, "self", "self_cosine", "loss"):
        assert target_from_text(text, checkpoint, images, WORLD) == text
    x = sslviz.embed(checkpoint, images, progress=False).x
    near = target_from_text("shape=disc", checkpoint, images, WORLD)
    assert isinstance(near, Target) and near.words == "being near shape=disc, not the others"
    # By hand: mean cosine to the discs minus mean cosine to all others, the image itself left out.
    every = sslviz.embed(checkpoint, WORLD, progress=False).x
    cosines = (x / np.linalg.norm(x, axis=1)[:, None]) @ (every / np.linalg.norm(every, axis=1)[:, None]).T
    cosines[np.arange(4), np.arange(4)] = np.nan
    disc = (WORLD.table["shape"] == "disc").to_numpy()
    want = np.nanmean(cosines[:, disc], 1) - np.nanmean(cosines[:, ~disc], 1)
    import torch

    x = x.copy()
    got = near.value(torch.from_numpy(x), *near.references)
    np.testing.assert_allclose(got, want, atol=1e-5)
    alike = target_from_text("similarity:9", checkpoint, images, WORLD)
    np.testing.assert_allclose(alike.value(torch.from_numpy(x), *alike.references), cosines[:, 9], atol=1e-5)
    assert target_from_text("unit:3", checkpoint, images, WORLD).value(torch.from_numpy(x))[0] == pytest.approx(x[0, 3])
    assert "component 0" in target_from_text("component:0", checkpoint, images, WORLD).words
    for bad, message in [("unit:x", "The target is one of"), ("shape", "one of"), ("shape=egg", "there must be both")]:
        with pytest.raises(ValueError, match=message):
            target_from_text(bad, checkpoint, images, WORLD)


def test_every_map_has_evidence_beside_the_untrained_encoder(explained):
    found, images, _ = explained
    assert [list(one.untargeted) for one in found.values()] == [["activation_energy", "eigen_cam"]] * 2 + [
        ["rollout", "last layer"]
    ]
    for one in found.values():
        assert set(one.faithfulness) == {"saliency", *one.untargeted}
        for truth in one.faithfulness.values():
            assert "untrained" in truth.names and all(s.control is not None for s in truth.scores().values())
        assert np.array_equal(one.maps.ids, images.ids) and (one.attention is None) == bool(one.no_attention)
    assert found["conv <1>"].sentence("x").startswith("x: saliency, explaining itself (dot product): ")


def test_the_page_stands_alone_and_says_everything(explained):
    found, images, shown = explained
    html = explain_page(found, images, shown=shown, command="sslviz explain <here>")
    assert html.count("<script>") == 2 and html.count("plotly.js v") == 1  # plotly lies in it once
    outside = re.sub(r"<script>.*?</script>", "", html, flags=re.S)
    assert not re.search(r"(?:src|href)=", outside) and "@import" not in outside and "url(" not in outside
    assert "conv &lt;1&gt;" in outside and "<1>" not in outside and "&lt;here&gt;" in outside
    for one in found.values():
        assert one.faithfulness["saliency"].verdict in outside.replace("&#39;", "'")
        for look in one.untargeted:
            assert one.faithfulness[look].verdict in outside.replace("&#39;", "'")
    for question in (
        "Which pixels does it go by?",
        "Is the map true?",
        "Rollout",
        "Eigen cam",
        "How far do its heads look?",
    ):
        assert question in outside
    assert "maps in fp32, their evidence in fp32" in outside  # pictures of 32 px are not worth bfloat16
    assert "does not weigh" not in outside and "holds no attention" in outside
    drawn = 1 + 2 + 2 * 4 + 1  # maps, two of the evidence, two of each way of looking, heads
    assert outside.count('class="plot"') == outside.count("<figcaption>") == drawn
    assert "@media screen and (prefers-color-scheme: dark)" in html


def test_two_runs_of_one_name_are_refused(tmp_path):
    runs = [run_of(tmp_path / "a" / "r", "conv_nano"), run_of(tmp_path / "b" / "r", "conv_nano")]
    with pytest.raises(ValueError, match="two are called the same: r, r"):
        explain(runs, WORLD.rows(np.arange(8)), progress=False)
