"""Passes are counted beforehand as hooks on the encoder count them."""

from functools import partial

import numpy as np
import pytest

import sslviz
from sslviz.explanations.attribution.attribution import attribute
from sslviz.explanations.attribution.methods import ATTRIBUTION_METHODS, attribution_passes
from sslviz.explanations.attribution.pairs import explain_pair, pair_passes
from sslviz.explanations.faithfulness.randomization import cascade, cascade_passes
from sslviz.explanations.passes import Passes
from sslviz.explanations.targets import targets
from sslviz.reports.explain.expected_passes import explain_passes
from sslviz.reports.explain.explain import explain
from sslviz.runs import Checkpoint, Run

from .toys import counted

IMAGES = sslviz.shapes(n=3, seed=0)
OPTIONS = {"kernel_shap": {"grid": 2}, "relax": {"samples": 7}, "integrated_gradients": {"steps": 5}}
ASKED = [
    *((name, OPTIONS.get(name, {})) for name in ATTRIBUTION_METHODS),
    ("saliency", {"check": False}),
    ("smoothgrad", {"samples": 5}),
    ("occlusion", {"window": 9, "stride": 4, "baseline": "blur"}),
    ("occlusion", {"window": 9, "check": False, "baseline": ("blur", "mean", "black")}),
    ("feature_ablation", {"groups": "masks"}),
    ("grad_cam", {"target": targets.unit(1)}),
    ("saliency", {"reference": sslviz.shapes(n=5, seed=1).rows(np.array([4]))}),
    ("saliency", {"reference": (IMAGES.rows(np.array([0, 1])), IMAGES)}),
    ("saliency", {"target": "loss"}),
]


@pytest.fixture(autouse=True)
def unchecked(monkeypatch):
    """The few pictures by which an encoder is checked before are no part of what is announced."""
    monkeypatch.setattr("sslviz.features.checked_encoder._checked_output", lambda encoder, x: None)


def checkpoint(name):
    return Checkpoint(name, 0, {"name": name, "image_size": 32}, None, 1)


@pytest.mark.parametrize("name", ["conv_nano", "vit_nano"])
@pytest.mark.parametrize(("method", "given"), ASKED, ids=lambda value: value if isinstance(value, str) else "")
def test_of_every_method(name, method, given):
    asked = checkpoint(name)
    with counted() as counts:
        attribute(asked, IMAGES, method=method, progress=False, **given)
    assert Passes(*counts) == attribution_passes(method, IMAGES, asked.encoder(), **given)


@pytest.mark.parametrize("name", ["conv_nano", "vit_nano"])
@pytest.mark.parametrize(
    ("method", "target"), [("saliency", None), ("saliency", "unit:1"), ("saliency", "shape=disc"), ("grad_cam", "self")]
)
def test_of_an_explained_run_and_of_what_is_stored_no_more(tmp_path, name, method, target):
    """At most: a transformer whose patches stand out takes more passes than one where none does."""
    run = Run.create(tmp_path / "run", {"encoder": {"name": name, "image_size": 32}})
    run.save_checkpoint(1, sslviz.create_encoder(name, seed=1).state_dict())
    asked = {"method": method, "target": target, "everything": sslviz.shapes(n=20, seed=0)}
    images = IMAGES.rows(np.arange(2))
    with counted() as counts:
        found = explain([run], images, progress=False, **asked)["run"]
    outliers = 3 * int(found.attention.outliers.any((1, 2)).sum()) if found.attention else 0
    of_stored = explain_passes(run, images, **asked)
    assert (of_stored == Passes()) == (target != "shape=disc")  # which compares: what is stored cannot be told
    (tmp_path / "run" / "results").rename(tmp_path / "away")
    assert explain_passes(run, images, **asked) == Passes(*counts) + Passes(
        3 * len(images) - outliers if found.attention else 0
    )


def test_of_pairs_and_cascades():
    asked = checkpoint("conv_nano")
    with counted() as counts:
        one, other = (IMAGES.rows(np.array([row])) for row in (0, 1))
        explain_pair(asked, one, other, grid=2, orders=3, progress=False)
        explain_pair(asked, one, other, grid=2, orders=2, others=IMAGES, progress=False)
    assert Passes(*counts) == pair_passes(grid=2, orders=3) + pair_passes(grid=2, orders=2, others=3)
    images = sslviz.shapes(n=8, seed=0)
    with counted() as counts:
        maps = partial(attribute, method="saliency", check=False, progress=False)
        cascade(maps, asked, images, seeds=2, progress=False)
    of_maps = attribution_passes("saliency", images, asked.encoder(), check=False)
    assert Passes(*counts) == cascade_passes(asked, of_maps, seeds=2)


def test_passes_add_up():
    assert 3 * Passes(2, 1) + Passes(1) == Passes(7, 3) and Passes(7, 3).answers == 13
