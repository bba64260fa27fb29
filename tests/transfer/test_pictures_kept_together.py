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
from sslviz.transfer.continual.heads import fitted_head
from sslviz.transfer.dense.patch_readouts import fit_readout

COPIES = 4
SMALL = {
    "fine_tune": {"shots": [2], "steps": 1, "draws": 2, "rates": [1e-3], "scratch_rates": [1e-3]},
    "flips": {},
    "continual": {"how": ["sequence"], "steps": 1, "tasks": 2},
    "segmentation": {},
    "detection": {"steps": 1},
    "continued_pretraining": {"steps": 0},
}
HEAD = {"method": "simclr", "settings": {}}
CHECKPOINT = sslviz.Checkpoint("untrained", 0, {"name": "conv_nano", "image_size": 16}, path=None, head=HEAD)


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
    given = {"label": "label"} if "label" in entry.options else {}
    if "target" in entry.options:  # the same table, so that its artists lie on the sides of the source's
        given["target"] = by_artist(sslviz.shapes(n=96, size=16, seed=1))
    return entry.compute(CHECKPOINT, images, **given, **SMALL[name], **options, progress=False)


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


@pytest.mark.parametrize("name", [name for name in SMALL if not find_entry(name).needs_target])
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


def by_lot(objects=60, copies=5, d=30):
    """Rows in near copies, (n, d); labels (n,) of the objects drawn by lot; which object each row shows, (n,)."""
    rng = np.random.default_rng(0)
    of = np.repeat(np.arange(objects), copies)
    x = rng.normal(size=(objects, d))[of] + 0.05 * rng.normal(size=(len(of), d))
    return x.astype(np.float32), rng.permutation(np.arange(objects) % 2)[of], of


def test_the_penalty_of_a_head_is_not_chosen_by_copies():
    """Copies held out are read by heart, and ask for a weak penalty; objects held out are not."""
    x, code, of = by_lot()
    alone, together = (fitted_head(x, code, 0, units) for units in (None, of))
    assert np.linalg.norm(together.weights) < 0.8 * np.linalg.norm(alone.weights)


def test_nor_is_that_of_a_readout_of_patches():
    """More dimensions than objects, so that copies are read by heart in full."""
    x, code, of = by_lot(d=100)
    order = np.random.default_rng(1).permutation(len(x))  # copies stand apart, as every fifth picture is held out
    tokens, shares = x[order, None, None], np.eye(2)[code[order], None, None]
    alone, together = (fit_readout("linear", tokens, shares, 0, units=units) for units in (None, of[order]))
    unsure = [1 - predict(x).max(axis=1).mean() for predict in (alone, together)]
    assert unsure[1] > 3 * unsure[0]
