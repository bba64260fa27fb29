"""Questions of a checkpoint and pictures: what belongs together lies on one side, is counted once, and has a key of its own."""

import dataclasses

import numpy as np
import pytest

import sslviz
from sslviz.catalog import find_entry, transfers
from sslviz.cli.main import main
from sslviz.data import Images
from sslviz.evaluation.worth import prepared
from sslviz.explanations.cache import is_cached

COPIES = 4
SMALL = {
    "fine_tune": {"shots": [2], "steps": 1, "draws": 2, "rates": [1e-3], "scratch_rates": [1e-3]},
    "flips": {},
    "continual": {"how": ["sequence"], "steps": 1, "tasks": 2},
    "segmentation": {},
    "detection": {"steps": 1},
}
CHECKPOINT = sslviz.Checkpoint("untrained", 0, {"name": "conv_nano", "image_size": 16}, path=None)


def by_artist(images):
    """The same, four at random by each artist, in no order."""
    artist = np.random.default_rng(0).permutation(np.arange(len(images)) // COPIES)
    return dataclasses.replace(images, table=images.table.assign(artist=artist))


def drawn(name, n=96):
    return by_artist(
        sslviz.scenes(n=n, size=32) if name in ("segmentation", "detection") else sslviz.shapes(n=n, size=16)
    )


def ask(name, images, **options):
    entry = find_entry(name)
    label = {"label": "label"} if "label" in entry.options else {}
    return entry.compute(CHECKPOINT, images, **label, **SMALL[name], **options, progress=False)


def test_every_question_that_fits_on_pictures_heeds_groups():
    assert {e.name for e in transfers() if "fit" in e.options} == set(SMALL)
    assert all("group" in find_entry(name).options for name in SMALL)


@pytest.mark.parametrize("name", SMALL)
def test_every_artist_lies_on_one_side(name):
    images = drawn(name)
    artist = dict(zip(images.ids, images.table["artist"], strict=True))
    alone, together = ask(name, images), ask(name, images.grouped_by("artist"))
    for result, pure in ((alone, False), (together, True)):
        scored = np.array([artist[one] for one in result.ids])
        counts = np.bincount(scored)
        assert (set(counts) <= {0, COPIES}) == pure
    assert alone.group_column == "" and alone.units is None
    assert together.group_column == "artist"
    np.testing.assert_array_equal(
        np.unique(together.units, return_inverse=True)[1][:, None] == together.units,
        np.array([artist[one] for one in together.ids])[:, None] == [artist[one] for one in together.ids],
    )


@pytest.mark.parametrize("name", SMALL)
def test_pictures_to_fit_on_by_artists_that_are_scored_are_left_out_and_counted(name):
    images = drawn(name)
    scored = images.rows(images.table["artist"] < 12)
    rest = np.flatnonzero(images.table["artist"] >= 12)
    shared = np.flatnonzero(images.table["artist"] == 3)
    fit = images.rows(np.r_[rest, shared])
    fit = dataclasses.replace(fit, ids=np.array([f"f{i}" for i in range(len(fit))]))
    result = ask(name, scored.grouped_by("artist"), fit=fit)
    assert result.left_out["they are to be fitted on, but their artist is scored"] == COPIES
    assert "they are to be fitted on, but their artist is scored" not in ask(name, scored, fit=fit).left_out


def test_labels_by_lot_are_read_from_copies_but_not_from_pictures_of_others():
    """A frozen readout of few labels: 120 objects in six copies each, labels of objects drawn by lot."""
    rng = np.random.default_rng(0)
    of = np.repeat(np.arange(120), 6)
    pixels = rng.integers(20, 235, (120, 4, 4, 3)).repeat(4, axis=1).repeat(4, axis=2)[of] + rng.integers(
        -3, 4, (len(of), 16, 16, 3)
    )
    table = sslviz.shapes(n=len(of), size=16).table[[]].assign(label=rng.permutation(np.arange(120) % 2)[of], object=of)
    images = Images(pixels.astype(np.uint8), [f"p{i}" for i in range(len(of))], table)
    few = {"shots": [25], "steps": 1, "draws": 3, "rates": [1e-3], "scratch_rates": [1e-3], "progress": False}
    alone = sslviz.fine_tune(CHECKPOINT, images, **few).by_shots("pixels")[0]
    together = sslviz.fine_tune(CHECKPOINT, images.grouped_by("object"), **few).by_shots("pixels")[0]
    assert alone.low > 0.55 and together.low < 0.5 < together.high
    assert together.high - together.low > alone.high - alone.low


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("untrained")
    save_file(sslviz.create_encoder("conv_nano", seed=1).model.state_dict(), folder / "w.safetensors")
    return sslviz.import_checkpoint("conv_nano", weights=folder / "w.safetensors", image_size=16, out=folder / "run")[0]


def test_worth_asks_with_a_group_and_keeps_both_answers(run):
    images = drawn("flips")
    alone = sslviz.worth(run, images, only="flips", label="label", progress=False)[run.name]["flips"]
    together = sslviz.worth(run, images, only="flips", label="label", group="artist", progress=False)[run.name]["flips"]
    assert alone.group_column == "" and together.group_column == "artist"
    flips = find_entry("flips")
    for given in (images, images.grouped_by("artist")):
        asked = prepared(given, None, "label")
        assert asked.images_for(find_entry("cost")).group == ""  # it splits nothing
        assert is_cached(run, flips.compute, run.last, asked.images_for(flips), **asked.arguments(flips))
    with pytest.raises(ValueError, match="by 'painter': there is no such column"):
        sslviz.worth(run, images, only="flips", group="painter", progress=False)
    with pytest.raises(ValueError, match="'label' keeps images together"):
        sslviz.worth(run, images, only="flips", group="label", label="label", progress=False)


def test_the_command_line_says_what_stays_together(run, capsys):
    main(
        [
            "transfer",
            str(run.path),
            "--images",
            "shapes:n=60,size=16",
            "--group",
            "noise_seed",
            "--only",
            "flips",
            "--label",
            "label",
        ]
    )
    said = " ".join(capsys.readouterr().out.split())
    assert "Images that share their noise_seed stay on one side of every split" in said
