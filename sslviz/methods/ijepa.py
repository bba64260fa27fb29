"""I-JEPA: what a slow copy makes of blocks of a picture is predicted from the rest of it.  https://arxiv.org/abs/2301.08243"""

from __future__ import annotations

import copy
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.encoders import Encoder
from sslviz.methods.method import Batch
from sslviz.methods.parts.masking import places_outside, random_blocks
from sslviz.methods.parts.precision import in_float32
from sslviz.methods.parts.token_predictor import TokenPredictor
from sslviz.methods.parts.unreached import freeze_unreached
from sslviz.methods.parts.visible_patches import at_places, patch_grid, run_on_patches
from sslviz.runtime.random_state import seeded
from sslviz.views import ViewPolicy


class IJEPA(nn.Module):
    """What would a network that sees the whole picture say about a block of it?

    The tokens of target blocks are predicted from a context of patches outside all of them.  The targets come from a slow
    copy of the encoder that sees everything.  The context is encoded alone, which needs a transformer.  No pixel is
    predicted, so details need not be.  With `stop_gradient=False` the encoder makes its own targets: it then gives all
    pictures the same tokens, and the loss falls to 0, its best.

    The paper's context is a large block less the targets, trimmed to the smallest of the batch.  Here it is drawn from all
    that the targets leave, as many patches as are left if none overlap, so that nothing waits for the device.

    - blocks: target blocks of a picture
    - block_scale: the share of the patches in one block; blocks are about 3:4 or 4:3
    - momentum: the share of the slow copy that each step keeps
    - width, depth: of the predictor

    Example:
        >>> import sslviz
        >>> method = IJEPA(sslviz.create_encoder("vit_nano"), blocks=4)
        >>> method.block, method.context
        ((3, 4), 16)

    Caveat: the loss may rise while the features improve, because its target moves.
    """

    family = "predictive coding and latent prediction"
    # The authors' configuration: crops alone, neither flips nor colours.
    views = ViewPolicy(views=1, scale=(0.3, 1.0), flip_prob=0.0, jitter_prob=0.0, gray_prob=0.0)
    safeguards = {"stop-gradient": {"stop_gradient": False}}
    ema = {"target_encoder": "encoder"}

    def __init__(
        self,
        encoder: Encoder,
        *,
        blocks: int = 4,
        block_scale: float = 0.175,
        momentum: float = 0.99,
        stop_gradient: bool = True,
        width: int = 64,
        depth: int = 3,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.side, _ = patch_grid(encoder)
        self.blocks, self.momentum, self.stop_gradient = blocks, momentum, stop_gradient
        area = block_scale * self.side**2
        self.block = (max(1, round(math.sqrt(area * 3 / 4))), max(1, round(math.sqrt(area * 4 / 3))))
        self.context = self.side**2 - blocks * math.prod(self.block)
        if blocks < 1 or self.context < 1 or max(self.block) > self.side:
            raise ValueError(
                f"At least one block, and patches outside of all, are needed; {blocks} blocks of "
                f"{self.block[0]}x{self.block[1]} leave {self.context} of {self.side**2}. Lower blocks or block_scale."
            )
        self.encoder = encoder
        freeze_unreached(encoder, encoder.model.forward_features)
        dim = encoder.model.embed_dim
        with seeded(seed):
            self.predictor = TokenPredictor(dim, dim, self.side, width, depth)
        self.target_encoder = copy.deepcopy(encoder).requires_grad_(False)

    def loss(self, batch: Batch) -> Tensor:
        """Smooth absolute error of the tokens of all target blocks; a scalar."""
        x = batch.views[0][0]
        asked = random_blocks(batch.rows, self.side, self.blocks, *self.block)  # (b, blocks, patches of a block)
        seen = places_outside(batch.rows, asked.flatten(1), self.side**2, self.context)  # (b, context)
        tokens = run_on_patches(self.encoder, x, seen)
        # Each block is predicted without regard to the others, as if it were a picture of its own.
        each = (y.repeat_interleave(self.blocks, 0) for y in (tokens, seen))
        predicted = self.predictor(*each, asked.flatten(0, 1))  # (b * blocks, patches, d)
        with torch.set_grad_enabled(not self.stop_gradient):
            model = (self.target_encoder if self.stop_gradient else self.encoder).model
            target = at_places(model.forward_features(x)[:, model.num_prefix_tokens :], asked.flatten(1))
        return ijepa_loss(predicted, target.reshape(predicted.shape))


@in_float32
def ijepa_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Smooth absolute error, beside targets at mean 0 and variance 1 each; both (..., d) -> scalar.

    As in the authors' code; the paper's §3 has the squared error.  At variance 1, tokens cannot all shrink to nothing.
    """
    return F.smooth_l1_loss(predicted, F.layer_norm(target, target.shape[-1:]))
