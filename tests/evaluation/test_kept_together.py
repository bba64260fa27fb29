"""A column that keeps images together, from the command line to the run folder: ten copies of each picture, labels by lot."""

import hashlib
import json
import warnings
from dataclasses import asdict, replace

import numpy as np
import pytest
from PIL import Image

import sslviz
from sslviz.catalog import find_entry
from sslviz.cli.main import main
from sslviz.data import Images
from sslviz.data.duplicates import CopiesWarning
from sslviz.evaluation.answers import storage_key
from sslviz.evaluation.grouping import kept_together
from sslviz.features.diagnosed import stored_evidence
from sslviz.reports.audit.plan import make_plan
from sslviz.runs import Run

OBJECTS, COPIES = 80, 10


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small encoder that nobody trained: it tells copies of a picture from other pictures."""
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("untrained")
    save_file(sslviz.create_encoder("conv_nano", seed=1).model.state_dict(), folder / "w.safetensors")
    return sslviz.import_checkpoint("conv_nano", weights=folder / "w.safetensors", image_size=32, out=folder / "run")[0]


def world():
    """Ten copies of each of 80 pictures, that differ by a grey level here and there; label and place drawn by lot."""
    drawn, rng = sslviz.shapes(n=OBJECTS, seed=5), np.random.default_rng(0)
    of = np.repeat(np.arange(OBJECTS), COPIES)
    pixels = np.clip(drawn.pixels[of].astype(int) + rng.integers(-1, 2, (len(of), 32, 32, 3)), 0, 255).astype(np.uint8)
    by_lot = {name: rng.permutation(np.arange(OBJECTS) % 2)[of] for name in ("label", "place")}
    table = (
        drawn.table[[]]
        .iloc[of]
        .reset_index(drop=True)
        .assign(
            label=np.array(["cat", "dog"])[by_lot["label"]], place=np.array(["in", "out"])[by_lot["place"]], author=of
        )
    )
    return Images(pixels, [f"p{i:03d}" for i in range(len(of))], table)


@pytest.fixture(scope="module")
def images():
    return world()


def diagnosed(run, images, **options):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        results = sslviz.diagnose(run, images, progress=False, label="label", only=["knn_probe"], **options)[run.name]
    return results["knn_probe"], said


def test_copies_are_flagged_without_a_group_and_read_at_chance_with_it(run, images):
    alone, said = diagnosed(run, images)
    assert alone.scores()["accuracy"].low > 0.6
    (copies,) = [one for one in said if one.category is CopiesWarning]
    assert "800 of 800 pictures have a copy among the others" in str(copies.message)
    assert "group" not in run.info["diagnosed"][images.digest]

    together, said = diagnosed(run, images, group="author")
    score = together.scores()["accuracy"]
    assert score.low < 0.5 < score.high and together.group_column == "author"
    assert not [one for one in said if one.category is CopiesWarning]
    assert Run(run.path).info["diagnosed"][images.digest]["group"] == "author"


def test_what_is_stored_is_found_by_the_same_key_as_ever_where_no_group_is_named(run, images):
    diagnosed(run, images, group="author")
    evidence = stored_evidence(run, run.last, images.digest)
    assert evidence.group == "author" and evidence.features.units.max() == OBJECTS - 1
    entry, collapse = find_entry("knn_probe"), find_entry("collapse")
    key = storage_key(entry, evidence, ("label",))
    assert key == storage_key(entry, evidence.grouped_by(""), ("label",)) | {"group": "author"}
    assert storage_key(collapse, evidence) == storage_key(collapse, evidence.grouped_by(""))  # it splits nothing
    diagnosed(run, images)  # none is named now, which the folder says too
    assert stored_evidence(run, run.last, images.digest).group == ""


def test_images_to_fit_on_that_belong_to_scored_ones_are_left_out_and_counted(run, images):
    rng = np.random.default_rng(1)
    scored = images.rows(images.table["author"] < 40)
    shared = rng.permutation(len(scored))[:100]
    fit = images.rows(np.r_[np.flatnonzero(images.table["author"] >= 40), shared])
    fit = replace(fit, ids=np.array([f"f{i}" for i in range(len(fit))]))
    probe, said = diagnosed(run, scored, fit=fit, group="author")
    assert probe.n_fit == 400 and probe.scores()["accuracy"].low < 0.5
    assert "100 images left out: they are to be fitted on, but their author is scored. (knn_probe)" in [
        str(one.message) for one in said
    ]
    assert (
        "of those to fit on 100 are left out" in sslviz.inspect_images(*kept_together(scored, fit, "author")).together
    )
    with pytest.raises(ValueError, match="All 100 images to fit on share their author with images that are scored"):
        diagnosed(run, scored, fit=fit.rows(np.arange(400, 500)), group="author")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group": "painter"}, "by 'painter': there is no such column; there are: label, place, author"),
        ({"group": "label"}, "'label' keeps images together, so that each of its classes is on one side"),
        ({"group": "place", "attribute": "place"}, "'place' keeps images together"),
        ({"group": "place"}, "Nothing can be asked about 'label', where images that share their place stay together"),
    ],
)
def test_what_cannot_be_kept_together_is_one_sentence(run, images, options, message):
    if options == {"group": "place"}:  # each class is of one place
        images = replace(images, table=images.table.assign(place=images.table["label"]))
    with pytest.raises(ValueError, match=message):
        sslviz.diagnose(run, images, progress=False, label="label", only=["linear_probe"], **options)


def test_the_plan_of_an_audit_names_a_group_and_an_old_plan_keeps_its_digest(images):
    table = images.table.assign(artist=[f"a{author // 2}" for author in images.table["author"]])  # classes, too
    assert make_plan(table).attributes == ("place", "artist")
    plan, grouped = make_plan(table, attributes=["place"]), make_plan(table, group="artist")
    assert grouped.attributes == ("place",) and grouped.group == "artist" and grouped.digest != plan.digest
    assert replace(grouped, group="") == plan and replace(grouped, group="").digest == plan.digest
    older = {name: value for name, value in asdict(plan).items() if name not in ("partners", "group", "target")}
    assert plan.digest == hashlib.sha256(json.dumps(older, sort_keys=True).encode()).hexdigest()
    with pytest.raises(ValueError, match="'label' cannot be the label: images that share it stay on one side"):
        make_plan(images.table, group="label")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, images):
    """The same as files with a metadata.csv, half of the copies of each."""
    folder = tmp_path_factory.mktemp("drawings") / "drawings"
    folder.mkdir()
    lines = ["file_name,label,place,author"]
    for row in np.flatnonzero(np.arange(len(images)) % COPIES < 4):
        Image.fromarray(images.pixels[row]).save(folder / f"{images.ids[row]}.png")
        lines.append(
            ",".join([f"{images.ids[row]}.png", *map(str, images.table.iloc[row][["label", "place", "author"]])])
        )
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def command(monkeypatch, capsys):
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # which the command replaces

    def call(*arguments):
        main([*map(str, arguments)])
        return capsys.readouterr().out

    return call


def test_a_folder_is_inspected_and_diagnosed_by_the_command_line(folder, run, command, tmp_path):
    said = " ".join(command("inspect", f"folder:{folder}").split())
    assert "320 of 320 pictures have a copy among the others" in said and "name a column with --group" in said
    options = ("--images", f"folder:{folder}", "--group", "author", "--only", "linear_probe", "--label", "label")
    said = " ".join(command("diagnose", run.path, *options, "--json", tmp_path / "scores.json").split())
    assert "Images that share their author stay on one side of every split" in said and "80 groups." in said
    assert "have a copy" not in said
    written = json.loads((tmp_path / "scores.json").read_text())
    assert written["_images"]["duplicates"] == {
        "looked_at": 320,
        "exact": 0,
        "near": 0,
        "fitted": None,
        "group": "author",
    }
    accuracy = written[run.name]["linear_probe"]["accuracy"]
    assert accuracy["low"] < 0.5 and accuracy["value"] < 0.75
    with pytest.raises(SystemExit):
        command("diagnose", run.path, "--images", f"folder:{folder}", "--group", "painter")


def test_an_audit_says_on_its_page_what_stays_together(folder, run, command, tmp_path):
    (tmp_path / "plan.toml").write_text(
        'group = "author"\nmaps = 0\nskip = ["mlp_probe", "selectivity", "description_length", "invariance", "drift",\n'
        '"counterfactual_effect", "intrinsic_dimension", "hubness", "uniformity", "spectrum", "collapse"]\n'
    )
    options = ("--images", f"folder:{folder}", "--config", tmp_path / "plan.toml", "--out", tmp_path / "report.html")
    command("audit", run.path, *options)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["plan"]["group"] == "author" and report["asked"]["duplicates"]["group"] == "author"
    assert any(line.startswith("Images that share their author stay on one side") for line in report["asked"]["chosen"])
    page = (tmp_path / "report.html").read_text()
    assert "images that share their author" in page and "80 groups." in page
    assert report["tests"] >= 5 and report["findings"] == []  # label and place were drawn by lot
