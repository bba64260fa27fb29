"""Distillation: a student network learns to give what a teacher gives for the same pictures."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.encoders import Encoder
from sslviz.methods import Batch
from sslviz.methods.parts.precision import in_float32
from sslviz.runtime.random_state import seeded
from sslviz.views import ViewPolicy

HOW = ("cosine", "mse", "relational")
ANGLES = 64  # pictures of a batch whose angles are compared: their number grows with the cube
ANGLE_WEIGHT = 2.0  # beside distances, the paper's (arXiv 1904.05068, 4.1)


class Distillation(nn.Module):
    """A student beside a frozen teacher, as the training loop takes it.

    Both see the same crop, the teacher normalised and sized as it is used to.  The teacher is no part of the module: it
    is neither trained nor stored.  "cosine" and "mse" compare a linear map of the student's features, the projector,
    with the teacher's, less `center` and divided by `scale`.  Both losses are then 1 for a student that tells nothing.
    "relational" compares distances and angles between pictures, which need no map (arXiv 1904.05068).

    - teacher: the encoder to learn from
    - center: mean of the teacher's features (d,)
    - scale: the root of their mean variance
    """

    family = "distillation"
    # Mild: what is wanted is what the teacher makes of whole pictures.
    views = ViewPolicy(views=1, scale=(0.5, 1.0), brightness=0.2, contrast=0.2, saturation=0.2, hue=0.05, gray_prob=0.0)

    factor: Tensor
    shift: Tensor
    center: Tensor
    inverse_scale: Tensor

    def __init__(
        self,
        encoder: Encoder,
        *,
        teacher: Encoder,
        center: Tensor,
        scale: float,
        how: str = "cosine",
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.encoder, self.how = encoder, how
        self._teacher = [teacher.eval()]  # in a list, so that it is no part of the module
        with seeded(seed):
            self.projector = None if how == "relational" else nn.Linear(encoder.dim, teacher.dim)
        own, theirs = (torch.tensor([e.mean, e.std]) for e in (encoder, teacher))  # (2, 3)
        factor, shift = own[1] / theirs[1], (own[0] - theirs[0]) / theirs[1]
        for name, value in (("factor", factor), ("shift", shift)):
            self.register_buffer(name, value.view(3, 1, 1), persistent=False)
        self.register_buffer("center", center, persistent=False)
        self.register_buffer("inverse_scale", torch.tensor(1 / scale), persistent=False)

    @torch.no_grad()
    def targets(self, x: Tensor) -> Tensor:
        """The teacher's features (b, d), centred and scaled, of what the student is shown, (b, 3, s, s)."""
        self._teacher[0] = teacher = self._teacher[0].to(x.device)
        size = teacher.image_size
        if x.shape[-1] != size:
            x = F.interpolate(x, (size, size), mode="bilinear", antialias=True, align_corners=False)
        return (teacher(x * self.factor + self.shift) - self.center) * self.inverse_scale

    def loss(self, batch: Batch) -> Tensor | dict[str, Tensor]:
        """How far the student is from the teacher: a scalar, or distances and angles."""
        x = batch.views[0][0]  # (b, 3, s, s)
        targets, features = self.targets(x), self.encoder(x)
        if self.projector is None:
            return relational_loss(features, targets)
        return LOSSES[self.how](self.projector(features), targets)


@in_float32
def cosine_loss(x: Tensor, targets: Tensor) -> Tensor:
    """1 - cosine of what the student gives and the teacher's, both (b, d); in [0, 2]."""
    return 1 - F.cosine_similarity(x, targets, dim=1).mean()


@in_float32
def mse_loss(x: Tensor, targets: Tensor) -> Tensor:
    """The mean squared difference, both (b, d): of scaled targets the share of their variance that is not told."""
    return F.mse_loss(x, targets)


@in_float32
def relational_loss(x: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """Huber losses of the distances of all pairs and of the cosines of angles between pictures, x (b, d), targets (b, e)."""
    distance = F.smooth_l1_loss(_distances(x), _distances(targets))
    angle = F.smooth_l1_loss(_angles(x[:ANGLES]), _angles(targets[:ANGLES]))
    return {"distance": distance, "angle": ANGLE_WEIGHT * angle}


LOSSES = {"cosine": cosine_loss, "mse": mse_loss}


def _distances(x: Tensor) -> Tensor:
    """Distances of all pairs as multiples of their mean, (pairs,)."""
    pairs = torch.triu_indices(len(x), len(x), 1, device=x.device)
    distances = (x[pairs[0]] - x[pairs[1]]).norm(dim=1)
    return distances / distances.mean().clamp_min(1e-12)


def _angles(x: Tensor) -> Tensor:
    """The cosine of the angle at picture i between j and k, (b, b, b)."""
    edges = F.normalize(x[None] - x[:, None], dim=2)  # (b, b, d)
    return edges @ edges.mT
