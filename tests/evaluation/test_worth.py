"""Questions of transfer put to runs: asked with the right images, kept in the run, and read from there."""

import json

import numpy as np
import pytest

import sslviz
from sslviz.catalog import find_entry, transfers
from sslviz.cli.main import main
from sslviz.evaluation.worth import named_transfers, precisions_of, prepared
from sslviz.runs import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with the weights of an untrained encoder."""
    made = Run.create(tmp_path_factory.mktemp("runs") / "mine", {"encoder": {"name": "conv_nano", "image_size": 32}})
    made.save_checkpoint(1, sslviz.create_encoder("conv_nano", seed=1).state_dict())
    return made


@pytest.fixture(scope="module")
def images():
    return sslviz.shapes(n=160, seed=0)


def test_an_answer_is_kept_in_the_run_and_read_from_there(run, images, monkeypatch):
    first = sslviz.worth(run, images, only="flips", progress=False)["mine"]["flips:shape"]
    monkeypatch.setattr(sslviz.Checkpoint, "encoder", lambda *_: pytest.fail("it was computed again"))
    again = sslviz.worth(run, images, only="flips", progress=False)["mine"]["flips:shape"]
    assert again.scores() == first.scores()


def test_a_precision_that_is_named_is_asked_for_anew_and_auto_takes_what_is_stored(run, images):
    """Of all that only look through an encoder, and of nothing that trains one."""
    looking = [entry.name for entry in transfers() if "precision" in entry.options]
    assert looking == ["segmentation", "discovery", "detection", "correspondence", "flips"]
    only = ["flips", "correspondence"]
    asked = {"only": only, "label": "color", "progress": False}
    found = [sslviz.worth(run, images, precision=p, **asked) for p in ("bf16", "auto", "fp32")]
    entries = named_transfers([*only, "cost"])
    assert [precisions_of(entries, one)["mine"] for one in found] == [
        dict.fromkeys(["flips:color", "correspondence"], precision) for precision in ("bf16", "bf16", "fp32")
    ]
    half, auto, _ = (one["mine"]["correspondence"].scores() for one in found)
    assert half == auto


def test_the_label_is_the_first_column_with_classes_and_named_in_the_key(run, images):
    assert prepared(images, None, None).label == "shape"  # `label` says the same and is left out
    (key,) = sslviz.worth(run, images, only="flips", label="color", progress=False)["mine"]
    assert key == "flips:color"


def test_images_without_a_value_are_left_out_and_said(images):
    table = images.table.assign(shape=images.table["shape"].where(np.arange(len(images)) > 9))
    gaps = sslviz.Images(images.pixels, images.ids, table)
    asked = prepared(gaps, None, "shape")
    assert len(asked.images) == len(images) - 10 and asked.left_out == {"no value of shape": 10}


def test_what_cannot_be_asked_is_one_sentence(run, images):
    for only, message in (
        ("spectrum", "spectrum is asked by `sslviz diagnose`; `sslviz transfer` asks: "),
        ("attribute", "attribute is asked by `sslviz explain`"),
        ("magic", "There is no diagnostic 'magic'"),
    ):
        with pytest.raises(ValueError, match=message):
            named_transfers(only)
    with pytest.raises(ValueError, match="Name at least one run"):
        sslviz.worth([], images)
    with pytest.raises(ValueError, match="no column 'colour'"):
        sslviz.worth(run, images, label="colour")
    with pytest.raises(ValueError, match="see `sslviz transfer --help`"):
        sslviz.diagnose(run, images, only="cost")
    bare = sslviz.Images(images.pixels, images.ids, images.table[["noise_seed"]])
    assert "no column with classes" in prepared(bare, None, None).obstacle(find_entry("fine_tune"))


def test_one_that_cannot_be_answered_does_not_cost_the_others(run, images):
    with pytest.warns(UserWarning, match="mine: no segmentation: Pixels are told apart by two classes"):
        found = sslviz.worth(run, images, only=["segmentation", "flips"], progress=False)
    assert list(found["mine"]) == ["flips:shape"]


def test_all_are_asked_that_need_not_be_named():
    assert [entry.name for entry in named_transfers(None)] == [e.name for e in transfers() if not e.opt_in]


def test_the_command_prints_scores_beside_controls_and_writes_json(run, tmp_path, capsys):
    file = tmp_path / "scores.json"
    main(
        [
            "transfer",
            str(run.path),
            "--images",
            "shapes:n=160",
            "--only",
            "flips",
            "--json",
            str(file),
            "--precision",
            "fp32",
        ]
    )
    said = capsys.readouterr().out
    assert "learnt on" in said and "follows shape" in said and "noise redrawn" in said
    written = json.loads(file.read_text())
    assert {"mine", "_images"} == set(written) and written["_images"]["label"] == "shape"
    assert written["_images"]["precision"] == {"mine": {"flips:shape": "fp32"}}
    for score in written["mine"]["flips:shape"].values():
        assert score["control"] is not None
