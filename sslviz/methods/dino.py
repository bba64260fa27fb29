"""DINO: name each view's prototype as a slow copy of the network does.  https://arxiv.org/abs/2104.14294"""

from __future__ import annotations

import copy

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.encoders import Encoder
from sslviz.methods.method import Batch
from sslviz.methods.parts.distributed import mean_of_processes
from sslviz.methods.parts.heads import mlp
from sslviz.methods.parts.multi_crop import against_targets, encode_views
from sslviz.methods.parts.precision import in_float32
from sslviz.methods.parts.prototypes import Prototypes
from sslviz.methods.parts.settings import above_zero
from sslviz.runtime.random_state import seeded
from sslviz.views import ViewPolicy

STUDENT_TEMPERATURE, FIRST_TEMPERATURE, CENTER_MOMENTUM = 0.1, 0.04, 0.9  # the paper's
WARM_UP = 0.3  # the share of the training in which the teacher's temperature rises


class DINO(nn.Module):
    """Which of many prototypes would a slow copy of this network, the teacher, choose for another view?

    Every view predicts the teacher's distribution over prototypes for each large view but itself.  Centring takes the
    teacher's running mean off: without it the loss falls to 0, its best, because all images choose one prototype.
    Sharpening, a teacher colder than the student, keeps the distributions from becoming uniform.  The authors also hold
    the prototypes still for an epoch; here they move from the start.

    - teacher_temperature: after a warm-up from 0.04; the authors begin there, and reach 0.07 in long training
    - prototypes: how many; the paper's 65,536 are for a million images

    Example:
        >>> import sslviz
        >>> method = DINO(sslviz.create_encoder("conv_nano"), prototypes=64)
        >>> method.center.shape
        torch.Size([64])

    Caveat: the loss follows the teacher's entropy, log of the number of prototypes at most, and says little.
    """

    family = "self-distillation"
    # The paper's less blur and solarising, which leave too little at 32 px, and with four local views.
    views = ViewPolicy(scale=(0.4, 1.0), local_views=4, brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1)
    safeguards = {"centring": {"centering": False}}
    ema = {"target_encoder": "encoder", "target_projector": "projector"}
    center: Tensor
    steps: Tensor  # taken so far

    def __init__(
        self,
        encoder: Encoder,
        *,
        centering: bool = True,
        sharpening: bool = True,
        teacher_temperature: float = 0.04,
        momentum: float = 0.98,
        prototypes: int = 256,
        hidden: int = 512,
        bottleneck: int = 128,
        seed: int = 0,
    ) -> None:
        super().__init__()
        above_zero(teacher_temperature=teacher_temperature, prototypes=prototypes)
        self.centering, self.momentum = centering, momentum
        self.temperatures = (FIRST_TEMPERATURE, teacher_temperature) if sharpening else (STUDENT_TEMPERATURE,) * 2
        self.encoder = encoder
        with seeded(seed):
            # With batch norm, which the authors leave out by default, images differ from the start: a short training needs it.
            layers = mlp(encoder.dim, hidden, hidden, bottleneck)
            self.projector = nn.Sequential(layers, Prototypes(bottleneck, prototypes))
        self.target_encoder = copy.deepcopy(self.encoder).requires_grad_(False)
        self.target_projector = copy.deepcopy(self.projector).requires_grad_(False)
        self.register_buffer("center", torch.zeros(prototypes))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy of student and teacher; a scalar, log(prototypes) when nothing is told apart."""
        student = encode_views(lambda x: self.projector(self.encoder(x)), batch.views)  # (views, b, prototypes)
        with torch.no_grad():
            teacher = encode_views(lambda x: self.target_projector(self.target_encoder(x)), batch.views[:1])
        temperature = float(np.interp(batch.progress, (0, WARM_UP), self.temperatures))
        mean = mean_of_processes(teacher.mean((0, 1)))  # (prototypes,)
        if self.centering:  # the centre of the steps before; the first step has none, and takes its own
            self.center.copy_(torch.where(self.steps == 0, mean, self.center))
        loss = dino_loss(student, teacher, self.center, temperature)
        if self.centering:
            self.center.lerp_(mean, 1 - CENTER_MOMENTUM)
            self.steps += 1
        return loss


@in_float32
def dino_loss(student: Tensor, teacher: Tensor, center: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of each view and each other large view's target (Eq. 2 and 3), the mean over pairs; -> scalar.

    student (views, b, k), teacher (large, b, k), center (k,); the temperature is the teacher's.
    """
    targets = F.softmax((teacher - center) / temperature, dim=-1)
    predicted, targets = against_targets(F.log_softmax(student / STUDENT_TEMPERATURE, dim=-1), targets)
    return -(targets * predicted).sum(-1).mean()
