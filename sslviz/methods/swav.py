"""SwAV: a view predicts to which prototypes another view of its image was assigned.  https://arxiv.org/abs/2006.09882"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.encoders import Encoder
from sslviz.methods.method import Batch
from sslviz.methods.parts.distributed import gather
from sslviz.methods.parts.heads import mlp
from sslviz.methods.parts.multi_crop import against_targets, encode_views
from sslviz.methods.parts.precision import in_float32
from sslviz.methods.parts.prototypes import cosines
from sslviz.methods.parts.queue import Queue
from sslviz.methods.parts.settings import above_zero
from sslviz.methods.parts.sinkhorn import sinkhorn
from sslviz.methods.recipe import Recipe
from sslviz.runtime.random_state import seeded
from sslviz.views import ViewPolicy


class SwAV(nn.Module):
    """To which of some learned prototypes was another view of this image assigned?

    Each view predicts the assignment of each large view but itself, from its own similarity to the prototypes.
    Assignments use all prototypes alike (Sinkhorn-Knopp), so that one prototype for everything is no solution.
    `sinkhorn=False` takes the softmax instead: the loss falls to 0, its best, because all images get one prototype.

    - prototypes, temperature: how many there are, and how sharp the prediction is
    - epsilon, iterations: how sharp the assignments are, and how often they are balanced
    - queue, queue_from: past projections that are assigned together with a batch smaller than the number of prototypes,
      from this share of the training on
    - frozen: the share of the training during which the prototypes stay as they are drawn

    Example:
        >>> import sslviz
        >>> method = sslviz.methods.SwAV(sslviz.create_encoder("conv_nano"), prototypes=32)
        >>> tuple(method.prototypes.shape)
        (32, 128)

    Caveat: prototypes are used equally often, even where the images fall into groups of unequal size.
    """

    family = "clustering"
    # SimCLR's, as in the paper, less the blur, which leaves too little at 32 px, and two large views alone.
    views = ViewPolicy()
    safeguards = {"Sinkhorn": {"sinkhorn": False}}
    recipe = Recipe(learning_rate=3e-3)  # at 1e-3 a short training does not get away from uniform predictions

    def __init__(
        self,
        encoder: Encoder,
        *,
        prototypes: int = 64,
        temperature: float = 0.1,
        epsilon: float = 0.03,  # with the usual 0.05 predictions stayed uniform here; the authors' README then advises 0.03
        iterations: int = 3,
        sinkhorn: bool = True,
        queue: int = 1024,
        queue_from: float = 0.075,  # the paper's 15 of 200 epochs
        frozen: float = 0.05,  # the paper's first epoch, which is one of 20 here
        hidden: int = 512,
        out: int = 128,
        seed: int = 0,
    ) -> None:
        super().__init__()
        above_zero(temperature=temperature, epsilon=epsilon, prototypes=prototypes, iterations=iterations, queue=queue)
        self.temperature, self.epsilon, self.iterations, self.sinkhorn = temperature, epsilon, iterations, sinkhorn
        self.queue_from, self.frozen = queue_from, frozen
        self.encoder = encoder
        with seeded(seed):
            self.projector = mlp(encoder.dim, hidden, out)
            self.prototypes = nn.Parameter(F.normalize(torch.randn(prototypes, out), dim=1))
            self.queues = nn.ModuleList(Queue(queue, out) for _ in range(self.views.views))  # one for each large view

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy of assignments and predictions; a scalar, at most log(prototypes) for uniform predictions."""
        z = gather(encode_views(lambda x: self.projector(self.encoder(x)), batch.views))  # (views, b, out)
        moves = float(batch.progress >= self.frozen)
        # Not left out of the graph while they stay: data-parallel training waits for the gradient of every weight.
        prototypes = self.prototypes.detach() + moves * (self.prototypes - self.prototypes.detach())
        scores = cosines(z, prototypes)  # (views, b, prototypes)
        q = self._assignments(z[: len(batch.views[0])], prototypes, batch.progress)  # (large, b, prototypes)
        return swapped_prediction(scores, q, temperature=self.temperature)

    @torch.no_grad()
    def _assignments(self, z: Tensor, prototypes: Tensor, progress: float) -> Tensor:
        """What the large views are assigned to, with the queue beside a small batch; then they join the queue."""
        b, assigned = z.shape[1], []
        queue: Any  # a Queue
        for own, queue in zip(z, self.queues, strict=True):
            small = b < len(prototypes) and progress >= self.queue_from
            scores = cosines(torch.cat([own.float(), queue.rows]) if small else own, prototypes)
            q = sinkhorn(scores, epsilon=self.epsilon, iterations=self.iterations) if self.sinkhorn else None
            assigned.append((scores / self.epsilon).softmax(1)[:b] if q is None else q[:b])
            queue.push(own)
        return torch.stack(assigned)


@in_float32
def swapped_prediction(scores: Tensor, q: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of each large view's assignment and every other view's softmax; averaged over pairs (Eq. 2).

    scores (views, b, k), q (large, b, k) -> scalar.
    """
    p, target = against_targets((scores / temperature).log_softmax(-1), q)  # both (pairs, b, k)
    return -(target * p).sum(-1).mean()
