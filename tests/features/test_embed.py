"""Layers, heads and views: each is what the network itself gives, and what is kept is found again."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

import sslviz
from sslviz.catalog import CATALOG, find_entry
from sslviz.evaluation.answers import compute_entry, requirements
from sslviz.features.diagnosed import diagnosed_steps, layers_of, record_diagnosis, stored_evidence
from sslviz.features.embed import embed, embed_layers, preprocess
from sslviz.features.embed_views import embed_views
from sslviz.features.pixel_controls import color_histogram
from sslviz.features.stored import gather
from sslviz.methods import build_method
from sslviz.runs import Run
from sslviz.views import ViewPolicy


@pytest.fixture(scope="module")
def images():
    return sslviz.shapes(n=400, seed=0)


@pytest.fixture(scope="module")
def run(images, tmp_path_factory):
    settings = {"method": "vicreg", "settings": {"hidden": 32, "out": 16, "scale": (0.6, 1.0)}}
    folder = tmp_path_factory.mktemp("runs") / "r"
    return sslviz.pretrain(
        images.split("train"), out=folder, epochs=2, batch_size=64, checkpoint_every=1, progress=False, **settings
    )


def test_the_projector_is_the_one_that_was_trained(run, images):
    from safetensors.torch import load_file

    some = images.rows(np.arange(20))
    model, _ = build_method("vicreg", run.last.encoder(), {"hidden": 32, "out": 16})
    model.load_state_dict(load_file(run.last.path))
    with torch.no_grad():
        x = model.eval().encoder(preprocess(torch.from_numpy(some.pixels), model.encoder))
        expected = model.projector(x).numpy()
    got = embed(run.last, some, layer="projector", progress=False)
    np.testing.assert_allclose(got.x, expected, atol=1e-5)
    assert got.x.shape == (20, 16) and got.source["layer"] == "projector"
    fresh = embed(run.last.untrained(), some, layer="projector", progress=False)
    assert not np.allclose(fresh.x, got.x, atol=0.01)


def test_an_imported_encoder_has_no_projector(tmp_path, images):
    from safetensors.torch import save_file

    save_file(sslviz.create_encoder("conv_nano").model.state_dict(), tmp_path / "w.safetensors")
    run, _ = sslviz.import_checkpoint(
        "conv_nano", weights=tmp_path / "w.safetensors", image_size=32, out=tmp_path / "r"
    )
    with pytest.raises(ValueError, match="not pretrained here.*projector is not known"):
        embed(run.last, images, layer="projector", progress=False)
    evidence = gather(run, run.last, images.split("test"), None, requested=["views"])
    assert evidence.of("projector") is None and evidence.of("views") is not None


def test_all_layers_at_once_are_each_layer_alone(run, images):
    some = images.rows(np.arange(30))
    layers = embed_layers(run.last, some, progress=False)
    assert list(layers)[-1] == "pooled" and len(layers) >= 3
    for name, features in layers.items():
        np.testing.assert_array_equal(features.x, embed(run.last, some, layer=name, progress=False).x)
        assert features.source["layer"] == name


def test_views_are_the_policys_and_the_same_for_every_checkpoint(run, images):
    policy = ViewPolicy(flip_prob=0.0, jitter_prob=0.0, gray_prob=0.0, scale=(1.0, 1.0), ratio=(1.0, 1.0))
    views = embed_views(run.last, images, policy=policy, objects=12, views=3)
    assert len(views) == 36 and views.table["view"].tolist() == [0, 1, 2] * 12
    originals = embed(run.last, images, progress=False).select(list(views.column("object")[::3]))
    np.testing.assert_allclose(views.x, np.repeat(originals.x, 3, axis=0), atol=1e-4)
    first, again = (embed_views(c, images, objects=12, views=3) for c in (run.last, run.last))
    np.testing.assert_array_equal(first.x, again.x)
    other = embed_views(run.checkpoints[0], images, objects=12, views=3)
    assert list(other.ids) == list(first.ids) and not np.allclose(other.x, first.x)
    assert not np.allclose(first.x[0], first.x[1], atol=1e-3)


def test_evidence_is_found_again_and_noted_only_when_asked(run, images):
    test, probe = images.split("test"), images.split("probe")
    made = gather(run, run.last, test, probe, requested=["views", "layers"])
    with pytest.raises(ValueError, match="was not diagnosed on these images"):
        stored_evidence(run, run.last, test.digest)
    record_diagnosis(run, test, probe)
    found = stored_evidence(run, run.last, test.digest)
    assert found.features.digest == made.features.digest and found.fit.digest == made.fit.digest
    assert found.of("projector").x.shape == (len(test), 16)
    np.testing.assert_array_equal(found.given("view").ids, found.given("other_view").ids)
    assert set(found.given("view").ids) <= set(test.ids) and "label" not in found.given("view").table
    assert [c.step for c in diagnosed_steps(run, test.digest)] == [run.last.step]
    layers = layers_of(run, run.last, test.digest)
    assert list(layers)[-1] == "pooled"
    np.testing.assert_array_equal(layers["pooled"].ids, test.ids)
    assert layers_of(run, run.checkpoints[0], test.digest) == {}


def test_only_what_is_asked_with_is_embedded(run):
    test = sslviz.shapes(n=40, seed=9)
    plain = gather(
        run, run.last, test, None, requested=requirements([find_entry("spectrum"), find_entry("linear_probe")])
    )
    assert plain.of("views") is None and plain.of("altered") is None and layers_of(run, run.last, test.digest) == {}
    assert plain.of("projector") is not None  # collapse, which every page speaks of, asks for it
    viewed = gather(run, run.last, test, None, requested=requirements([find_entry("lidar")]))
    assert viewed.of("views") is not None and viewed.of("altered") is None
    with pytest.raises(ValueError, match="altered pictures were not embedded; diagnose it again, with all diagnostics"):
        compute_entry(find_entry("invariance"), viewed)
    asked = requirements(e for e in CATALOG if not e.opt_in)
    assert {"views", "altered", "layers"} <= asked and "corrupted" not in asked


def test_layers_of_other_weights_are_embedded_again(run, images):
    test = images.split("test")
    gather(run, run.last, test, None, requested=["layers"])
    index = run.features_stem(run.last.key, test.digest, "layers").with_suffix(".json")
    before = index.stat().st_mtime_ns
    gather(run, run.last, test, None, requested=["layers"])
    assert index.stat().st_mtime_ns == before
    index.write_text(json.dumps({"layers": [], "weights": "others"}))
    gather(run, run.last, test, None, requested=["layers"])
    assert json.loads(index.read_text())["layers"][-1] == "pooled"


def test_a_color_histogram_counts_pixels_and_forgets_where_they_are():
    images = sslviz.shapes(40, size=16)
    histogram = color_histogram(images)
    np.testing.assert_allclose(histogram.x.sum(axis=1), 1, rtol=1e-5)
    upside_down = replace(images, pixels=images.pixels[:, ::-1])
    np.testing.assert_array_equal(color_histogram(upside_down).x, histogram.x)
    oracle = [np.histogramdd(p.reshape(-1, 3), bins=4, range=[(0, 256)] * 3)[0].ravel() / 256 for p in images.pixels]
    np.testing.assert_allclose(histogram.x, oracle, rtol=1e-5)


def test_views_and_layers_of_weights_that_lay_there_before_are_not_taken_for_these(run, tmp_path):
    copy = Run(shutil.copytree(run.path, tmp_path / "copy"))
    test = sslviz.shapes(n=40, seed=8)
    assert gather(copy, copy.last, test, None, requested=["views", "altered", "layers"]).of("views") is not None
    record_diagnosis(copy, test, None)
    assert layers_of(copy, copy.last, test.digest)
    shutil.copy(copy.checkpoints[0].path, copy.last.path)
    other = Run(copy.path)
    after = gather(other, other.last, test, None)
    assert after.of("views") is None and after.of("altered") is None
    assert after.given("altered_controls")  # the untrained encoder is still the same
    assert layers_of(other, other.last, test.digest) == {}
    assert gather(other, other.last, test, None, requested=["views"]).of("views") is not None
