"""Balanced drawing: exact chances, frequencies within their binomial bounds, and a world in which it helps."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import torch

import sslviz
from sslviz.data import Images
from sslviz.encoders.presets import PRESETS
from sslviz.methods import METHODS
from sslviz.statistics import wilson
from sslviz.training.balance import balanced
from sslviz.training.batches import batches_on
from sslviz.views import ViewPolicy

TABLE = pd.DataFrame(
    {
        "label": ["cat"] * 6 + ["dog"] * 3 + [None],
        "background": ["grass", "grass", "grass", "snow", "snow", "snow", "grass", "snow", "snow", "snow"],
        "name": [f"picture {i}" for i in range(10)],
        "split": ["train"] * 10,
        "amount": np.linspace(0, 1, 10) ** 2,
    }
)


def test_chances_are_one_over_groups_and_size_and_a_missing_value_is_a_group():
    one = balanced(TABLE, "background")
    assert one.groups == {"snow": 6, "grass": 4}
    snow = (TABLE["background"] == "snow").to_numpy()
    np.testing.assert_allclose(one.chances, np.where(snow, 1 / 12, 1 / 8))
    assert one.to_dict() == {"column": "background", "groups": one.groups, "before": [0.4, 0.6], "after": [0.5, 0.5]}
    label = balanced(TABLE, "label")
    np.testing.assert_allclose(label.chances, [1 / 18] * 6 + [1 / 9] * 3 + [1 / 3])
    assert "3 groups of label are drawn equally often, 33.3% each, those without a value as one of them" in str(label)
    assert "the smallest is 10.0% of the images, the largest 60.0%." in str(label) and "without" not in str(one)


def test_of_several_columns_every_combination_that_there_is_is_a_group():
    both = balanced(TABLE, "label, background")
    groups = TABLE.fillna("no value").groupby(["label", "background"]).size()
    assert both.groups == {f"{label}, {background}": n for (label, background), n in groups.items()}
    sums = pd.Series(both.chances).groupby([TABLE["label"].fillna("?"), TABLE["background"]]).sum()
    np.testing.assert_allclose(sums, 1 / 5)  # an unknown label was seen in snow only


@pytest.mark.parametrize(
    "column, said",
    [
        ("colour", "no column 'colour'; the images have: label, background, name, split, amount"),
        ("label,colour", "no column 'colour'"),
        ("", "no column ''"),
        ("name", "The column 'name' holds no groups to balance"),
        ("amount", "The column 'amount' holds no groups to balance"),
        ("split", "All images have the 'split' 'train', so there is nothing to balance"),
    ],
)
def test_what_holds_no_groups_is_one_sentence(column, said):
    with pytest.raises(ValueError, match=said):
        balanced(TABLE, column)


def drawn(chances, **changes):
    pixels = np.zeros((len(chances), 1, 1, 3), np.uint8)
    options = {"seed": 0, "epochs": range(2), "chances": chances, **changes}
    return [rows.tolist() for _, rows in batches_on(torch.device("cpu"), pixels, 100, **options)]


def test_rows_are_drawn_as_often_as_their_chance_says():
    chances = np.r_[np.full(950, 0.5 / 950), np.full(50, 0.5 / 50)]
    rows = np.concatenate(drawn(chances, epochs=range(40)))
    assert len(rows) == 40_000
    counts = np.bincount(rows, minlength=1000)
    four_sigma = 4 * math.sqrt(0.25 / len(rows))
    assert abs((rows >= 950).mean() - 0.5) < four_sigma
    z = (counts - len(rows) * chances) / np.sqrt(len(rows) * chances)
    assert counts[[0, -1]].all() and 0.8 < z.std() < 1.2  # each row on its own, as Poisson would have it


def test_what_is_drawn_depends_on_seed_and_epoch_alone_and_is_shared_between_processes():
    chances = np.full(1000, 1e-3)
    whole = drawn(chances)
    assert whole[10:] == drawn(chances, epochs=range(1, 2)) and whole != drawn(chances, seed=1)
    assert sorted(sum(whole[:10], [])) != sorted(sum(whole[10:], []))  # with replacement
    shares = [drawn(chances, rank=r, world_size=2) for r in (0, 1)]
    assert [sorted(a + b) for a, b in zip(*shares, strict=True)] == whole


def mostly_blank(n, few, seed=0):
    """Pictures of which most are one flat colour, and a few show shapes."""
    shapes = sslviz.shapes(n=few, seed=seed + 10)
    flat = np.random.default_rng(seed).integers(0, 256, (n - few, 1, 1, 3), np.uint8)
    pixels = np.concatenate([shapes.pixels, np.broadcast_to(flat, (n - few, 32, 32, 3))])
    table = pd.DataFrame({"kind": ["shape"] * few + ["blank"] * (n - few)})
    return Images(pixels, [f"{i:05d}" for i in range(n)], table)


def test_a_balanced_run_says_so_and_is_another_one(tmp_path, capsys):
    images, held_out = mostly_blank(320, 32), sslviz.shapes(n=40, seed=1)
    options = {"held_out": held_out, "epochs": 1, "batch_size": 64}
    run = sslviz.pretrain(images, out=tmp_path / "balanced", balance="kind", **options)
    assert "2 groups of kind are drawn equally often, 50.0% each" in capsys.readouterr().err
    info = json.loads((run.path / "run.json").read_text())
    assert info["arguments"]["balance"] == "kind"
    assert info["balance"] == {
        "column": "kind",
        "groups": {"blank": 288, "shape": 32},
        "before": [0.1, 0.9],
        "after": [0.5, 0.5],
    }
    plain = sslviz.pretrain(images, out=tmp_path / "plain", progress=False, **options)
    assert "balance" not in plain.info and plain.last.path.read_bytes() != run.last.path.read_bytes()
    with pytest.raises(ValueError, match="was started with balance=None, not 'kind'"):
        sslviz.pretrain(images, out=plain.path, balance="kind", resume=True, **options)


class MeanColor(torch.nn.Module):
    """An encoder of two features: linear in the picture's mean colour, of which it has to leave one direction out."""

    num_features = 2

    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(3, 2)

    def forward_features(self, x):
        return self.linear(x.mean((2, 3)))

    def forward_head(self, x, pre_logits=True):
        return x


class Autoencoder(torch.nn.Module):
    """Keeps the two directions of colour that vary most among the pictures that are drawn."""

    family = "made up"
    views = ViewPolicy(views=1, scale=(1.0, 1.0), jitter_prob=0.0, gray_prob=0.0)

    def __init__(self, encoder, *, seed=0):
        super().__init__()
        self.encoder, self.decoder = encoder, torch.nn.Linear(2, 3)

    def loss(self, batch):
        x = batch.views[0][0]
        return (self.decoder(self.encoder(x)) - x.mean((2, 3))).square().mean()


def flat_colours(n, rare, seed):
    """Red and green vary in all pictures, with variance 1; blue in rare ones only, which are pale or dark: variance 4."""
    rng = np.random.default_rng(seed)
    is_rare = np.arange(n) < rare * n
    side = rng.choice([-1, 1], n)
    spread = np.c_[rng.uniform(-1, 1, (n, 2)) * math.sqrt(3), np.where(is_rare, 2 * side, 0)]
    pixels = np.broadcast_to((128 + 50 * spread).round().astype(np.uint8)[:, None, None], (n, 8, 8, 3))
    table = pd.DataFrame({"kind": np.where(is_rare, "rare", "usual"), "blue": np.where(side > 0, "pale", "dark")})
    return Images(pixels, [f"{i:05d}" for i in range(n)], table)


def test_what_only_a_small_group_shows_is_learnt_where_groups_are_balanced(tmp_path, monkeypatch):
    """Of 5 % rare pictures, blue has a fifth of red's variance in all that is drawn, and is left out; of 50 %, twice."""
    monkeypatch.setitem(PRESETS, "mean_color", lambda size: MeanColor())
    monkeypatch.setitem(METHODS, "autoencoder", Autoencoder)
    images, rare = flat_colours(2000, 0.05, seed=0), flat_colours(800, 1.0, seed=1)
    halves = rare.rows(np.arange(400)), rare.rows(np.arange(400, 800))
    options = {"encoder": "mean_color", "epochs": 10, "batch_size": 100, "learning_rate": 0.1, "held_out": halves[0]}
    bounds = {}
    for balance in (None, "kind"):
        path = tmp_path / str(balance)
        run = sslviz.pretrain(
            images, "autoencoder", out=path, balance=balance, eval_every=10, progress=False, **options
        )
        fit, scored = (sslviz.embed(run.last, half, progress=False) for half in halves)
        accuracy = sslviz.linear_probe(scored, "blue", fit=fit).accuracy
        bounds[balance] = wilson(np.array(accuracy), np.array(len(scored)))
    assert bounds[None][1] < 0.75 and bounds["kind"][0] > 0.95, bounds
