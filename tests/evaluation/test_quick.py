"""Quick answers: of a stated sample, kept apart from those of all images."""

import json

import numpy as np
import pytest

import sslviz
from sslviz.cli.main import main
from sslviz.evaluation.questions import scored_and_fit
from sslviz.evaluation.quick import QUICK, quick_sample

SPEC = "shapes:n=4400,size=16,seed=0"


@pytest.fixture(scope="module")
def images():
    return scored_and_fit(sslviz.load_images(SPEC))


def test_each_side_is_a_sample_of_its_own_with_the_classes_in_proportion(images):
    scored, fit = images
    sample = quick_sample(scored, fit, scored, most=60)
    assert [len(side) for side in (sample.images, sample.fit, sample.target)] == [60, 60, 60]
    assert sample.of == (len(scored), len(fit), len(scored)) and sample.column == "shape"
    share, whole = (side.table["shape"].value_counts(normalize=True) for side in (sample.images, scored))
    assert (share - whole).abs().max() < 1.1 / 60
    assert sample.heading == f"quick: 60 of {len(scored):,} images"
    said = f"Quick: 60 of {len(scored):,} images are scored, 60 of {len(fit):,} fitted on, 60 of {len(scored):,} of another "
    assert sample.line.startswith(said) and "the classes of shape in proportion" in sample.line
    written = json.loads(json.dumps(sample.to_dict()))
    assert written["images"] == {"n": 60, "of": len(scored), "digest": sample.images.digest}
    assert written["fit"]["of"] == len(fit) and written["line"] == sample.line
    assert sslviz.load_images(sample.images.spec).digest == sample.images.digest


def test_without_images_to_fit_on_there_are_twice_as_many_and_no_more_than_there_are(images):
    scored, _ = images
    sample = quick_sample(scored, most=60)
    assert len(sample.images) == 120 and sample.fit is None and "fitted on" not in sample.line
    all_of_them = quick_sample(scored, most=10_000)
    assert all_of_them.images is scored and all_of_them.whole
    assert all_of_them.line == f"Quick: all {len(scored):,} images are asked, as there are no more."


def test_what_belongs_together_stays_together_and_a_class_that_is_lost_is_named():
    images = sslviz.shapes(n=600, size=16, seed=1)
    table = images.table[["shape"]].assign(author=[f"a{i // 6}" for i in range(600)])
    table.loc[:5, "shape"] = "unicorn"
    grouped = sslviz.Images(images.pixels, images.ids, table).grouped_by("author")
    sample = quick_sample(grouped, label="shape", most=24)
    counts = sample.images.table["author"].value_counts()
    assert set(counts) == {6} and len(sample.images) == 48 and sample.images.group == "author"
    assert sample.missing == ["unicorn"] and "No image of shape 'unicorn' is among them." in sample.line
    assert "those that share their author together" in sample.line


def test_the_command_says_so_and_keeps_its_answers_apart(tmp_path, images, capsys):
    scored, fit = images
    run = sslviz.Run.create(tmp_path / "mine", {"encoder": {"name": "conv_nano", "image_size": 16}})
    run.save_checkpoint(1, sslviz.create_encoder("conv_nano", image_size=16, seed=1).state_dict())
    asked = ["diagnose", str(run.path), "--images", SPEC, "--only", "spectrum", "--quick"]
    main([*asked, "--json", str(tmp_path / "scores.json")])
    said = capsys.readouterr()
    assert f"Quick: {QUICK} of {len(scored):,} images are scored, {QUICK} of {len(fit):,} fitted on" in said.out
    assert "forward passes and 1 answer to compute" in said.err
    sample = quick_sample(scored, fit)
    written = json.loads((tmp_path / "scores.json").read_text())
    assert written["_images"]["quick"] == sample.to_dict()
    diagnosed = sslviz.Run(run.path).info["diagnosed"]
    assert set(diagnosed) == {sample.images.digest} and diagnosed[sample.images.digest]["spec"] == sample.images.spec
    result = sslviz.diagnose(sslviz.Run(run.path), scored, fit=fit, only=["spectrum"], progress=False)["mine"][
        "spectrum"
    ]
    assert written["mine"]["spectrum"]["rankme"]["value"] != result.scores()["rankme"].value
    assert np.array_equal(sorted(sslviz.Run(run.path).info["diagnosed"]), sorted([sample.images.digest, scored.digest]))
