"""What an explanation needs of an encoder: how many answers a map takes, and attention that can be read."""

from __future__ import annotations

from sslviz.data import shapes
from sslviz.runs import Checkpoint


def answers_of_map(checkpoint: Checkpoint, method: str) -> int:
    """How many answers of this encoder the map of one picture takes, at most."""
    from sslviz.explanations.attribution.methods import attribution_passes

    return attribution_passes(method, shapes(n=1), checkpoint.encoder()).answers


def answers_of_evidence(checkpoint: Checkpoint) -> int:
    """How many answers of this encoder measuring the map of one picture takes."""
    from sslviz.explanations.faithfulness.encoder_measures import faithfulness_passes
    from sslviz.explanations.faithfulness.perturbation import STEPS

    encoder = checkpoint.encoder()
    return faithfulness_passes(1, encoder.image_size**2, 2, steps=STEPS).answers


def no_attention(checkpoint: Checkpoint) -> str:
    """Why the attention of this encoder cannot be read; empty where it can."""
    from sslviz.explanations.attention.capture import capture_attention

    try:
        with capture_attention(checkpoint.encoder()):
            return ""
    except ValueError as error:
        return str(error)
