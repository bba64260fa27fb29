"""What a new method costs: its file, its line in METHODS and its test.  Here one is made up, and found everywhere."""

import ast
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import sslviz
from sslviz.cli.main import main
from sslviz.figures.training import training
from sslviz.methods import METHODS

from .contract import CHECKS

ROOT = Path(__file__).parents[2]
SIDE, BATCH = 16, 32  # pixels and pictures
SOURCE = '''
"""Made up: views agree with a slow copy, and features stay near centres.  https://arxiv.org/abs/0000.00000"""

import copy

import torch
import torch.nn.functional as F
from torch import nn

from sslviz.methods import Batch
from sslviz.methods.parts.heads import mlp
from sslviz.methods.parts.precision import in_float32
from sslviz.runtime.random_state import seeded
from sslviz.views import ViewPolicy


class MadeUp(nn.Module):
    """Is a method that nobody knew found everywhere?"""

    family = "made up"
    views = ViewPolicy(local_views=1, local_scale=(0.2, 0.5))
    ema = {"target": "encoder"}

    def __init__(self, encoder, *, momentum: float = 0.9, centers: int = 4, seed: int = 0):
        super().__init__()
        self.momentum = momentum
        self.encoder = encoder
        with seeded(seed):
            self.projector = mlp(encoder.dim, 32, encoder.dim)
        self.target = copy.deepcopy(encoder).requires_grad_(False)
        self.register_buffer("centers", torch.zeros(centers, encoder.dim))
        self.register_buffer("begun", torch.zeros((), dtype=torch.int64))
        self.register_buffer("shown", torch.zeros(3, dtype=torch.int64))

    def epoch_begins(self, epoch, images):
        x = images.features()  # (n, d)
        self.centers.copy_(x[torch.randperm(len(x))[: len(self.centers)]])
        self.begun.fill_(epoch)

    def loss(self, batch: Batch):
        large, small = batch.views
        self.shown.copy_(torch.stack([batch.rows.sum(), batch.labels.sum(), batch.pixels.sum()]))
        with torch.no_grad():
            z = self.target(large.flatten(0, 1)).unflatten(0, (2, -1)).mean(0)  # (b, d)
        x = self.encoder(large.flatten(0, 1))  # (2b, d)
        return terms(self.projector(x), self.projector(self.encoder(small[0])), z, x, self.centers, batch.progress)


@in_float32
def terms(p, q, z, x, centers, progress):
    agreement = -F.cosine_similarity(p.unflatten(0, (2, -1)), z, dim=-1).mean() - F.cosine_similarity(q, z).mean()
    return {"agreement": agreement, "spread": 0.1 * (1 + progress) * torch.cdist(x, centers).mean()}
'''


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    """The class, from a file of its own, listed in METHODS."""
    file = tmp_path / "made_up.py"
    file.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location("made_up", file)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "made_up", module)
    spec.loader.exec_module(module)
    monkeypatch.setitem(METHODS, "made_up", module.MadeUp)
    return module.MadeUp


@pytest.fixture(scope="module")
def images():
    return sslviz.shapes(n=160, size=SIDE, seed=0)


def pretrain(images, out, **changes):
    options = {"epochs": 2, "batch_size": BATCH, "held_out": images.split("probe"), "progress": False, **changes}
    return sslviz.pretrain(images.split("train"), method="made_up", out=out, precision="32-true", **options)


def test_it_trains_and_its_terms_stand_in_the_history(made_up, images, tmp_path):
    run = pretrain(images, tmp_path / "run", settings={"centers": 3, "hue": 0.0})
    earlier = run.history.drop(columns=["loss_agreement", "loss_spread"])  # as runs were before losses had terms
    assert training({"made up": run.history, "earlier": earlier}).data
    history = run.history[1:]
    assert {"loss_agreement", "loss_spread"} <= set(history)
    np.testing.assert_allclose(history["loss_agreement"] + history["loss_spread"], history["loss"], rtol=1e-5)
    assert run.info["views"]["hue"] == 0.0 and run.info["views"]["local_views"] == 1
    features = sslviz.embed(run.last, images.split("test"), layer="projector", progress=False)
    assert np.isfinite(features.x).all()


def test_it_is_told_of_epochs_and_batches_and_its_slow_copy_follows(made_up, images, tmp_path):
    run, train = pretrain(images, tmp_path / "run"), images.split("train")
    state = torch.load(run.path / "resume.pt", weights_only=True)["model"]
    assert state["begun"] == 2
    before = next(c for c in run.checkpoints if c.step == len(train) // BATCH)
    known = sslviz.embed(before, train, progress=False).x
    gaps = np.linalg.norm(state["centers"].numpy()[:, None] - known, axis=2).min(1)
    assert gaps.max() < 1e-4  # the centres are features of training images, as the encoder saw them after an epoch
    rows, labels, pixels = state["shown"].tolist()
    assert (BATCH - 1) * BATCH / 2 <= rows < BATCH * len(train)
    assert 0 < labels < BATCH * 3 and 0 < pixels < BATCH * SIDE**2 * 3 * 255
    saved = load_file(run.last.path)
    assert not any(name.startswith("target.") for name in saved) and any(name.startswith("target.") for name in state)
    moved = [(a - state[k.replace("encoder.", "target.", 1)]).abs().max() for k, a in saved.items() if "conv" in k]
    assert max(moved) > 0


def test_interrupted_and_resumed_it_ends_with_the_same_bits(made_up, images, tmp_path, monkeypatch):
    from sslviz.training import pretrain as module

    whole = pretrain(images, tmp_path / "whole").last.path.read_bytes()
    calls, real = [], module.update_ema

    def stop(*arguments):
        calls.append(1)
        if len(calls) == 5:  # in the second of two epochs of three steps
            raise KeyboardInterrupt
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(module, "update_ema", stop)
        with pytest.raises(KeyboardInterrupt):
            pretrain(images, tmp_path / "stopped")
    assert pretrain(images, tmp_path / "stopped", resume=True).last.path.read_bytes() == whole


def test_the_command_line_lists_it(made_up, capsys):
    main(["list", "methods"])
    assert "made_up                    Is a method that nobody knew found everywhere?" in capsys.readouterr().out


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_it_keeps_the_contract(check, made_up):
    check(made_up)


def test_no_other_table_lists_methods():
    tables = set()
    for path in [*(ROOT / "sslviz").rglob("*.py"), *(ROOT / "app").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            parts = [*node.keys, *node.values] if isinstance(node, ast.Dict) else getattr(node, "elts", [])
            if len({part.value for part in parts if isinstance(part, ast.Constant)} & set(METHODS)) > 1:
                tables.add(path.relative_to(ROOT).as_posix())
    assert tables == {"sslviz/methods/__init__.py"}
