"""The parts of continual learning, each on a case whose answer is known."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import chi2, ortho_group
from torch import nn

import sslviz
from sslviz.encoders.preprocessing import Preprocessing
from sslviz.runtime.random_state import seeded
from sslviz.transfer.continual import learner as learner_module
from sslviz.transfer.continual.heads import fitted_head, linear_cka
from sslviz.transfer.continual.learner import Learner, learn
from sslviz.transfer.continual.remedies import Reservoir, fisher_diagonal, held_features, held_weights
from sslviz.transfer.continual.tasks import divided, lesson


class TestHeadsAndFeatures:
    """A head left behind is told from features lost."""

    D, K = 16, 4

    def space(self, seed):
        rng = np.random.default_rng(seed)
        code = np.arange(200) % self.K
        return (6 * np.eye(self.K, self.D)[code] + rng.normal(size=(200, self.D))).astype(np.float32), code

    def test_rotated_features_leave_the_head_at_chance_and_lose_nothing(self):
        (fit, code), (scored, truth) = self.space(0), self.space(1)
        head = fitted_head(fit, code, 0)
        before = (head.read(scored) == truth).mean()
        assert before > 0.97
        own, again = [], []
        for seed in range(20):
            turn = ortho_group.rvs(self.D, random_state=seed).astype(np.float32)
            own.append((head.read(scored @ turn) == truth).mean())
            again.append((fitted_head(fit @ turn, code, 0).read(scored @ turn) == truth).mean())
            assert linear_cka(scored, scored @ turn) == pytest.approx(1, abs=1e-5)
        assert np.mean(own) == pytest.approx(1 / self.K, abs=0.12)  # sd of a rotation .2, of their mean .05
        assert np.mean(again) == pytest.approx(before, abs=0.02)

    def test_a_deleted_direction_is_lost_to_any_head(self):
        (fit, code), (scored, truth) = self.space(0), self.space(1)
        fit, scored = fit.copy(), scored.copy()
        fit[:, : self.K], scored[:, : self.K] = 0, 0
        again = (fitted_head(fit, code, 0).read(scored) == truth).mean()
        assert again == pytest.approx(1 / self.K, abs=0.1)  # sd .03

    def test_cka_of_unrelated_spaces_is_0_and_that_of_a_point_unknown(self):
        rng = np.random.default_rng(0)
        values = [linear_cka(rng.normal(size=(60, 40)), rng.normal(size=(60, 40))) for _ in range(50)]
        assert abs(np.mean(values)) < 0.02
        assert np.isnan(linear_cka(np.ones((10, 3)), rng.normal(size=(10, 3))))

    def test_cka_is_the_one_of_similarity(self):
        x, y = (np.random.default_rng(i).normal(size=(80, 12)) for i in (0, 1))
        y = x + y
        expected = sslviz.similarity(sslviz.Features.from_array(x), sslviz.Features.from_array(y)).scores()["cka"].value
        assert linear_cka(x, y) == pytest.approx(expected, abs=1e-5)


class TestReservoir:
    def test_every_row_of_the_stream_is_kept_as_often(self):
        kept = np.zeros(40)
        for seed in range(1500):
            memory = Reservoir(10, np.random.default_rng(seed))
            memory.add(np.arange(25))
            memory.add(np.arange(25, 40))
            assert len(set(memory.rows)) == 10
            kept[memory.rows] += 1
        expected = 1500 * 10 / 40
        assert ((kept - expected) ** 2 / expected).sum() < chi2.isf(1e-3, 39)

    def test_a_short_stream_is_kept_whole(self):
        memory = Reservoir(10, np.random.default_rng(0))
        memory.add(np.array([4, 2]))
        assert list(memory.rows) == [4, 2]


class TestWeightsHeld:
    def test_the_fisher_information_of_a_linear_softmax_is_its_closed_form(self):
        """E x_j^2 p_c (1 - p_c) for the weight of class c and input j, whatever the classes are."""
        rng = np.random.default_rng(0)
        weight = torch.tensor(rng.normal(size=(3, 2)), dtype=torch.float32, requires_grad=True)
        x = torch.tensor(rng.normal(size=(2000, 2)), dtype=torch.float32)
        found = fisher_diagonal(lambda one: one @ weight.T, {"w": weight}, x, rng)["w"].numpy()
        p = (x @ weight.detach().T).softmax(1).numpy()
        expected = ((p * (1 - p)).T @ (x.numpy() ** 2)) / len(x)
        np.testing.assert_allclose(found, expected, rtol=0.15)  # 2,000 draws: sd about 4 %

    def test_it_is_a_mean_of_squares_and_not_the_square_of_a_mean(self):
        """The same picture 400 times: a batch's mean gradient would vanish, as its labels are drawn from p."""
        weight = torch.zeros(2, 1, requires_grad=True)  # p = 1/2 for both classes
        x = torch.full((400, 1), 3.0)
        found = fisher_diagonal(lambda one: one @ weight.T, {"w": weight}, x, np.random.default_rng(0))["w"]
        np.testing.assert_allclose(found.numpy(), 9 / 4)  # x^2 (y - p)^2 = 9 / 4 for either label

    @pytest.mark.parametrize("strength", [0.0, 0.7, 30.0])
    def test_two_quadratic_tasks_have_the_solution_of_the_closed_form(self, strength):
        rng = np.random.default_rng(1)
        half = rng.normal(size=(4, 4))
        big_b, b, a, importance = half @ half.T + np.eye(4), rng.normal(size=4), rng.normal(size=4), rng.random(4)
        w = torch.tensor(a, requires_grad=True)  # where the first task ended
        penalty = held_weights({"w": w}, {"w": torch.tensor(importance)}, strength)
        with torch.no_grad():
            w += 1  # somewhere else
        optimizer = torch.optim.LBFGS([w], max_iter=200, tolerance_grad=1e-12, tolerance_change=1e-15)

        def closure():
            optimizer.zero_grad()
            off = w - torch.tensor(b)
            loss = 0.5 * off @ torch.tensor(big_b) @ off + penalty(w, w)
            loss.backward()
            return loss

        optimizer.step(closure)
        diagonal = strength * np.diag(importance)
        expected = np.linalg.solve(big_b + diagonal, big_b @ b + diagonal @ a)
        np.testing.assert_allclose(w.detach().numpy(), expected, atol=1e-6)


# --- an encoder of one number -----------------------------------------------------------------------------------------


class OneNumber(nn.Module):
    """An encoder whose only feature is a weighted sum of the brightness of a picture's two halves."""

    image_size, dim, mean, std, name = 4, 1, (0.5,) * 3, (0.25,) * 3, "one number"
    preprocessing = Preprocessing(mean, std, image_size)

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(2)
        self.sum = nn.Linear(2, 1, bias=False)
        nn.init.constant_(self.sum.weight, 0.5)

    def forward(self, x):
        halves = torch.stack([x[..., :2].mean((1, 2, 3)), x[..., 2:].mean((1, 2, 3))], dim=1)
        return self.sum(self.norm(halves))


TASKS = [["left dark", "left light"], ["right dark", "right light"]]


def fresh():
    """One number and two heads before any training."""
    with seeded(0):
        return Learner(OneNumber(), np.zeros(1), np.ones(1), TASKS)


@pytest.fixture(scope="module")
def halves():
    """Pictures of which one half is what its task asks for, and the other says nothing."""
    rng = np.random.default_rng(0)
    label = np.arange(400) % 4
    level = rng.integers(0, 2, size=(400, 2))
    level[np.arange(400), label // 2] = label % 2
    pixels = np.repeat(np.repeat(60 + 130 * level[:, None, :, None], 4, axis=1), 2, axis=2).repeat(3, axis=3)
    table = pd.DataFrame({"label": np.array(TASKS).ravel()[label]})
    return lesson(sslviz.Images(pixels.astype(np.uint8), np.arange(400), table), "label", TASKS)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(learner_module, "RATE", 0.1)  # of three weights; a network's would blow up


def taught(halves, penalties_of=lambda learner: ()):
    """Accuracy on both tasks by own heads, after the first task and after the second; and the encoder's two weights."""
    learner, rights = fresh(), []
    for task in (0, 1):
        penalties = penalties_of(learner) if task else ()
        learn(learner, halves, halves.of_task(task), 80, np.random.default_rng(task), penalties=penalties)
        z = learner.space(halves, halves).scored
        rows = [halves.of_task(t) for t in (0, 1)]
        rights.append([(learner.head(t).read(z[r]) == halves.code[r]).mean() for t, r in enumerate(rows)])
    return np.array(rights), learner.encoder.sum.weight.detach().numpy().ravel()


class TestLearning:
    def test_one_feature_cannot_hold_two_tasks_and_forgets_the_first(self, halves, quick):
        right, weights = taught(halves)
        assert right[0, 0] == 1 and right[1, 1] == 1
        assert right[1, 0] < 0.8 and abs(weights[1]) > 2 * abs(weights[0])

    def test_weights_held_where_they_mattered_keep_the_first(self, halves, quick):
        def held(learner):
            weights = dict(learner.encoder.named_parameters())
            x = learner.inputs(halves.images.pixels[halves.of_task(0)])
            # The loss is flat where the first task is solved: twice as soft a head has gradients worth the name.
            with torch.no_grad():
                learner.heads[0].weight.mul_(0.2)
            importance = fisher_diagonal(
                lambda one: learner.heads[0](learner.features(one)), weights, x, np.random.default_rng(0)
            )
            return (held_weights(weights, importance, 1e6),)

        right, weights = taught(halves, held)
        assert right[1, 0] == 1 and abs(weights[0]) > abs(weights[1])

    def test_features_held_on_new_pictures_keep_the_first(self, halves, quick):
        right, _ = taught(halves, lambda learner: (held_features(learner, 1e4),))
        assert right[1, 0] == 1

    def test_pictures_of_both_tasks_are_half_of_each_batch_where_some_are_replayed(self, halves):
        seen = []

        def watch(x, z):
            seen.append(x)
            return z.sum() * 0

        learner = fresh()
        memory = halves.of_task(0)[:5]
        learn(learner, halves, halves.of_task(1), 3, np.random.default_rng(0), replayed=memory, penalties=(watch,))
        old = {learner.inputs(halves.images.pixels[[row]]).numpy().tobytes() for row in memory}
        for x in seen:
            assert len(x) == 64 and all(one[None].numpy().tobytes() in old for one in x[32:])

    def test_only_the_encoder_and_the_head_of_the_task_learn_and_statistics_stay(self, halves):
        learner = fresh()
        before = copy.deepcopy(learner.state_dict())
        learn(learner, halves, halves.of_task(1), 4, np.random.default_rng(0))
        moved = {name for name, value in learner.state_dict().items() if not torch.equal(value, before[name])}
        assert {"heads.1.weight", "heads.1.bias", "encoder.sum.weight"} <= moved
        assert not {name for name in moved if name.startswith("heads.0") or "running" in name}

    def test_the_loss_is_that_of_scikit_learn_head_by_head(self, halves):
        from sklearn.metrics import log_loss

        learner = fresh()
        rows = np.r_[halves.of_task(0)[:7], halves.of_task(1)[:4]]
        with torch.no_grad():
            z = learner.features(learner.inputs(halves.images.pixels[rows]))
            found = float(learner.loss(z, halves.task[rows], halves.code[rows]))
            p = [learner.heads[t](z).double().softmax(1).numpy() for t in (0, 1)]
        expected = 7 * log_loss(halves.code[rows[:7]], p[0][:7], labels=[0, 1])
        expected += 4 * log_loss(halves.code[rows[7:]], p[1][7:], labels=[0, 1])
        assert found == pytest.approx(expected / 11, rel=1e-5)

    def test_distance_from_old_features_is_a_mean_square(self, halves):
        learner = fresh().requires_grad_(False)
        penalty = held_features(learner, 2.0)
        x = learner.inputs(halves.images.pixels[:8])
        assert float(penalty(x, learner.features(x))) == 0
        assert float(penalty(x, learner.features(x) + 3)) == pytest.approx(18)


class TestTasks:
    NAMES = [str(i) for i in range(10)]

    def test_classes_are_divided_in_their_order(self):
        assert list(map(len, divided(self.NAMES, None, "digit"))) == [4, 3, 3]
        assert divided(list("abcd"), None, "letter") == [["a", "b"], ["c", "d"]]
        assert divided(self.NAMES, [["3", "1"], ["0", "9"]], "digit") == [["3", "1"], ["0", "9"]]

    @pytest.mark.parametrize(
        ("names", "tasks", "message"),
        [
            (list("abc"), None, "'letter' has 3 classes, which do not make 2 tasks"),
            (list("abcd"), 3, "has 4 classes, which do not make 3 tasks"),
            (list("abcd"), 1, "Tasks are two or more"),
            (list("abcd"), [["a", "b"], ["c"]], "two classes or more each"),
            (list("abcd"), [["a", "b"], ["b", "c"]], "none of them twice"),
            (list("abcd"), [["a", "b"], ["c", "z"]], "shows no 'z'; its classes are: a, b, c, d"),
        ],
    )
    def test_tasks_that_cannot_be_are_one_sentence(self, names, tasks, message):
        with pytest.raises(ValueError, match=message):
            divided(names, tasks, "letter")

    def test_pictures_of_no_task_are_left_out(self, halves):
        images = sslviz.shapes(n=80, size=16)
        part = lesson(images, "shape", [["disc", "square"], ["triangle", "cross"]])
        assert len(part.images) == 80
        some = lesson(images, "shape", [["square", "disc"]])
        assert set(some.images.table["shape"]) == {"disc", "square"}
        assert (np.array(["square", "disc"])[some.code] == some.images.table["shape"]).all()
        with pytest.raises(
            ValueError, match="needs two pictures to fit on and two to score; 'shape' shows fewer of 'cross'"
        ):
            lesson(images.rows(images.table["shape"] != "cross"), "shape", [["disc", "cross"]])
