"""How far views move an encoder's features, beside how far apart two pictures are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from sslviz.diagnostics.neighbors.neighbors import unit_rows
from sslviz.diagnostics.robustness.feature_steps import why_untold
from sslviz.encoders import Encoder
from sslviz.statistics import Score, bootstrap_balanced_mean, percentile_interval
from sslviz.views import ViewPolicy
from sslviz.views.parameters import single_steps

OTHER_PICTURE = "another picture"


def plain_and_views(policy: ViewPolicy, pixels: np.ndarray, seed: int) -> tuple[Tensor, Tensor]:
    """The pictures as they are (b, 3, s, s) and their global views (views, b, 3, s, s), from 0 to 1.

    The same seed draws the same random numbers whatever the policy, so that a view changes no more than its policy does.
    """
    policy = replace(policy, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), local_views=0)
    batch = torch.from_numpy(np.ascontiguousarray(pixels))
    drawn = policy.draw(batch, torch.Generator().manual_seed(seed))[0]
    _, plain, _ = next(single_steps(drawn, *pixels.shape[1:3]))  # nothing changed, but through the same resampling
    return policy.render(batch, [plain])[0][0], policy.render(batch, [drawn])[0]


@torch.inference_mode()
def encoded(encoder: Encoder, views: Tensor) -> np.ndarray:
    """Features float32 (views, b, d) of views from 0 to 1; view after view, so that equal ones give equal features."""
    device = next(encoder.parameters()).device
    mean, std = (torch.tensor(values)[:, None, None] for values in (encoder.mean, encoder.std))
    found = [encoder(((view - mean) / std).to(device)).float().cpu() for view in views]
    return torch.stack(found).numpy()


def moved(plain: np.ndarray, views: np.ndarray, seed: int = 0) -> Score:
    """How far do views move features, in units of the distance to another picture?

    - plain: features of the pictures as they are, (b, d)
    - views: of their views, (views, b, d)

    E(1 - cos(view, picture)) / E(1 - cos(picture, another)): 0 where views leave no trace, 1 where they are as far away as
    another picture.  Interval: bootstrap over pictures.  Control: another picture, which is 1 by definition.  It cannot be
    told where two pictures are as good as the same to the encoder.
    """
    b = len(plain)
    z = unit_rows(plain.astype(np.float64))
    # |u - v|^2 / 2 is 1 - cos of rows of length one, and exactly 0 for equal ones
    steps = np.stack([((unit_rows(view.astype(np.float64)) - z) ** 2).sum(axis=1) / 2 for view in views]).mean(axis=0)
    others = 1 - (z @ z.sum(axis=0) - (z**2).sum(axis=1)) / (b - 1)  # the mean over all other pictures, (b,)
    controls = {OTHER_PICTURE: 1.0}
    if reason := why_untold(float(others.mean()), steps, others):
        return Score.unknown(reason, controls)
    draws = bootstrap_balanced_mean(np.stack([steps, others]), np.zeros(b), seed=seed)
    low, high = percentile_interval(draws[:, 0] / draws[:, 1])
    return Score(float(steps.mean() / others.mean()), low, high, controls, higher_is_better=None)
