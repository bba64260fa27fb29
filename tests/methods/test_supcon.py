import math

import pytest
import torch

from sslviz.encoders import create_encoder
from sslviz.methods import SimCLR, SupCon
from sslviz.methods.simclr import nt_xent
from sslviz.methods.supcon import supcon_loss

from .contract import draw_batch
from .losses_contrastive import assert_is_stored, stored, with_small_views
from .toys import (
    Tiny,
    assert_half_precision_keeps_all_digits,
    collapse_of,
    normal,
    share_of_one_direction,
    trained_on_noise,
)

UNKNOWN = torch.full((6,), -1)
SOME_KNOWN = torch.tensor([0, 1, -1, 0, -1, 0])


def in_loops(z, labels, temperature):
    """L_out of Eq. 2, view by view."""
    z = [
        (x / x.norm(), int(label), image)
        for view in z
        for image, (x, label) in enumerate(zip(view, labels, strict=True))
    ]
    losses = []
    for i, (x, label, image) in enumerate(z):
        others = [j for j in range(len(z)) if j != i]
        positives = [j for j in others if z[j][2] == image or z[j][1] == label >= 0]
        total = sum(math.exp(x @ z[j][0] / temperature) for j in others)
        losses.append(-sum(math.log(math.exp(x @ z[j][0] / temperature) / total) for j in positives) / len(positives))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_with_all_labels_the_loss_is_solo_learns(temperature):
    assert_is_stored(supcon_loss(stored("z"), stored("labels"), temperature), f"supcon_{temperature}")


@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_with_no_label_the_loss_is_simclrs(temperature):
    z = normal(2, 6, 5)
    torch.testing.assert_close(supcon_loss(z, UNKNOWN, temperature), nt_xent(z, temperature))
    torch.testing.assert_close(supcon_loss(z, torch.arange(6), temperature), nt_xent(z, temperature))


@pytest.mark.parametrize("labels", [SOME_KNOWN, UNKNOWN, torch.zeros(6, dtype=torch.int64)], ids=["some", "no", "one"])
def test_the_loss_is_that_of_a_plain_loop(labels):
    z = normal(2, 6, 5).double()
    assert supcon_loss(z, labels, 0.3).item() == pytest.approx(in_loops(z, labels, 0.3), rel=1e-6)


def test_the_loss_in_closed_form():
    labels, b, t = torch.tensor([0, 0, 0, 1, 1, 1]), 6, 0.5
    classes = torch.eye(2)[labels].expand(2, b, 2)  # one direction a class: 5 others at cosine 1, 6 at cosine 0
    assert supcon_loss(classes, labels, t).item() == pytest.approx(math.log(5 + 6 * math.exp(-1 / t)), abs=1e-6)
    assert supcon_loss(torch.ones(2, b, 4), labels, t).item() == pytest.approx(math.log(2 * b - 1), abs=1e-6)


def test_images_of_unknown_class_do_not_attract_each_other():
    z = normal(2, 6, 5).requires_grad_()
    supcon_loss(z, SOME_KNOWN, 0.3).backward()
    with_classes, z.grad = z.grad, None
    supcon_loss(z, torch.tensor([0, 1, 2, 0, 3, 0]), 0.3).backward()  # as if each were a class of its own
    torch.testing.assert_close(with_classes, z.grad)


def test_the_labels_of_the_batch_decide_and_without_any_the_method_is_simclr():
    encoder = create_encoder("conv_nano")
    method, simclr = (cls(encoder, temperature=0.2, seed=0).eval() for cls in (SupCon, SimCLR))
    batch = with_small_views(draw_batch(method.views))
    supervised = method.loss(batch)
    batch.labels = torch.full_like(batch.labels, -1)
    torch.testing.assert_close(method.loss(batch), simclr.loss(batch))
    assert not torch.isclose(supervised, method.loss(batch))


def test_in_half_precision_the_objective_keeps_all_its_digits():
    labels = torch.arange(32) % 5 - 1
    assert_half_precision_keeps_all_digits(lambda p, z: supcon_loss(p, labels, 0.05))


def test_without_negatives_all_images_get_the_same_projection_and_the_loss_looks_perfect():
    (honest, healthy), (perfect, collapsed) = (
        trained_on_noise(SupCon(Tiny(), temperature=0.5, negatives=negatives, hidden=32, out=32), lr=0.03)
        for negatives in (True, False)
    )
    assert honest == pytest.approx(math.log(127), abs=0.02)  # there is nothing by which views could be told apart
    assert perfect < 0.98 * -1 / 0.5  # a cosine of 1 over the temperature would be perfect
    assert share_of_one_direction(healthy) < 0.7 and share_of_one_direction(collapsed) > 0.95
    assert collapse_of(healthy).verdict == "healthy"
    assert "collapse" in collapse_of(collapsed).verdict
