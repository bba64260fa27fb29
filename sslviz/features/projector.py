"""Features of the projector, the head between an encoder and its loss: from features that are known, without a pass."""

from __future__ import annotations

import numpy as np
import torch

from sslviz.features.embed import load_projector
from sslviz.features.features import Features
from sslviz.runs import Checkpoint

ROWS = 4096  # at a time: a head is narrow, so that this is a few megabytes


def project(checkpoint: Checkpoint, features: Features) -> Features:
    """What does the head make of these features (n, d) of the checkpoint's own encoder?  As `embed_projector`, unseen.

    ValueError for an encoder that was not trained here, `NoProjectorError` for a method without a projector.

    Example:
        >>> import sslviz
        >>> from sslviz.features.projector import project
        >>> head = {"method": "simclr", "settings": {"hidden": 8, "out": 4}}
        >>> checkpoint = sslviz.Checkpoint("untrained", 0, {"name": "conv_nano"}, path=None, head=head)
        >>> images = sslviz.shapes(n=6)
        >>> project(checkpoint, sslviz.embed(checkpoint, images, progress=False)).x.shape
        (6, 4)
    """
    head = load_projector(checkpoint, checkpoint.encoder()).eval()
    with torch.inference_mode():
        parts = [
            head(torch.from_numpy(np.array(features.x[start : start + ROWS]))).numpy()
            for start in range(0, len(features), ROWS)
        ]
    source = dict(features.source) | {"layer": "projector"}
    return Features(np.concatenate(parts), features.ids, features.table, source, features.group)
