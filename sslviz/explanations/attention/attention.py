"""The attention of a transformer: maps, reach and likeness of its heads, beside attention to all patches alike."""

from __future__ import annotations

from sslviz.data import Images
from sslviz.explanations.attention.attention_result import HEAD_MEASURES, Attention
from sslviz.explanations.attention.registers import emergence, stand_out
from sslviz.explanations.attention.streaming import MEMORY, measure_attention, substitution_cosines
from sslviz.explanations.passes import Passes
from sslviz.runs import Checkpoint

OF_BOTH = ("rollout", *HEAD_MEASURES, "nmi")  # fields that the control has too


def attention(
    checkpoint: Checkpoint,
    images: Images,
    *,
    control: Checkpoint | None = None,
    layer: int = -1,
    memory: int = MEMORY,
    seed: int = 0,
    progress: bool = True,
) -> Attention:
    """Where does this transformer look?

    Every layer is measured and let go before the next one runs.  Batches are sized so that one layer's attention, with
    what is computed from it, takes at most `memory` bytes.  `layer` is the one whose maps are held (from 0; -1 the last).

    Controls: attention that falls on all patches alike, in closed form; and the encoder `control`, by default the same
    one re-initialised.

    ValueError for no images, for clips and for a layer that is not there.  Also, by name, for encoders that do not weigh
    every token against every token: convolutional ones, Swin, pooling heads.

    Example:
        >>> import sslviz
        >>> checkpoint = sslviz.Checkpoint("example", 0, {"name": "vit_nano", "image_size": 32}, None, 1)
        >>> result = sslviz.attention(checkpoint, sslviz.shapes(n=4), progress=False)
        >>> result.query, result.maps.shape
        ('class token', (4, 4, 8, 8))

    Caveat: Attention says from where a layer reads, not what the features depend on; untrained encoders give maps
    too, so look at the difference.
    """
    if control is None:
        control = checkpoint.untrained(seed=int(checkpoint.path is None and checkpoint.seed == 0))
    own = measure_attention(checkpoint, images, layer=layer, memory=memory, title=checkpoint.run if progress else "")
    other = measure_attention(control, images, layer=-1, memory=memory, title="the control" if progress else "")
    other["distance"] *= own["image_size"] / other["image_size"]  # in the same pixels
    outliers = stand_out(own["norms"][:, -1])
    by_layer, emerges = emergence(own["norms"], outliers)
    substituted, random = substitution_cosines(checkpoint, images, outliers, emerges, own["batch"], seed)
    grid = own["maps"].shape[2:]
    return Attention(
        run=checkpoint.run,
        ids=images.ids,
        **{name: own[name] for name in ("query", "layers", "layer", "image_size", "registers", "maps", *OF_BOTH)},
        norms=own["norms"][:, -1].reshape(-1, *grid),
        outliers=outliers.reshape(-1, *grid),
        outlier_layers=by_layer,
        emerges=emerges,
        substituted=substituted,
        substituted_random=random,
        control=_name(control, checkpoint),
        control_maps=other["maps"].mean(1),
        control_outliers=stand_out(other["norms"][:, -1]).mean(1),
        **{f"control_{name}": other[name] for name in OF_BOTH},
        seed=seed,
    )


def attention_passes(images: Images) -> Passes:
    """How many pictures go through both encoders for `attention`, at most: one with a patch that stands out three more."""
    return len(images) * Passes(2 + 3) + Passes(2)  # each encoder is shown one picture first, to size the batch


def _name(control: Checkpoint, checkpoint: Checkpoint) -> str:
    if control.path is None:
        return "untrained"
    return control.run if control.run != checkpoint.run else f"step {control.step:,}"
