import math

import pytest
import torch
from torch import nn

from sslviz.diagnostics.geometry.collapse import collapse
from sslviz.encoders import create_encoder
from sslviz.features import Features
from sslviz.methods import DINO
from sslviz.methods.dino import CENTER_MOMENTUM, dino_loss
from sslviz.methods.parts.multi_crop import encode_views
from sslviz.methods.parts.prototypes import cosines

from .contract import draw_batch
from .distill_fixture import assert_is_stored, stored
from .shared_views import trained_on_shared_views
from .toys import Tiny, assert_half_precision_keeps_all_digits, normal


@pytest.mark.parametrize("name", ["dino_0.04", "dino_0.07", "solo_dino_0.07"])
def test_the_loss_is_lightlys_and_solos(name):
    assert_is_stored(dino_loss(stored("views"), stored("teacher"), stored("center"), float(name[-4:])), name)


def test_the_loss_is_log_k_when_nothing_is_told_apart_and_the_entropy_at_best():
    k = 32
    nothing = torch.zeros(2, 5, k)
    assert dino_loss(nothing, normal(2, 5, k), torch.zeros(k), 0.04).item() == pytest.approx(math.log(k), rel=1e-6)
    logits = normal(1, 5, k).expand(2, 5, k)  # the student says what the teacher says
    entropy = torch.distributions.Categorical(logits=logits / 0.04).entropy().mean()
    loss = dino_loss((0.1 / 0.04) * logits, logits, torch.zeros(k), 0.04)
    torch.testing.assert_close(loss, entropy)


def test_the_centre_of_a_step_is_that_of_the_steps_before():
    method = DINO(create_encoder("conv_nano"), prototypes=16).eval()
    batches = [draw_batch(method.views, seed=s) for s in range(2)]
    with torch.no_grad():
        students = [encode_views(lambda x: method.projector(method.encoder(x)), b.views) for b in batches]
        teachers = [
            encode_views(lambda x: method.target_projector(method.target_encoder(x)), b.views[:1]) for b in batches
        ]
    means = [t.mean((0, 1)) for t in teachers]
    torch.testing.assert_close(method.loss(batches[0]), dino_loss(students[0], teachers[0], means[0], 0.04))
    torch.testing.assert_close(method.center, means[0])  # the first step has no other
    torch.testing.assert_close(method.loss(batches[1]), dino_loss(students[1], teachers[1], means[0], 0.04))
    torch.testing.assert_close(method.center, CENTER_MOMENTUM * means[0] + (1 - CENTER_MOMENTUM) * means[1])


class Says(nn.Module):
    """A teacher's head that says this of every batch."""

    def __init__(self, said):
        super().__init__()
        self.said = said

    def forward(self, x):
        return self.said.flatten(0, 1)


def test_the_centre_moves_as_lightlys():
    teacher = stored("teacher")  # (views, b, prototypes)
    method = DINO(create_encoder("conv_nano"), prototypes=teacher.shape[2])
    method.target_projector = Says(teacher)
    method.center.copy_(stored("center"))
    method.steps += 1  # not the first step, which takes its own
    method.loss(draw_batch(method.views, n=teacher.shape[1]))
    assert_is_stored(method.center, "dino_center")


def test_the_teacher_gets_warmer_during_the_warm_up():
    method = DINO(create_encoder("conv_nano"), prototypes=16, teacher_temperature=0.08, centering=False).eval()
    batch = draw_batch(method.views)
    student = encode_views(lambda x: method.projector(method.encoder(x)), batch.views)
    for progress, temperature in ((0.0, 0.04), (0.15, 0.06), (0.3, 0.08), (1.0, 0.08)):
        batch.progress = progress
        torch.testing.assert_close(method.loss(batch), dino_loss(student, student[:2], method.center, temperature))


def test_the_teacher_starts_as_the_student_and_gets_no_gradient():
    method = DINO(create_encoder("conv_nano"), prototypes=16)
    method.loss(draw_batch(method.views)).backward()
    for target, online in method.ema.items():
        pairs = zip(getattr(method, target).parameters(), getattr(method, online).parameters(), strict=True)
        assert all(torch.equal(a, b) and a.grad is None and b.grad is not None for a, b in pairs)


def test_lengths_of_prototypes_and_features_do_not_count():
    x, prototypes = normal(5, 3), normal(7, 3, seed=1)
    torch.testing.assert_close(cosines(4 * x, 0.1 * prototypes), cosines(x, prototypes))


def test_in_half_precision_the_objective_keeps_all_its_digits():
    assert_half_precision_keeps_all_digits(lambda p, z: dino_loss(p, z, z[0, 0], 0.04))


def after_training(**settings):
    """The loss, and what the collapse diagnostic says of the teacher's distributions over prototypes."""
    method = DINO(Tiny(), prototypes=64, hidden=32, bottleneck=16, momentum=0.95, **settings)
    loss, method = trained_on_shared_views(method, lr=0.02, steps=150)
    with torch.no_grad():
        logits = method.eval().target_projector(method.target_encoder(normal(512, 3, 4, 4, seed=1)))
    distributions = ((logits - method.center) / method.temperatures[1]).softmax(1)
    return loss, collapse(Features.from_array(distributions.double().numpy())).verdict


def test_without_centring_all_images_choose_one_prototype_and_without_sharpening_none():
    (honest, verdict), (perfect, collapsed), (uniform, _) = (
        after_training(),
        after_training(centering=False),
        after_training(sharpening=False),
    )
    assert verdict == "healthy" and honest < 0.9 * math.log(64)
    assert collapsed == "complete collapse" and perfect < 0.1
    assert uniform == pytest.approx(math.log(64), rel=0.01)
