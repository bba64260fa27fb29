"""DINO: name each view's prototype as a slow copy of the network does.  https://arxiv.org/abs/2104.14294"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.encoders import Encoder
from sslviz.methods.method import Batch
from sslviz.methods.parts.distributed import mean_of_processes
from sslviz.methods.parts.multi_crop import against_targets, encode_views
from sslviz.methods.parts.precision import in_float32
from sslviz.runtime.random_state import seeded
from sslviz.views import ViewPolicy

FIRST_TEMPERATURE, WARM_UP = 0.04, 0.3  # the teacher's at first, and the share of the training until its last (App. D)


class DINO(nn.Module):
    """Which of many prototypes would a slow copy of this network, the teacher, choose for another view?

    Every view predicts the teacher's distribution over prototypes for each large view but itself.  Two devices keep it
    from collapsing.  Centring takes the teacher's running mean off, so that no prototype wins for all images.  Sharpening,
    a low teacher temperature, keeps the distributions from becoming uniform.  Each alone collapses (Sec. 5.3).

    - prototypes: how many; the paper's 65,536 are for a million images
    - teacher_temperature: after the warm-up
    - center_momentum: the share of the centre that a step keeps

    Example:
        >>> import sslviz
        >>> method = DINO(sslviz.create_encoder("conv_nano"), prototypes=64)
        >>> method.center.shape
        torch.Size([64])

    Caveat: the loss stays near the teacher's entropy, log of the number of prototypes at most, and says little.
    """

    family = "self-distillation"
    # The paper's (App. E) less the blur, which leaves too little at 32 px; four local views instead of eight.
    views = ViewPolicy(
        scale=(0.4, 1.0),
        local_views=4,
        brightness=0.4,
        contrast=0.4,
        saturation=0.2,
        hue=0.1,
        solarize_prob=(0.0, 0.2, 0.0, 0.0, 0.0, 0.0),
    )
    safeguards = {"centring": {"centering": False}, "sharpening": {"sharpening": False}}
    ema = {"target_encoder": "encoder", "target_projector": "projector"}
    center: Tensor
    steps: Tensor

    def __init__(
        self,
        encoder: Encoder,
        *,
        centering: bool = True,
        sharpening: bool = True,
        teacher_temperature: float = 0.07,
        student_temperature: float = 0.1,
        center_momentum: float = 0.9,
        momentum: float = 0.99,
        prototypes: int = 1024,
        hidden: int = 512,
        bottleneck: int = 128,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.centering, self.center_momentum, self.momentum = centering, center_momentum, momentum
        self.student_temperature = student_temperature
        # Without sharpening the teacher is as soft as the student.
        self.temperatures = (FIRST_TEMPERATURE, teacher_temperature) if sharpening else (student_temperature,) * 2
        self.encoder = encoder
        with seeded(seed):
            self.projector = DINOHead(encoder.dim, hidden, bottleneck, prototypes)
        self.target_encoder = copy.deepcopy(self.encoder).requires_grad_(False)
        self.target_projector = copy.deepcopy(self.projector).requires_grad_(False)
        self.register_buffer("center", torch.zeros(prototypes))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy of student and teacher; a scalar, log(prototypes) when nothing is told apart."""
        student = encode_views(lambda x: self.projector(self.encoder(x)), batch.views)  # (views, b, prototypes)
        with torch.no_grad():
            teacher = encode_views(lambda x: self.target_projector(self.target_encoder(x)), batch.views[:1])
        first, last = self.temperatures
        temperature = first + (last - first) * min(1.0, batch.progress / WARM_UP)
        mean = mean_of_processes(teacher.mean((0, 1)))  # (prototypes,)
        if self.centering:  # the first step has none before it: without its own mean all images had one target
            self.center.copy_(torch.where(self.steps == 0, mean, self.center))
        loss = dino_loss(student, teacher, self.center, self.student_temperature, temperature)
        if self.centering:  # for the next step
            self.center.lerp_(mean, 1 - self.center_momentum)
            self.steps += 1
        return loss


class DINOHead(nn.Module):
    """Cosines with prototypes, by way of a narrow layer; no batch norm, which would itself spread the batch out."""

    def __init__(self, dim: int, hidden: int, bottleneck: int, prototypes: int) -> None:
        super().__init__()
        first, second, last = nn.Linear(dim, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, bottleneck)
        self.mlp = nn.Sequential(first, nn.GELU(), second, nn.GELU(), last)
        self.prototypes = nn.Parameter(torch.randn(prototypes, bottleneck))

    def forward(self, x: Tensor) -> Tensor:
        """Features (b, dim) -> cosines (b, prototypes)."""
        return cosines(self.mlp(x), self.prototypes)


@in_float32
def cosines(x: Tensor, prototypes: Tensor) -> Tensor:
    """Weight normalisation with all lengths at one, (b, d), (k, d) -> (b, k)."""
    return F.normalize(x, dim=1) @ F.normalize(prototypes, dim=1).T


@in_float32
def dino_loss(
    student: Tensor, teacher: Tensor, center: Tensor, student_temperature: float, teacher_temperature: float
) -> Tensor:
    """Cross-entropy of each view and each other large view's target (Eq. 2 and 3).

    student (views, b, k), teacher (large, b, k), center (k,) -> scalar, the mean over pairs.
    """
    targets = F.softmax((teacher - center) / teacher_temperature, dim=-1)
    predicted, targets = against_targets(F.log_softmax(student / student_temperature, dim=-1), targets)
    return -(targets * predicted).sum(-1).mean()
