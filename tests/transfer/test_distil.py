"""A student against what a student can at best be: Eckart and Young's bound, and a teacher that stays as it is."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import sslviz
from sslviz.data import Images
from sslviz.methods import Batch
from sslviz.runs import Checkpoint, Run
from sslviz.runtime.random_state import seeded
from sslviz.transfer.distil import distil
from sslviz.transfer.distillation import ANGLES, Distillation, cosine_loss, mse_loss, relational_loss

N, D, R = 300, 12, 4
TEACHER = Checkpoint("teacher", 7, {"name": "convnext_atto", "image_size": 32}, None, 1)  # 320 features, and quick


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Linear(nn.Module):
    """An encoder that is a matrix: pictures (b, 3, s, s) of one pixel row are just numbers."""

    image_size, mean, std = 2, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)

    def __init__(self, weight):
        super().__init__()
        self.weight, self.dim = nn.Parameter(weight), len(weight)

    def forward(self, x):
        return x.flatten(1) @ self.weight.T


def batch_of(x):
    return Batch(
        [x[None]], torch.zeros(len(x), 2, 2, 3, dtype=torch.uint8), torch.arange(len(x)), torch.zeros(len(x)), 0.0
    )


class TestLosses:
    def test_of_a_linear_teacher_and_a_student_of_rank_r_the_least_mse_is_eckart_and_youngs(self):
        """sum over i > r of sigma_i², the squared singular values of the teacher's centred features."""
        x = normal(N, 3, 2, 2)
        x -= x.mean(0)
        teacher = Linear(normal(D, 12, seed=1) * torch.logspace(0, -1, D)[:, None])
        given = teacher(x).detach()
        squares = torch.linalg.svdvals(given.double()) ** 2
        best = float(squares[R:].sum())

        method = Distillation(
            Linear(0.1 * normal(R, 12, seed=2)), teacher=teacher, center=given.mean(0), scale=1.0, how="mse"
        )
        optimizer = torch.optim.LBFGS(method.parameters(), max_iter=600, history_size=30, line_search_fn="strong_wolfe")

        def closure():
            optimizer.zero_grad()
            loss = method.loss(batch_of(x)) * N * D
            loss.backward()
            return loss

        optimizer.step(closure)
        reached = float(closure().detach())
        assert best * (1 - 1e-4) < reached < best * 1.01
        assert best > 0.05 * float(squares.sum())  # there is something that rank r cannot tell

    def test_a_student_that_tells_nothing_reads_one(self):
        """Targets are scaled by the teacher's own spread."""
        features = 5 + 3 * normal(2000, 8)
        targets = (features - features.mean(0)) / features.var(0).mean().sqrt()
        assert float(mse_loss(torch.zeros_like(targets), targets)) == pytest.approx(1, abs=1e-3)
        assert float(cosine_loss(normal(2000, 8, seed=1), targets)) == pytest.approx(1, abs=0.02)
        assert float(cosine_loss(3 * targets, targets)) == pytest.approx(0, abs=1e-5)

    def test_relations_do_not_see_shift_scale_rotation_and_width(self):
        x = normal(20, 6)
        turned = torch.linalg.qr(normal(6, 6, seed=1))[0]
        wider = F.pad(7 * x @ turned + 3, (0, 4))
        assert all(float(term) < 1e-9 for term in relational_loss(x, wider).values())
        assert all(float(term) > 1e-2 for term in relational_loss(x, normal(20, 6, seed=2)).values())

    def test_distances_and_angles_are_those_of_loops(self):
        x, y = normal(5, 3).double(), normal(5, 4, seed=1).double()

        def distances(z):
            found = np.array([float((z[i] - z[j]).norm()) for i in range(5) for j in range(i + 1, 5)])
            return found / found.mean()

        def angles(z):
            cosines = []
            for i in range(5):
                for j in range(5):
                    for k in range(5):
                        a, b = z[j] - z[i], z[k] - z[i]
                        cosines.append(float(a @ b / (a.norm() * b.norm())) if i not in (j, k) else 0.0)
            return np.array(cosines)

        def huber(a, b):
            off = np.abs(a - b)
            return np.where(off < 1, off**2 / 2, off - 0.5).mean()

        found = relational_loss(x, y)
        assert float(found["distance"]) == pytest.approx(huber(distances(x), distances(y)))
        assert float(found["angle"]) == pytest.approx(2 * huber(angles(x), angles(y)))

    def test_pictures_that_are_the_same_do_no_harm(self):
        x = normal(ANGLES + 3, 4)
        x[1] = x[0]
        x.requires_grad_()
        sum(relational_loss(x, normal(ANGLES + 3, 4, seed=1)).values()).backward()
        assert torch.isfinite(x.grad).all()


class TestTheTeacher:
    def test_is_fed_as_it_is_used_to(self):
        """Its own mean, std and size, whatever the student's are."""

        class Looks(nn.Module):
            image_size, mean, std, dim = 8, (0.2, 0.3, 0.4), (0.1, 0.2, 0.3), 3 * 64

            def forward(self, x):
                return x.flatten(1)

        pixels = torch.rand(4, 3, 4, 4, generator=torch.Generator().manual_seed(0))
        student = Linear(normal(2, 48))
        method = Distillation(student, teacher=Looks(), center=torch.zeros(192), scale=2.0)
        seen = method.targets((pixels - 0.5) / 0.25)
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in (Looks.mean, Looks.std))
        expected = (F.interpolate(pixels, (8, 8), mode="bilinear", antialias=True) - mean) / std
        torch.testing.assert_close(seen, expected.flatten(1) / 2)

    def test_is_neither_trained_nor_stored_and_its_statistics_stay(self):
        teacher, student = TEACHER.encoder(), sslviz.create_encoder("conv_nano")
        before = {name: value.clone() for name, value in teacher.state_dict().items()}
        method = Distillation(student, teacher=teacher, center=torch.zeros(teacher.dim), scale=1.0)
        method.train()
        assert not teacher.training
        names = set(method.state_dict())
        assert names == {f"encoder.{k}" for k in student.state_dict()} | {"projector.weight", "projector.bias"}
        method.loss(batch_of(normal(4, 3, 32, 32))).backward()
        assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
        assert all(p.grad is None for p in teacher.parameters())
        assert all(p.grad is not None for p in method.parameters())

    def test_relations_need_no_map(self):
        student = sslviz.create_encoder("conv_nano")
        method = Distillation(student, teacher=TEACHER.encoder(), center=torch.zeros(320), scale=1.0, how="relational")
        losses = method.loss(batch_of(normal(4, 3, 32, 32)))
        assert set(losses) == {"distance", "angle"} and method.projector is None
        sum(losses.values()).backward()
        assert all(p.grad is not None for p in method.parameters())


@pytest.fixture(scope="module")
def images():
    return sslviz.shapes(n=500, size=16, seed=0)


@pytest.fixture(scope="module")
def taught(images, tmp_path_factory):
    """A student of a teacher with random weights, which is a teacher all the same."""
    return learn(images, tmp_path_factory.mktemp("runs") / "student")


def learn(images, out, **changes):
    options = {"batch_size": 64, "steps": 36, "learning_rate": 4e-3, "held_out": images.split("probe"), **changes}
    return distil(TEACHER, images.split("train"), out=out, progress=False, **options)


def cka(x, y):
    """Linear CKA by Gram matrices."""
    x, y = (a.astype(np.float64) - a.mean(0) for a in (x, y))
    k, h = x @ x.T, y @ y.T
    return float((k * h).sum() / np.sqrt((k * k).sum() * (h * h).sum()))


class TestDistil:
    def test_the_student_comes_nearer_to_the_teacher(self, taught, images):
        test = images.split("test")
        theirs = sslviz.embed(TEACHER, test, progress=False).x
        first, last = (sslviz.embed(c, test, progress=False).x for c in (taught.checkpoints[0], taught.last))
        assert cka(last, theirs) > cka(first, theirs) + 0.05
        losses = taught.history["loss"].dropna()
        assert losses.iloc[-1] < 0.7 < 1.1 * losses.iloc[0]

    def test_the_run_says_who_taught_it_and_is_read_as_any_other(self, taught, images):
        info = json.loads((taught.path / "run.json").read_text())
        teacher = {"run": "teacher", "step": 7, "digest": TEACHER.digest, "encoder": "convnext_atto"}
        assert info["kind"] == "distil" and info["finished"]
        assert {"method": "distil", "how": "cosine", "teacher": teacher, "encoder": "conv_nano"}.items() <= info[
            "arguments"
        ].items()
        assert taught.last.head is None and [c.step for c in taught.checkpoints][0] == 0
        assert {"loss", "knn", "rankme", "std"} <= set(taught.history)
        results = sslviz.diagnose(taught, images.split("test"), only=["spectrum", "collapse"], progress=False)
        assert np.isfinite(results["student"]["spectrum"].scores()["rankme"].value)
        with pytest.raises(ValueError, match="student was not pretrained here"):
            sslviz.reconstruct(taught.last, images.rows(np.arange(2)), progress=False)

    def test_the_file_holds_the_student_alone(self, taught):
        numbers = sum(t.numel() * t.element_size() for t in taught.last.encoder().state_dict().values())
        head = 4 * (128 * 320 + 320)
        assert numbers + head <= taught.last.path.stat().st_size <= numbers + head + 20_000

    @pytest.mark.parametrize("how", ["mse", "relational"])
    def test_every_way_of_comparing_trains_and_says_its_terms(self, how, images, tmp_path):
        run = learn(images, tmp_path / how, how=how, steps=12)
        losses = run.history["loss"].dropna()
        assert np.isfinite(losses).all() and losses.iloc[-1] < losses.iloc[0]
        assert ("loss_angle" in run.history) == (how == "relational")

    def test_an_interrupted_run_is_resumed_to_the_same_bits(self, images, tmp_path, monkeypatch):
        calls = []

        def stop(*_):
            calls.append(1)
            if len(calls) == 8:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("sslviz.training.pretrain.update_ema", stop)
            with pytest.raises(KeyboardInterrupt):
                learn(images, tmp_path / "stopped", steps=12)
        whole = learn(images, tmp_path / "whole", steps=12)
        resumed = learn(images, tmp_path / "stopped", steps=12, resume=True)
        assert resumed.last.path.read_bytes() == whole.last.path.read_bytes()

    def test_it_is_resumed_only_with_the_same_teacher(self, taught, images):
        other = Checkpoint("other", 7, TEACHER.config, None, 2)
        with pytest.raises(ValueError, match="was started with teacher=.*'run': 'teacher'.* not .*'run': 'other'"):
            distil(
                other,
                images.split("train"),
                out=taught.path,
                held_out=images.split("probe"),
                batch_size=64,
                steps=36,
                learning_rate=4e-3,
                resume=True,
                progress=False,
            )
        with pytest.raises(ValueError, match="was started with how='cosine', not 'mse'"):
            learn(images, taught.path, how="mse", resume=True)

    def test_the_student_is_of_the_size_of_the_pictures(self, taught):
        assert taught.info["encoder"]["image_size"] == taught.last.encoder().image_size == 16

    def test_bad_input_is_one_sentence_and_leaves_nothing_behind(self, images, tmp_path, monkeypatch):
        clips = Images(np.zeros((2, 3, 8, 8, 3), np.uint8), np.array(["a", "b"]), pd.DataFrame(index=range(2)))
        train = images.split("train")
        for message, given, changes in [
            ("how is one of cosine, mse, relational; got 'kl'", train, {"how": "kl"}),
            ("needs pictures", clips, {}),
            ("fewer than one batch of 5000", train, {"batch_size": 5000}),
            ("no encoder 'resnet19'", train, {"encoder": "resnet19"}),
        ]:
            with pytest.raises(ValueError, match=message):
                distil(TEACHER, given, out=tmp_path / "bad", progress=False, **changes)
            assert not (tmp_path / "bad").exists()
        monkeypatch.setattr("sslviz.transfer.distil.embed_pixels", lambda encoder, pixels: np.ones((len(pixels), 4)))
        with pytest.raises(ValueError, match="teacher gives all pictures the same features"):
            distil(TEACHER, train, out=tmp_path / "bad", progress=False)


def test_an_older_run_still_has_its_head(tmp_path):
    arguments = {"method": "simclr", "settings": {}}
    for info, expected in [({"kind": "pretrain"}, arguments), ({}, arguments), ({"kind": "distil"}, None)]:
        run = Run.create(
            tmp_path / f"r{len(info)}{expected is None}",
            {**info, "arguments": arguments, "encoder": {"name": "conv_nano"}},
        )
        assert run.save_checkpoint(1, {"a": torch.zeros(1)}).head == expected


def test_the_weights_of_the_map_depend_on_the_seed_alone():
    made = []
    for seed in (0, 0, 1):
        with seeded(5):
            torch.rand(seed + len(made))
            student = sslviz.create_encoder("conv_nano")
            method = Distillation(student, teacher=Linear(normal(3, 12)), center=torch.zeros(3), scale=1.0, seed=seed)
            made.append(method.projector.weight.detach())
    assert torch.equal(made[0], made[1]) and not torch.equal(made[0], made[2])
