"""DeepCluster: the encoder learns to name the clusters that its own features fall into.  https://arxiv.org/abs/1807.05520"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.encoders import Encoder
from sslviz.methods.method import Batch, TrainingImages
from sslviz.methods.parts.clusters import clusters_of
from sslviz.methods.parts.distributed import same_everywhere
from sslviz.methods.parts.precision import in_float32
from sslviz.runtime.random_state import seeded
from sslviz.views import ViewPolicy


class DeepCluster(nn.Module):
    """Into which cluster of the encoder's own features does this image fall?

    Before each epoch, k-means groups the features of all images.  During the epoch, an augmented view is asked for the
    cluster of its image.  One class for everything would be easy to predict, but k-means leaves no cluster empty, and
    every cluster counts alike in the loss, however small it is.

    The paper begins each epoch with a classifier drawn at random.  With few images an epoch is too short for it to learn
    anything, so that here it begins as the nearest centre of the new clusters.

    - clusters: how many; the paper takes about ten times the number of classes
    - components: of the features, which principal ones are whitened before the clustering
    - reweighting: whether clusters count alike, the expectation of the paper's uniform sampling over clusters

    Example:
        >>> import sslviz
        >>> method = sslviz.methods.DeepCluster(sslviz.create_encoder("conv_nano"), clusters=16)
        >>> method.projector.out_features
        16

    Caveat: the loss jumps at every epoch, because the clusters have new numbers.
    """

    family = "clustering"
    # The paper crops and flips, and takes colour out by a Sobel filter; here colour is changed instead.
    views = ViewPolicy(views=1, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)
    assignments: Tensor
    weights: Tensor

    def __init__(
        self, encoder: Encoder, *, clusters: int = 32, components: int = 16, reweighting: bool = True, seed: int = 0
    ) -> None:
        super().__init__()
        if clusters < 2 or components < 1:
            raise ValueError(f"DeepCluster needs 2 clusters and 1 component at least; got {clusters} and {components}.")
        self.components, self.reweighting = components, reweighting
        self.encoder = encoder
        with seeded(seed):
            self.projector = nn.Linear(encoder.dim, clusters)
        self.register_buffer("assignments", torch.zeros(0, dtype=torch.int64))  # one for each image, in the first epoch
        self.register_buffer("weights", torch.ones(clusters))
        self.register_load_state_dict_pre_hook(_make_room)

    @torch.no_grad()
    def epoch_begins(self, epoch: int, images: TrainingImages) -> None:
        """New clusters, and a classifier that begins as the nearest of their centres."""
        features, seed = images.features(), int(torch.randint(2**31 - 1, ()))
        found = clusters_of(features.cpu().double().numpy(), len(self.weights), self.components, seed)
        rows, weight, bias = (same_everywhere(torch.from_numpy(x).to(features.device)) for x in found)
        self.assignments = rows
        sizes = rows.bincount(minlength=len(self.weights))
        weights = len(rows) / (sizes.clamp(min=1) * (sizes > 0).sum())
        self.weights.copy_(weights if self.reweighting else torch.ones_like(weights))
        self.projector.weight.zero_()[: len(weight)] = weight.to(self.projector.weight)
        self.projector.bias.zero_()[: len(bias)] = bias.to(self.projector.bias)

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy of the image's cluster; a scalar, log(clusters) when nothing is known."""
        logits = self.projector(self.encoder(batch.views[0][0]))  # (b, clusters)
        return weighted_cross_entropy(logits, self.weights, targets=self.assignments[batch.rows])


@in_float32
def weighted_cross_entropy(logits: Tensor, weights: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of (b, k) and int64 (b,), each row times its class' weight (k,); not divided by the weights' sum.

    Where the weights average to 1 over all images, so does its expectation: that of classes drawn uniformly (§3.3).
    """
    return (F.cross_entropy(logits, targets, reduction="none") * weights[targets]).mean()


def _make_room(method: DeepCluster, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """A saved assignment of another number of images than are known can be loaded."""
    if (saved := state.get(f"{prefix}assignments")) is not None:
        method.assignments = method.assignments.new_zeros(saved.shape)
